"""Tables sort by value, show what is missing as a dash, and copy exactly what they show."""

import csv
import io
import math
import time
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from desktop.tables import formats
from desktop.tables.table import Column, TableModel
from desktop.tables.trades import COLUMNS, TradesModel, row_filter, trade_filter
from desktop.theme.colours import DARK
from desktop.theme.style_sheet import style_sheet
from desktop.widgets.table_view import TableView
from engine.model.market import DAY_MS, parse_time
from engine.model.trade import Fill, Trade
from tests.desktop.builders import run_on, trade
from tests.support.builders import START_MS, random_candles

NUMBERS: list[Column[Any]] = [Column("value", "Value", lambda row: row, formats.number, numeric=True)]


def shown(model: TableModel[Any], column: int = 0) -> list[str]:
    return [str(model.data(model.index(row, column))) for row in range(model.rowCount())]


def test_numbers_sort_by_value_and_not_as_text(app: QApplication) -> None:
    model: TableModel[Any] = TableModel(NUMBERS)
    model.set_rows([10.0, 9.0, 100.0, -5.0])
    model.sort(0, Qt.SortOrder.AscendingOrder)
    assert shown(model) == ["−5.00", "9.00", "10.00", "100.00"]


def test_missing_values_show_as_a_dash_and_stay_last_in_both_directions(app: QApplication) -> None:
    model: TableModel[Any] = TableModel(NUMBERS)
    model.set_rows([math.nan, 2.0, None, 1.0, math.inf])
    model.sort(0, Qt.SortOrder.AscendingOrder)
    assert shown(model) == ["1.00", "2.00", "–", "–", "–"]
    model.sort(0, Qt.SortOrder.DescendingOrder)
    assert shown(model) == ["2.00", "1.00", "–", "–", "–"]


@given(st.lists(st.floats() | st.none(), max_size=30), st.booleans())
def test_sorting_loses_no_row_and_orders_what_is_present(
    values: list[float | None], descending: bool
) -> None:
    model: TableModel[Any] = TableModel(NUMBERS)
    model.set_rows(values)
    model.sort(0, Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder)
    assert sorted(model.order) == list(range(len(values)))
    present = [value for value in model.shown() if not formats.is_missing(value)]
    assert present == sorted(present, reverse=descending)


def test_rows_that_arrive_while_sorted_go_to_their_place_and_the_selection_stays_on_its_row(
    app: QApplication,
) -> None:
    model: TableModel[Any] = TableModel(NUMBERS)
    view = TableView(model, "Numbers", "nothing")
    model.set_rows([3.0, 1.0])
    view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    view.select_row(1)
    model.rows.append(2.0)
    model.rearrange()
    assert model.shown() == [1.0, 2.0, 3.0]
    assert [model.row_at(row) for row in view.selected_rows()] == [3.0]


def test_home_and_end_go_to_the_first_row_and_to_the_last_and_with_shift_take_what_lies_between(
    app: QApplication, qtbot: QtBot
) -> None:
    model: TableModel[Any] = TableModel(COLUMNS)
    view = TableView(model, "Trades", "nothing")
    qtbot.addWidget(view)
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert not view.currentIndex().isValid()
    model.set_rows(run_on(random_candles(400)).trades)
    last = len(model.rows) - 1
    view.setCurrentIndex(model.index(2, 3))
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert (view.selected_rows(), view.currentIndex().column()) == ([last], 3)
    qtbot.keyClick(view, Qt.Key.Key_Home)
    assert (view.selected_rows(), view.currentIndex().column()) == ([0], 3)
    qtbot.keyClick(view, Qt.Key.Key_End, Qt.KeyboardModifier.ShiftModifier)
    assert view.selected_rows() == list(range(last + 1))
    view.setSelectionBehavior(TableView.SelectionBehavior.SelectItems)
    view.setCurrentIndex(model.index(2, 3))
    qtbot.keyClick(view, Qt.Key.Key_Home)
    assert (view.currentIndex().row(), view.currentIndex().column()) == (2, 0)


def test_the_model_keeps_qts_rules(app: QApplication, qtmodeltester: ModelTester) -> None:
    model = TradesModel()
    qtmodeltester.check(model)
    model.set_trades(run_on(random_candles(400)).trades)
    model.sort(8, Qt.SortOrder.DescendingOrder)
    qtmodeltester.check(model)


def test_copied_tsv_equals_the_exported_csv_and_holds_exact_values(app: QApplication) -> None:
    trades = run_on(random_candles(400)).trades
    model = TradesModel()
    view = TableView(model, "Trades", "none")
    model.set_trades(trades)
    view.copy()
    pasted = list(csv.reader(io.StringIO(QGuiApplication.clipboard().text()), delimiter="\t"))
    assert pasted == list(csv.reader(io.StringIO(model.csv())))
    assert pasted[0] == [column.key for column in COLUMNS]
    first = dict(zip(pasted[0], pasted[1], strict=True))
    assert float(first["pnl"]) == trades[0].pnl
    assert first["entry_time"] == "2024-01-01T10:00:00Z"


def test_only_selected_rows_are_copied(app: QApplication) -> None:
    model = TradesModel()
    view = TableView(model, "Trades", "none")
    model.set_trades(run_on(random_candles(400)).trades)
    view.selectRow(2)
    view.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("3\t")


def test_filters_combine_side_result_and_words(app: QApplication) -> None:
    trades = run_on(random_candles(2000)).trades
    model = TradesModel()
    model.set_trades(trades)
    model.set_filter(row_filter(trade_filter("Short", "Wins", "cross 2024-01")))
    expected = [
        t for t in trades if t.side == "short" and t.pnl > 0 and formats.minute(t.entry_time) < "2024-02"
    ]
    assert [row.trade for row in model.shown()] == expected
    assert 0 < len(expected) < len(trades)


