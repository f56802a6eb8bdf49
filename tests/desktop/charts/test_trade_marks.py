"""Where the trades of a run are marked in its chart, and what is told of each."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from desktop.charts.items.trade_item import HALF_PX
from desktop.charts.items.trade_places import TradePlaces
from desktop.charts.price_chart import PriceChart
from desktop.charts.read_out import MOST_FILLS
from desktop.theme.colours import DARK, LIGHT, Theme
from engine.model.market import Candles
from engine.model.run import RunResult, Series
from engine.model.trade import Fill
from tests.desktop.builders import trade
from tests.desktop.charts.pictures import CANDLES, RUN, column, distance, picture


@pytest.fixture
def chart(chart: PriceChart) -> PriceChart:
    chart.show_run(RUN, CANDLES)
    return chart


def crowded() -> RunResult:
    """A trade every three hours."""
    trades = tuple(trade(CANDLES, at, at + 2, side="short" if at % 2 else "long") for at in range(10, 560, 3))
    return replace(RUN, trades=trades)


def test_markers_in_one_place_are_one_with_their_number_and_clicks_go_through_them(
    chart: PriceChart, qtbot: QtBot
) -> None:
    run = crowded()
    chart.show_run(run, CANDLES)
    chart.show_all()
    assert chart.trades is not None
    markers = chart.trades.markers()
    assert sum(len(marker.trades) for marker in markers) == 2 * len(run.trades)
    assert len(markers) < len(run.trades)
    for below in (True, False):
        places = sorted(column(chart, marker.x) for marker in markers if marker.below == below)
        assert min(np.diff(places)) >= round(2 * HALF_PX) - 1
    several = next(marker for marker in markers if len(marker.trades) > 2)
    assert f"{len(set(several.trades))} trades" in chart.trades_text(several.trades)
    clicked: list[int] = []
    chart.trade_clicked.connect(clicked.append)
    for _ in several.trades:
        chart.click_at(QPointF(several.x, several.y))
        chart.select_trade(clicked[-1], move=False)
    assert clicked == list(several.trades)


def test_markers_of_neighbouring_cells_do_not_overlap(chart: PriceChart) -> None:
    places = sorted(int(at) for at in np.random.default_rng(3).choice(range(10, 480), 120, replace=False))
    chart.show_run(replace(RUN, trades=tuple(trade(CANDLES, at, at + 1) for at in places)), CANDLES)
    for zoom in (1.0, 0.3):
        chart.show_all()
        chart.zoom(zoom)
        assert chart.trades is not None
        markers = chart.trades.markers()
        for below in (True, False):
            drawn = sorted(column(chart, marker.x) for marker in markers if marker.below == below)
            assert min(np.diff(drawn)) >= round(2 * HALF_PX) - 1


def test_all_of_a_trade_is_said(chart: PriceChart) -> None:
    words = chart.trades_text((1,)).replace("&nbsp;", " ")
    for part in (
        "Trade 2 of",
        "▼ Short",
        "cross sell",
        "exit short",
        "MAE −1.00 %",
        "MFE 2.00 %",
        "commission",
    ):
        assert part in words
    assert chart.trades_text((10_000,)) == chart.trades_text(()) == ""


def laddered(candles: Candles, *, liquidated: bool) -> RunResult:
    """One trade: entered, added to twice, half of it taken at a target, the rest left (or liquidated)."""
    last = "liquidation" if liquidated else "trailing_stop"
    rows = [
        (100, 4.0, "entry"),
        (120, 4.0, "add"),
        (140, 2.0, "add"),
        (160, -5.0, "target_1"),
        (180, -5.0, last),
    ]
    fills = tuple(
        Fill(int(candles.timestamp[at]), float(candles.open[at]), size, why, 1.5) for at, size, why in rows
    )
    one = trade(
        candles, 100, 180, exit_reason=last, liquidated=liquidated, ambiguous=True, slippage=3.5, fills=fills
    )
    return replace(RUN, trades=(one,))


def test_every_fill_of_a_trade_is_told_and_of_many_the_first_and_the_last(chart: PriceChart) -> None:
    run = laddered(CANDLES, liquidated=False)
    chart.show_run(run, CANDLES)
    words = chart.trades_text((0,)).replace("&nbsp;", " ")
    for part in ("5 fills", "entry +4.00000 at", "add +2.00000 at", "target 1 −5.00000 at", "trailing stop −5.00000",
                 "slippage 3.50", "can be read in two ways"):  # fmt: skip
        assert part in words
    (one,) = run.trades
    many = replace(one, fills=(one.fills[0], *one.fills[1:2] * 30, one.fills[-1]))
    chart.show_run(replace(run, trades=(many,)), CANDLES)
    words = chart.trades_text((0,)).replace("&nbsp;", " ")
    assert "32 fills" in words
    assert words.count("add +") == MOST_FILLS - 2
    assert "and 22 more" in words
    assert "trailing stop −5" in words


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_fills_of_the_selected_trade_are_marked_at_their_prices(chart: PriceChart, theme: Theme) -> None:
    chart.apply_theme(theme)
    run = laddered(CANDLES, liquidated=False)
    chart.show_run(run, CANDLES)
    chart.show_range(float(CANDLES.timestamp[90]) / 1000, float(CANDLES.timestamp[190]) / 1000)

    def ink() -> list[bool]:
        """Whether the colour of what buys (or sells) stands where each fill between entry and exit was."""
        image = picture(chart)
        found = []
        for fill in run.trades[0].fills[1:-1]:
            at = chart.mapFromScene(chart.price.view.mapViewToScene(QPointF(fill.time / 1000, fill.price)))
            wanted = QColor(theme.buy if fill.size > 0 else theme.sell)
            found.append(
                any(
                    distance(image.pixelColor(at.x() + x, at.y() + y), wanted) < 60
                    for x in range(-5, 6)
                    for y in range(-5, 6)
                )
            )
        return found

    assert not any(ink())
    chart.select_trade(0, move=False)
    assert all(ink())


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_a_liquidation_has_a_mark_and_words_of_its_own(chart: PriceChart, theme: Theme) -> None:
    chart.apply_theme(theme)
    pictures = {}
    for liquidated in (False, True):
        chart.show_run(laddered(CANDLES, liquidated=liquidated), CANDLES)
        chart.show_range(float(CANDLES.timestamp[90]) / 1000, float(CANDLES.timestamp[190]) / 1000)
        assert chart.trades is not None
        marks = [(one.is_entry, one.is_taken) for one in chart.trades.markers()]
        assert sorted(marks) == [(False, liquidated), (True, False)]
        assert ("✖" in chart.trades_text((0,))) == liquidated
        pictures[liquidated] = picture(chart)
    assert chart.trades is not None
    (taken,) = (one for one in chart.trades.markers() if one.is_taken)
    tip = chart.mapFromScene(chart.price.view.mapViewToScene(QPointF(taken.x, taken.y)))
    middle = tip.x(), tip.y() + (5 if taken.below else -5)
    wanted = QColor(theme.negative)
    near = [distance(image.pixelColor(*middle), wanted) for image in pictures.values()]
    assert near[1] < 40 < near[0]


def test_stops_and_targets_are_those_of_the_candle_before_the_entry(chart: PriceChart) -> None:
    stops = np.where(np.arange(len(CANDLES)) % 2 == 1, CANDLES.close * 0.98, np.nan)
    run = replace(RUN, indicators=Series(CANDLES.timestamp, {"stop_loss": stops}))
    places = TradePlaces.of_run(run)
    entries = np.searchsorted(CANDLES.timestamp, [one.entry_time for one in run.trades])
    assert np.array_equal(places.stop, stops[entries - 1], equal_nan=True)
    assert np.isfinite(places.stop).any()
    assert np.isnan(places.target).all()
    chart.show_run(run, CANDLES)
    chart.show_all()
    assert chart.lines is not None
    assert chart.lines.levels().tolist() == np.flatnonzero(np.isfinite(places.stop)).tolist()
    assert "stop_loss" in chart.hidden
