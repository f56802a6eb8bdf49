"""The Optimize tab on sweeps made up here: table, heat map, picking, stored ones. The real engine: test_live_sweeps."""

import math
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.cells import grid_of
from desktop.pages.optimize.coordinates import Lines, lines_of, picture_of
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.optimize.parallel_view import ParallelView
from desktop.pages.optimize.trials import Wanted
from desktop.pages.setup.page import SetupPage
from engine.events import Progress
from engine.model.account import Costs
from engine.model.market import Timeframe
from engine.model.run import RunSpec, counted_warmup
from engine.model.sweep import SweepResult, unmade_checks
from tests.desktop.builders import sweep_of
from tests.desktop.pages.optimize.conftest import show
from tests.desktop.waiting import at_rest

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Runs", "Trades")


def test_an_empty_tab_says_what_would_fill_it(filled: MainWindow) -> None:
    results = filled.page(OptimizePage).panel.results
    assert "F6" in results.table.hint
    assert results.map.stack.currentWidget() is results.map.empty
    assert not results.run.isEnabled()
    assert not results.words.isVisible()


def test_a_sweep_whose_trials_all_failed_is_not_called_none_and_no_progress_is_left_of_it(
    filled: MainWindow,
) -> None:
    whole, results = sweep_of(), filled.page(OptimizePage).panel.results
    metrics, params = (
        {name: column[:0] for name, column in columns.items()} for columns in (whole.metrics, whole.params)
    )
    failed = replace(whole, numbers=whole.numbers[:0], metrics=metrics, params=params, failed=whole.done)
    results.set_running(on=True)
    results.show_progress(Progress("x", 5, 117, "trials"))
    assert "5 of 117" in results.words.text()
    results.show_sweep(failed)
    results.set_running(on=False)
    assert (results.table.model().rowCount(), "of 117 trials" in results.words.text()) == (0, False)
    assert results.table.hint == "No trial of this sweep came to figures."
    results.set_running(on=True)
    results.show_sweep(None)
    results.show_progress(Progress("x", 7, 117, "trials"))
    results.set_running(on=False)  # nothing came: it was deleted meanwhile, or broke
    assert (results.words.text(), results.table.hint[:13]) == ("", "No sweep yet.")


def test_the_best_come_first_with_their_figures_and_a_word_of_caution(filled: MainWindow) -> None:
    show(filled, sweep_of())
    results, model = filled.page(OptimizePage).panel.results, filled.page(OptimizePage).panel.results.model
    first = [model.data(model.index(0, column)) for column in range(5)]
    assert first == ["1", "2.00", "20", "90", "+20.00"]
    assert "the best of 117 trials looks better than it is" in results.caution.text()
    assert "4,711 trials of ema_cross" in results.caution.text()
    assert "best\u00a0Sharpe\u00a0ratio\u00a02.00" in results.words.text()
    assert "117\u00a0trials" in results.words.text()


def test_the_checks_of_a_sweep_stand_above_its_trials_and_tell_their_story(filled: MainWindow) -> None:
    checks = {
        "data": {
            "status": "skipped",
            "missing_candles": 5,
            "trades_beside_holes": None,
            "missing": [
                {"start": "2023-08-16T02:00:00Z", "end": "2023-08-16T07:00:00Z", "reason": "maintenance"}
            ],
            "note": "5 candles missing; a run of a trial says whether it trades beside them",
        },
        "lookahead": {
            "status": "skipped",
            "columns": [],
            "note": "not searched in a sweep; a run of a trial is",
        },
        "warmup": counted_warmup(240, 4_000),
    }
    show(filled, sweep_of(checks=checks))
    badges = filled.page(OptimizePage).panel.results.badges
    labels = [badge.label for badge in badges.shown]
    assert labels == ["⚠ 5 candles missing", "⚠ warm-up 240 of 4,000", "look-ahead not checked"]
    assert badges.isVisible()
    badges.buttons["data"].click()
    assert "2023-08-16T02:00:00Z to 2023-08-16T07:00:00Z: maintenance" in badges.shown[0].finding
    assert badges.story.isVisible()
    badges.story.hide()
    assert "240" not in filled.page(OptimizePage).panel.results.caution.text(), "said once"


def test_the_checks_of_a_sweep_that_passed_are_said_too(filled: MainWindow) -> None:
    show(filled, sweep_of(checks=unmade_checks() | {"warmup": counted_warmup(4_000, 4_000)}))
    labels = [badge.label for badge in filled.page(OptimizePage).panel.results.badges.shown]
    assert labels == ["data not checked", "✓ warm-up 4,000 of 4,000", "look-ahead not checked"]
    filled.page(OptimizePage).panel.results.show_sweep(None)
    assert not filled.page(OptimizePage).panel.results.badges.isVisible()


