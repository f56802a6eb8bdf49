"""What is where in the picture of a chart: asked of the picture itself and of what was drawn, never of stored pixels."""

import contextlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QFontMetricsF, QImage
from PySide6.QtWidgets import QApplication

from desktop.charts.axes import TimeAxis, ValueAxis
from desktop.charts.items.envelope import envelope_of
from desktop.charts.items.hole_item import HoleItem, holes_in
from desktop.charts.pane import Pane
from desktop.charts.price_chart import PriceChart
from desktop.charts.timeframes import joined, longer_than
from desktop.tables import formats
from desktop.theme.colours import DARK
from engine.model.market import DAY_MS, HOUR_MS, Candles, Period, Timeframe
from tests.desktop.builders import run_on
from tests.desktop.charts.pictures import CANDLES, HOLE, HOUR, RUN, column, distance, picture
from tests.support.builders import START_MS, random_candles
from tests.support.timezone import Timezone


@pytest.fixture
def chart(chart: PriceChart) -> PriceChart:
    chart.show_run(RUN, CANDLES)
    return chart


def room(chart: PriceChart, pane: Pane) -> QRect:
    """Where a pane's plot is in the picture."""
    found: QRect = chart.mapFromScene(pane.view.mapToScene(pane.view.rect())).boundingRect()
    return found


def candle_pixels(image: QImage) -> set[tuple[int, int]]:
    """Where the picture has the very colours of candles."""
    wanted = {QColor(DARK.up).rgb(), QColor(DARK.down).rgb()}
    return {
        (x, y) for x in range(image.width()) for y in range(image.height()) if image.pixel(x, y) in wanted
    }


def mean_colour(image: QImage, area: QRect) -> QColor:
    """Of a block: all its pixels in one."""
    return image.copy(area).scaled(1, 1).pixelColor(0, 0)


@pytest.mark.parametrize("zoom", [1.0, 0.2])
def test_markers_hide_no_pixel_of_a_candle(chart: PriceChart, zoom: float) -> None:
    """The same picture without trades has candles nowhere else: markers stand beside, lines below."""
    chart.show_all()
    chart.zoom(zoom)
    price = room(chart, chart.price)
    with_trades = candle_pixels(picture(chart).copy(price))
    view = chart.x_range()
    chart.show_run(replace(RUN, trades=()), CANDLES)
    chart.show_range(*view)
    without = candle_pixels(picture(chart).copy(price))
    assert len(without) > 300
    assert without <= with_trades


def test_candles_stay_inside_their_pane_and_fill_it(chart: PriceChart) -> None:
    chart.show_all()
    image, price = picture(chart), room(chart, chart.price)
    inside = candle_pixels(image.copy(price))
    places = [y for _, y in inside]
    assert min(places) > 2
    assert max(places) < price.height() - 3
    assert max(places) - min(places) > price.height() / 3
    widths = [x for x, _ in inside]
    assert max(widths) - min(widths) > price.width() * 0.9


def test_a_hole_is_shaded_where_it_is_in_every_pane_and_the_read_out_tells_it(chart: PriceChart) -> None:
    chart.show_all()
    image = picture(chart)
    start, end = (START_MS / 1000 + at * 3600 for at in (HOLE.start, HOLE.stop - 1))
    for pane in (chart.price, chart.volume, chart.equity):
        area = room(chart, pane)
        left, right = column(chart, start), column(chart, end)
        shaded = mean_colour(image, QRect(left + 2, area.top() + 3, right - left - 4, 12))
        beside = mean_colour(image, QRect(left - 30, area.top() + 3, right - left - 4, 12))
        assert shaded.red() - shaded.blue() > 20  # amber on the dark ground
        assert shaded.red() > beside.red() + 20
    assert "no candles from 2024-01-21 20:00 to 2024-01-22 16:00" in chart.read_out((start + end) / 2)
    assert "no candles" not in chart.read_out(start - 7200)


def test_holes_are_found_at_both_ends_and_inside_and_nowhere_else() -> None:
    period = Period(START_MS - 3 * HOUR_MS, START_MS + 602 * HOUR_MS)
    hours = [(-3, 0), (HOLE.start, HOLE.stop), (600, 602)]
    assert holes_in(CANDLES.timestamp, HOUR, period).tolist() == [
        [START_MS + start * HOUR_MS, START_MS + stop * HOUR_MS] for start, stop in hours
    ]
    months = Timeframe("1M").opens(Period(START_MS, START_MS + 800 * DAY_MS))
    year = Period(int(months[0]), Timeframe("1M").next(int(months[-1])))
    assert not len(holes_in(months, Timeframe("1M"), year))
    assert holes_in(np.delete(months, 5), Timeframe("1M"), year).tolist() == [months[5:7].tolist()]


