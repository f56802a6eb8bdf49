"""Markers of trades beside the candles, never on them: a filled triangle where one is entered, a hollow one where it is
left. Below the candles stands what buys and points up, above them what sells and points down. Where several would overlap
there is one with their number. A liquidation is a cross in place of the triangle; the fills of the selected trade are
diamonds at their prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import (
    QBrush,
    QFont,
    QFontMetricsF,
    QPainter,
    QPainterPath,
    QPen,
    QPolygonF,
    QTransform,
)
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from desktop.charts.items.buckets import Bars, Gathered
from desktop.charts.items.envelope import Floats, Scale, plain
from desktop.charts.items.trade_places import Flags, TradePlaces
from desktop.charts.items.view_item import ViewItem
from desktop.theme.colours import Theme

SIZE_PX: Final = 5.0  # half of a triangle's width
FILL_PX: Final = 4.0  # half of a diamond's width
HALF_PX: Final = 9.0  # of the room that a marker takes with its number
GAP_PX: Final = 4.0  # between a candle and the tip of a marker
CELL_PX: Final = 22.0  # markers of one row within so many pixels are one
ROOM_PX: Final = 26.0  # what a marker and its number need beside the candles
REACH_PX: Final = 11.0
_HEIGHT: Final = 1.6  # of a triangle, in half widths
_NUMBER_PX: Final = 11


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What stands on one side of the candles, by time: when (seconds), of which trade, whether it was entered there, and
    whether the exchange took it there.
    """

    time: Floats
    trade: npt.NDArray[np.intp]
    is_entry: Flags
    is_taken: Flags

    @classmethod
    def of(cls, places: TradePlaces, *, buys: bool) -> Row:
        """Entries of longs and exits of shorts buy; the others sell. What is still open has no exit."""
        entries = np.flatnonzero(places.is_long == buys)
        exits = np.flatnonzero((places.is_long != buys) & ~places.is_open)
        trade = np.concatenate((entries, exits))
        time = np.concatenate((places.entry[entries], places.exit[exits]))
        is_entry = np.arange(len(trade)) < len(entries)
        is_taken = places.liquidated[trade] & ~is_entry
        order = np.argsort(time, kind="stable")
        return cls(time[order], trade[order], is_entry[order], is_taken[order])


@dataclass(frozen=True, slots=True, eq=False)
class Marker:
    """One or several (`trades`) at x seconds; y is its tip in the pane's units; `below` the candles or above them."""

    x: float
    y: float
    below: bool
    trades: tuple[int, ...]
    is_entry: bool
    is_taken: bool = False


