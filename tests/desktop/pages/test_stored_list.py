"""Stored sweeps and walk-forwards on a real database: what cannot go on is said, and costs nothing that is shown."""

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.walk_forward.page import WalkForwardPage
from engine.model.market import Market
from engine.model.run import FINISHED
from engine.model.sweep import SweepPart
from tests.desktop.builders import sweep_of, walk_of

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Runs", "Trades", "Walk-forward")


def test_a_sweep_that_cannot_be_gone_on_with_is_said_and_the_shown_one_comes_back(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window, page = live_window, live_window.page(OptimizePage)
    results, store = page.panel.results, window.bridge.engine._resources.store.sweeps
    window.show_page("Optimize")
    whole, begun = sweep_of(id="6" * 32), sweep_of(id="6" * 32, done=20)
    tried = [bytes([k]) for k in range(len(whole))]
    store.save(begun, SweepPart(np.arange(20), tried[:20]))
    page.open()
    qtbot.waitUntil(lambda: len(results.stored.model.rows) == 1, timeout=10_000)
    page._show(sweep_of())
    results.table.select_row(5)
    picked = results.picked
    results.plan.click()
    results.tabs.setCurrentWidget(results.stored)
    results.stored.table.select_row(0)
    store.save(whole, SweepPart(np.arange(20, len(whole)), tried[20:], stored=20))  # by another program
    with qtbot.waitSignal(page.sweep_done, timeout=60_000) as done:
        results.stored.resume.click()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    assert done.args == [None]
    assert window.banner.isVisible()
    assert window.banner.message.text() == "sweep 66666666 is finished: there is nothing to go on with"
    assert (results.model.rowCount(), results.picked) == (117, picked)
    assert results.words.isVisible()
    assert not results.progress.isVisible()
    assert [one.status for one in results.stored.model.rows] == [FINISHED], "it is listed as it is now"


def test_a_walk_forward_that_cannot_be_gone_on_with_is_said_and_listed_as_it_is(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window, page = live_window, live_window.page(WalkForwardPage)
    walk = replace(walk_of(), id="6" * 32)
    store = window.bridge.engine._resources.store.walk_forwards
    store.begin(walk, Market("sample", "SAMPLEUSDT", "SAMPLE/USDT:USDT"))
    page.panel.show_walk(walk_of())
    with qtbot.waitSignal(page.walk_done, timeout=60_000):
        page.panel.stored.resume_wanted.emit(walk.id)
    qtbot.waitUntil(lambda: len(page.panel.stored.model.rows) == 1, timeout=20_000)
    qtbot.waitUntil(window.banner.isVisible, timeout=10_000)
    assert window.banner.message.text() == "walk-forward 66666666 is finished: there is nothing to go on with"
    assert page.panel.walk is not None
