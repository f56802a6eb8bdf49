"""The window as a whole: one selection drives all views, nothing is modal, everything is remembered and reachable."""

from pathlib import Path

import pyqtgraph as pg
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QLabel,
)
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.analysis.page import AnalysisPage
from desktop.pages.analysis.panel import VIEWS
from desktop.pages.chart.page import ChartPage
from desktop.pages.data.page import DataPage
from desktop.pages.log.page import LogPage
from desktop.pages.metrics.page import MetricsPage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.trades.page import TradesPage
from desktop.theme.colours import DARK, LIGHT
from desktop.widgets.value_field import ValueField
from desktop.work.bridge import WORKING, Phase
from desktop.work.jobs import Task
from engine.model.parameters import StrategyInfo
from engine.model.remark import Remark
from engine.model.run import FAILED
from engine.strategy import Param
from tests.desktop.builders import checks, described, run_on
from tests.desktop.conftest import FIRST, SECOND, MakeWindow, show_two_runs
from tests.support.builders import random_candles


def test_the_first_start_shows_hints_in_place_of_empty_views(window: MainWindow) -> None:
    assert window.page(OverviewPage).panel.stack.currentWidget() is window.page(OverviewPage).panel.empty
    assert "F5" in window.page(OverviewPage).panel.empty.text()
    assert window.page(ChartPage).panel.stack.currentWidget() is window.page(ChartPage).panel.empty
    assert window.page(AnalysisPage).panel.stack.currentWidget() is window.page(AnalysisPage).panel.empty
    for panel in (
        window.page(RunsPage).panel,
        window.page(TradesPage).panel,
        window.page(MetricsPage).panel,
        window.page(DataPage).panel,
        window.page(LogPage).panel,
    ):
        assert panel.table.hint
    assert "as soon as the database is open" in window.page(RunsPage).panel.table.hint


def test_no_label_takes_what_users_and_strategies_write_for_html(window: MainWindow) -> None:
    labels = window.findChildren(QLabel)
    guessing = [
        label
        for label in labels
        if label.textFormat() is Qt.TextFormat.AutoText
        and label.buddy() is None  # a form's, by our own words
    ]
    assert len(labels) > 100
    assert [(type(one).__name__, one.text()) for one in guessing] == []


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_a_selected_row_moves_the_chart_and_a_clicked_marker_selects_the_row(
    window: MainWindow, qtbot: QtBot
) -> None:
    show_two_runs(window, qtbot)
    trades = window.workspace.runs[FIRST].trades
    table, chart = window.page(TradesPage).panel.table, window.page(ChartPage).panel.chart
    table.select_row(7)
    low, high = chart.x_range()
    assert low < trades[7].entry_time / 1000 < high
    assert chart.trades is not None
    assert chart.trades.selected == 7
    before = chart.x_range()
    chart.trade_clicked.emit(3)
    assert table.selected_rows() == [3]
    assert chart.x_range() == before


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_next_and_previous_trade_walk_over_what_the_filter_shows(window: MainWindow, qtbot: QtBot) -> None:
    show_two_runs(window, qtbot)
    window.page(TradesPage).panel.side.setCurrentText("Short")
    for expected in (1, 3, 5):
        window.actions_["next_trade"].trigger()
        assert window.workspace.trade == expected
    window.actions_["previous_trade"].trigger()
    assert window.workspace.trade == 3
    assert window.centre.currentWidget() is window.page(ChartPage).panel


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_sorted_trades_still_select_the_right_trade(window: MainWindow, qtbot: QtBot) -> None:
    show_two_runs(window, qtbot)
    table = window.page(TradesPage).panel.table
    table.sortByColumn(window.page(TradesPage).panel.model.column_number("pnl"), Qt.SortOrder.DescendingOrder)
    table.select_row(0)
    trades = window.workspace.runs[FIRST].trades
    assert window.workspace.trade is not None
    assert trades[window.workspace.trade].pnl == max(trade.pnl for trade in trades)


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_checked_runs_are_overlaid_in_percent_when_their_symbols_differ(
    window: MainWindow, qtbot: QtBot
) -> None:
    show_two_runs(window, qtbot)
    assert {curve.key for curve in window.page(OverviewPage).panel.chart.curves} >= {FIRST, SECOND}
    assert window.page(OverviewPage).panel.chart.unit == "percent"
    window.workspace.check(SECOND, on=False)
    qtbot.waitUntil(lambda: window.page(OverviewPage).panel.chart.unit == "money")
    assert SECOND not in {curve.key for curve in window.page(OverviewPage).panel.chart.curves}


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades", "Metrics")
def test_metrics_of_checked_runs_stand_side_by_side_with_dashes_for_none(
    window: MainWindow, qtbot: QtBot
) -> None:
    show_two_runs(window, qtbot)
    model = window.page(MetricsPage).panel.model
    qtbot.waitUntil(lambda: model.columnCount() == 4)
    rows = {model.row_at(row).key: row for row in range(model.rowCount())}
    assert model.data(model.index(rows["sharpe"], 2)) == "–"
    assert model.data(model.index(rows["return_pct"], 3)) == "+12.50"


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_the_theme_changes_widgets_tables_and_plots(
    window: MainWindow, qtbot: QtBot, app: QApplication
) -> None:
    show_two_runs(window, qtbot)
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        window.actions_[f"theme {name}"].trigger()
        assert app.palette().color(QPalette.ColorRole.Base) == QColor(theme.base)
        assert window.page(OverviewPage).panel.chart.backgroundBrush().color() == QColor(theme.base)
        assert window.page(OverviewPage).panel.chart.curves[-1].colour in theme.curves
        assert window.page(RunsPage).panel.model.colours["positive"] == QColor(theme.positive)
        assert window.page(ChartPage).panel.chart.price.axis.textPen().color() == QColor(theme.muted)
        assert window.grab().toImage().pixelColor(2, window.height() - 3) == QColor(theme.window)


