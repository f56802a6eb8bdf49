"""The charts of the real window under a real pointer and real keys."""

import contextlib
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.charts.price_chart import PriceChart
from desktop.pages.chart.page import ChartPage
from desktop.pages.chart.panel import ChartPanel
from desktop.pages.overview.page import OverviewPage
from desktop.pages.trades.page import TradesPage
from desktop.widgets.undo import Undo
from engine.model.run import Series
from tests.desktop.builders import run_on
from tests.desktop.waiting import at_rest
from tests.support.builders import random_candles
from tests.support.timezone import Timezone

pytestmark = pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
CANDLES = random_candles(600)


@pytest.fixture
def panel(window: MainWindow, qtbot: QtBot) -> ChartPanel:
    """The Chart page on a run with eight indicators."""
    run = run_on(CANDLES)
    assert run.indicators is not None
    more = {f"average_of_{n}_candles": CANDLES.close * (1 + n / 1000) for n in range(6)}
    run = replace(run, indicators=Series(CANDLES.timestamp, dict(run.indicators.columns) | more))
    window.resize(1024, 700)
    window.workspace.put([run])
    window.workspace.put_candles(run.id, CANDLES)
    window.workspace.show(run.id)
    window.show_page("Chart")
    found = window.page(ChartPage).panel
    qtbot.waitUntil(lambda: found.chart.run is not None)
    at_rest(window, qtbot)  # a view counts when it has stood for a while
    return found


def place(chart: PriceChart, x: float, y: float) -> QPoint:
    """Where a time and a price are in the widget."""
    point: QPoint = chart.mapFromScene(chart.price.view.mapViewToScene(QPointF(x, y)))
    return point


def test_the_crosshair_tells_time_and_price_on_the_axes(panel: ChartPanel, qtbot: QtBot) -> None:
    chart = panel.chart
    x, y = float(CANDLES.timestamp[300] / 1000), float(CANDLES.close[300])
    chart._moved((QPointF(chart.mapToScene(place(chart, x, y))),))
    assert chart.price.value_mark.isVisible()
    told = float(chart.price.value_mark.toPlainText().replace(",", "").strip("\u00a0 "))
    low, high = chart.price.view.viewRange()[1]
    assert told == pytest.approx(y, abs=(high - low) / 100)
    shown = [pane for pane in chart.panes if pane.time_mark.isVisible()]
    assert len(shown) == 1
    assert shown[0].time_mark.toPlainText().strip("\u00a0 ").startswith("20")
    assert not chart.volume.value_mark.isVisible()
    chart.point_at(None)
    assert not any(pane.value_mark.isVisible() or pane.time_mark.isVisible() for pane in chart.panes)


def test_the_crosshair_is_on_the_candle_under_the_pointer_also_when_the_view_moves(
    panel: ChartPanel, qtbot: QtBot
) -> None:
    chart = panel.chart
    scene = chart.mapToScene(
        place(chart, float(CANDLES.timestamp[200] / 1000) + 700, float(CANDLES.close[200]))
    )
    chart._moved((QPointF(scene),))

    def is_under_the_pointer() -> bool:
        at = chart.price.view.mapSceneToView(QPointF(scene))
        near = abs(chart.price.cross.x() - at.x()) <= 1800
        return bool(near and chart.price.level.y() == pytest.approx(at.y()))

    assert is_under_the_pointer()
    before = chart.price.level.y()
    chart.zoom(0.3)
    qtbot.waitUntil(is_under_the_pointer)
    assert chart.price.level.y() != pytest.approx(before)
    assert chart.price.cross.x() * 1000 in CANDLES.timestamp
    told = next(pane.time_mark for pane in chart.panes if pane.time_mark.isVisible())
    assert told.toPlainText().strip("\u00a0 ") in panel.read_out.text()
    chart.set_timeframe("1d")
    chart._moved((QPointF(scene),))
    assert told.toPlainText().strip("\u00a0 ").endswith("00:00")
    assert told.toPlainText().strip("\u00a0 ") in panel.read_out.text()


