"""The bridge: however much a call tells, the window has its turns, and nothing is heard of a job after its end."""

import time
from pathlib import Path

import pytest
import qasync
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.work.bridge import Bridge, Phase
from desktop.work.jobs import Job
from engine.events import CancelToken, Finished, OnEvent, Progress, Started
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.pulse import Pulse

FLOOD = 3_000
SLOW_S = 0.0002  # what a listener takes for each event


@pytest.fixture
def bridge(app: QApplication, loop: qasync.QEventLoop, tmp_path: Path) -> Bridge:
    return Bridge(Engine(Settings(home=tmp_path / "home", workers=1)))


def flood(*, on_event: OnEvent, cancel: CancelToken) -> str:
    on_event(Started("x", "run", "a flood", ("x",)))
    for done in range(FLOOD):
        on_event(Progress("x", done, FLOOD, "drops"))
    on_event(Finished("x", "over"))
    return "over"


def test_a_flood_of_events_before_the_end_of_a_call_is_taken_in_bites_and_in_order(
    bridge: Bridge, qtbot: QtBot
) -> None:
    bridge.open()
    heard: list[tuple[float, bool]] = []
    ended: list[tuple[object, object, int]] = []

    def hear(job: Job) -> None:
        until = time.perf_counter() + SLOW_S
        while time.perf_counter() < until:
            pass
        heard.append((job.progress.done if job.progress else -1, job.ending is not None))

    bridge.jobs.changed.connect(hear)
    pulse = Pulse()
    assert bridge.begin(Phase.RUNNING, flood, lambda *end: ended.append((*end, len(heard))))
    qtbot.waitUntil(lambda: bool(ended), timeout=30_000)
    turns = pulse.stop()
    assert ended == [("over", None, FLOOD + 2)]
    assert [done for done, _ in heard[1:-1]] == list(range(FLOOD))
    assert [is_over for _, is_over in heard] == [*[False] * (FLOOD + 1), True]
    assert turns[-1][0] < FLOOD * SLOW_S / 3
