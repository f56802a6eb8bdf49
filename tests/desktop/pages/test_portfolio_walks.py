"""A stored walk-forward over a portfolio in the window: looked at, its stitched portfolio and trainings shown as such."""

import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.portfolio.page import PortfolioPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.work.bridge import Phase
from engine.model.durations import parse_duration
from engine.model.portfolio_document import spec_of
from engine.model.portfolio_file import parse_portfolio
from engine.model.ranges import parse_range
from engine.model.run import FINISHED
from engine.model.sweep_spec import SweepSpec
from engine.model.walk_forward import WalkForwardSpec
from engine.service import Engine

SHARED = {"exchange": "sample", "timeframe": "1h", "symbol": "SAMPLEUSDT"}
LEGS = [
    {"name": "trend", "strategy": "ema_cross", "weight": 0.4},
    {"name": "dips", "strategy": "rsi_reversion", "weight": 0.5},
]


@pytest.mark.long
def test_a_stored_walk_over_a_portfolio_is_drawn_and_its_portfolios_open_on_their_page(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    window = live_window
    legs = [SHARED | leg for leg in LEGS]
    portfolio = spec_of({"start": "2024-08-01", "end": "2024-09-30", "allocation": "fixed", "legs": legs})
    ranges = {"trend.fast": parse_range("5:15:5"), "dips.weight": parse_range("0.2,0.5")}
    sweep = SweepSpec.of_portfolio(portfolio, ranges=ranges, objective="return_pct")
    lengths = parse_duration("20d", "train"), parse_duration("10d", "test")
    walk = engine.walk_forwards.make(WalkForwardSpec(sweep, *lengths))
    assert (walk.status, walk.error) == (FINISHED, None)
    assert walk.portfolio is not None
    page, setup = window.page(WalkForwardPage), window.page(SetupPage).panel
    panel, before = page.panel, setup.setup()
    window.show_page(page.title)
    page.open()
    qtbot.waitUntil(lambda: bool(panel.stored.model.rows), timeout=10_000)
    panel.stored.open_wanted.emit(walk.id)
    qtbot.waitUntil(lambda: panel.walk is not None, timeout=10_000)
    assert "portfolio on SAMPLEUSDT 1h" in panel.words.text()
    assert "From " in panel.charts[0].accessibleDescription()
    assert panel.stitched.isEnabled()
    assert setup.setup() == before
    panel.stitched.click()
    editor = window.page(PortfolioPage).panel.editor
    assert parse_portfolio(editor.text, "stitched").spec == walk.portfolio.spec
    window.show_page(page.title)
    panel.window_wanted.emit(1)
    qtbot.waitUntil(
        lambda: window.bridge.phase is Phase.IDLE and len(engine.portfolios.stored()) == 2, timeout=120_000
    )
    made = max(engine.portfolios.stored(), key=lambda one: one.created_ms)
    assert made.spec.period == walk.results[1].window.train
    assert made.metrics["trades"] == pytest.approx(walk.results[1].train["trades"], abs=1)
