"""Charts draw what is visible and only that, keep extremes, speak UTC, and find the trade under the pointer."""

import contextlib
import time

import numpy as np
import pyqtgraph as pg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.charts.equity_chart import PERCENT, EquityChart, drawdown_pct, hold_curve, run_curve
from desktop.charts.indicator_groups import group_indicators
from desktop.charts.items.buckets import MOST_BUCKETS, Gathered
from desktop.charts.items.envelope import Envelope
from desktop.charts.plot import Plot
from desktop.charts.price_chart import PriceChart
from desktop.theme.colours import DARK, LIGHT
from engine.model.market import HOUR_MS, Candles
from engine.model.plots import read_plots
from tests.desktop.builders import many_candles, run_on
from tests.desktop.waiting import at_rest
from tests.support.builders import START_MS, random_candles
from tests.support.timezone import Timezone

FRAME_S = 0.016


def pixels_of(image: QImage, colour: str) -> int:
    wanted = QColor(colour).rgb()
    return sum(image.pixel(x, y) == wanted for x in range(image.width()) for y in range(0, image.height(), 3))


def test_an_axis_takes_the_place_of_another_before_the_plot_is_anywhere_and_afterwards(
    app: QApplication,
) -> None:
    first, second, third = (pg.AxisItem("left") for _ in range(3))
    plot = Plot({"left": first})
    plot.set_axis("left", second)
    view = pg.GraphicsLayoutWidget()
    view.addItem(plot)
    plot.set_axis("left", third)
    assert plot.axes == {"left": third}
    assert [item for item in view.scene().items() if isinstance(item, pg.AxisItem)] == [third]


@given(n=st.integers(1, 400), most=st.integers(5, 60), start=st.integers(0, 300), width=st.integers(1, 400))
def test_gathered_bars_keep_every_extreme_and_the_volume(n: int, most: int, start: int, width: int) -> None:
    candles = random_candles(n, seed=n)
    low, high = START_MS / 1000 + start * 3600, START_MS / 1000 + (start + width) * 3600
    bars = Gathered(candles, 3600.0).bars(low, high, most)
    inside = (candles.timestamp >= low * 1000) & (candles.timestamp <= high * 1000)
    if not inside.any():
        return
    assert len(bars) <= most + 2
    assert bars.high.max() >= candles.high[inside].max()
    assert bars.low.min() <= candles.low[inside].min()
    assert bars.volume.sum() >= candles.volume[inside].sum() * (1 - 1e-9)
    assert (np.diff(bars.x) > 0).all()


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=900),
    start=st.integers(-5, 900),
    width=st.integers(0, 950),
)
def test_an_envelope_answers_as_if_it_had_read_every_value(
    values: list[float], start: int, width: int
) -> None:
    y = np.array(values)
    envelope = Envelope(np.arange(len(y)) * 1000, y, y)
    first, last = envelope.positions(start, start + width)
    read = y[first:last][np.isfinite(y[first:last])]
    assert envelope.within(start, start + width) == ((read.min(), read.max()) if len(read) else None)
    _, drawn = envelope.outline(start, start + width, 60)
    assert len(drawn) <= 66
    if len(read):
        assert np.nanmin(drawn) <= read.min()
        assert np.nanmax(drawn) >= read.max()


def test_half_a_million_candles_are_gathered_and_drawn_within_a_frame(chart: PriceChart) -> None:
    candles = many_candles(500_000)
    chart.show_run(run_on(candles, trades=(), indicators=None), candles)
    chart.show_all()
    chart.grab()
    item = next(item for item in chart.price.plot.items if type(item).__name__ == "CandleItem")
    assert len(item.bars()) <= MOST_BUCKETS + 2
    spent = []
    for _ in range(5):
        chart.zoom(0.97)
        started = time.thread_time()  # its own: the machine may be busy with other things
        item.bars()
        image = QImage(1000, 500, QImage.Format.Format_ARGB32_Premultiplied)

        painter = QPainter(image)
        painter.setTransform(item.sceneTransform())
        item.paint(painter, None)
        painter.end()
        spent.append(time.thread_time() - started)
    assert min(spent) < FRAME_S


