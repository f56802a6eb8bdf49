"""The Portfolio page: a file written from the set-up, told what is wrong with it, played, looked at, opened again."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.portfolio.page import PortfolioPage, portfolio_of
from desktop.pages.portfolio.panel import PortfolioPanel
from desktop.pages.portfolio.tables import LegRow
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.values import Setup
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Phase
from engine.errors import InputError, Interrupted
from engine.model.coverage import Coverage
from engine.model.market import HOUR_MS, Market, Period, Timeframe, parse_time
from engine.model.portfolio_file import parse_portfolio, portfolio_text
from engine.model.run import FINISHED
from tests.desktop.conftest import MakeWindow

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Runs", "Trades", "Portfolio")

TWO_LEGS = """start = "2024-06-01"
end = "2024-09-30"
cash = 20_000
allocation = "fixed"

[[leg]]
name = "trend"
strategy = "ema_cross"
symbol = "SAMPLEUSDT"
exchange = "sample"
timeframe = "4h"
weight = 0.6

[[leg]]
name = "reversion"
strategy = "rsi_reversion"
symbol = "SAMPLEUSDT"
exchange = "sample"
timeframe = "1h"
weight = 0.4
"""


def panel_with(window: MainWindow, qtbot: QtBot, text: str) -> PortfolioPanel:
    page = window.page(PortfolioPage)
    window.show_page("Portfolio")
    page.panel.editor.view.setPlainText(text)
    qtbot.waitUntil(lambda: page.spec is not None or bool(page.panel.problem.text()))
    return page.panel


def test_what_is_typed_is_read_and_what_is_wrong_is_told_with_its_line(
    window: MainWindow, qtbot: QtBot
) -> None:
    panel = panel_with(window, qtbot, TWO_LEGS)
    assert panel.empty.isVisibleTo(panel)
    assert not panel.of_legs.isVisibleTo(panel), "no frames and titles of nothing"
    assert [row.spec.name for row in panel.legs.rows] == ["trend", "reversion"]
    assert "2 legs, 2024-06-01 – 2024-09-30, cash 20,000" in panel.plan.text()
    panel.editor.view.setPlainText(TWO_LEGS.replace('timeframe = "4h"', 'timeframe = "4x"'))
    qtbot.waitUntil(lambda: "line 11" in panel.problem.text())
    assert panel.editor.view.marked == 11
    assert not panel.run.isEnabled()
    panel.editor.view.setPlainText(TWO_LEGS.replace("reversion", "trend"))
    qtbot.waitUntil(lambda: "two legs are called 'trend'" in panel.problem.text())
    panel.editor.view.setPlainText(TWO_LEGS)
    qtbot.waitUntil(lambda: not panel.editor.problem.text())
    assert panel.editor.view.marked is None


def test_what_was_stopped_or_failed_can_be_run_again(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_with(window, qtbot, TWO_LEGS)
    qtbot.waitUntil(panel.run.isEnabled)
    window.page(PortfolioPage)._end(None, Interrupted("stopped"))
    assert panel.problem.text() == "stopped"
    assert panel.run.isEnabled()


def test_what_is_held_is_told_to_the_last_whole_percent(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_with(window, qtbot, TWO_LEGS)
    leg = panel.legs.rows[0].spec
    period = Period(parse_time("2024-06-01"), parse_time("2024-06-01") + 100 * HOUR_MS)
    gap = Period(period.start, period.start + 42 * HOUR_MS)
    held = Coverage(
        Market("sample", "SAMPLEUSDT", "SAMPLE/USDT:USDT"), Timeframe("1h"), period, 58, (gap,), ()
    )
    assert LegRow(leg, held).held_pct == 58


def test_what_was_typed_is_there_after_a_restart_and_known_as_not_saved(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    first = make_window()
    panel = panel_with(first, qtbot, TWO_LEGS)
    assert "not saved" in panel.editor.name.text()
    first.close()
    again = make_window(Preferences(tmp_path / "window.ini")).page(PortfolioPage).panel
    assert again.editor.text == TWO_LEGS
    assert again.editor.is_changed


def test_a_new_one_takes_the_set_up_and_gives_back_what_stood_there(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_with(window, qtbot, TWO_LEGS)
    window.page(PortfolioPage).write_new()
    written = parse_portfolio(panel.editor.text, "x.toml").spec
    assert {leg.strategy for leg in written.legs} == {"vwap_supertrend_ema", "ema_cross", "buy_and_hold"}
    window.actions_["undo"].trigger()
    assert panel.editor.text == TWO_LEGS
    assert panel.editor.is_changed


def test_what_was_typed_outlives_a_program_that_is_killed(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    panel_with(make_window(), qtbot, TWO_LEGS)  # and never closed
    assert make_window(Preferences(tmp_path / "window.ini")).page(PortfolioPage).panel.editor.text == TWO_LEGS


def test_a_set_up_becomes_legs_with_names_of_their_own_that_read_the_same() -> None:
    setup = Setup(
        symbols=("SAMPLEUSDT", "BTCUSDT"),
        strategies=("ema_cross", "macd_trend"),
        params={"ema_cross": {"fast": 9}},
    )
    spec = portfolio_of(setup)
    names = {leg.name for leg in spec.legs}
    assert len(names) == 4
    assert not any(" " in name for name in names), "such a name cannot stand in a sweep's constraint"
    assert parse_portfolio(portfolio_text(spec), "x.toml").spec == spec
    with pytest.raises(InputError, match="Select a strategy"):
        portfolio_of(Setup(strategies=()))


@pytest.mark.long
def test_a_portfolio_is_played_looked_at_saved_and_opened_again(
    live_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window, page = live_window, live_window.page(PortfolioPage)
    window.resize(1440, 900)
    panel = panel_with(window, qtbot, TWO_LEGS)
    qtbot.waitUntil(lambda: panel.legs.rows[0].held_pct is not None, timeout=10_000)
    qtbot.waitUntil(panel.run.isEnabled, timeout=10_000)
    window.actions_["portfolio"].trigger()
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.COMBINING)
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE, timeout=180_000)
    result = panel.result
    assert result is not None, panel.problem.text()
    assert result.status == FINISHED, result.error
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    assert len(panel.trades.rows) == sum(len(leg.trades) for leg in result.legs) > 10
    assert [bar.label for bar in panel.bars.bars] == ["trend", "reversion"]
    assert sum(bar.value for bar in panel.bars.bars) == pytest.approx(
        (result.metrics["final_equity"] or 0) - 20_000
    )
    assert panel.map.grid is not None
    assert panel.map.grid.values[1, 0] == pytest.approx(1.0)  # the first leg with itself, on top
    assert len(panel.wallet.legs.lines()) == 2
    assert panel.wallet.isVisible()

    # a click on a bar picks the leg; it can be run alone
    panel.bars.picked.emit(1)
    assert panel.picked == "reversion"
    with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=90_000):
        panel.leg_run.click()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    run = window.workspace.current_run()
    assert run is not None
    assert (run.strategy, run.costs.cash) == ("rsi_reversion", 20_000)

    # a trade is a moment of the wallet
    window.show_page("Portfolio")
    panel.tabs.setCurrentIndex(3)
    panel.trade_table.select_row(0)
    first = panel.trades.row_at(0)[1].trade
    assert panel.wallet.panes[0].plot.items[-1].value() == first.entry_time / 1000

    # saved, changed, opened again; and the stored one
    path = tmp_path / "two.toml"
    page.save_as(path)
    qtbot.waitUntil(lambda: panel.editor.path == path)
    assert path.read_text() == TWO_LEGS
    assert not panel.editor.is_changed
    panel.editor.view.setPlainText("")
    page.open_file(path)
    qtbot.waitUntil(lambda: panel.editor.text == TWO_LEGS)
    panel.show_result(None)
    qtbot.waitUntil(lambda: bool(panel.stored.model.rows), timeout=10_000)
    panel.stored.table.select_row(0)
    panel.stored.open.click()
    qtbot.waitUntil(lambda: panel.result is not None, timeout=10_000)
    assert panel.result is not None
    assert panel.result.metrics == result.metrics
    panel.stored.delete_wanted.emit([result.id])
    qtbot.waitUntil(lambda: not panel.stored.model.rows, timeout=10_000)
    window.actions_["undo"].trigger()
    qtbot.waitUntil(lambda: bool(panel.stored.model.rows), timeout=10_000)
