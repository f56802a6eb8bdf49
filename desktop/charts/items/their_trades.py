"""Trades of another program over the candles: hollow diamonds at the prices of entries, hollow rings at those of exits, a
dotted way between. The selected one is drawn strong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from desktop.charts.items.envelope import Floats, Scale, plain
from desktop.charts.items.trade_item import diamond
from desktop.charts.items.view_item import ViewItem
from desktop.theme.colours import Theme
from engine.model.trade_list import TheirTrade

LEGEND: Final = "◇ entry, ○ exit of theirs"
_CURVE: Final = 3  # of the palette: neither that of a side nor that of a profit
_DIAMOND_PX: Final = 6.0
_RING_PX: Final = 4.5
_MOST_WAYS: Final = 400  # in view; more would be a carpet
_WIDTHS: Final = (1.5, 3.0)  # usual, selected


@dataclass(frozen=True, slots=True, eq=False)
class TheirPlaces:
    """Arrays of one length (k,): seconds and prices; the exit of what is still open is NaN."""

    entry: Floats
    exit: Floats
    entry_price: Floats
    exit_price: Floats

    @classmethod
    def of(cls, trades: Sequence[TheirTrade]) -> Self:
        """The places of a list of trades, by their entries."""
        none = float("nan")
        columns = [
            (
                one.entry_time / 1000, none if one.exit_time is None else one.exit_time / 1000, one.entry_price,
                none if one.exit_time is None or one.exit_price is None else one.exit_price,
            )
            for one in trades
        ]  # fmt: skip
        return cls(*np.array(columns, dtype=np.float64).reshape(-1, 4).T)


class TheirTradesItem(ViewItem):
    """`scale`: what prices become on the screen."""

    def __init__(self, places: TheirPlaces, theme: Theme, scale: Scale = plain) -> None:
        super().__init__()
        self.places, self._scale = places, scale
        self.colour = their_colour(theme)
        self.selected: int | None = None
        self.setZValue(11)  # over our own, which are filled

    def select(self, index: int | None) -> None:
        """Draw one strong."""
        self.selected = index
        self.update()

    def visible(self) -> list[int]:
        """Places in the list of those whose entry or exit is in view."""
        low, high = self.getViewBox().viewRange()[0]
        places = self.places
        last = np.fmax(places.entry, places.exit)
        return np.flatnonzero((places.entry <= high) & (last >= low)).tolist()

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw in pixels."""
        del option, widget
        shown = self.visible()
        transform = painter.worldTransform()
        entries = self._points(self.places.entry, self.places.entry_price, shown)
        exits = self._points(self.places.exit, self.places.exit_price, shown)
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        entries = [None if point is None else transform.map(point) for point in entries]
        exits = [None if point is None else transform.map(point) for point in exits]
        if len(shown) <= _MOST_WAYS:
            painter.setPen(QPen(pg.mkColor(self.colour), 1.0, Qt.PenStyle.DotLine))
            ways = [QLineF(one, two) for one, two in zip(entries, exits, strict=True) if one and two]
            painter.drawLines(ways)
        chosen = [at == self.selected for at in shown]
        for strong, width in enumerate(_WIDTHS):
            path = QPainterPath()
            for one, two, is_chosen in zip(entries, exits, chosen, strict=True):
                if is_chosen == bool(strong):
                    _add(path, one, two)
            painter.setPen(QPen(pg.mkColor(self.colour), width))
            painter.drawPath(path)

    def _points(self, x: Floats, price: Floats, shown: list[int]) -> list[QPointF | None]:
        y = self._scale(price[shown])
        return [
            QPointF(at, value) if np.isfinite(at) and np.isfinite(value) else None
            for at, value in zip(x[shown].tolist(), y.tolist(), strict=True)
        ]


def _add(path: QPainterPath, entry: QPointF | None, left: QPointF | None) -> None:
    if entry is not None:
        path.addPolygon(diamond(entry, _DIAMOND_PX))
        path.closeSubpath()
    if left is not None:
        path.addEllipse(left, _RING_PX, _RING_PX)


def their_colour(theme: Theme) -> str:
    """The colour of all that is theirs."""
    return theme.curve(_CURVE)
