"""A question that is asked again while what it is about changes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import qasync
from pytestqt.qtbot import QtBot

from desktop.work.bridge import Bridge
from desktop.work.latest import Latest
from engine.service import Engine
from engine.settings import Settings


@pytest.mark.usefixtures("loop")
def test_a_question_that_fails_is_told_and_the_next_ones_are_asked(
    loop: qasync.QEventLoop, tmp_path: Path, qtbot: QtBot
) -> None:
    del loop
    bridge = Bridge(Engine(Settings(home=tmp_path / "home", workers=1)))
    bridge.open()
    told: list[str] = []
    bridge.problem.connect(lambda _level, text, _details: told.append(text))
    wanted = [0]
    shown: list[float] = []

    def question() -> Callable[[], float]:
        divisor = wanted[0]
        return lambda: 1 / divisor

    latest = Latest(bridge, question, shown.append)
    latest.want()
    qtbot.waitUntil(lambda: bool(told), timeout=5_000)
    assert "ZeroDivisionError" in told[0]
    wanted[0] = 2
    latest.want()
    wanted[0] = 4
    latest.want()  # while the one before is under way
    qtbot.waitUntil(lambda: len(shown) == 2, timeout=5_000)
    assert shown == [0.5, 0.25]
