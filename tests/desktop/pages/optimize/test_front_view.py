"""Sweeps by two objectives in the Optimize tab: how they are asked for, the front as a picture and in the table."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.front_view import MOST_DRAWN
from desktop.pages.optimize.page import OptimizePage, _ranked
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import GRID, NSGA2, SAMPLERS, TPE
from tests.desktop.builders import sweep_of
from tests.desktop.pages.optimize.conftest import show
from tests.desktop.waiting import at_rest

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize")


def two_objectives() -> SweepResult:
    """The hill of `sweep_of`, and volatility that falls with `slow`: the front runs from the top down to slow 150."""
    sweep = sweep_of()
    metrics = {**sweep.metrics, "volatility_pct": 90.0 - sweep.params["slow"] / 10}
    return replace(sweep, spec=replace(sweep.spec, second_objective="volatility_pct"), metrics=metrics)


def test_the_front_is_a_tab_of_its_own_only_where_there_are_two_objectives(filled: MainWindow) -> None:
    results = filled.page(OptimizePage).panel.results
    show(filled, sweep_of())
    assert results.tabs.indexOf(results.front) < 0
    show(filled, two_objectives())
    assert results.tabs.tabText(1) == "Front"
    assert "7 trials that none beats" in results.front.words.text()
    model = results.model
    titles = [model.headerData(column, Qt.Orientation.Horizontal) for column in range(6)]
    assert titles[3] == "Front"
    marked = [model.data(model.index(row, 3)) for row in range(model.rowCount())]
    assert marked[0] == "◆"
    assert marked.count("◆") == 7
    results.tabs.setCurrentWidget(results.front)
    results.show_sweep(None)  # the next one begins
    results.show_sweep(replace(two_objectives(), id="6" * 32))
    assert results.tabs.currentWidget() is results.front
    show(filled, sweep_of(objective="return_pct"))
    assert results.tabs.indexOf(results.front) < 0


def test_of_very_many_trials_some_are_drawn_and_nothing_of_them_is_computed_in_the_window(
    filled: MainWindow,
) -> None:
    small, rng, n = two_objectives(), np.random.default_rng(3), 50_000
    metrics = {name: rng.normal(size=n) for name in small.spec.objectives}
    sweep = replace(small, metrics=metrics, numbers=np.arange(n), planned=n, done=n)
    assert {"order", "front", "behind"} <= vars(_ranked(sweep)).keys(), (
        "computed by the thread that brings it"
    )
    front = filled.page(OptimizePage).panel.results.front
    front.show_sweep(sweep, {})
    assert MOST_DRAWN / 2 < len(front.drawn) <= 2 * MOST_DRAWN
    assert set(sweep.front.tolist()) <= set(front.drawn.tolist())


def test_a_click_picks_a_trial_of_the_front_and_the_arrows_walk_along_it(
    filled: MainWindow, qtbot: QtBot
) -> None:
    results = filled.page(OptimizePage).panel.results
    sweep = two_objectives()
    show(filled, sweep)
    results.tabs.setCurrentWidget(results.front)
    at_rest(filled, qtbot)
    view, last = results.front, int(sweep.front[-1])
    at = QPointF(sweep.metrics["sharpe"][last], sweep.metrics["volatility_pct"][last])
    point = view.plot.vb.mapViewToScene(at)
    position = view.view.mapFromScene(point)
    loaded: list[int] = []
    results.params_wanted.connect(loaded.append)
    qtbot.mouseClick(view.view.viewport(), Qt.MouseButton.LeftButton, pos=position)
    assert results.picked == last
    assert loaded == [last]
    assert view.words.text().startswith(f"# {last}: ")
    qtbot.keyClick(view.view, Qt.Key.Key_Left)
    assert results.picked == int(sweep.front[-2])
    qtbot.keyClick(view.view, Qt.Key.Key_Right)
    qtbot.keyClick(view.view, Qt.Key.Key_Right)
    assert results.picked == last
    qtbot.keyClick(view.view, Qt.Key.Key_Left)
    assert loaded == [last], "to walk along it leaves the set-up as it is"
    qtbot.keyClick(view.view, Qt.Key.Key_Return)
    assert loaded == [last, int(sweep.front[-2])]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_asks_for_what_it_needs(filled: MainWindow, sampler: str) -> None:
    plan = filled.page(OptimizePage).panel.plan
    plan.sampler.setCurrentIndex(plan.sampler.findData(sampler))
    assert plan.trials.isVisibleTo(plan) == plan.seed.isVisibleTo(plan) == (sampler != GRID)
    if sampler == NSGA2:
        assert "give a second one" in plan.problem.text()
        plan.second.setCurrentIndex(plan.second.findData("max_drawdown_pct"))
        plan.second.activated.emit(plan.second.currentIndex())
    spec = plan.spec()
    assert spec.sampler == sampler
    assert (spec.trials is None) == (sampler == GRID)
    if sampler == TPE:
        assert spec.second_objective == ""
