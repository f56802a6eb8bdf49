"""Tables sort by value, show what is missing as a dash, and copy exactly what they show."""

import csv
import io
import math
import time
from dataclasses import fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.modeltest import ModelTester

from desktop.tables import formats
from desktop.tables.table import Column, TableModel
from desktop.tables.trades import COLUMNS, TradesModel, row_filter, trade_filter
from desktop.widgets.table_view import TableView
from engine.model.trade import Trade
from tests.desktop.builders import run_on
from tests.support.builders import random_candles

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


def test_fifty_thousand_trades_sort_in_less_than_half_a_second(app: QApplication) -> None:

    trades = run_on(random_candles(2000)).trades
    model = TradesModel()
    model.set_trades(trades * (50_000 // len(trades)))
    started = time.perf_counter()
    model.sort(8, Qt.SortOrder.AscendingOrder)
    assert time.perf_counter() - started < 0.5


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
    assert {field.name for field in fields(Trade)} - set(keys) == {"funding"}  # not charged yet