@pytest.mark.long
def test_the_table_sorts_by_any_column_and_keeps_its_order_while_trials_arrive(filled: MainWindow) -> None:
    results, model = filled.page(OptimizePage).panel.results, filled.page(OptimizePage).panel.results.model
    show(filled, sweep_of(done=60))
    results.table.sortByColumn(model.column_number("fast"), Qt.SortOrder.DescendingOrder)
    fast = [row.param("fast") for row in model.shown()]
    assert fast == sorted(fast, reverse=True)
    show(filled, sweep_of(done=100))
    fast = [row.param("fast") for row in model.shown()]
    assert len(fast) == 100
    assert fast == sorted(fast, reverse=True)


@pytest.mark.long
def test_a_picked_trial_stays_picked_while_others_arrive(filled: MainWindow) -> None:
    show(filled, sweep_of(done=40))
    results = filled.page(OptimizePage).panel.results
    results.table.select_row(3)
    number = results.model.row_at(3).number
    show(filled, sweep_of())
    (row,) = results.table.selected_rows()
    assert results.model.row_at(row).number == number
    assert results.picked is not None
    assert results.sweep is not None
    assert results.sweep.numbers[results.picked] == number


@pytest.mark.long
def test_failed_and_stopped_trials_are_said(filled: MainWindow) -> None:
    show(filled, sweep_of(done=50, errors={3: "IndexError in line 12"}, failed=1))
    words = filled.page(OptimizePage).panel.results.words.text()
    assert "50\u00a0of\u00a0117\u00a0trials" in words
    assert "stopped" in words
    assert "1 failed: IndexError in line 12" in words


def test_run_this_one_asks_for_the_very_run_warm_up_included(filled: MainWindow, qtbot: QtBot) -> None:
    wanted: list[RunSpec] = []
    filled.context.run_wanted.disconnect()
    filled.context.run_wanted.connect(wanted.extend)
    sweep = sweep_of()
    show(filled, sweep)
    results = filled.page(OptimizePage).panel.results
    results.table.select_row(1)
    results.run.click()
    results.table.doubleClicked.emit(results.model.index(1, 0))
    results.table.setFocus()
    qtbot.keyClick(results.table, Qt.Key.Key_Return)
    assert len(wanted) == 3
    assert wanted[0] == wanted[1] == wanted[2]
    assert dict(wanted[0].params) == sweep.top(2)[1]["params"]
    assert (wanted[0].period, wanted[0].warmup, wanted[0].engine) == (sweep.period, 450, "compiled")


def test_stored_sweeps_open_with_enter_and_go_with_del(filled: MainWindow, qtbot: QtBot) -> None:
    stored = filled.page(OptimizePage).panel.results.stored
    filled.page(OptimizePage).panel.results.stored.set_stored([sweep_of(id="1" * 32), sweep_of(id="2" * 32)])
    assert stored.count.text() == "2 sweeps"
    model = stored.model
    row = {column.key: model.data(model.index(0, number)) for number, column in enumerate(model.columns)}
    assert (row["strategy"], row["symbol"], row["timeframe"], row["done"]) == (
        "ema_cross",
        "SAMPLEUSDT",
        "1h",
        "117",
    )
    assert (row["objective"], row["best"], row["best_at"]) == ("Sharpe", "2.00", "fast 20, slow 90")
    assert (row["period"], row["status"]) == ("2024-01-01 – 2024-02-11", "Done")
    assert row["ranges"] == "fast 10:50:5, slow 30:150:10"
    opened: list[str] = []
    deleted: list[str] = []
    stored.open_wanted.connect(opened.append)
    stored.delete_wanted.connect(deleted.extend)
    filled.page(OptimizePage).panel.results.tabs.setCurrentWidget(stored)
    stored.table.select_row(1)
    stored.table.setFocus()
    qtbot.keyClick(stored.table, Qt.Key.Key_Return)
    qtbot.keyClick(stored.table, Qt.Key.Key_Delete)
    assert opened == deleted == ["2" * 32]


@pytest.mark.long
def test_a_stored_sweep_brings_back_the_whole_set_up_and_one_undo_takes_it_away(filled: MainWindow) -> None:
    page, setup = filled.page(OptimizePage), filled.page(SetupPage).panel
    before, plan = setup.setup(), page.panel.plan.spec()
    spec = replace(
        sweep_of({"slow": "20:200:7"}).spec, exchange="binance", symbol="SOLUSDT", timeframe=Timeframe("15m"),
        params={"fast": 9}, costs=Costs(cash=500), constraint="fast < slow",
    )  # fmt: skip
    page._use_plan(spec)
    assert page.panel.plan.spec() == spec
    assert (setup.setup().exchange, setup.setup().symbols) == ("binance", ("SOLUSDT",))
    assert (setup.setup().timeframe, setup.setup().period) == ("15m", spec.period)
    filled.actions_["undo"].trigger()
    assert (setup.setup(), page.panel.plan.spec()) == (before, plan)


