"""A line that costs the same at a thousand and at a million points; NaN leaves a hole."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from pyqtgraph.Qt import internals
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen, QTransform
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from desktop.charts.items.envelope import Envelope, Floats, Scale, plain

MOST_POINTS = 3000


class LineItem(pg.GraphicsObject):  # type: ignore[misc]
    """Draws what is visible of an envelope; `fill` colours down (or up) to zero. `scale` is what the values become on the
    screen: only what is drawn is scaled.
    """

    def __init__(
        self,
        envelope: Envelope,
        colour: str,
        *,
        dashed: bool = False,
        fill: str | None = None,
        width: float = 1.0,
        scale: Scale = plain,
    ) -> None:
        super().__init__()
        self.envelope, self._scale = envelope, scale
        self.colour, self._fill = colour, fill
        self._pen = QPen(pg.mkColor(colour))
        self._pen.setCosmetic(True)
        self.width = width
        self._pen.setStyle(Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine)
        self._key: tuple[float, float] | None = None
        self._path = QPainterPath()
        self._columns = internals.PrimitiveArray(QRectF, 4)
        bounds = self.within(-np.inf, np.inf)
        self._bounds = QRectF()
        if bounds is not None:
            low, high = min(bounds[0], 0.0 if fill else bounds[0]), max(bounds[1], 0.0 if fill else bounds[1])
            left, right = float(envelope.time[0]) / 1000, float(envelope.time[-1]) / 1000
            self._bounds = QRectF(QPointF(left, low), QPointF(right, max(high, low + 1e-12)))

    def boundingRect(self) -> QRectF:
        """From the data."""
        return self._bounds

    def within(self, start: float, end: float) -> tuple[float, float] | None:
        """Lowest and highest value between two x as they are drawn, or None where there is nothing."""
        bounds = self.envelope.within(start, end)
        if bounds is None:
            return None
        low, high = self._scale(np.array(bounds)).tolist()
        if not np.isfinite(high):
            return None
        if not np.isfinite(low):  # part of it has no place on this scale
            low = float(np.nanmin(self._scale(self.envelope.outline(start, end, MOST_POINTS)[1])))
        return low, high

    def viewRangeChanged(self) -> None:
        """Another part is visible."""
        self.update()

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw the visible part."""
        del option, widget
        low, high = self.getViewBox().viewRange()[0]
        if self._key != (low, high):
            self._key = (low, high)
            self._build(low, high)
        if self._fill is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(pg.mkBrush(self._fill))
            painter.drawRects(*self._columns.drawargs())
            painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self._pen)
        place = painter.worldTransform()
        for down in range(
            round(self.width)
        ):  # Qt outlines wide pens corner by corner, ten times as slow as thin ones
            painter.setWorldTransform(place * QTransform.fromTranslate(0, down))
            painter.drawPath(self._path)
        painter.setWorldTransform(place)

    def _build(self, low: float, high: float) -> None:
        x, y = self.envelope.outline(low, high, MOST_POINTS)
        y = self._scale(y)
        self._path = pg.functions.arrayToQPath(x, y, connect="finite", finiteCheck=True)
        if self._fill is not None:
            self._build_columns(x, y)

    def _build_columns(self, x: Floats, y: Floats) -> None:
        """Columns from zero: filling one jagged outline of thousands of corners takes a fifth of a second."""
        corners = np.flatnonzero(np.diff(x) > 0)
        self._columns.resize(len(corners))
        memory = self._columns.ndarray()
        memory[:, 0], memory[:, 1] = x[corners], 0.0
        memory[:, 2], memory[:, 3] = x[corners + 1] - x[corners], np.nan_to_num(y[corners])
