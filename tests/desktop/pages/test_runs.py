"""Runs that are made, found, told apart, noted: one selection drives everything."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.log.page import LogPage
from desktop.pages.metrics.page import MetricsPage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.runs.panel import RunsPanel
from desktop.pages.setup.page import SetupPage
from desktop.pages.trades.page import TradesPage
from desktop.tables.run_names import distinct_names, run_name
from desktop.tables.traces import own_lines_first
from desktop.work.bridge import Phase
from desktop.work.jobs import Job, Task
from engine.events import Finished, Progress
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Period, parse_time
from engine.model.remark import Remark
from engine.model.run import FAILED, RunResult
from tests.desktop.builders import CROSS, checks, run_on
from tests.support.builders import START_MS, random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Runs", "Trades", "Metrics", "Log")

CANDLES = random_candles(300)
SAMPLE = {"exchange": "sample", "symbol": "SAMPLEUSDT"}


def a_run(number: int, **other: object) -> RunResult:
    return run_on(CANDLES, f"{number:032x}", created_ms=START_MS + number * 1000, **other)


def fill(window: MainWindow, *runs: RunResult) -> RunsPanel:
    window.workspace.put(runs)
    for run in runs:
        window.workspace.put_candles(run.id, CANDLES)
    window.page(RunsPage).panel.flush()
    return window.page(RunsPage).panel


def names(panel: RunsPanel) -> list[str]:
    return [str(panel.model.data(panel.model.index(row, 0))) for row in range(panel.model.rowCount())]


def test_the_current_run_is_always_drawn_and_stands_out(window: MainWindow, qtbot: QtBot) -> None:
    runs = [a_run(k, params={"fast": 10 + k, "slow": 50}) for k in range(4)]
    panel = fill(window, *runs)
    window.workspace.check(runs[0].id, on=True)
    window.workspace.check(runs[1].id, on=True)
    overview, metrics = window.page(OverviewPage).panel, window.page(MetricsPage).panel
    view = next(row for row in range(4) if panel.model.row_at(row).id == runs[3].id)
    panel.table.select_row(view)
    qtbot.waitUntil(lambda: runs[3].id in {curve.key for curve in overview.chart.curves})
    drawn = [curve for curve in overview.chart.curves if not curve.dashed]
    assert [curve.current for curve in drawn] == [False, False, True]
    assert [curve.label for curve in drawn] == [f"ema_cross · fast {10 + k}" for k in (0, 1, 3)]
    widths = {line.colour: line.width for line in overview.chart.equity.lines()}
    assert widths[drawn[2].colour] > widths[drawn[0].colour]
    assert overview.buttons[runs[3].id].font().bold()
    qtbot.waitUntil(lambda: len(metrics.model.headers) == 3)
    window.workspace.remove([runs[3].id])
    qtbot.waitUntil(lambda: runs[3].id not in {curve.key for curve in overview.chart.curves})


def test_new_rows_are_in_sight_however_the_table_is_sorted_and_filtered(
    window: MainWindow, qtbot: QtBot
) -> None:
    runs = [a_run(k, metrics={"return_pct": float(k)}) for k in range(60)]
    panel = fill(window, *runs)
    panel.table.sortByColumn(panel.model.column_number("return_pct"), Qt.SortOrder.DescendingOrder)
    panel.search.setText("nothing like it")
    panel.begin_batch()
    job = Job(Task("running"), "run", ("f" * 32,), "ema_cross on SOLUSDT", series=("bybit", "SOLUSDT", "4h"))
    panel.follow(job)
    panel.flush()
    assert panel.model.row_at(0).id == "f" * 32
    places = map(panel.model.column_number, ("symbol", "timeframe", "exchange", "start"))
    assert [panel.model.index(0, place).data() for place in places] == ["SOLUSDT", "4h", "bybit", "–"]
    assert panel.model.row_at(0).status_text() == "Waiting"
    job.take(Progress("x", 0, None, "candles"))
    panel.follow(job)
    panel.flush()
    assert panel.model.row_at(0).status_text() == "Running"
    job.take(Progress("x", 5, 10, "candles"))
    panel.follow(job)
    panel.flush()
    assert panel.model.row_at(0).status_text() == "Running 50%"
    made = run_on(CANDLES, "f" * 32, metrics={"return_pct": -50.0})
    window.workspace.put([made])
    job.take(Finished("x", made))
    panel.follow(job)
    window.workspace.show(made.id)
    panel.end_batch()
    (view,) = panel.table.selected_rows()
    assert panel.model.row_at(view).id == made.id
    assert view == 60
    assert panel.table.viewport().rect().intersects(panel.table.visualRect(panel.model.index(view, 0)))


def test_several_selected_rows_stay_selected_when_something_is_found_out(window: MainWindow) -> None:
    panel = fill(window, *(a_run(k) for k in range(5)))
    window.workspace.show(a_run(1).id)
    panel.table.selectAll()
    window.workspace.put_checking(a_run(2).id, "50%")
    panel.flush()
    assert len(panel.table.selected_rows()) == 5


def test_rows_say_what_was_changed_where_and_when(window: MainWindow) -> None:
    window.page(SetupPage).show_strategies([CROSS])
    plain = {"fast": 21, "slow": 50, "both": True, "kind": "ema"}
    panel = fill(
        window, a_run(1, params=plain), a_run(2, params=plain | {"fast": 9, "both": False}),
        a_run(3, strategy="gone", params={"x": 1}),
    )  # fmt: skip
    assert sorted(names(panel)) == ["ema_cross", "ema_cross · fast 9, both False", "gone"]
    keys = [column.key for column in panel.model.columns[:7]]
    assert keys == ["strategy", "symbol", "timeframe", "exchange", "start", "end", "status"]
    end = panel.model.data(panel.model.index(0, 5))
    assert parse_time(str(end), is_end=True) >= START_MS + 300 * HOUR_MS


def test_no_two_names_in_a_legend_are_the_same() -> None:
    later = Period(START_MS + HOUR_MS * 48, START_MS + HOUR_MS * 300)
    runs = [
        a_run(1), a_run(2), a_run(3, params={"fast": 0.1 + 0.2, "slow": 50}), a_run(4, costs=Costs(commission=0.0)),
        a_run(5, exchange="bybitlinear"), a_run(6, period=later), a_run(7, strategy="bands", params={}),
        run_on(CANDLES, "a" * 32), run_on(CANDLES, "b" * 32),
    ]  # fmt: skip
    found = distinct_names(runs)
    assert len(set(found)) == len(runs)
    assert "0.30000000000000004" in found[2]
    assert distinct_names([a_run(1)]) == ["ema_cross"]
    ruled = {"params": {}, "windows": [{"start": "2024-01-01T00:00:00Z", "params": {"fast": 9}}]}
    walked = a_run(8, params={}, inputs=ruled)
    assert run_name(walked, {"ema_cross": {"fast": 21}}) == "ema_cross · walk-forward"
    assert distinct_names([a_run(1), walked])[1].startswith("ema_cross walk-forward")
    assert run_name(a_run(1, params={"fast": 1e-08}), {"ema_cross": {"fast": 21}}) == "ema_cross · fast 1e-08"


def test_keys_compare_pin_and_note_and_what_is_noted_is_found(window: MainWindow, qtbot: QtBot) -> None:
    panel = fill(window, *(a_run(k) for k in range(4)))
    said: dict[str, Remark] = {}

    def keep(remarks: dict[str, Remark]) -> None:
        said.update(remarks)
        window.workspace.put_remarks(said)

    panel.remarked.connect(keep)
    panel.table.setFocus()
    panel.table.selectAll()
    qtbot.keyClick(panel.table, Qt.Key.Key_Space)
    assert len(window.workspace.checked) == 4
    last = panel.model.row_at(3).id
    panel.table.select_row(3)
    qtbot.keyClick(panel.table, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    assert window.workspace.checked == [last]
    qtbot.keyClick(panel.table, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    panel.flush()
    assert panel.model.row_at(0).id == last
    assert names(panel)[0].startswith("★ ")
    qtbot.keyClick(panel.table, Qt.Key.Key_F2)
    editor = panel.table.viewport().findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "before the halving")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: said == {last: Remark("before the halving", pinned=True)}, timeout=2000)
    panel.flush()
    panel.search.setText("halving")
    assert [row.id for row in panel.model.shown()] == [last]


def test_a_new_batch_forgets_what_was_looked_for_in_the_last_runs_trades(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    trades = window.page(TradesPage).panel
    trades.outcome.setCurrentText("Wins")
    monkeypatch.setattr(window.bridge, "begin", lambda *_, **__: True)
    window.show_page("Optimize")
    window.page(RunsPage).run([a_run(1).spec])
    window.bridge._enter(Phase.RUNNING)
    assert trades.outcome.currentText() == "All results"
    assert window.centre.currentWidget() is window.page(OverviewPage).panel
    window.bridge._enter(Phase.IDLE)


@pytest.mark.long
def test_notes_exports_and_reruns_of_real_runs(live_window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window, page = live_window, live_window.page(RunsPage)
    setup = window.page(SetupPage)
    setup.panel.strategies.set_choice(("ema_cross", "buy_and_hold"), {"ema_cross": {"fast": 9}})
    setup.panel.period.set_values("1h", parse_time("2024-10-01"), parse_time("2024-11-01"))
    with qtbot.waitSignal(page.batch_done, timeout=90_000):
        setup.run()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=30_000)
    page.panel.flush()
    assert "2 of 2 runs finished" in window.status.words.text()
    assert "ema_cross · fast 9" in names(page.panel)
    page.panel.table.selectAll()
    page.export(page.panel._selected_ids(), tmp_path / "out")
    qtbot.waitUntil(lambda: "and 6 more files" in window.status.words.text(), timeout=10_000)
    assert len(list((tmp_path / "out").iterdir())) == 9
    page.panel.table.select_row(0)
    run_id = page.panel.model.row_at(0).id
    page.panel.model.noted.emit(run_id, "keep")
    qtbot.waitUntil(lambda: window.workspace.remark(run_id).note == "keep", timeout=10_000)
    assert window.bridge.engine.runs.remarks() == {run_id: Remark("keep")}
    page.panel.table.setFocus()
    with qtbot.waitSignal(page.batch_done, timeout=90_000):
        qtbot.keyClick(page.panel.table, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=30_000)
    page.panel.flush()
    again = window.workspace.current_run()
    assert again is not None
    assert again.id != run_id
    assert again.fingerprint == window.workspace.runs[run_id].fingerprint
    setup.fetch()
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE and not window.bridge.busy, timeout=30_000)
    assert window.status.words.text() == "Nothing was missing: 744 are held"


def test_a_stop_and_an_error_do_not_hide_that_a_run_failed(window: MainWindow) -> None:
    batch = window.page(RunsPage)._batch
    batch.begin()
    failed = a_run(
        1, status=FAILED, error="mine.py:3: ValueError: no luck", equity=None, trades=(), traceback="Trace"
    )
    for run in (a_run(2), failed):
        job = Job(Task("running"), "run", (run.id,), "x")
        job.take(Finished("x", run))
        batch.follow(job)
    window.bridge.problem.emit("info", "stopped", "")
    batch.end(RuntimeError("Binance cannot be reached"))
    assert window.banner.message.text() == (
        "Binance cannot be reached. Failed: ema_cross on SOLUSDT: mine.py:3: ValueError: no luck; 1 finished and are kept"
    )
    assert window.status.words.text() == "1 of 2 runs finished"


def test_details_of_the_banner_show_the_error_that_it_tells_whatever_was_said_since(
    window: MainWindow,
) -> None:
    window.bridge.problem.emit("error", "Binance answered 451", "Traceback of 451")
    window.context.logged.emit("error", "something else", "another story")
    log = window.page(LogPage).panel
    log.text.setText("something")
    window.banner.details.click()
    assert log.details.toPlainText() == "Traceback of 451"
    assert window.results.page() == "Log"


def test_more_runs_than_are_compared_are_said(window: MainWindow) -> None:
    batch = window.page(RunsPage)._batch
    batch.begin()
    for number in range(14):
        job = Job(Task("running"), "run", ("x",), "x")
        job.take(Finished("x", a_run(number)))
        batch.follow(job)
    batch.end(None)
    assert "14 of 14 runs finished; the first 10 are compared" in window.status.words.text()
    assert len(window.workspace.checked) == 10


def test_a_ruined_account_has_a_badge(window: MainWindow) -> None:
    fill(window, a_run(1, metrics={"final_equity": 0.0, "return_pct": -100.0}))
    window.workspace.show(a_run(1).id)
    assert "⚠ account ruined" in window.page(OverviewPage).panel.heading.text()


def test_the_authors_line_comes_first() -> None:
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/usr/lib/python3.11/runpy.py", line 1, in run\n    go()\n'
        '  File "/opt/program/engine/jobs/run.py", line 10, in run_job\n    ask()\n'
        '  File "/home/me/strategies/mine.py", line 7, in signals\n    helper()\n'
        '  File "/home/me/strategies/_own.py", line 2, in helper\n    1 / 0\n'
        '  File "/x/.venv/lib/python3.11/site-packages/pandas/core.py", line 3, in f\n    g()\n'
        "ZeroDivisionError: division by zero"
    )
    lines = own_lines_first(trace).splitlines()
    assert lines[0] == "ZeroDivisionError: division by zero"
    assert lines[1:5] == [
        '  File "/home/me/strategies/mine.py", line 7, in signals', "    helper()",
        '  File "/home/me/strategies/_own.py", line 2, in helper', "    1 / 0",
    ]  # fmt: skip
    assert trace in own_lines_first(trace)
    assert own_lines_first("SyntaxError: x") == "SyntaxError: x"


def test_once_the_window_closes_no_cross_check_begins(window: MainWindow) -> None:
    page = window.page(RunsPage)
    fill(window, a_run(1, checks=checks() | {"crosscheck": {"status": "pending"}}))
    page.cross_checks.stop()
    page.cross_checks._timer.timeout.emit()  # as a check that ended while the window closed has it start again
    assert not page.cross_checks.running


def test_a_name_of_the_users_is_the_one_of_the_curve_its_figures_and_the_heading(
    window: MainWindow, qtbot: QtBot
) -> None:
    runs = [a_run(k, params={"fast": 10 + k, "slow": 50}) for k in range(3)]
    fill(window, *runs)
    for run in runs:
        window.workspace.check(run.id, on=True)
    window.workspace.show(runs[0].id)
    window.page(SetupPage).show_strategies([CROSS])
    overview, metrics = window.page(OverviewPage).panel, window.page(MetricsPage).panel
    qtbot.waitUntil(lambda: len(overview.chart.curves) >= 3)
    assert overview.heading.title.text().startswith("ema_cross · fast 10")
    same = {run.id: Remark(name="the slow one") for run in runs[:2]}
    window.workspace.put_remarks(same)
    qtbot.waitUntil(lambda: any("the slow one" in curve.label for curve in overview.chart.curves))
    labels = [curve.label for curve in overview.chart.curves if not curve.dashed]
    assert labels[2] == "ema_cross · fast 12"
    assert [label.startswith("the slow one · ") for label in labels] == [True, True, False]
    assert len(set(labels)) == 3
    qtbot.waitUntil(lambda: [title for title, _ in metrics.model.headers] == labels)
    metrics.table.clearSelection()
    metrics.table.copy()
    copied = [line.split("\t") for line in QApplication.clipboard().text().splitlines()]
    assert copied[0] == ["metric", "unit", *labels]
    assert all(value for line in copied if line[0] == "Final equity" for value in line)
    assert not {"Result", "Trades and costs"} & {line[0] for line in copied if not line[1]}, (
        "headings are no metrics"
    )
    assert overview.heading.title.text().startswith("the slow one")


def test_names_stand_below_each_other_whatever_became_of_the_runs(window: MainWindow) -> None:
    panel = fill(window, a_run(1), a_run(2, status=FAILED, error="no luck"), a_run(3))
    panel.follow(Job(Task("run"), "run", ("d" * 32,), "ema_cross on SOLUSDT"))
    panel.flush()
    table, delegate = panel.table, panel.table.itemDelegate()
    assert isinstance(delegate, QStyledItemDelegate)
    lefts = set()
    for row in range(4):
        index, option = panel.model.index(row, 0), QStyleOptionViewItem()
        table.initViewItemOption(option)
        option.rect = table.visualRect(index)
        delegate.initStyleOption(option, index)
        lefts.add(table.style().subElementRect(QStyle.SubElement.SE_ItemViewItemText, option, table).left())
    assert len(lefts) == 1


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_a_filter_gives_the_keys_back_to_its_table(window: MainWindow, qtbot: QtBot) -> None:
    run = a_run(1)
    fill(window, run)
    window.workspace.show(run.id)
    window.show_page("Trades")
    panel = window.page(TradesPage).panel
    total = panel.model.rowCount()
    window.activateWindow()
    panel.text.setFocus()
    qtbot.keyClicks(panel.text, "long")
    assert 0 < panel.model.rowCount() < total
    qtbot.keyClick(panel.text, Qt.Key.Key_Return)
    assert panel.table.hasFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_N)
    assert panel.table.selected_rows() == [1]
    panel.text.setFocus()
    stopped: list[bool] = []
    window.bridge.phase = Phase.RUNNING
    window.bridge.phase_changed.connect(lambda _: stopped.append(True))
    qtbot.keyClick(panel.text, Qt.Key.Key_Escape)
    assert (panel.text.text(), panel.table.hasFocus(), stopped) == ("", True, [])
    window.bridge.phase = Phase.IDLE
    assert panel.model.rowCount() == total


def test_in_a_small_window_no_figure_is_cut_and_no_button_is_pushed_out(
    window: MainWindow, qtbot: QtBot
) -> None:
    run = a_run(1)
    ruined = {"return_pct": -100.0, "cagr_pct": -99.99, "max_drawdown_pct": -100.0}
    panel = fill(window, replace(run, metrics={**run.metrics, **ruined}))
    window.workspace.show(run.id)
    window.resize(960, 600)
    overview = window.page(OverviewPage).panel
    qtbot.waitUntil(lambda: overview.tiles.isVisible() and window.width() <= 960)
    for label in overview.tiles._values.values():
        assert label.fontMetrics().horizontalAdvance(label.text()) <= label.width(), label.text()
    assert overview.tiles._values["return_pct"].text().startswith("−100")
    bar = panel.delete.parentWidget()
    assert bar is not None
    assert panel.delete.geometry().right() <= bar.width() <= panel.width()