def drag(view: Any, qtbot: QtBot, start: QPointF, end: QPointF) -> None:
    """With the left button, as pyqtgraph hears it."""
    points = [view.mapFromScene(point) for point in (start, (start + end) / 2, end)]
    qtbot.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=points[0])
    for point in points[1:]:  # a drag is a move with the button down, which QTest.mouseMove lacks
        event = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(point), view.viewport().mapToGlobal(QPointF(point)),
            Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(view.viewport(), event)
    qtbot.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=points[-1])


def test_brushing_an_axis_leaves_its_trials_in_the_table_and_the_map_and_a_click_on_a_line_picks_it(
    filled: MainWindow, qtbot: QtBot
) -> None:
    filled.resize(1440, 900)
    sweep = sweep_of()
    show(filled, sweep)
    at_rest(filled, qtbot)
    results = filled.page(OptimizePage).panel.results
    view, item = results.parallel, results.parallel.item
    assert [axis.name for axis in view.axes] == [
        "fast",
        "slow",
        "sharpe",
        "return_pct",
        "max_drawdown_pct",
        "trades",
    ]
    rect = item.plot_rect()

    def at(number: int, share: float) -> QPointF:
        return QPointF(item.x_of(number), rect.bottom() - share * rect.height())

    drag(
        view.view, qtbot, at(0, 0.6), at(0, -0.2)
    )  # fast, from far below to a little above the middle: 10 to 34
    low, high = view.brushes["fast"]
    assert low == -math.inf
    assert high == pytest.approx(34, abs=0.5)
    wanted = sweep.params["fast"] <= high
    assert results.wanted is not None
    assert (results.wanted == wanted).all()
    assert {row.param("fast") for row in results.model.rows} == {10, 15, 20, 25, 30}
    grid = grid_of(sweep, results.map.axes(), results.wanted)
    assert (grid.positions >= 0).sum() == wanted.sum()
    assert f"{wanted.sum()} of 117 trials · fast to" in view.words.text()

    view.show_lines(*drawn(sweep, view, results.wanted))
    numbers: list[int] = []
    view.picked.connect(numbers.append)
    spot = view.view.mapFromScene(at(0, 0.25)) + QPoint(25, 0)
    qtbot.mouseClick(view.view.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert numbers
    assert results.picked_number() == numbers[-1]
    assert results.picked is not None
    assert wanted[results.picked]
    assert item.picked is not None

    view.view.setFocus()
    for _ in range(2):
        qtbot.keyClick(view.view, Qt.Key.Key_Right)  # to the objective
    for _ in range(18):
        qtbot.keyClick(view.view, Qt.Key.Key_Up)
    assert view.brushes["sharpe"][1] == math.inf
    assert len(results.model.rows) < wanted.sum()
    assert "Sharpe from" in view.view.accessibleDescription()
    qtbot.keyClick(view.view, Qt.Key.Key_Delete)
    assert set(view.brushes) == {"fast"}
    view.clear.click()
    assert (results.model.rowCount(), view.brushes) == (117, {})


def drawn(sweep: SweepResult, view: ParallelView, wanted: Wanted | None) -> tuple[Lines, Any]:
    """As the page does in a thread."""
    lines = lines_of(sweep, view.axes)
    xs, height = view.picture_size()
    return lines, picture_of(lines, wanted, xs, height, view.item.colours())


def test_the_map_is_a_tab_where_the_window_is_narrow(filled: MainWindow, qtbot: QtBot) -> None:
    results = filled.page(OptimizePage).panel.results
    filled.resize(1440, 900)
    qtbot.waitUntil(lambda: results.tabs.indexOf(results.map) < 0)
    filled.resize(1024, 700)
    qtbot.waitUntil(lambda: results.tabs.indexOf(results.map) == 1)
    filled.resize(1440, 900)
    qtbot.waitUntil(lambda: results.tabs.indexOf(results.map) < 0 and results.map.isVisible())


def test_the_plan_gives_its_room_to_the_results(filled: MainWindow, qtbot: QtBot) -> None:
    filled.resize(1024, 700)
    filled.show_page("Optimize")
    show(filled, sweep_of())
    panel = filled.page(OptimizePage).panel
    qtbot.waitUntil(lambda: panel.plan.isVisible() and panel.results.width() > 0)
    before, plan = panel.results.width(), panel.plan.width()
    panel.results.plan.click()
    qtbot.waitUntil(lambda: panel.results.width() >= before + plan)
    assert not panel.plan.isVisible()
    panel.results.plan.click()
    qtbot.waitUntil(lambda: panel.plan.isVisible())
