"""A view between axes: what a pyqtgraph PlotItem shows, without the menus of which each of those makes 46 widgets that are
never seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyqtgraph as pg
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QGraphicsGridLayout, QGraphicsItem, QSizePolicy

from desktop.charts.legend import Legend

_VIEW: Final = (2, 1)
_TITLE: Final = (0, 1)
_LEGEND: Final = (1, 1)
_AXES: Final = {"left": (2, 0), "right": (2, 2), "bottom": (3, 1)}
_TITLE_PX: Final = 30


class Plot(pg.GraphicsWidget):  # type: ignore[misc]
    """`axes` by their sides: left, right, bottom. `vb` is the view; `items` what was added to it."""

    def __init__(self, axes: Mapping[str, pg.AxisItem]) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.items: list[Any] = []
        self.axes: dict[str, Any] = {}
        self.vb = pg.ViewBox(parent=self, enableMenu=False)
        self.grid = QGraphicsGridLayout()
        self.setLayout(self.grid)
        self.grid.setContentsMargins(1, 1, 1, 1)
        self.grid.setSpacing(0)
        self.grid.addItem(self.vb, *_VIEW)
        self.grid.setRowStretchFactor(_VIEW[0], 100)
        self.grid.setColumnStretchFactor(_VIEW[1], 100)
        self._title: pg.LabelItem | None = None
        self._legend: Legend | None = None
        for side, axis in axes.items():
            self.set_axis(side, axis)

    def set_axis(self, side: str, axis: pg.AxisItem) -> None:
        """Show an axis at a side, in place of the one that was there."""
        before = self.axes.get(side)
        if before is not None:
            self.grid.removeItem(before)
            before.unlinkFromView()
            before.setParentItem(None)
            if self.scene() is not None:  # which would keep it, without a parent
                self.scene().removeItem(before)
        self.axes[side] = axis
        axis.linkToView(self.vb)
        self.grid.addItem(axis, *_AXES[side])
        axis.setZValue(0.5)  # above pictures; what is to lie over it has 1 or more
        axis.setFlag(QGraphicsItem.GraphicsItemFlag.ItemNegativeZStacksBehindParent)

    def set_title(self, text: str, **style: Any) -> None:
        """Words above the view; `style` as pyqtgraph's labels take it."""
        if self._title is None:
            self._title = pg.LabelItem("", size="11pt", parent=self)
            self._title.setMaximumHeight(_TITLE_PX)
            self.grid.addItem(self._title, *_TITLE)
            self.grid.setRowFixedHeight(_TITLE[0], _TITLE_PX)
        self._title.setText(text, **style)

    def set_lines(self, lines: Mapping[str, QPen], colour: str) -> None:
        """Name lines with their pens between title and view; `colour`: of the words."""
        if self._legend is None:
            self._legend = Legend()
            self.grid.addItem(self._legend, *_LEGEND)
        self._legend.set_lines(lines, colour)

    def add(self, *items: Any, fits: bool = False) -> None:
        """Put items into the view; `fits`: they count for its range where it fits itself."""
        for item in items:
            self.items.append(item)
            self.vb.addItem(item, ignoreBounds=not fits)

    def remove(self, item: Any) -> None:
        """Take an item out again."""
        self.items.remove(item)
        self.vb.removeItem(item)
