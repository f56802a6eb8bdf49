"""Sweeps over a portfolio in the window on the real engine: begun, stopped, refused, looked at, walked forward."""

from dataclasses import replace
from functools import partial

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.optimize.plan_form import PlanForm
from desktop.pages.optimize.values import RangeChoice
from desktop.pages.portfolio.page import PortfolioPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.work.bridge import Phase
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_document import spec_of
from engine.model.portfolio_file import parse_portfolio, portfolio_text
from engine.model.ranges import parse_range
from engine.model.run import CANCELLED, FINISHED
from engine.model.sweep_spec import SweepSpec
from engine.service import Engine

SHARED = {"exchange": "sample", "timeframe": "1h", "symbol": "SAMPLEUSDT"}
LEGS = [
    {"name": "trend", "strategy": "ema_cross", "weight": 0.4},
    {"name": "dips", "strategy": "rsi_reversion", "weight": 0.5},
]


def portfolio_of_legs(**wallet: str) -> PortfolioSpec:
    legs = [SHARED | leg for leg in LEGS]
    return spec_of(
        {"start": "2024-08-01", "end": "2024-09-30", "allocation": "fixed", "legs": legs, **wallet}
    )


def plan_legs(window: MainWindow, qtbot: QtBot, **ranges: tuple[float, float, float]) -> PlanForm:
    """Write the portfolio, go to its plan by the button, vary these; `__` stands for the dot."""
    panel = window.page(PortfolioPage).panel
    window.show_page("Portfolio")
    panel.editor.put(portfolio_text(portfolio_of_legs()), None, saved=False)
    qtbot.waitUntil(panel.optimize.isEnabled, timeout=10_000)
    qtbot.mouseClick(panel.optimize, Qt.MouseButton.LeftButton)
    plan = window.page(OptimizePage).panel.plan
    assert plan.ranges is not None
    chosen = {name.replace("__", "."): RangeChoice(True, *one) for name, one in ranges.items()}
    fixed = {name: replace(one, varied=False) for name, one in plan.ranges.choices().items()}
    plan.ranges.set_choices(fixed | chosen)
    return plan


def told(plan: PlanForm, words: str) -> bool:
    return words in plan.problem.text()