def test_many_holes_are_drawn_once_a_pixel(chart: PriceChart) -> None:
    full = random_candles(4000)
    some = Candles(full.timestamp[::2], *(values[::2] for values in full.columns().values()))
    chart.show_run(run_on(some, period=Period(START_MS, START_MS + 4000 * HOUR_MS)), some)
    chart.show_all()
    chart.grab()
    item = next(item for item in chart.price.plot.items if isinstance(item, HoleItem))
    assert len(chart.holes) >= 1999
    assert 500 < len(item.visible()) <= 1100


@pytest.mark.parametrize("name", ["2h", "4h", "1d", "1w", "1M"])
def test_candles_of_longer_timeframes_are_those_an_exchange_would_have(name: str) -> None:
    candles, longer = CANDLES.slice(5, None), Timeframe(name)
    made = joined(candles, HOUR, longer)
    cells = [longer.floor(int(time)) for time in candles.timestamp]
    assert made.candles.timestamp.tolist() == sorted(set(cells))
    for at, opened in enumerate(made.candles.timestamp.tolist()):
        rows = [place for place, cell in enumerate(cells) if cell == opened]
        parts = candles.slice(rows[0], rows[-1] + 1)
        assert made.candles.open[at] == parts.open[0]
        assert made.candles.high[at] == parts.high.max()
        assert made.candles.low[at] == parts.low.min()
        assert made.candles.close[at] == parts.close[-1]
        assert made.candles.volume[at] == pytest.approx(parts.volume.sum())
        assert made.parts[at] == len(rows)
        assert made.whole[at] == (longer.next(opened) - opened) // HOUR_MS


def test_only_timeframes_made_of_whole_candles_are_offered() -> None:
    assert longer_than(Timeframe("4h")) == ["8h", "12h", "1d", "3d", "1w", "1M"]
    assert longer_than(Timeframe("3d")) == []
    assert longer_than(Timeframe("1d")) == ["3d", "1w", "1M"]
    assert "5m" not in longer_than(Timeframe("3m"))
    assert longer_than(Timeframe("1M")) == []


def test_another_timeframe_moves_no_trade_and_says_what_a_candle_lacks(chart: PriceChart) -> None:
    assert chart.timeframes()[:3] == ["1h", "2h", "4h"]
    before = chart.trades_text((2,))
    chart.set_timeframe("1d")
    chart.show_all()
    assert chart.trades is not None
    assert chart.trades.places.entry.tolist() == [one.entry_time / 1000 for one in RUN.trades]
    day = START_MS // 1000 + 21 * 86_400
    assert "⚠ 8 of 24 candles" in chart.read_out(day + 17 * 3600)
    assert "⚠" not in chart.read_out(day - 30 * 3600)
    assert chart.trades_text((2,)) == before
    bars = chart._source.bars(*chart.x_range())
    first = START_MS / 1000 - 1800
    assert bars.x[0] - bars.width / 2 == pytest.approx(
        first
    )  # it covers its hours, trades at them lie inside
    chart.set_timeframe(None)
    assert len(chart._source.candles) == len(CANDLES)


def test_a_logarithmic_scale_without_anything_visible_is_no_fault(chart: PriceChart) -> None:
    """Prices of before, taken for logarithms, are numbers beyond all floats, and an error in painting ends the program."""
    last = CANDLES.timestamp[-1] / 1000
    chart.show_range(last - 10 * 3600, last + 3600)
    chart.show_range(last + 5 * 3600, last + 14 * 3600)
    chart.set_log(on=True)
    picture(chart)
    assert chart.price.axis.real(1060.0) == 1e300
    low, high = chart.price.view.viewRange()[1]
    assert high - low < 50


