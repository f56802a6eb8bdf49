"""Under the candles: each trade's way from entry to exit in the colour of its profit, its stop and its target as long as
they held. What is too short to be seen is left out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from pyqtgraph.Qt import internals
from PySide6.QtCore import QLineF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from desktop.charts.items.envelope import Floats, Scale, plain
from desktop.charts.items.trade_places import TradePlaces
from desktop.charts.items.view_item import ViewItem
from desktop.theme.colours import Theme

SHORTEST_PX: Final = 4.0
_MOST_LEVELS: Final = 200  # of stops and targets in view; more would be a carpet
_SELECTED_WIDTH: Final = 2
Places = npt.NDArray[np.intp]


class TradeLines(ViewItem):
    """Lines of one run's trades. `scale`: what prices become on the screen."""

    def __init__(self, places: TradePlaces, theme: Theme, scale: Scale = plain) -> None:
        super().__init__()
        self.places, self.theme, self._scale = places, theme, scale
        self.selected: int | None = None
        self.setZValue(-1)  # candles stand before them
        self._lines = internals.PrimitiveArray(QLineF, 4)

    def select(self, index: int | None) -> None:
        """Highlight a trade."""
        self.selected = index
        self.update()

    def visible(self) -> Places:
        """Positions of the trades whose way is long enough to be seen, the selected one always."""
        low, high = self.getViewBox().viewRange()[0]
        places, least = self.places, SHORTEST_PX * max(self.pixelWidth(), 1e-12)
        seen = (places.exit >= low) & (places.entry <= high) & (places.exit - places.entry >= least)
        if self.selected is not None and self.selected < len(seen):
            seen[self.selected] = True
        return np.flatnonzero(seen)

    def levels(self) -> Places:
        """Positions of the trades whose stops and targets are drawn: those in view; of too many the selected one."""
        seen = self.visible()
        has = np.isfinite(self.places.stop[seen]) | np.isfinite(self.places.target[seen])
        seen = seen[has]
        return seen if len(seen) <= _MOST_LEVELS else seen[seen == self.selected]

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw what is visible."""
        del option, widget
        if not len(self.places):
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        levels, places = self.levels(), self.places
        self._draw_levels(painter, levels, places.stop, self.theme.negative, Qt.PenStyle.DashLine)
        self._draw_levels(painter, levels, places.target, self.theme.positive, Qt.PenStyle.DotLine)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        seen = self.visible()
        for won, colour in ((True, self.theme.positive), (False, self.theme.negative)):
            mine = seen[places.won[seen] == won]
            self._draw_ways(painter, mine, _pen(colour))
            self._draw_ways(painter, mine[mine == self.selected], _pen(colour, _SELECTED_WIDTH))

    def _draw_levels(
        self, painter: QPainter, shown: Places, level: Floats, colour: str, style: Qt.PenStyle
    ) -> None:
        shown = shown[np.isfinite(level[shown])]
        y = self._scale(level[shown])
        pen = _pen(colour)
        pen.setStyle(style)
        painter.setPen(pen)
        self._draw(painter, self.places.entry[shown], y, self.places.exit[shown], y)

    def _draw_ways(self, painter: QPainter, shown: Places, pen: QPen) -> None:
        places = self.places
        painter.setPen(pen)
        prices = self._scale(places.entry_price[shown]), self._scale(places.exit_price[shown])
        self._draw(painter, places.entry[shown], prices[0], places.exit[shown], prices[1])

    def _draw(self, painter: QPainter, x: Floats, y: Floats, to_x: Floats, to_y: Floats) -> None:
        if not len(x):
            return
        self._lines.resize(len(x))
        memory = self._lines.ndarray()
        memory[:, 0], memory[:, 1], memory[:, 2], memory[:, 3] = x, y, to_x, to_y
        painter.drawLines(*self._lines.drawargs())


def _pen(colour: str, width: int = 1) -> QPen:
    pen = QPen(pg.mkColor(colour), width)
    pen.setCosmetic(True)
    return pen