def test_the_read_out_shows_every_indicator_and_keeps_its_height(panel: ChartPanel, qtbot: QtBot) -> None:
    height = panel.read_out.height()
    assert panel.read_out.heightForWidth(panel.read_out.width()) <= height
    assert panel.read_out.text().count("average_of_") == 6
    panel.chart.point_at(float(CANDLES.timestamp[100] / 1000))
    assert panel.read_out.height() == height


def test_the_read_out_follows_the_trade_that_n_and_p_go_to(
    panel: ChartPanel, window: MainWindow, qtbot: QtBot
) -> None:
    run = window.workspace.current_run()
    assert run is not None
    panel.chart.setFocus()
    qtbot.keyClick(panel.chart, Qt.Key.Key_N)
    for number in range(1, 4):
        qtbot.keyClick(panel.chart, Qt.Key.Key_N)
        day = np.datetime64(run.trades[number].entry_time, "ms").astype(str)[:16].replace("T", " ")
        assert day in panel.read_out.text()


def test_a_box_is_zoomed_into_and_a_double_click_shows_all(panel: ChartPanel, qtbot: QtBot) -> None:
    chart = panel.chart
    start, end = (float(CANDLES.timestamp[at] / 1000) for at in (200, 300))
    y = float(CANDLES.close[250])
    qtbot.mousePress(chart.viewport(), Qt.MouseButton.LeftButton, SHIFT, place(chart, start, y))
    qtbot.mouseMove(chart.viewport(), place(chart, end, y))
    assert chart._box.isVisible()
    qtbot.mouseRelease(chart.viewport(), Qt.MouseButton.LeftButton, SHIFT, place(chart, end, y))
    assert chart.x_range() == pytest.approx((start, end), abs=3 * 3600)
    low, high = chart.price.view.viewRange()[1]
    inside = CANDLES.slice(200, 300)
    assert low < inside.low.min() < inside.high.max() < high
    qtbot.mouseDClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=place(chart, end, y))
    first, last = chart.x_range()
    assert first <= CANDLES.timestamp[0] / 1000
    assert last >= CANDLES.timestamp[-1] / 1000


