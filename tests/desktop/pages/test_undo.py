"""What is deleted or overwritten can be taken back: by the toast, by Ctrl+Z, while it lasts."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.stored_list import StoredList
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.widgets.undo import UNDO_S, Undo
from engine.model.market import Market, parse_time
from engine.model.run import RunResult
from engine.model.sweep import SweepPart
from tests.desktop.builders import BANDS, CROSS, run_on, sweep_of, walk_of
from tests.desktop.waiting import at_rest
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Runs", "Trades", "Walk-forward")

IDS = tuple(letter * 8 + "-0000-4000-8000-" + letter * 12 for letter in "abc")


def stored_runs(window: MainWindow) -> list[RunResult]:
    """Three stored runs in the window, two of them compared, the second current."""
    store = window.bridge.engine._resources.store
    candles = random_candles(200)
    for number, run_id in enumerate(IDS):
        where = {"exchange": "sample", "symbol": "SAMPLEUSDT"}
        store.runs.save(run_on(candles, run_id, created_ms=1_700_000_000_000 + number, **where))
    runs = window.bridge.engine.runs.stored()
    window.workspace.put(runs)
    for run_id in IDS[:2]:
        window.workspace.check(run_id, on=True)
    window.workspace.show(IDS[1])
    window.page(RunsPage).panel.flush()
    return runs


def shown(window: MainWindow) -> list[str]:
    panel = window.page(RunsPage).panel
    panel.flush()
    return sorted(row.id for row in panel.model.shown())


def test_deleted_runs_are_hidden_and_come_back_where_they_were(live_window: MainWindow, qtbot: QtBot) -> None:
    window, engine = live_window, live_window.bridge.engine
    stored_runs(window)
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    panel = window.page(RunsPage).panel
    panel.table.selectAll()
    panel.table.setFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: shown(window) == [], timeout=10_000)
    assert engine.runs.stored() == []
    assert (window.undo.message.text(), window.undo.isVisible()) == ("3 runs deleted", True)
    assert engine.purge(UNDO_S) == 0
    qtbot.keyClick(panel.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: shown(window) == list(IDS), timeout=10_000)
    assert sorted(run.id for run in engine.runs.stored()) == list(IDS)
    assert (window.workspace.checked, window.workspace.current) == (list(IDS[:2]), IDS[1])
    assert not window.undo.isVisible()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)


def test_what_was_purged_meanwhile_is_said_to_be_gone(live_window: MainWindow, qtbot: QtBot) -> None:
    window, engine = live_window, live_window.bridge.engine
    stored_runs(window)
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    panel = window.page(RunsPage).panel
    panel.table.select_row(0)
    panel.delete.click()  # while the details of this very run are being loaded
    qtbot.waitUntil(lambda: len(shown(window)) == 2, timeout=10_000)
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    assert len(shown(window)) == 2
    assert not window.banner.isVisible()
    assert engine.purge(0) == 1
    window.undo.button.click()
    qtbot.waitUntil(lambda: "too late" in window.banner.message.text(), timeout=10_000)
    assert len(shown(window)) == 2


def refused_while_at_work(window: MainWindow, stored: StoredList[Any], what: str, qtbot: QtBot) -> None:
    """Delete changes nothing, and says who is at work."""
    stored.delete.click()
    qtbot.waitUntil(lambda: f"is at work on {what}" in window.banner.message.text(), timeout=10_000)
    assert len(stored.model.rows) == 1
    assert not window.undo.isVisible()
    window.banner.dismiss.click()


def test_a_deleted_walk_forward_comes_back_until_it_is_too_late(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window, engine = live_window, live_window.bridge.engine
    market = Market("sample", "SAMPLEUSDT", "SAMPLE/USDT:USDT")
    engine._resources.store.walk_forwards.begin(walk_of(), market)
    page = window.page(WalkForwardPage)
    page.open()
    stored = page.panel.stored
    qtbot.waitUntil(lambda: len(stored.model.rows) == 1, timeout=10_000)
    assert stored.count.text() == "1 walk-forward"
    stored.table.selectAll()
    with engine._resources.store.walk_forwards.working_on(walk_of().id):
        refused_while_at_work(window, stored, "walk-forward", qtbot)
    stored.delete.click()
    qtbot.waitUntil(lambda: not stored.model.rows, timeout=10_000)
    assert engine.walk_forwards.stored() == []
    window.actions_["undo"].trigger()
    qtbot.waitUntil(lambda: len(stored.model.rows) == 1, timeout=10_000)
    stored.table.selectAll()
    stored.delete.click()
    qtbot.waitUntil(lambda: not stored.model.rows, timeout=10_000)
    engine.purge(0)
    window.undo.button.click()
    qtbot.waitUntil(lambda: "too late" in window.banner.message.text(), timeout=10_000)
    assert stored.model.rows == []


def test_a_deleted_sweep_comes_back(live_window: MainWindow, qtbot: QtBot) -> None:
    window, engine = live_window, live_window.bridge.engine
    made = sweep_of(id=IDS[0])
    identities = [bytes([k % 251, k // 251]) for k in range(len(made))]
    engine._resources.store.sweeps.save(made, SweepPart(np.arange(len(made)), identities))
    page = window.page(OptimizePage)
    page.open()
    stored = page.panel.results.stored
    qtbot.waitUntil(lambda: len(stored.model.rows) == 1, timeout=10_000)
    stored.table.selectAll()
    with engine._resources.store.sweeps.working_on(IDS[0]):
        refused_while_at_work(window, stored, "sweep", qtbot)
    stored.delete.click()
    qtbot.waitUntil(lambda: not stored.model.rows, timeout=10_000)
    assert engine.research.sweeps() == []
    window.actions_["undo"].trigger()
    qtbot.waitUntil(lambda: [sweep.id for sweep in stored.model.rows] == [IDS[0]], timeout=10_000)


def test_whatever_overwrites_the_set_up_can_be_taken_back(window: MainWindow, qtbot: QtBot) -> None:
    page, panel = window.page(SetupPage), window.page(SetupPage).panel
    page.show_strategies([CROSS, BANDS])
    panel.strategies.set_choice(("ema_cross", "bands"), {"ema_cross": {"fast": 9}})
    panel.period.set_values("4h", parse_time("2024-03-01"), parse_time("2024-04-01"))
    before = panel.setup()
    run = run_on(random_candles(100), exchange="sample", symbol="SAMPLEUSDT")
    window.workspace.put([run])
    window.page(RunsPage).panel.flush()
    window.page(RunsPage).panel.setup_wanted.emit(run.id)
    assert panel.setup() != before
    assert window.undo.isVisible()
    window.undo.button.click()
    assert panel.setup() == before
    panel.strategies.focus("ema_cross")
    panel.strategies.reset.click()
    panel.period.presets["Max"].click()
    assert panel.setup() not in (before, replace(before, params={}))
    for _ in range(2):
        qtbot.keyClick(panel.run, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert panel.setup() == before


def test_the_market_of_a_sweep_comes_back_with_the_plan(window: MainWindow) -> None:
    page, panel = window.page(OptimizePage), window.page(SetupPage).panel
    window.page(SetupPage).show_strategies([CROSS, BANDS])
    panel.set_setup(replace(panel.setup(), exchange="sample", symbols=("SOLUSDT", "BTCUSDT")))
    plan = page.panel.plan
    plan.subjects.symbol.setCurrentText("worst of all 2")
    before = plan.spec()
    page._use_plan(replace(sweep_of().spec, symbol="SOLUSDT"))
    assert plan.subjects.market() == ("SOLUSDT", "")
    window.undo.undo()
    assert plan.subjects.market() == ("worst of all 2", "worst")
    assert plan.spec() == before
    page._use_plan(before)
    assert not window.undo.isVisible(), "it is chosen already"
    page._use_plan(replace(before, across="median"))
    assert window.undo.isVisible()


def test_what_is_too_old_is_not_undone_and_the_menu_says_what_would_be(window: MainWindow) -> None:
    taken: list[str] = []
    old = Undo("old", lambda: taken.append("old"), UNDO_S, done_s=time.monotonic() - UNDO_S - 1)
    window.context.undo_offered.emit(Undo("first", lambda: taken.append("first")))
    window.context.undo_offered.emit(old)
    assert window.actions_["undo"].text() == "&Undo: first"
    window.undo.undo()
    window.undo.undo()
    assert taken == ["first"]


@pytest.mark.parametrize("width", [900, 1440])
def test_the_toast_covers_nothing_and_moves_nothing(window: MainWindow, width: int, qtbot: QtBot) -> None:
    window.resize(width, 700)
    window.context.said.emit("3 of 3 runs finished " * 9)
    at_rest(window, qtbot)
    before = [window.size(), window.centre.geometry(), window.status.geometry()]
    window.context.undo_offered.emit(Undo("The parameters are their defaults again", lambda: None))
    at_rest(window, qtbot)
    assert [window.size(), window.centre.geometry(), window.status.geometry()] == before
    assert window.undo.parentWidget() is window.status
    assert window.status.rect().contains(window.undo.geometry())
    assert window.undo.button.width() >= window.undo.button.minimumSizeHint().width()
