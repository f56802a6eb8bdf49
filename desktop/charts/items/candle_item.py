"""Candles and volume as two graphics items that cost the same at a thousand and at a million candles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from pyqtgraph.Qt import internals
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from desktop.charts.items.buckets import Bars, Gathered
from desktop.charts.items.envelope import Floats, Scale, plain
from desktop.theme.colours import Theme

BODY = 0.72  # part of the distance of two candles that a body fills
_COSMETIC_BODY_PX = 2.0  # below this many pixels per bar only the wick is drawn


class BarsItem(pg.GraphicsObject):  # type: ignore[misc]
    """What candles and volume share: the visible bars, which both draw from one `source`."""

    def __init__(self, source: Gathered, theme: Theme) -> None:
        super().__init__()
        self.source, self.theme = source, theme
        self._rects = internals.PrimitiveArray(QRectF, 4)
        self._lines = internals.PrimitiveArray(QLineF, 4)
        self._bounds: QRectF | None = None

    def _data_bounds(self) -> tuple[float, float]:
        raise NotImplementedError

    def boundingRect(self) -> QRectF:
        """From the data: a picture's bounds are whole numbers and lose coins that cost a fraction of a cent."""
        if self._bounds is None:
            times, step = self.source.candles.timestamp, self.source.step_s
            self._bounds = QRectF()
            if len(times):
                low, high = self._data_bounds()
                left, right = float(times[0]) / 1000 - step, float(times[-1]) / 1000 + 2 * step
                self._bounds = QRectF(left, low, right - left, max(high - low, 1e-12))
        return self._bounds

    def viewRangeChanged(self) -> None:
        """Other times are visible: other bars."""
        self.update()

    def bars(self) -> Bars:
        """The bars of the visible times."""
        low, high = self.getViewBox().viewRange()[0]
        return self.source.bars(low, high)

    def _draw_rects(self, painter: QPainter, x: Floats, width: float, low: Floats, high: Floats) -> None:
        self._rects.resize(len(x))
        memory = self._rects.ndarray()
        memory[:, 0], memory[:, 1] = x - width / 2, low
        memory[:, 2], memory[:, 3] = width, high - low
        painter.drawRects(*self._rects.drawargs())

    def _draw_lines(self, painter: QPainter, x: Floats, low: Floats, high: Floats) -> None:
        self._lines.resize(len(x))
        memory = self._lines.ndarray()
        memory[:, 0], memory[:, 1], memory[:, 2], memory[:, 3] = x, low, x, high
        painter.drawLines(*self._lines.drawargs())


class CandleItem(BarsItem):
    """Candles: wick and body, filled in the colour of their direction. `scale`: what prices become on the screen."""

    def __init__(self, source: Gathered, theme: Theme, scale: Scale = plain) -> None:
        super().__init__(source, theme)
        self._scale = scale

    def _data_bounds(self) -> tuple[float, float]:
        candles = self.source.candles
        low, high = self._scale(np.array([candles.low.min(), candles.high.max()])).tolist()
        return low, high

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw the visible bars."""
        del option, widget
        bars = self.bars()
        if not len(bars):
            return
        thick = bars.width / max(self.pixelWidth(), 1e-12) >= _COSMETIC_BODY_PX
        rising = bars.close >= bars.open
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for mask, colour in ((rising, self.theme.up), (~rising, self.theme.down)):
            self._draw(painter, bars, mask, colour, thick=thick)

    def _draw(self, painter: QPainter, bars: Bars, mask: Any, colour: str, *, thick: bool) -> None:
        x = bars.x[mask]
        if not len(x):
            return
        painter.setPen(_pen(colour))
        self._draw_lines(painter, x, self._scale(bars.low[mask]), self._scale(bars.high[mask]))
        if not thick:
            return
        painter.setBrush(pg.mkBrush(colour))
        opened, closed = self._scale(bars.open[mask]), self._scale(bars.close[mask])
        low, high = np.minimum(opened, closed), np.maximum(opened, closed)
        self._draw_rects(painter, x, bars.width * BODY, low, high)

    def within(self, start: float, end: float) -> tuple[float, float] | None:
        """The lowest and the highest price as drawn between two times."""
        bars = self.source.bars(start, end)
        if not len(bars):
            return None
        low, high = self._scale(np.array([bars.low.min(), bars.high.max()])).tolist()
        return (low, high) if np.isfinite(low) and np.isfinite(high) else None


class VolumeItem(BarsItem):
    """Volume bars in pale colours of the candle's direction."""

    def _data_bounds(self) -> tuple[float, float]:
        # a bucket sums many candles: no more than all there are
        return 0.0, float(self.source.candles.volume.sum())

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw the visible bars."""
        del option, widget
        bars = self.bars()
        if not len(bars):
            return
        thick = bars.width / max(self.pixelWidth(), 1e-12) >= _COSMETIC_BODY_PX
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        rising = bars.close >= bars.open
        for mask, colour in ((rising, self.theme.volume_up), (~rising, self.theme.volume_down)):
            high = bars.volume[mask]
            low = np.zeros_like(high)
            if thick and len(high):
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(pg.mkBrush(colour))
                self._draw_rects(painter, bars.x[mask], bars.width * BODY, low, high)
            elif len(high):  # of rectangles narrower than a pixel every other one falls between two
                painter.setPen(_pen(colour))
                self._draw_lines(painter, bars.x[mask], low, high)

    def within(self, start: float, end: float) -> tuple[float, float] | None:
        """Zero and the highest bar as it is drawn between two times."""
        bars = self.source.bars(start, end)
        return (0.0, float(bars.volume.max())) if len(bars) else None


def _pen(colour: str) -> QPen:
    pen = QPen(pg.mkColor(colour))
    pen.setCosmetic(True)
    return pen