class TradeItem(ViewItem):
    """Markers of one run's trades. `at` finds those under the pointer. `scale`: what prices become on the screen."""

    def __init__(self, places: TradePlaces, source: Gathered, theme: Theme, scale: Scale = plain) -> None:
        super().__init__()
        self.places, self.source, self.theme, self._scale = places, source, theme, scale
        self.selected: int | None = None
        self.setZValue(10)
        self._rows = {below: Row.of(places, buys=below) for below in (True, False)}
        self._key: tuple[float, float, float, float] | None = None
        self._markers: list[Marker] = []
        self._font = QFont()
        self._font.setPixelSize(_NUMBER_PX - 2)
        self._digit_px = QFontMetricsF(self._font).horizontalAdvance("0")

    def select(self, index: int | None) -> None:
        """Highlight a trade."""
        self.selected = index
        self.update()

    def markers(self) -> list[Marker]:
        """What is drawn in the visible times, from left to right below, then above the candles."""
        (start, end), _ = self.getViewBox().viewRange()
        pixel, tall = self.pixelWidth(), self.pixelHeight()
        if not pixel or not tall or not len(self.places):
            return []
        if self._key != (start, end, pixel, tall):
            bars = self.source.bars(start, end)
            self._key = start, end, pixel, tall
            self._markers = [
                marker
                for below, row in self._rows.items()
                for marker in self._of_row(row, bars, start, end, pixel, tall, below=below)
            ]
        return self._markers

    def _of_row(
        self, row: Row, bars: Bars, start: float, end: float, pixel: float, tall: float, *, below: bool
    ) -> list[Marker]:
        first, last = np.searchsorted(row.time, (start, end))
        if first >= last or not len(bars):
            return []
        time = row.time[first:last]
        cells = np.floor(time / (pixel * CELL_PX))  # they keep their places while the view pans
        starts = _apart(time, np.flatnonzero(np.diff(cells, prepend=np.nan) != 0), 2 * HALF_PX * pixel)
        ends = np.append(starts[1:], len(time))
        x = (time[starts] + time[ends - 1]) / 2
        price = self._scale(_extremes(bars, x, max(HALF_PX * pixel, bars.width / 2), below=below))
        y = price + (-GAP_PX if below else GAP_PX) * tall
        entered = np.logical_or.reduceat(row.is_entry[first:last], starts)
        taken = np.logical_or.reduceat(row.is_taken[first:last], starts)
        trades = row.trade[first:last].tolist()
        columns = (column.tolist() for column in (x, y, entered, taken, starts, ends))
        return [
            Marker(at, tip, below, tuple(trades[start:stop]), is_entry, is_taken)
            for at, tip, is_entry, is_taken, start, stop in zip(*columns, strict=True)
        ]

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw in pixels."""
        del option, widget
        shown = self.markers()
        transform = painter.worldTransform()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        for below, colour in ((True, self.theme.buy), (False, self.theme.sell)):
            mine = [marker for marker in shown if marker.below == below and not marker.is_taken]
            pen = QPen(pg.mkColor(colour), 1.4)
            self._draw(painter, transform, [one for one in mine if one.is_entry], pen, pg.mkBrush(colour))
            self._draw(painter, transform, [one for one in mine if not one.is_entry], pen, pg.mkBrush(None))
        self._crosses(painter, transform, [one for one in shown if one.is_taken])
        painter.setPen(pg.mkColor(self.theme.text))
        for marker in shown:
            if len(marker.trades) > 1:
                self._number(painter, transform.map(QPointF(marker.x, marker.y)), marker)
        if self.selected is not None and self.selected < len(self.places):
            self._highlight(painter, transform, [one for one in shown if self.selected in one.trades])
            self._ring(painter, transform, self.selected)
            self._fills(painter, transform, self.selected)

    def _draw(
        self, painter: QPainter, transform: QTransform, shown: list[Marker], pen: QPen, brush: QBrush
    ) -> None:
        """All of one look at once: a call of Qt each costs more than what it draws."""
        path = QPainterPath()
        for marker in shown:
            tip = transform.map(QPointF(marker.x, marker.y))
            path.addPolygon(triangle(tip, SIZE_PX, up=marker.below))
            path.closeSubpath()
        painter.setPen(pen)
        painter.setBrush(brush)
        painter.drawPath(path)

    def _crosses(self, painter: QPainter, transform: QTransform, shown: list[Marker]) -> None:
        """Liquidations."""
        painter.setPen(QPen(pg.mkColor(self.theme.negative), 2.6))
        for marker in shown:
            tip = transform.map(QPointF(marker.x, marker.y))
            middle = tip + QPointF(0, SIZE_PX if marker.below else -SIZE_PX)
            for rising in (SIZE_PX, -SIZE_PX):
                painter.drawLine(middle - QPointF(SIZE_PX, rising), middle + QPointF(SIZE_PX, rising))

    def _number(self, painter: QPainter, tip: QPointF, marker: Marker) -> None:
        text = str(len(marker.trades))
        away = SIZE_PX * _HEIGHT + (_NUMBER_PX - 1 if marker.below else 2)
        left = tip.x() - len(text) * self._digit_px / 2
        painter.drawText(QPointF(left, tip.y() + (away if marker.below else -away)), text)

    def _highlight(self, painter: QPainter, transform: QTransform, shown: list[Marker]) -> None:
        painter.setPen(QPen(pg.mkColor(self.theme.text), 1.4))
        for marker in shown:
            if marker.is_taken:
                continue
            tip = transform.map(QPointF(marker.x, marker.y))
            colour = self.theme.buy if marker.below else self.theme.sell
            painter.setBrush(pg.mkBrush(colour) if marker.is_entry else Qt.BrushStyle.NoBrush)
            painter.drawPolygon(triangle(tip, SIZE_PX * 1.4, up=marker.below))

    def _ring(self, painter: QPainter, transform: QTransform, index: int) -> None:
        """The fills of the selected trade: rings, through which the candles are seen."""
        places = self.places
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(pg.mkColor(self.theme.text), 1.4))
        for x, price in ((places.entry, places.entry_price), (places.exit, places.exit_price)):
            y = float(self._scale(price[index : index + 1])[0])
            painter.drawEllipse(transform.map(QPointF(float(x[index]), y)), 4.0, 4.0)

    def _fills(self, painter: QPainter, transform: QTransform, index: int) -> None:
        """Each fill of a trade that has several: filled where it enters, hollow where it leaves."""
        fills = self.places.fills[index]
        if len(fills) <= 2:
            return
        prices = self._scale(np.array([fill.price for fill in fills]))
        long = bool(self.places.is_long[index])
        for fill, y in zip(fills, prices.tolist(), strict=True):
            enters = fill.size > 0
            colour = self.theme.buy if enters == long else self.theme.sell
            painter.setPen(QPen(pg.mkColor(colour), 1.6))
            painter.setBrush(pg.mkBrush(colour) if enters else pg.mkBrush(self.theme.base))
            painter.drawPolygon(diamond(transform.map(QPointF(fill.time / 1000, y)), FILL_PX))

    def at(self, point: QPointF) -> tuple[int, ...]:
        """The trades whose marker, entry or exit is within reach of a point of the plot; none: empty."""
        pixel, tall = self.pixelWidth(), self.pixelHeight()
        if not pixel or not tall:
            return ()
        found: list[tuple[float, tuple[int, ...]]] = []
        for marker in self.markers():
            middle = marker.y + SIZE_PX * _HEIGHT / 2 * tall * (-1 if marker.below else 1)
            found.append((self._pixels(marker.x - point.x(), middle - point.y()), marker.trades))
        places = self.places
        for x, price in ((places.entry, places.entry_price), (places.exit, places.exit_price)):
            near = np.flatnonzero(np.abs(x - point.x()) <= REACH_PX * pixel)
            for index, y in zip(near.tolist(), self._scale(price[near]).tolist(), strict=True):
                found.append((self._pixels(float(x[index]) - point.x(), y - point.y()), (index,)))
        best = min(found, default=None, key=lambda one: one[0])
        return best[1] if best is not None and best[0] <= REACH_PX else ()

    def _pixels(self, x: float, y: float) -> float:
        return float(np.hypot(x / self.pixelWidth(), y / self.pixelHeight()))


def _apart(time: Floats, starts: npt.NDArray[np.intp], least: float) -> npt.NDArray[np.intp]:
    """Where groups of increasing times start: one whose middle is nearer than `least` to that of the one before joins it."""
    ends = np.append(starts[1:], len(time))
    kept: list[int] = []
    before = -np.inf
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        middle = (time[start] + time[end - 1]) / 2
        if middle - before < least:
            before = (time[kept[-1]] + time[end - 1]) / 2
        else:
            kept.append(start)
            before = middle
    return np.array(kept, dtype=np.intp)


def _extremes(bars: Bars, x: Floats, half: float, *, below: bool) -> Floats:
    """The lowest low (or the highest high) of the bars that stand within `half` of each x."""
    ends = np.searchsorted(bars.x, (x - half - bars.width / 2, x + half + bars.width / 2))
    pairs = np.minimum(ends, len(bars) - np.array([[1], [0]])).T.ravel()  # left, right, left, right ...
    if below:
        return np.minimum.reduceat(np.append(bars.low, np.inf), pairs)[::2]
    return np.maximum.reduceat(np.append(bars.high, -np.inf), pairs)[::2]


def diamond(middle: QPointF, size: float) -> QPolygonF:
    """A diamond about a point."""
    corners = ((0, -size), (size, 0), (0, size), (-size, 0))
    return QPolygonF([middle + QPointF(x, y) for x, y in corners])


def triangle(tip: QPointF, size: float, *, up: bool) -> QPolygonF:
    """A triangle whose tip touches a point: pointing up it hangs below, pointing down it stands above."""
    away = size * _HEIGHT if up else -size * _HEIGHT
    return QPolygonF([tip, tip + QPointF(-size, away), tip + QPointF(size, away)])
