"""A plot that neither zooms nor scrolls: the page does. What is found near the pointer, and how many of many are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from desktop.charts.axes import ValueAxis, style_axis
from desktop.charts.items.envelope import Floats
from desktop.charts.plot import Plot
from desktop.theme.colours import DARK, Theme


class StillChart(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """One plot with an axis below and one on the right. `across`: words below, what is to the right; "" for none."""

    def __init__(
        self,
        name: str,
        bottom: pg.AxisItem,
        right: ValueAxis,
        *,
        width: int,
        least: tuple[int, int],
        across: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """`width`: of the right axis, and `least`: of the chart, width and height, in pixels."""
        super().__init__(parent)
        self.theme, self._across = DARK, across
        right.setWidth(width)
        self.plot = Plot({"bottom": bottom, "right": right})
        self.addItem(self.plot)
        if across:
            bottom.setLabel(across)
        self.plot.vb.setMouseEnabled(x=False, y=False)
        self.ci.layout.setContentsMargins(6, 4, 0, 0)
        self.setAccessibleName(name)
        self.setMinimumSize(*least)
        plain, centre = Qt.TextFormat.PlainText, Qt.AlignmentFlag.AlignCenter
        self.empty = QLabel(textFormat=plain, alignment=centre, wordWrap=True)
        self.empty.setProperty("role", "muted")
        QVBoxLayout(self).addWidget(self.empty)
        self.empty.hide()

    def add(self, *items: Any) -> None:
        """Put items into the plot; they do not move its range."""
        self.plot.add(*items)

    def show_plot(self, *, on: bool, hint: str = "") -> None:
        """Show the plot, or the hint in its place (over it, where it would take its clicks)."""
        self.ci.setVisible(on)
        self.empty.setText(hint)
        self.empty.setVisible(not on)

    def place_of(self, point: QPointF) -> QPointF | None:
        """Where a point of the scene lies on the axes; None beside the plot."""
        view = self.plot.vb
        return view.mapSceneToView(point) if view.sceneBoundingRect().contains(point) else None

    def nearest(self, xs: Floats, ys: Floats, at: QPointF, most_px: float) -> int | None:
        """Which of some points (k,) is next to a place on the axes; None where none is as near."""
        width, height = self.plot.vb.viewPixelSize()
        away = np.hypot((xs - at.x()) / width, (ys - at.y()) / height)
        near = np.flatnonzero(away <= most_px)  # not one without a coordinate
        return int(near[away[near].argmin()]) if len(near) else None

    def sizeHint(self) -> QSize:
        """No more than it needs: a scroll area would give the scene's size, and scroll for it."""
        return QSize(self.minimumWidth(), self.minimumHeight())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The page scrolls, not the chart."""
        event.ignore()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.theme = theme
        self.setBackground(theme.base)
        for axis in self.plot.axes.values():
            style_axis(axis, theme.grid, theme.muted, theme.base)
        if self._across:
            self.plot.axes["bottom"].setLabel(self._across, color=theme.muted)
        self.plot.vb.setBorder(pg.mkPen(theme.border))


def number_axis() -> pg.AxisItem:
    """Plain numbers below."""
    axis = pg.AxisItem("bottom")
    axis.enableAutoSIPrefix(False)
    return axis


def stride(count: int, most: int) -> int:
    """Of `count` every how many-th is drawn, so that they are `most` at most."""
    return max(1, -(-count // most))
