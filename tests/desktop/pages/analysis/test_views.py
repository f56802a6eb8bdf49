"""The Analysis page: every figure of the current run is a click away from its trades, and all views share one filter."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.analysis.account_view import AccountView
from desktop.pages.analysis.calendar_view import CalendarView
from desktop.pages.analysis.exits_view import ExitsView
from desktop.pages.analysis.groups_view import GroupsView
from desktop.pages.analysis.market_view import MarketView
from desktop.pages.analysis.page import AnalysisPage
from desktop.pages.analysis.results_view import ResultsView
from desktop.pages.analysis.view import Note, facet_of
from desktop.pages.chart.page import ChartPage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.trades.page import TradesPage
from engine.analysis.market import Bitcoin, Relation
from engine.model.parameters import StrategyInfo
from engine.model.run import FAILED, RunSpec
from engine.model.trade_filter import TradeFilter
from engine.strategy import Param
from tests.desktop.builders import described
from tests.desktop.pages.analysis.conftest import FIRST, SECOND, settled

STOPPED = StrategyInfo("random", "", "", described(stop_pct=Param(5.0, low=0.5, high=50.0)), "random.py")


def visible_trades(window: MainWindow) -> list[int]:
    return sorted(row.place for row in window.page(TradesPage).panel.model.shown())


def test_a_figure_is_a_click_away_from_its_trades_in_every_view(analysed: MainWindow, qtbot: QtBot) -> None:
    window, panel = analysed, analysed.page(AnalysisPage).panel
    run = window.workspace.current_run()
    assert run is not None
    assert f"{len(run.trades)} trades" in panel.filter.total.text()
    for table in (
        panel.view(GroupsView).table,
        panel.view(ResultsView).table,
        panel.view(AccountView).table,
        panel.view(MarketView).table,
        panel.view(CalendarView).table,
    ):
        assert table.accessibleName()
    assert all(
        column.tooltip
        for column in panel.view(AccountView).model.columns + panel.view(MarketView).model.columns
    )
    # a bar, by the keyboard
    weekdays = panel.view(CalendarView).weekdays
    weekdays.chart.setFocus()
    qtbot.keyClick(weekdays.chart, Qt.Key.Key_Right)
    assert weekdays.read_out.text().startswith("Mon: ")
    monday = weekdays.groups[0].places
    qtbot.keyClick(weekdays.chart, Qt.Key.Key_Return)
    settled(window, qtbot)
    assert visible_trades(window) == list(monday)
    assert window.page(TradesPage).panel.facets.text() == "✕ Weekday Mon"
    assert weekdays.chart.chosen == 0
    assert sum(group.trades for group in weekdays.groups) == len(run.trades)  # the others stay to be chosen
    assert sum(group.trades for group in panel.view(CalendarView).hours.groups) == len(monday)
    # a row of a table, beside it
    panel.show_tab("Groups")
    panel.view(GroupsView).choose("reason")
    rows = panel.view(GroupsView).model
    panel.view(GroupsView).table.clicked.emit(rows.index(0, 0))
    settled(window, qtbot)
    label = rows.row_at(0).group.label
    assert rows.data(rows.index(0, 0)) == f"● {label}"
    assert visible_trades(window) == [
        at for at in monday if run.trades[at].exit_reason.replace("_", " ") == label
    ]
    # the controls of the table of trades
    window.page(TradesPage).panel.side.setCurrentText("Short")
    settled(window, qtbot)
    assert panel.analysis is not None
    assert panel.analysis.shown.place.tolist() == visible_trades(window)
    assert [button.text() for button in panel.filter.buttons if not button.isHidden()] == [
        "✕ Short", "✕ Weekday Mon", f"✕ Exit reason {label}"
    ]  # fmt: skip
    # taken back one by one
    panel.filter.buttons[0].click()
    assert window.page(TradesPage).panel.side.currentText() == "All sides"
    window.page(TradesPage).panel.facets.click()
    assert window.workspace.filter == TradeFilter()
    # words that fit nothing
    window.page(TradesPage).panel.text.setText("no such signal")
    settled(window, qtbot)
    assert panel.view(GroupsView).table.hint == "No trade passes the filter."
    assert panel.filter.total.text() == f"0 of {len(run.trades)} trades"
    # another run has other trades, and its own figures
    window.page(TradesPage).panel.text.clear()
    window.workspace.set_filter(TradeFilter().toggled(facet_of("side", panel.analysis.groups["side"][0])))
    window.workspace.show(SECOND)
    settled(window, qtbot)
    assert window.workspace.filter == TradeFilter()
    assert panel.analysis.run.id == SECOND


@pytest.mark.long
def test_months_streaks_and_drawdowns_lead_to_their_trades_and_times(
    analysed: MainWindow, qtbot: QtBot, app: QApplication
) -> None:
    window, panel = analysed, analysed.page(AnalysisPage).panel
    run = window.workspace.current_run()
    assert run is not None
    months = panel.view(CalendarView).model
    assert months.data(months.index(0, 0)) == "2024"
    panel.view(CalendarView).table.clicked.emit(months.index(0, 2))  # February
    settled(window, qtbot)
    start, end = 1_706_745_600_000, 1_709_251_200_000
    held = [at for at, one in enumerate(run.trades) if one.entry_time < end and one.exit_time >= start]
    assert visible_trades(window) == held
    panel.view(CalendarView).table.clicked.emit(months.index(0, 2))  # once more: all
    assert window.workspace.filter == TradeFilter()
    panel.view(CalendarView).table.copy()
    header, first = app.clipboard().text().splitlines()
    assert header.split("\t")[:2] == ["year", "jan_pct"]
    total = float(first.split("\t")[-1])
    assert total == pytest.approx(run.metrics["return_pct"])

    panel.show_tab("Results")
    settled(window, qtbot)
    streak = panel.view(ResultsView).model.row_at(0)
    table = panel.view(ResultsView).table
    table.setCurrentIndex(table.model().index(0, 0))
    next(action for action in table.actions() if action.text() == "Pick").trigger()
    assert visible_trades(window) == list(streak.places)
    window.workspace.set_filter(TradeFilter())
    panel.view(ResultsView).percent.click()
    assert panel.view(ResultsView).results.dimension == "result_pct"

    panel.show_tab("Account")
    settled(window, qtbot)
    assert "90 days until" in panel.view(AccountView).read_out.text()
    panel.view(AccountView).choose(180)
    assert "shorter than 180 days" in panel.view(AccountView).read_out.text()
    deepest = panel.view(AccountView).model.row_at(0)
    assert deepest.depth_pct == run.metrics["max_drawdown_pct"]
    panel.view(AccountView).table.clicked.emit(panel.view(AccountView).model.index(0, 0))
    assert window.centre.currentWidget() is window.page(ChartPage).panel
    low, high = window.page(ChartPage).panel.chart.x_range()
    assert low == pytest.approx(deepest.start_ms / 1000)
    assert high == pytest.approx((deepest.recovery_ms or run.period.end) / 1000)


@pytest.mark.parametrize("words", [3, 30])
def test_words_below_a_chart_are_never_cut_however_long_a_strategy_is_called(
    qtbot: QtBot, words: int
) -> None:
    note = Note("as many words as are foreseen")
    qtbot.addWidget(note)
    note.resize(120, 10)
    note.setText("few")
    usual = note.height()
    note.setText("vwap_supertrend_ema " * words)
    needed = note.heightForWidth(120)
    assert note.height() >= max(usual, needed)
    note.setText("few")
    assert note.height() == usual, "and what stands below comes back"


@pytest.mark.long
def test_a_stop_is_tried_by_a_real_run_where_a_parameter_is_one_and_else_said_plainly(
    analysed: MainWindow, qtbot: QtBot
) -> None:
    window, panel = analysed, analysed.page(AnalysisPage).panel
    run = window.workspace.current_run()
    assert run is not None
    panel.show_tab("MAE / MFE")
    settled(window, qtbot)
    adverse, favourable = panel.view(ExitsView).adverse, panel.view(ExitsView).favourable
    assert adverse.run.isHidden()
    assert "no plug-in folder" in adverse.why.text()
    window.page(SetupPage).strategies_loaded.emit([STOPPED])
    assert not adverse.run.isHidden()
    assert not adverse.run.isEnabled()
    qtbot.waitUntil(lambda: "no parameter that is a target" in favourable.why.text())
    adverse.chart.setFocus()
    for _ in range(10):
        qtbot.keyClick(adverse.chart, Qt.Key.Key_Right)
    level = adverse.chart.level
    assert level is not None
    reached = [trade for trade in run.trades if -trade.mae_pct >= level]
    assert adverse.told.text().startswith(f"{len(reached)} of {len(run.trades)} trades went")
    wanted: list[RunSpec] = []
    window.context.run_wanted.disconnect()
    window.context.run_wanted.connect(wanted.extend)
    qtbot.mouseClick(adverse.run, Qt.MouseButton.LeftButton)
    assert window.centre.currentWidget() is window.page(OverviewPage).panel
    assert wanted == [replace(run.spec, params={"stop_pct": pytest.approx(level)})]
    assert window.workspace.checked == [FIRST]  # both are compared
    # a trade of the scatter shows in the chart
    adverse.chart.trade_picked.emit(7)
    assert window.workspace.trade == 7
    assert window.centre.currentWidget() is window.page(ChartPage).panel


@pytest.mark.long
def test_the_market_names_bitcoin_or_why_not_and_symbols_are_listed_when_several_runs_are_compared(
    analysed: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, page = analysed, analysed.page(AnalysisPage)
    market = page.panel.view(MarketView)
    answers = iter(
        [
            Bitcoin("BTCUSDT"),
            Bitcoin("BTCUSDT", Relation("BTCUSDT 1d", 125, 3.0, 0.5, 0.25)),
            Bitcoin("BTCUSDT"),
        ]
    )
    monkeypatch.setattr(
        page.engine.runs, "bitcoin", lambda run: next(answers)
    )  # no database here; see the engine's test
    page.panel.show_tab("Market")
    settled(window, qtbot)
    run = window.workspace.current_run()
    assert run is not None
    assert market.note.text() == "BTCUSDT is not held."
    assert not market.fetch.isHidden()
    row = market.model.row_at(0)
    assert row.market == "SOLUSDT"
    assert row.beta == pytest.approx(run.metrics["beta"])
    window.context.candles_changed.emit()
    qtbot.waitUntil(lambda: market.model.rowCount() == 2)
    assert market.fetch.isHidden()
    assert market.model.data(market.model.index(1, 2)) == "+3.00 %"
    assert sum(group.trades for group in market.bars[0].groups) == len(run.trades)
    assert "hindsight" in market.told.text()

    for run_id in (FIRST, SECOND):
        window.workspace.check(run_id, on=True)
    page.panel.show_tab("Groups")
    settled(window, qtbot)
    groups = page.panel.view(GroupsView)
    groups.choose("symbol")
    assert [groups.model.row_at(row).group.label for row in range(2)] == ["SOLUSDT", "BTCUSDT"]
    groups.table.clicked.emit(groups.model.index(1, 0))
    assert window.workspace.current == SECOND

    failed = replace(run, id="c" * 32, status=FAILED, equity=None, error="no luck")
    window.workspace.put([failed])
    window.workspace.show(failed.id)
    qtbot.waitUntil(lambda: page.panel.stack.currentWidget() is page.panel.empty)
    assert page.panel.empty.text() == "This run failed.\nno luck"