@pytest.mark.pages("Set-up", "Overview", "Log")
def test_an_error_shows_in_the_banner_and_the_log_and_never_in_a_dialog(
    window: MainWindow, app: QApplication
) -> None:
    window.bridge.problem.emit("error", "Binance answered 451; 4 of 6 series were kept", "Traceback ...")
    assert window.banner.isVisible()
    assert "451" in window.banner.message.text()
    assert window.page(LogPage).panel.model.rows[-1].level == "error"
    window.banner.details.click()
    assert window.results.page() == "Log"
    assert window.page(LogPage).panel.details.toPlainText() == "Traceback ..."
    window.banner.dismiss.click()
    assert not window.banner.isVisible()
    assert not [
        widget for widget in app.topLevelWidgets() if isinstance(widget, QDialog) and widget.isVisible()
    ]


@pytest.mark.parametrize("phase", WORKING)
def test_what_was_said_of_the_work_before_goes_when_other_work_begins(
    window: MainWindow, phase: Phase
) -> None:
    window.banner.show_message("info", "stopped; what was finished is kept", "", has_details=False)
    window.bridge._enter(phase)
    assert not window.banner.isVisible()


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_a_failed_run_is_a_row_with_its_reason(window: MainWindow, qtbot: QtBot) -> None:
    failed = run_on(random_candles(100), status=FAILED, error="IndexError in line 12", equity=None, trades=())
    window.workspace.put([failed])
    window.page(RunsPage).panel.flush()
    row = window.page(RunsPage).panel.model.row_at(0)
    assert row.status_text() == "✗ Failed"
    assert (
        window.page(RunsPage).panel.model.tooltip(row, window.page(RunsPage).panel.model.columns[0])
        == "IndexError in line 12\nClick Checks for all of it"
    )
    window.workspace.show(FIRST)
    assert "IndexError in line 12" in window.page(ChartPage).panel.empty.text()


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_the_chart_and_the_recent_runs_call_a_run_as_the_user_does(window: MainWindow, qtbot: QtBot) -> None:
    show_two_runs(window, qtbot)
    chart = window.page(ChartPage).panel.chart
    assert chart.price.name == "ema_cross · SOLUSDT 1h"
    window.workspace.put_remarks({FIRST: Remark(name="the good one")})
    assert chart.price.name == "the good one · SOLUSDT 1h"
    chart.set_timeframe("4h")
    assert chart.price.name == "the good one · SOLUSDT 4h of 1h"
    window.recent.fill()
    assert any(action.text().startswith("the good one on SOLUSDT") for action in window.recent.actions())
    window.workspace.show(SECOND)
    qtbot.waitUntil(lambda: chart.price.name == "macd_trend · BTCUSDT 4h of 1h")