@pytest.mark.parametrize(
    ("outcome", "words", "places"),
    [
        ("Liquidated", "", [1]),
        ("Ambiguous", "", [2]),
        ("All results", "trailing stop", [0]),
        ("All results", "target 1", [0, 2]),
        ("All results", "target 2", [2]),
        ("All results", "liquidation", [1]),
        ("All results", "time", [3]),
        ("All results", "entry", []),
    ],
)
def test_trades_are_found_by_whichever_of_their_exits(
    app: QApplication, outcome: str, words: str, places: list[int]
) -> None:
    candles = random_candles(400)

    def fills(*reasons: str) -> tuple[Fill, ...]:
        sizes = [2.0, *(-1.0 for _ in reasons)]
        return tuple(
            Fill(START_MS, 1.0, size, why, 0.0) for size, why in zip(sizes, ("entry", *reasons), strict=True)
        )

    model = TradesModel()
    model.set_trades(
        [
            trade(candles, 11, 22, exit_reason="trailing_stop", fills=fills("target_1", "trailing_stop")),
            trade(candles, 31, 42, exit_reason="liquidation", liquidated=True),
            trade(
                candles, 51, 62, exit_reason="target_2", ambiguous=True, fills=fills("target_1", "target_2")
            ),
            trade(candles, 71, 82, exit_reason="time"),
        ]
    )
    model.set_filter(row_filter(trade_filter("All sides", outcome, words)))
    assert [row.place for row in model.shown()] == places


def test_fifty_thousand_trades_sort_in_less_than_half_a_second(app: QApplication) -> None:

    trades = run_on(random_candles(2000)).trades
    model = TradesModel()
    model.set_trades(trades * (50_000 // len(trades)))
    started = time.thread_time()  # its own: the machine may be busy with other things
    model.sort(8, Qt.SortOrder.AscendingOrder)
    assert time.thread_time() - started < 0.5


def test_numbers_read_well_at_every_size(app: QApplication) -> None:
    assert formats.number(1234567.891) == "1,234,567.89"
    assert formats.price(0.00001234) == "0.0000123400"
    assert formats.price(97_123.4) == "97,123.40"
    assert formats.percent(-3.5) == "−3.50 %"
    assert formats.number(3.2e17) == "3.200e+17"
    assert formats.compact(1_250_000) == "1.25 M"
    assert formats.remaining(3725) == "1:02:05"


def test_whatever_a_trade_says_is_a_column() -> None:
    keys = [column.key for column in COLUMNS]
    assert len(set(keys)) == len(keys)
    assert {field.name for field in fields(Trade)} - set(keys) == {"liquidated", "fills"}


def test_a_day_or_a_month_is_that_of_every_trade_held_in_it(app: QApplication) -> None:
    trades = run_on(random_candles(2000)).trades
    longest = max(trades, key=lambda trade: trade.exit_time - trade.entry_time)
    within = formats.day(longest.exit_time)
    assert within != formats.day(longest.entry_time)
    model = TradesModel()
    model.set_trades(trades)
    for words, start, end in (
        (within, parse_time(within), parse_time(within) + DAY_MS),
        ("2024-01", parse_time("2024-01-01"), parse_time("2024-02-01")),
    ):
        model.set_filter(row_filter(trade_filter("All sides", "All results", words)))
        expected = [trade for trade in trades if trade.entry_time < end and trade.exit_time >= start]
        assert [row.trade for row in model.shown()] == expected
        assert 0 < len(expected) < len(trades)
    for words in ("2024-13", "2024-02-31"):
        model.set_filter(row_filter(trade_filter("All sides", "All results", words)))
        assert not model.shown()


def _ink(view: TableView, column: int, beside: int) -> int:
    """How many pixels wide the title of a column is drawn, where the last `beside` belong to the arrow."""
    header = view.horizontalHeader()
    picture = header.grab().toImage()
    left, width = header.sectionViewportPosition(column), header.sectionSize(column)
    ground = picture.pixel(left + 2, 3)
    rows = range(3, header.height() - 3)
    drawn = [
        x for x in range(left, left + width - beside) if any(picture.pixel(x, y) != ground for y in rows)
    ]
    return max(drawn) - min(drawn)


def test_the_height_of_some_rows_shows_them_also_where_columns_are_scrolled(
    app: QApplication, qtbot: QtBot
) -> None:
    rows = TableModel([Column(name, name * 20, lambda row: row) for name in "abcdef"])
    rows.set_rows(["one", "two"])
    view = TableView(rows, "Rows", "")
    view.fit_columns()
    view.resize(120, view.height_of(2))
    with qtbot.waitExposed(view):
        view.show()
    assert view.horizontalScrollBar().maximum() > 0
    assert view.visualRect(rows.index(1, 0)).bottom() <= view.viewport().height()
    view.close()


def test_the_arrow_of_the_sorted_column_cuts_no_title(app: QApplication, qtbot: QtBot) -> None:
    columns: list[Column[Any]] = [
        Column("name", "Name of it", str, str),
        Column("value", "Return %", lambda row: row, formats.number, numeric=True),
        Column("last", "Last", str, str),
    ]
    view = TableView(TableModel(columns), "Table", "")
    qtbot.addWidget(view)
    view.setStyleSheet(style_sheet(DARK))
    view.resize(700, 200)
    with qtbot.waitExposed(view):
        view.show()
    view.table.set_rows([1.0, 2.0])
    view.fit_columns()
    for column in (0, 1):
        view.sortByColumn(2, Qt.SortOrder.AscendingOrder)
        whole = _ink(view, column, 0)
        view.sortByColumn(column, Qt.SortOrder.AscendingOrder)
        assert _ink(view, column, 13) >= whole - 1
