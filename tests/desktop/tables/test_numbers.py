"""Numbers that can be read: points that align, nothing cut, units that say what they count, metrics in groups."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.metrics.page import MetricsPage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.trades.page import TradesPage
from desktop.tables import formats
from desktop.tables.metrics import metric_text
from engine.model.market import Candles
from tests.desktop.builders import run_on
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Runs", "Trades", "Metrics")

FIRST, SECOND = "a" * 32, "b" * 32


@pytest.mark.parametrize(
    ("prices", "digits"),
    [([133.68, 132.8, 131.0], 2), ([0.00001234, 0.0000125], 8), ([64000.5, 64001.0], 1), ([5.0, 7.0], 0), ([], 0),
     ([float("nan"), 1.25], 2), ([1 / 3], 6), ([64000.1, 99999.9], 1)],
)  # fmt: skip
def test_a_markets_prices_have_the_decimals_of_its_tick(prices: list[float], digits: int) -> None:
    assert formats.tick_digits(prices) == digits


@pytest.mark.parametrize(
    ("metric", "words"),
    [("return_pct", "+7.50"), ("alpha_pct", "+7.50"), ("volatility_pct", "7.50"), ("winning_days_pct", "7.50"),
     ("break_even_cost_pct", "7.50"), ("max_drawdown_pct", "7.50"), ("trades", "8"), ("psr", "7.500")],
)  # fmt: skip
def test_only_what_is_gained_or_lost_has_a_sign(metric: str, words: str) -> None:
    assert metric_text(metric)(7.5) == words


def test_the_currency_that_is_counted_in() -> None:
    assert [formats.quote_of(name) for name in ("SOL/USDT:USDT", "ETH/BTC", "odd")] == ["USDT", "BTC", ""]


def rounded(n: int) -> Candles:
    candles = random_candles(n)
    return replace(
        candles, **{name: getattr(candles, name).round(2) for name in ("open", "high", "low", "close")}
    )


@pytest.fixture
def shown(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """Two compared runs on a market with two decimals, one of which paid slippage on one large trade."""
    candles = rounded(400)
    run = run_on(candles, FIRST)
    slipped = replace(run.trades[2], entry_price=101.23456789, size=98_765_432_109.12345)
    window.resize(1440, 900)
    window.workspace.put(
        [replace(run, trades=(*run.trades[:2], slipped)), run_on(candles, SECOND, strategy="other")]
    )
    for run_id in (FIRST, SECOND):
        window.workspace.put_candles(run_id, candles)
        window.workspace.check(run_id, on=True)
    window.workspace.show(FIRST)
    window.page(MetricsPage).panel.set_definitions(window.bridge.engine.runs.metric_definitions())
    qtbot.waitUntil(lambda: len(window.page(MetricsPage).panel.model.headers) == 2)
    return window


def test_prices_align_and_no_size_is_cut(shown: MainWindow) -> None:
    panel = shown.page(TradesPage).panel
    model, table = panel.model, panel.table
    column = model.column_number("entry_price")
    texts = [str(model.data(model.index(row, column))) for row in range(model.rowCount())]
    assert {len(text.partition(".")[2]) for text in texts} == {2}
    assert texts[2] == "101.23"
    size = model.column_number("size")
    written = table.fontMetrics().horizontalAdvance(str(model.data(model.index(2, size))))
    assert table.columnWidth(size) >= written + 8
    assert panel.count.text().endswith(" USDT")
    assert "101.23456789" in model.csv()


def test_no_title_is_cut_by_the_arrow_of_the_sorted_column(shown: MainWindow) -> None:
    table = shown.page(TradesPage).panel.table
    header = table.horizontalHeader()
    for number, column in enumerate(table.table.columns):
        if not table.isColumnHidden(number):
            assert table.columnWidth(number) >= header.fontMetrics().horizontalAdvance(column.title) + 22, (
                column.key
            )


def test_metrics_say_the_currency_and_fold_in_groups(shown: MainWindow, qtbot: QtBot) -> None:
    panel = shown.page(MetricsPage).panel
    shown.show_page("Metrics")
    model = panel.model
    headings = [row.group for row in model.shown() if row.is_heading]
    assert headings[:2] == ["Result", "Per year"]
    assert len(headings) == len(set(headings))
    rows = [row.key for row in model.shown()]
    place = rows.index("Result")
    index = model.index(place, 0)
    assert model.data(index) == "▾ Result"
    qtbot.mouseClick(
        panel.table.viewport(), Qt.MouseButton.LeftButton, pos=panel.table.visualRect(index).center()
    )
    assert model.data(model.index(place, 0)) == "▸ Result"
    assert "return_pct" not in [row.key for row in model.shown()]
    model.toggle(model.row_at(place))
    assert [row.key for row in model.shown()] == rows
    panel.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert not any(row.is_heading for row in model.shown())
    panel.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert [row.key for row in model.shown()] == rows


def test_money_is_called_by_its_currency(window: MainWindow, qtbot: QtBot) -> None:
    candles = rounded(200)
    window.workspace.put([run_on(candles, FIRST, metrics={"final_equity": 12_345.6})])
    window.workspace.show(FIRST)
    panel = window.page(MetricsPage).panel
    panel.set_definitions(window.bridge.engine.runs.metric_definitions())
    units = {
        row.key: panel.model.data(panel.model.index(view, 1)) for view, row in enumerate(panel.model.shown())
    }
    assert units["final_equity"] == "USDT"
    qtbot.waitUntil(lambda: window.page(OverviewPage).panel.chart.equity.name == "Equity, USDT")
    title, colour = panel.model.headers[0]
    assert title == "ema_cross"
    assert (
        panel.model.headerData(2, Qt.Orientation.Horizontal, Qt.ItemDataRole.TextAlignmentRole)
        & Qt.AlignmentFlag.AlignLeft
    )
    assert panel.table.columnWidth(2) >= panel.table.fontMetrics().horizontalAdvance(title) + 30
    assert colour


def test_minus_signs_of_sentences_are_the_window_s_and_hyphens_stay() -> None:
    text = "It made -13.24 % on 2024-01-06, look-ahead passed; -1 (-0.5)"
    assert formats.with_minuses(text) == "It made −13.24 % on 2024-01-06, look-ahead passed; −1 (−0.5)"