def test_a_line_through_zero_keeps_its_part_on_a_logarithmic_scale(chart: PriceChart) -> None:
    pane = chart.price
    chart.set_log(on=True)
    values = np.linspace(-50.0, 100.0, 200)
    times = START_MS + np.arange(200, dtype=np.int64) * HOUR_MS
    line = pane.add_line(envelope_of(times, values), "#ffffff", scale=pane.scale)
    low, high = line.within(-np.inf, np.inf) or (0.0, 0.0)
    assert high == pytest.approx(2.0)
    assert low == pytest.approx(np.log10(values[values > 0].min()))
    assert not line.boundingRect().isEmpty()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_local_times_of_the_shortest_view_are_found_at_once(app: QApplication, zone: str) -> None:
    """An empty chart shows one second; ticks of whole days around it would be two hundred thousand."""
    formats.use_local_times(on=True)
    try:
        with contextlib.closing(Timezone(zone)):
            axis = TimeAxis()
            axis.fontMetrics = QFontMetricsF(app.font())
            for middle in (
                0.5,
                1_711_846_800.0,
                1_729_990_800.0,
                1_730_613_600.0,
            ):  # the clocks' changes of 2024
                for width in (1.0, 3_600.0, 86_400.0):
                    levels = axis.tickValues(middle - width / 2, middle + width / 2, 600)
                    ticks = [tick for _, level in levels for tick in level]
                    assert len(ticks) < 40
                    assert all(abs(tick - middle) <= width / 2 for tick in ticks)
    finally:
        formats.use_local_times(on=False)


def test_nothing_grows_while_a_chart_is_panned(chart: PriceChart) -> None:
    chart.show_range(START_MS / 1000, START_MS / 1000 + 100 * 3600)
    chart.grab()
    before = len(chart.scene().items())
    for step in range(60):
        chart.pan(0.1 if step % 20 < 10 else -0.1)
        if step % 6 == 0:
            chart.grab()
    assert len(chart.scene().items()) == before
    assert len(TimeAxis._known) <= 16
    assert len(chart._source._levels) == 1


def axis_texts(chart: PriceChart) -> list[str]:
    """All texts of the lowest time axis."""
    axis = chart.drawdown.time_axis
    levels = axis.tickValues(*chart.x_range(), 800)
    return [text for spacing, ticks in levels for text in axis.tickStrings(ticks, 1, spacing)]


def test_a_clock_in_india_changes_no_picture_in_utc_and_moves_the_times_when_wanted(
    chart: PriceChart,
) -> None:
    start = START_MS / 1000 + 10 * 86_400
    with contextlib.closing(Timezone("UTC")):
        chart.show_range(start, start + 86_400)
        texts, home = axis_texts(chart), picture(chart)
    try:
        with contextlib.closing(Timezone("Asia/Kolkata")):
            chart.redraw()
            assert axis_texts(chart) == texts
            away = picture(chart)
            assert not differing_blocks(home, away)
            formats.use_local_times(on=True)
            chart.apply_theme(DARK)
            assert formats.minute(START_MS) == "2024-01-01 05:30"
            assert "local" in chart.read_out(start)
            ticks = [
                tick
                for _, found in chart.price.time_axis.tickValues(start, start + 86_400, 800)
                for tick in found
            ]
            assert ticks
            assert all((tick + 19_800) % 3600 == 0 for tick in ticks)
            assert any(differing_blocks(home, picture(chart)))
    finally:
        formats.use_local_times(on=False)


def differing_blocks(one: QImage, other: QImage, size: int = 20) -> list[tuple[int, int]]:
    """The blocks whose mean colours are not nearly the same: a pixel more or less of a text is nothing."""
    small = [image.scaled(image.width() // size, image.height() // size) for image in (one, other)]
    return [
        (x, y)
        for x in range(small[0].width())
        for y in range(small[0].height())
        if distance(small[0].pixelColor(x, y), small[1].pixelColor(x, y)) > 12
    ]


@pytest.mark.usefixtures("qapp")
@given(low=st.floats(-1e6, 1e6), width=st.just(0.0) | st.floats(1e-3, 1e6), pixels=st.integers(40, 900))
def test_ticks_of_numbers_stand_evenly_at_all_levels_together(low: float, width: float, pixels: int) -> None:
    axis = ValueAxis()
    ticks = sorted({tick for _, found in axis.tickValues(low, low + width, pixels) for tick in found})
    steps = [after - before for before, after in pairwise(ticks)]
    assert steps == pytest.approx([sum(steps) / max(len(steps), 1)] * len(steps), rel=1e-3)