@pytest.mark.long
def test_a_sweep_begun_from_the_portfolio_fills_table_map_and_list_and_its_row_comes_back_by_undo(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    window, page = live_window, live_window.page(OptimizePage)
    plan, results = (
        plan_legs(window, qtbot, trend__fast=(5, 15, 5), dips__weight=(0.2, 0.8, 0.2)),
        page.panel.results,
    )
    # 0.4 and 0.8 are more than there is
    qtbot.waitUntil(lambda: plan.count.text() == "3 × 4 = 12 combinations → 9 trials", timeout=10_000)
    with qtbot.waitSignal(page.sweep_done, timeout=120_000):
        qtbot.keyClick(window, Qt.Key.Key_F6)
        assert window.bridge.phase is Phase.OPTIMIZING
    sweep = results.sweep
    assert sweep is not None, plan.problem.text()
    assert (sweep.status, sweep.done, sweep.spec.portfolio) == (FINISHED, 9, portfolio_of_legs())
    assert results.model.rowCount() == 9
    qtbot.waitUntil(lambda: results.map.map.grid is not None)
    assert results.map.axes() == ("trend.fast", "dips.weight")
    qtbot.waitUntil(lambda: [row.id for row in results.stored.model.rows] == [sweep.id], timeout=10_000)
    results.stored.table.select_row(0)
    results.stored.delete.click()
    qtbot.waitUntil(lambda: not results.stored.model.rows, timeout=10_000)
    window.actions_["undo"].trigger()
    qtbot.waitUntil(lambda: [row.id for row in results.stored.model.rows] == [sweep.id], timeout=10_000)
    assert engine.research.sweep(sweep.id).spec == sweep.spec


@pytest.mark.long
def test_a_sweep_of_the_portfolio_is_seen_while_it_runs_stopped_and_gone_on_with(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window, page = live_window, live_window.page(OptimizePage)
    plan = plan_legs(window, qtbot, trend__fast=(2, 31, 1), trend__slow=(40, 159, 1))
    results = page.panel.results
    window.actions_["optimize"].trigger()
    assert plan.stop.isEnabled()
    qtbot.waitUntil(lambda: results.model.rowCount() > 0, timeout=60_000)
    assert results.progress.isVisible()
    plan.stop.click()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    sweep = results.sweep
    assert sweep is not None
    assert sweep.status == CANCELLED
    assert 0 < sweep.done < 3600
    stored = results.stored
    qtbot.waitUntil(lambda: bool(stored.model.rows) and stored.model.row_at(0).id == sweep.id, timeout=10_000)
    stored.table.select_row(0)
    with qtbot.waitSignal(page.sweep_done, timeout=120_000):
        stored.resume.click()
    assert results.sweep is not None
    assert (results.sweep.id, results.sweep.status, results.sweep.done) == (sweep.id, FINISHED, 3600)


@pytest.mark.long
def test_weights_that_never_fit_and_bad_constraints_are_refused_in_place_before_anything_runs(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    plan = plan_legs(window, qtbot, dips__weight=(2.0, 3.0, 0.5))
    qtbot.waitUntil(partial(told, plan, "weights whose sum is above 0 and at most 1"), timeout=10_000)
    assert not plan.run.isEnabled()
    window.actions_["optimize"].trigger()
    assert window.bridge.phase is Phase.IDLE
    plan = plan_legs(window, qtbot, trend__fast=(5, 15, 5))
    plan.constraint.setText("trend.fast < trend.slwo")
    qtbot.waitUntil(partial(told, plan, "'trend.slwo' cannot be used"), timeout=10_000)
    assert plan.constraint.property("bad") is True
    plan.constraint.setText("trend.fast * 4 < trend.slow")
    qtbot.waitUntil(lambda: plan.count.text() == "3 values → 2 trials", timeout=10_000)
    assert plan.run.isEnabled()


@pytest.mark.long
def test_a_walk_forward_begun_from_the_portfolio_is_drawn_and_its_portfolio_is_listed(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    window, page = live_window, live_window.page(WalkForwardPage)
    plan = plan_legs(window, qtbot, trend__fast=(5, 15, 5))
    plan.objective.setCurrentIndex(plan.objective.findData("return_pct"))
    plan.objective.activated.emit(plan.objective.currentIndex())
    window.page(PortfolioPage).panel.walk.click()
    panel = page.panel
    panel.train.setText("20d")
    panel.test.setText("10d")
    qtbot.waitUntil(panel.run.isEnabled, timeout=10_000)
    with qtbot.waitSignal(page.walk_done, timeout=120_000):
        qtbot.mouseClick(panel.run, Qt.MouseButton.LeftButton)
    assert panel.walk is not None, panel.problem.text()
    stitched = panel.walk.portfolio
    assert stitched is not None
    listed = window.page(PortfolioPage).panel.stored.model
    qtbot.waitUntil(lambda: [row.id for row in listed.rows] == [stitched.id], timeout=10_000)
    assert plan.ranges is not None
    plan.ranges.rows["wallet.max_open"].varied.setChecked(True)
    qtbot.waitUntil(panel.run.isEnabled, timeout=10_000)
    with qtbot.waitSignal(page.walk_done, timeout=60_000):
        panel.run.click()
    assert "the rules of the wallet cannot change from window to window" in panel.problem.text()
    assert len(engine.walk_forwards.stored()) == 1


@pytest.mark.long
def test_a_stored_sweep_over_a_portfolio_leaves_the_set_up_alone_and_its_trials_are_portfolios(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    window = live_window
    portfolio = portfolio_of_legs()
    ranges = {"trend.fast": parse_range("5:15:5"), "dips.weight": parse_range("0.2,0.5")}
    sweep = engine.research.optimize(SweepSpec.of_portfolio(portfolio, ranges=ranges))
    assert (sweep.status, sweep.done) == (FINISHED, 6)
    page, setup = window.page(OptimizePage), window.page(SetupPage).panel
    results, before, choices = page.panel.results, setup.setup(), dict(page.panel.plan.choices)
    window.show_page("Optimize")
    page.open()
    qtbot.waitUntil(lambda: bool(results.stored.model.rows), timeout=10_000)
    row = results.stored.model.row_at(0)
    assert (row.spec.strategy, row.spec.markets) == ("portfolio", "SAMPLEUSDT")
    results.tabs.setCurrentWidget(results.stored)
    results.stored.table.select_row(0)
    results.stored.table.setFocus()
    qtbot.keyClick(results.stored.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: results.sweep is not None, timeout=10_000)
    assert window.focusWidget() is results.table, "where the arrows go on"
    assert "portfolio on SAMPLEUSDT 1h" in results.words.text()
    assert (setup.setup(), page.panel.plan.choices) == (before, choices)
    qtbot.waitUntil(lambda: results.map.axes() == ("trend.fast", "dips.weight"), timeout=10_000)
    best = int(sweep.order[0])
    results.select(best)
    results.use.click()
    editor = window.page(PortfolioPage).panel.editor
    assert parse_portfolio(editor.text, "trial").spec == portfolio.with_values(sweep.params_of(best))
    assert setup.setup() == before
    window.show_page("Optimize")
    results.run.click()
    qtbot.waitUntil(
        lambda: window.bridge.phase is Phase.IDLE and bool(engine.portfolios.stored()), timeout=120_000
    )
    made = engine.portfolios.stored()[0]
    assert made.metrics["return_pct"] == sweep.metrics["return_pct"][best]