def test_coins_that_cost_a_fraction_of_a_cent_are_visible(chart: PriceChart) -> None:
    walk = random_candles(300)
    prices = (walk.open * 1e-7, walk.high * 1e-7, walk.low * 1e-7, walk.close * 1e-7)
    tiny = Candles(walk.timestamp, *prices, walk.volume)
    chart.show_run(run_on(tiny, trades=(), indicators=None), tiny)
    image = chart.grab().toImage()
    assert pixels_of(image, DARK.up) > 50
    assert pixels_of(image, DARK.down) > 50


def test_selecting_a_trade_brings_it_into_view(chart: PriceChart) -> None:
    candles = random_candles(5000)
    run = run_on(candles)
    chart.show_run(run, candles)
    chart.select_trade(5, move=True)
    low, high = chart.x_range()
    assert low < run.trades[5].entry_time / 1000 < run.trades[5].exit_time / 1000 < high
    bottom, top = chart.price.view.viewRange()[1]
    assert bottom < run.trades[5].entry_price < top


def test_clicking_a_marker_names_its_trade_and_clicking_beside_names_none(
    chart: PriceChart, qtbot: QtBot
) -> None:
    candles = random_candles(5000)
    run = run_on(candles)
    chart.show_run(run, candles)
    chart.select_trade(5, move=True)
    with qtbot.waitSignal(chart.trade_clicked) as clicked:
        chart.click_at(QPointF(run.trades[5].exit_time / 1000, run.trades[5].exit_price))
    assert clicked.args == [5]
    with qtbot.assertNotEmitted(chart.trade_clicked):
        chart.click_at(QPointF(run.trades[5].entry_time / 1000, run.trades[5].entry_price * 1.5))


def test_the_height_follows_the_visible_candles_and_not_all_of_them(chart: PriceChart) -> None:
    candles = random_candles(5000)
    chart.show_run(run_on(candles), candles)
    chart.show_range(START_MS / 1000 + 3600 * 1000, START_MS / 1000 + 3600 * 1100)
    bottom, top = chart.price.view.viewRange()[1]
    visible = candles.slice(999, 1101)
    assert bottom <= visible.low.min() <= visible.high.max() <= top
    assert top - bottom < 1.5 * (visible.high.max() - visible.low.min())


def test_indicators_go_where_their_values_belong() -> None:
    candles = random_candles(500)
    run = run_on(candles)
    assert run.indicators is not None
    groups = group_indicators(
        dict(run.indicators.columns) | {"macd": candles.close * 0.01 - 1.2}, candles.close
    )
    assert groups.on_price == ("ema",)
    assert groups.lower == (("rsi",), ("macd",))
    assert groups.flags == ("direction",)


def test_an_oscillator_leaves_the_candles_alone_whatever_they_cost() -> None:
    """SOL cost between 20 and 200: an RSI of 0 to 100 fits the prices' range, and is none."""
    walk = np.cumsum(np.random.default_rng(4).normal(0, 1, 4000))
    for price in (0.5, 5.0, 30.0, 50.0, 70.0, 95.0, 150.0):
        close = price * np.exp(walk / 150)
        gain = np.convolve(np.maximum(np.diff(close, prepend=close[0]), 0), np.ones(14) / 14, "same")
        loss = np.convolve(np.maximum(-np.diff(close, prepend=close[0]), 0), np.ones(14) / 14, "same")
        columns = {
            "rsi": 100 * gain / (gain + loss + 1e-12),
            "ema": np.convolve(close, np.ones(50) / 50, "same") * 1.01,
            "band": close * 1.2,
            "late": np.where(np.arange(4000) < 300, np.nan, close * 0.97),
            "atr": close * 0.02 * (1 + np.sin(walk) / 4),
        }
        columns["ema"][:30] = columns["ema"][-30:] = np.nan
        groups = group_indicators(columns, close)
        assert groups.on_price == ("ema", "band", "late"), price
        assert "rsi" in groups.lower[0]


