"""Holes in the candles, shaded from top to bottom: what is missing there is seen, however small it is."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QPainter
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from desktop.charts.items.envelope import Times
from desktop.charts.items.view_item import ViewItem
from desktop.theme.colours import Theme
from engine.model.market import DAY_MS, Period, Timeframe

_LEAST_PX: Final = 2.0
_ALPHA: Final = 46
NO_HOLES: Final = np.empty((0, 2), dtype=np.int64)
_SAMPLES: Final = (0, 31 * DAY_MS)  # a long month, a short one


def holes_in(time: Times, timeframe: Timeframe, period: Period) -> Times:
    """Where candles are missing in a period: shape (k, 2), open time of the first that is missing and of the one after."""
    if not len(time):
        return NO_HOLES
    least = min(timeframe.next(opened) - timeframe.floor(opened) for opened in _SAMPLES)
    wide = np.flatnonzero(np.diff(time) > least)
    inside = [(timeframe.next(int(time[at])), int(time[at + 1])) for at in wide.tolist()]
    before = timeframe.ceil(period.start), int(time[0])
    after = timeframe.next(int(time[-1])), timeframe.ceil(period.end)
    found = [(start, end) for start, end in (before, *inside, after) if start < end]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


class HoleItem(ViewItem):
    """Shades `holes` (k, 2), ms. `part_s`: a candle is drawn around its open time, and so is a hole."""

    def __init__(self, holes: Times, part_s: float, theme: Theme) -> None:
        super().__init__()
        self._edges = holes / 1000.0 - part_s / 2
        self._brush = QBrush(pg.mkColor(theme.warning))
        colour = self._brush.color()
        colour.setAlpha(_ALPHA)
        self._ground = QBrush(colour)
        colour.setAlpha(2 * _ALPHA)
        self._stripes = QBrush(colour, Qt.BrushStyle.BDiagPattern)
        self.setZValue(-20)

    def visible(self) -> list[tuple[float, float]]:
        """Start and end in seconds of those in view; those that would be drawn onto the same pixel once."""
        low, high = self.getViewBox().viewRange()[0]
        seen = self._edges[(self._edges[:, 1] >= low) & (self._edges[:, 0] <= high)]
        if not len(seen):
            return []
        pixel = max(self.pixelWidth(), 1e-12)
        new = np.diff(np.floor(seen[:, 0] / pixel), prepend=-np.inf) > 0
        long = seen[:, 1] - seen[:, 0] > pixel
        return [(start, end) for start, end in seen[new | long].tolist()]

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw in pixels."""
        del option, widget
        area = self.boundingRect()
        transform = painter.worldTransform()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        painter.setPen(Qt.PenStyle.NoPen)
        for start, end in self.visible():
            corners = transform.map(QPointF(start, area.top())), transform.map(QPointF(end, area.bottom()))
            room = QRectF(*corners).normalized()
            room.setWidth(max(room.width(), _LEAST_PX))
            for brush in (self._ground, self._stripes):
                painter.setBrush(brush)
                painter.drawRect(room)
