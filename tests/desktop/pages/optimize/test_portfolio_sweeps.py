"""A stored sweep over a portfolio in the window: looked at, and not taken for one of a strategy."""

import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.portfolio.page import PortfolioPage
from desktop.pages.setup.page import SetupPage
from desktop.work.bridge import Phase
from engine.model.portfolio_document import spec_of
from engine.model.portfolio_file import parse_portfolio
from engine.model.ranges import parse_range
from engine.model.run import FINISHED
from engine.model.sweep_spec import SweepSpec
from engine.service import Engine

LEGS = [
    {"name": "trend", "strategy": "ema_cross", "weight": 0.4},
    {"name": "dips", "strategy": "rsi_reversion", "weight": 0.5},
]


@pytest.mark.long
def test_a_stored_sweep_over_a_portfolio_leaves_the_set_up_alone_and_its_trials_are_portfolios(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    window = live_window
    shared = {"exchange": "sample", "timeframe": "1h", "symbol": "SAMPLEUSDT"}
    portfolio = spec_of(
        {
            "start": "2024-08-01",
            "end": "2024-09-30",
            "allocation": "fixed",
            "legs": [shared | leg for leg in LEGS],
        }
    )
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
    results.stored.open_wanted.emit(sweep.id)
    qtbot.waitUntil(lambda: results.sweep is not None, timeout=10_000)
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