def test_a_strategy_says_where_its_columns_are_drawn(chart: PriceChart) -> None:
    candles = random_candles(500)
    run = run_on(candles)
    plots = read_plots({
        "ema": {"pane": "Trend", "style": "area"}, "rsi": {"pane": "Momentum", "low": 0, "high": 100, "levels": (30, 70)},
        "direction": "price", "gone": "price",
    })  # fmt: skip
    chart.show_run(run, candles, plots)
    assert chart.groups.on_price == ("direction",)
    assert chart.groups.lower == (("ema",), ("rsi",))
    low, high = chart.lower[1].view.viewRange()[1]
    assert low < 0 < 100 < high
    candle_low, candle_high = chart.price.view.viewRange()[1]
    assert candle_high - candle_low < 1.5 * (candles.high.max() - candles.low.min())
    assert [pane.plot.isVisible() for pane in chart.lower] == [True, True, False, False]
    chart.toggle("rsi", hidden=True)
    assert not chart.lower[1].plot.isVisible()


def test_hidden_indicators_leave_no_empty_pane(chart: PriceChart) -> None:
    candles = random_candles(500)
    chart.show_run(run_on(candles), candles)
    assert chart.lower[0].plot.isVisible()
    chart.toggle("rsi", hidden=True)
    assert not chart.lower[0].plot.isVisible()


def test_the_read_out_names_the_candle_under_the_crosshair_in_utc(chart: PriceChart) -> None:
    candles = random_candles(500)
    chart.show_run(run_on(candles), candles)
    text = chart.read_out(START_MS / 1000 + 10 * 3600 + 600)
    assert "2024-01-01 10:00</b> UTC" in text
    assert f"{candles.close[10]:.3f}" in text


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_times_do_not_depend_on_the_machines_zone(chart: PriceChart, zone: str) -> None:
    candles = random_candles(48)

    def texts() -> tuple[list[str], str]:
        chart.show_run(run_on(candles), candles)
        axis = chart.price.time_axis
        ticks = [START_MS / 1000 + hour * 3600 for hour in range(0, 48, 6)]
        levels = axis.tickValues(ticks[0], ticks[-1], 800)
        return [
            text for spacing, values in levels for text in axis.tickStrings(values, 1, spacing)
        ], chart.read_out(None)

    with contextlib.closing(Timezone("UTC")):
        at_home = texts()
    with contextlib.closing(Timezone(zone)):
        assert texts() == at_home


def test_equity_is_shown_in_percent_with_drawdown_and_buy_and_hold(app: QApplication, qtbot: QtBot) -> None:
    chart = EquityChart()
    chart.apply_theme(LIGHT)
    candles = random_candles(500)
    run = run_on(candles)
    line, hold = run_curve(run, "#123456", "ema_cross"), hold_curve(run, candles, "#888888")
    assert line is not None
    assert hold is not None
    chart.show_curves([line, hold], PERCENT, keep_view=False)
    assert len(chart.equity.lines()) == 2
    assert chart.value_at(hold, None) == f"{(candles.close[-1] / candles.open[0] - 1) * 100:+.2f} %".replace(
        "-", "−"
    )
    chart.toggle(hold.key, hidden=True)
    assert len(chart.equity.lines()) == 1
    chart.close()


def test_drawdown_starts_at_the_cash_and_never_rises_above_zero() -> None:
    equity = np.array([90.0, 120.0, 60.0, 130.0])
    assert drawdown_pct(equity, 100.0).tolist() == pytest.approx([-10.0, 0.0, -50.0, 0.0])


def test_the_view_before_comes_back(chart: PriceChart, qtbot: QtBot) -> None:
    candles = random_candles(3000)
    chart.show_run(run_on(candles), candles)
    at_rest(chart, qtbot)
    before = chart.x_range()
    chart.show_range(START_MS / 1000, START_MS / 1000 + 100 * HOUR_MS / 1000)
    at_rest(chart, qtbot)
    chart.back()
    assert chart.x_range() == pytest.approx(before)
