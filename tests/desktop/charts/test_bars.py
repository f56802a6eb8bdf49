"""Bars that come after there were none have the whole chart again."""

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.charts.bar_chart import Bar, BarChart
from desktop.theme.colours import DARK

BARS = [Bar(f"{number}", float(number), f"bar {number}", 1) for number in range(1, 8)]


@pytest.fixture
def bars(app: QApplication, qtbot: QtBot) -> Iterator[BarChart]:
    chart = BarChart("Bars")
    chart.apply_theme(DARK)
    chart.resize(500, 220)
    chart.show()
    qtbot.waitExposed(chart)
    yield chart
    chart.close()


@pytest.mark.parametrize("resized", [False, True])
def test_bars_fill_the_chart_however_often_there_were_none(bars: BarChart, resized: bool) -> None:
    for _ in range(2):
        bars.show_bars((), None, "nothing")
        assert bars.empty.isVisible()
        if resized:
            bars.resize(bars.width() + 20, 220)
        QApplication.processEvents()
        bars.show_bars(BARS, None, "")
        QApplication.processEvents()
        room = bars.plot.vb.sceneBoundingRect()
        assert room.width() > 0.75 * bars.width()
        assert room.height() > 0.75 * bars.height()
        third = bars.plot.vb.mapViewToScene(bars.plot.vb.viewRect().center())
        assert bars.bar_at(third) == 3
        picture = bars.grab().toImage()
        spot = bars.mapFromScene(third)
        spot.setY(round(room.bottom()) - 8)
        assert picture.pixelColor(spot).name() == DARK.positive.lower()
