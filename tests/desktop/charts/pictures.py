"""The run and the pictures of a chart that its tests look at."""

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage

from desktop.charts.price_chart import PriceChart
from engine.model.market import HOUR_MS, Candles, Period, Timeframe
from tests.desktop.builders import run_on
from tests.support.builders import START_MS, random_candles

HOLE = slice(500, 520)
HOUR = Timeframe("1h")


def holed() -> Candles:
    """Six hundred hours of which twenty are missing."""
    full = random_candles(600)
    kept = np.ones(len(full), dtype=np.bool_)
    kept[HOLE] = False
    return Candles(full.timestamp[kept], *(column[kept] for column in full.columns().values()))


CANDLES = holed()
RUN = run_on(CANDLES, period=Period(START_MS, START_MS + 600 * HOUR_MS), indicators=None)


def picture(chart: PriceChart) -> QImage:
    """What is seen of it."""
    image: QImage = chart.grab().toImage()
    return image


def column(chart: PriceChart, x: float) -> int:
    """The column of the picture at a time in seconds."""
    return int(chart.mapFromScene(chart.price.view.mapViewToScene(QPointF(x, 0.0))).x())


def distance(one: QColor, other: QColor) -> int:
    parts = (one.red() - other.red(), one.green() - other.green(), one.blue() - other.blue())
    return max(map(abs, parts))