def test_views_go_back_and_forth_and_then_the_keys_are_the_windows(
    panel: ChartPanel, window: MainWindow, qtbot: QtBot
) -> None:
    chart = panel.chart
    chart.setFocus()
    views = [chart.x_range()]
    for _ in range(2):
        qtbot.keyClick(chart, Qt.Key.Key_Plus)
        at_rest(window, qtbot)
        views.append(chart.x_range())
    taken: list[str] = []
    window.context.undo_offered.emit(Undo("something", lambda: taken.append("undone")))
    qtbot.keyClick(chart, Qt.Key.Key_Z, CONTROL)
    assert chart.x_range() == pytest.approx(views[1])
    qtbot.keyClick(chart, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert chart.x_range() == pytest.approx(views[0])
    for view in views[1:]:
        qtbot.keyClick(chart, Qt.Key.Key_Y, CONTROL)
        assert chart.x_range() == pytest.approx(view)
    assert taken == []
    for _ in range(3):
        qtbot.keyClick(chart, Qt.Key.Key_Z, CONTROL)
    assert chart.x_range() == pytest.approx(views[0])
    assert taken == ["undone"]


def test_a_logarithmic_scale_shows_prices_and_finds_trades(
    panel: ChartPanel, window: MainWindow, qtbot: QtBot
) -> None:
    chart = panel.chart
    chart.show_all()
    plain = chart.price.view.viewRange()[1]
    panel.log.click()
    low, high = chart.price.view.viewRange()[1]
    assert 10**low == pytest.approx(plain[0], rel=0.2)
    assert 10**high == pytest.approx(plain[1], rel=0.2)
    ticks = chart.price.axis.tickValues(low, high, 400)[0][1]
    texts = chart.price.axis.tickStrings(ticks, 1.0, 5.0)
    assert [float(text.replace(",", "")) for text in texts] == pytest.approx(
        [10**tick for tick in ticks], rel=0.01
    )
    run = window.workspace.current_run()
    assert run is not None
    trade = run.trades[3]
    clicked: list[int] = []
    chart.trade_clicked.connect(clicked.append)
    chart.click_at(QPointF(trade.entry_time / 1000, math.log10(trade.entry_price)))
    assert clicked == [3]
    assert chart.trades is not None
    assert chart.trades.selected == 3
    panel.log.click()
    assert chart.price.view.viewRange()[1] == pytest.approx(plain)
    overview = window.page(OverviewPage).panel
    overview.log.click()
    low, high = overview.chart.equity.view.viewRange()[1]
    assert high < 6
    overview.percent.click()
    assert not overview.log.isEnabled()
    assert not overview.chart.equity.axis.is_log


def test_one_switch_shows_all_times_in_the_machines_zone_and_back_in_utc(
    panel: ChartPanel, window: MainWindow, qtbot: QtBot
) -> None:
    table = window.page(TradesPage).panel.table.table
    entry = table.column_number("entry_time")

    def shown() -> list[str]:
        cell = table.index(0, entry)
        title = table.headerData(entry, Qt.Orientation.Horizontal)
        return [str(title), str(table.data(cell)), panel.chart.read_out(None), panel.details.text()]

    panel.chart.select_trade(0, move=False)
    utc = shown()
    try:
        with contextlib.closing(Timezone("Asia/Kolkata")):
            assert shown() == utc
            window.actions_["times local"].trigger()
            local = shown()
            assert local[0] == "Entry (local)"
            assert local[1] == "2024-01-01 15:30"
            assert "2024-01-01 15:30</b> local" in local[2]
            assert window.status.clock.text().startswith("local ")
            exported = table.csv([0])
            assert "2024-01-01T10:00:00Z" in exported
    finally:
        window.actions_["times utc"].trigger()
    assert shown() == utc
    assert window.status.clock.text().startswith("UTC ")


def test_the_timeframe_of_the_chart_is_chosen_on_it_and_the_selected_trade_stays(
    panel: ChartPanel, window: MainWindow, qtbot: QtBot
) -> None:
    window.workspace.select_trade(2)
    assert "Trade 3 of" in panel.details.text()
    panel.timeframe.setCurrentIndex(panel.timeframe.findData("4h"))
    panel.timeframe.activated.emit(panel.timeframe.currentIndex())
    assert len(panel.chart._source.candles) == len(CANDLES) // 4
    assert panel.chart.trades is not None
    assert panel.chart.trades.selected == 2
    panel.chart.trades_hovered.emit((4,))
    assert "Trade 5 of" in panel.details.text()
    panel.chart.trades_hovered.emit(())
    assert "Trade 3 of" in panel.details.text()
    panel.equity.click()
    assert not panel.chart.equity.plot.isVisible()
    assert "Drawdown" not in panel.read_out.text()


def test_in_a_low_chart_the_candles_have_the_room_and_no_number_of_an_axis_stands_on_another(
    panel: ChartPanel, window: MainWindow, qtbot: QtBot
) -> None:
    chart = panel.chart
    chart.show_all()
    for height, volume, equity in ((160, False, False), (300, True, False), (700, True, True)):
        chart.setFixedHeight(height)
        qtbot.waitUntil(lambda equity=equity: chart.equity.plot.isVisible() == equity)  # type: ignore[misc]
        assert chart.volume.plot.isVisible() == volume
        assert chart.price.plot.height() > height / 4
    overview = window.page(OverviewPage).panel.chart
    pane = overview.drawdown
    for pixels in (20, 30, 45, 90, 300):
        for is_log, low, high in ((False, -97.0, 0.0), (False, 4.1e4, 4.3e4), (True, 1.0, 4.0)):
            pane.axis.set_log(on=is_log)
            _, ticks = pane.axis.tickValues(low, high, pixels)[0]
            places = [(tick - low) / (high - low) * pixels for tick in ticks]
            assert len(places) >= 1
            assert all(after - before >= 15.9 for before, after in pairwise(places)), (pixels, ticks)
    pane.axis.set_log(on=False)
