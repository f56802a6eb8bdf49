"""A user who tries everything, while workers run. test_soak.py runs it in a process of its own; SOAK_SEED: another order."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.log.page import LogPage
from desktop.pages.setup.page import SetupPage
from desktop.work.bridge import Phase
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.pulse import Pulse
from tests.desktop.user import User
from tests.support.database import fresh_database

ACTIONS = 500
NOBODY = "http://127.0.0.1:9"
LEFT_ALONE = frozenset({"Quit"})
SEED = int(os.environ.get("SOAK_SEED", "20261128"))


@pytest.fixture(scope="module")
def engine(embedded_url: str, described: Callable[[], Path]) -> Iterator[Engine]:
    """An engine with real workers and a real database, whose exchanges are nobody's port on this machine."""
    with contextmanager(fresh_database)(embedded_url) as url:
        settings = Settings(database_url=url, home=described(), workers=2)
        with Engine(replace(settings, spot_url=NOBODY, futures_url=NOBODY, bybit_url=NOBODY)) as opened:
            yield opened


@pytest.fixture
def nothing_leaves_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dialogs of the system are cancelled, and no other program is opened."""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([], ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: "")
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda *_: True)


@pytest.mark.usefixtures("nothing_leaves_the_window")
def test_five_hundred_actions_while_workers_run_break_and_leak_nothing(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    window, user = live_window, User(live_window, SEED, LEFT_ALONE)
    window.page(SetupPage).panel.strategies.set_choice(("ema_cross", "vwap_supertrend_ema"), {})
    window.page(SetupPage).run()
    process = psutil.Process()
    slow: list[tuple[float, str]] = []
    memory: list[int] = []
    pulse = Pulse()
    for number in range(ACTIONS):
        if number % 50 == 25:
            window.page(SetupPage).run()
        what = user.act()
        qtbot.wait(20)
        slow.append((pulse.lap()[-1][0], what))
        if number % 100 == 99:
            memory.append(process.memory_info().rss >> 20)
    pulse.stop()
    slow.sort(reverse=True)
    print(f"\nMB {memory}; longest turns {[(round(s * 1000), what) for s, what in slow[:12]]}")
    close_what_is_open(window)
    window.bridge.stop()
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE and not window.bridge.busy, timeout=60_000)
    lines = [line for line in window.page(LogPage).panel.model.rows if "unexpected" in line.text]
    assert not lines
    assert memory[-1] - memory[1] < 200, memory
    # Qt styles every widget anew for another theme, in one turn
    long = [one for one in slow if one[0] >= 0.1 and "Theme" not in one[1]]
    assert len(long) < ACTIONS / 20, long
    assert slow[0][0] < 2, slow[0]
    left = Counter(child.name() for child in process.children(recursive=True))
    assert sum(left.values()) < 30, left


def close_what_is_open(window: MainWindow) -> None:
    for top in QApplication.topLevelWidgets():
        if top is not window and top.isVisible():
            top.close()
