"""Trades on the candles: a triangle where one is entered, a hollow one where it is left, a line between in the colour of its
profit. Shape and colour both carry meaning. What would overlap is drawn once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QPen, QPolygonF, QTransform
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from desktop.theme.colours import Theme
from engine.model.trade import Trade

Floats = npt.NDArray[np.float64]
SIZE_PX: Final = 7.0
REACH_PX: Final = 12.0
SPREAD_PX: Final = 7.0  # of several trades entered within so many pixels one is drawn


class TradeItem(pg.GraphicsObject):  # type: ignore[misc]
    """Markers of one run's trades. `nearest` finds the trade under the pointer."""

    def __init__(self, trades: Sequence[Trade], theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.selected: int | None = None
        self.setZValue(10)
        self.entry = np.array([trade.entry_time / 1000 for trade in trades], dtype=np.float64)
        self.exit = np.array([trade.exit_time / 1000 for trade in trades], dtype=np.float64)
        self.entry_price = np.array([trade.entry_price for trade in trades], dtype=np.float64)
        self.exit_price = np.array([trade.exit_price for trade in trades], dtype=np.float64)
        self.is_long = np.array([trade.side == "long" for trade in trades], dtype=np.bool_)
        self.won = np.array([trade.pnl > 0 for trade in trades], dtype=np.bool_)
        self.is_open = np.array([trade.exit_reason == "open" for trade in trades], dtype=np.bool_)
        self._bounds = self._data_bounds()

    def _data_bounds(self) -> QRectF:
        if not len(self.entry):
            return QRectF()
        prices = np.concatenate((self.entry_price, self.exit_price))
        left, right = float(self.entry.min()), float(self.exit.max())
        low, high = float(prices.min()), float(prices.max())
        margin = (high - low) * 0.1 or high * 0.1
        return QRectF(left - 86_400, low - margin, right - left + 172_800, high - low + 2 * margin)

    def boundingRect(self) -> QRectF:
        """Where markers can be."""
        return self._bounds

    def viewRangeChanged(self) -> None:
        """Markers keep their size in pixels."""
        self.update()

    def select(self, index: int | None) -> None:
        """Highlight a trade."""
        self.selected = index
        self.update()

    def visible(self) -> npt.NDArray[np.intp]:
        """Positions of the trades to draw: those in view, one per few pixels, the selected one always."""
        low, high = self.getViewBox().viewRange()[0]
        inside = np.flatnonzero((self.exit >= low) & (self.entry <= high))
        if len(inside):
            pixel = max(self.pixelWidth(), 1e-9)
            cells = np.floor(self.entry[inside] / (pixel * SPREAD_PX)).astype(np.int64)
            inside = inside[np.unique(cells, return_index=True)[1]]
        if self.selected is not None and self.selected not in inside:
            inside = np.append(inside, self.selected)
        return inside

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw in pixels: lines first, markers above."""
        del option, widget
        if not len(self.entry):
            return
        transform = painter.worldTransform()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shown = self.visible()
        for index in shown:
            self._draw_line(painter, transform, int(index))
        for index in shown:
            self._draw_markers(painter, transform, int(index))

    def _points(self, transform: QTransform, index: int) -> tuple[QPointF, QPointF]:
        start = transform.map(QPointF(self.entry[index], self.entry_price[index]))
        return start, transform.map(QPointF(self.exit[index], self.exit_price[index]))

    def _draw_line(self, painter: QPainter, transform: QTransform, index: int) -> None:
        colour = pg.mkColor(self.theme.positive if self.won[index] else self.theme.negative)
        painter.setPen(
            QPen(colour, 2.5 if index == self.selected else 1.2)
        )  # dashes would cost ten times as much
        painter.drawLine(*self._points(transform, index))

    def _draw_markers(self, painter: QPainter, transform: QTransform, index: int) -> None:
        start, end = self._points(transform, index)
        size = SIZE_PX * (1.45 if index == self.selected else 1.0)
        is_long = bool(self.is_long[index])
        rim = QPen(pg.mkColor(self.theme.text if index == self.selected else self.theme.base), 1.2)
        painter.setPen(rim)
        painter.setBrush(pg.mkBrush(self.theme.buy if is_long else self.theme.sell))
        painter.drawPolygon(triangle(start, size, up=is_long))
        if self.is_open[index]:
            return
        colour = self.theme.positive if self.won[index] else self.theme.negative
        painter.setPen(QPen(pg.mkColor(colour), 1.8))
        painter.setBrush(pg.mkBrush(self.theme.base))
        painter.drawPolygon(triangle(end, size, up=not is_long))

    def nearest(self, point: QPointF) -> int | None:
        """The trade whose entry or exit is within reach of a point of the plot, or None."""
        if not len(self.entry):
            return None
        pixel_x, pixel_y = self.pixelWidth(), self.pixelHeight()
        if not pixel_x or not pixel_y:
            return None
        best: tuple[float, int] | None = None
        for x, y in ((self.entry, self.entry_price), (self.exit, self.exit_price)):
            distance = np.hypot((x - point.x()) / pixel_x, (y - point.y()) / pixel_y)
            index = int(np.argmin(distance))
            if distance[index] <= REACH_PX and (best is None or distance[index] < best[0]):
                best = (float(distance[index]), index)
        return None if best is None else best[1]


def triangle(tip: QPointF, size: float, *, up: bool) -> QPolygonF:
    """A triangle whose tip touches a point: pointing up it hangs below, pointing down it stands above."""
    away = size * 1.5 if up else -size * 1.5
    return QPolygonF([tip, tip + QPointF(-size, away), tip + QPointF(size, away)])