@pytest.mark.pages("Set-up", "Overview")
def test_a_text_parameter_has_the_room_of_its_field(window: MainWindow, qtbot: QtBot) -> None:
    info = StrategyInfo("worded", "W", "", described(word=Param("close"), number=Param(3)), "worded.py")
    window.page(SetupPage).show_strategies([info])
    form = window.page(SetupPage).panel.strategies.form
    assert form is not None
    qtbot.waitUntil(form.isVisible)
    widths = {}
    for name, field in form.fields.items():
        assert isinstance(field, ValueField)
        widths[name] = field.lineEdit().width() / field.width()
    assert widths["number"] < widths["word"] <= 1
    assert widths["number"] > 0.5


def test_the_style_sheets_are_understood(window: MainWindow, qtlog: object) -> None:
    window.use_theme("light")
    window.use_theme("dark")
    records = [record.message for record in qtlog.records]  # type: ignore[attr-defined]
    assert [message for message in records if "stylesheet" in message.lower()] == []


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_the_visible_trades_are_written_as_csv_and_a_bad_path_is_said(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    show_two_runs(window, qtbot)
    window.page(TradesPage).panel.outcome.setCurrentText("Wins")
    window.page(TradesPage).panel.write_csv(tmp_path / "trades.csv")
    lines = (tmp_path / "trades.csv").read_text().splitlines()
    assert len(lines) == 1 + window.page(TradesPage).panel.model.rowCount()
    window.page(TradesPage).panel.write_csv(tmp_path / "missing" / "trades.csv")
    assert "nothing was exported" in window.banner.message.text()


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_a_failed_run_tells_its_reason_in_its_own_place_and_takes_no_column_from_the_others(
    window: MainWindow, qtbot: QtBot
) -> None:
    show_two_runs(window, qtbot)
    panel = window.page(RunsPage).panel
    columns = panel.model.columnCount()
    trace = (
        'Traceback (most recent call last):\n  File "/x/engine/jobs/run.py", line 3, in run_job\n    f()\n'
        '  File "/home/me/mine.py", line 12, in signals\n    prices[99]\nIndexError: list index out of range'
    )
    error = "mine.py:12: IndexError: list index out of range"
    failed = run_on(
        random_candles(100), "c" * 32, status=FAILED, error=error, equity=None, trades=(), traceback=trace
    )
    window.workspace.put([failed])
    panel.flush()
    assert panel.model.columnCount() == columns
    row = next(view for view in range(3) if panel.model.row_at(view).id == "c" * 32)
    texts = {
        column.key: panel.model.data(panel.model.index(row, number))
        for number, column in enumerate(panel.model.columns)
    }
    assert texts["status"] == "✗ Failed"
    assert error in texts["checks"]
    panel.table.clicked.emit(panel.model.index(row, panel.model.column_number("checks")))
    told = panel.story.words()
    assert told.index('mine.py", line 12') < told.index("engine/jobs/run.py")
    panel.story.close()
    window.workspace.show("c" * 32)
    assert error in window.page(OverviewPage).panel.heading.text()


@pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")
def test_a_run_says_what_is_missing_what_it_leaves_out_and_which_trades_stand_beside_holes(
    window: MainWindow, qtbot: QtBot
) -> None:
    candles = random_candles(500)
    window.workspace.put([run_on(candles, FIRST, checks=checks(5, (1, 3), warmup="failed"))])
    window.workspace.put_candles(FIRST, candles)
    window.workspace.show(FIRST)
    window.page(RunsPage).panel.flush()
    heading = window.page(OverviewPage).panel.heading.text()
    for words in ("⚠ 5 candles missing, 2 trades beside a hole", "⚠ warm-up 61 of 500", "funding not included",
                  "reference engine"):  # fmt: skip
        assert words in heading
    assert "2024-01-02T05:00:00Z: maintenance" in window.page(OverviewPage).panel.heading.shown[0].finding
    runs, trades = window.page(RunsPage).panel.model, window.page(TradesPage).panel.model
    shown = runs.data(runs.index(0, runs.column_number("checks")))
    assert shown == "⚠ 5 missing +1"
    mark = trades.column_number("beside_hole")
    assert not window.page(TradesPage).panel.table.isColumnHidden(mark)
    marked = [row for row in range(trades.rowCount()) if trades.data(trades.index(row, mark))]
    assert marked == [1, 3]
    window.page(TradesPage).panel.outcome.setCurrentText("Beside a hole")
    assert [row.place for row in trades.shown()] == [1, 3]
    window.workspace.put([run_on(candles, SECOND, exchange="binance", checks=checks())])
    window.workspace.show(SECOND)
    assert "✓ data complete" in window.page(OverviewPage).panel.heading.text()
    assert "funding" not in window.page(OverviewPage).panel.heading.text()
    assert window.page(TradesPage).panel.table.isColumnHidden(mark)


@pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")
def test_candles_that_changed_since_a_run_are_said_beside_its_name(window: MainWindow) -> None:
    window.workspace.put([run_on(random_candles(100), FIRST, checks=checks())])
    window.workspace.show(FIRST)
    assert "changed" not in window.page(OverviewPage).panel.heading.text()
    window.workspace.put_judgement(FIRST, True)
    assert "⚠ candles changed since this run" in window.page(OverviewPage).panel.heading.text()
    window.workspace.put_judgement(FIRST, None)
    assert "changed" not in window.page(OverviewPage).panel.heading.text()


@pytest.mark.pages("Set-up", "Overview")
def test_closing_with_work_asks_once_in_place_and_a_second_close_closes(
    make_window: MakeWindow, qtbot: QtBot
) -> None:
    window = make_window()
    window.bridge._enter(Phase.RUNNING)
    window.close()
    assert window.isVisible()
    assert "Still running" in window.closing.message.text()
    assert window.focusWidget() is window.closing.no
    assert not [
        widget
        for widget in QApplication.topLevelWidgets()
        if isinstance(widget, QDialog) and widget.isVisible()
    ]
    QTest.keyClick(window.closing.no, Qt.Key.Key_Escape)
    assert (window.closing.isVisible(), window.bridge.phase) == (False, Phase.RUNNING), "Esc keeps working"
    window.close()
    window.closing.no.click()
    assert (window.isVisible(), window.closing.isVisible()) == (True, False)
    window.close()
    assert window.closing.isVisible()
    window.bridge._enter(Phase.IDLE)
    assert not window.closing.isVisible(), "nothing is left to ask"
    window.bridge.jobs.begin(Task("fetch"), ("sample", "SAMPLEUSDT", "1h"))
    window.bridge.jobs.begin(Task("crosscheck", is_asked_for=False), ("a" * 32,))
    window.close()
    assert "Still 1 job on candles" in window.closing.message.text()
    window.close()
    assert not window.isVisible()


@pytest.mark.pages("Set-up", "Overview")
def test_the_theme_follows_the_system_live_unless_one_is_chosen(window: MainWindow) -> None:
    changed = QGuiApplication.styleHints().colorSchemeChanged
    window.use_theme("system")
    changed.emit(Qt.ColorScheme.Light)
    assert window.theme is LIGHT
    assert window.page(OverviewPage).panel.chart.backgroundBrush().color() == QColor(LIGHT.base)
    assert window.preferences.read("theme") == "system"
    window.use_theme("dark")
    changed.emit(Qt.ColorScheme.Light)
    assert window.theme is DARK


def test_plots_make_no_menus_that_nobody_opens(window: MainWindow) -> None:
    for kind in VIEWS.values():  # tabs that are built when they are first looked at
        window.page(AnalysisPage).panel.view(kind)
    plots = window.findChildren(pg.GraphicsLayoutWidget)
    assert len(plots) > 20
    heavy = [plot for plot in plots for item in plot.scene().items() if isinstance(item, pg.PlotItem)]
    assert not heavy, "each has 46 widgets of a menu, which every start and every test would wait for"


def test_a_closed_window_draws_no_more(window: MainWindow, qtbot: QtBot) -> None:
    show_two_runs(window, qtbot)
    window.workspace.show(SECOND)
    plots, timers = window.findChildren(pg.GraphicsLayoutWidget), window.findChildren(QTimer)
    assert any(timer.isActive() for timer in timers)
    window.stop_and_close()
    assert not [timer.parent() for timer in timers if timer.isActive()]
    assert len(plots) > 10
    assert all(plot.closed for plot in plots)
