"""How far each trade went against (or for) its entry, beside what it made: a click on a trade picks it, one on a level the
level.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from desktop.charts.axes import ValueAxis, style_axis
from desktop.charts.items.envelope import Floats
from desktop.tables import formats
from desktop.theme.colours import DARK, Theme

MOST_DRAWN: Final = 5_000
_NEAR_PX: Final = 7.0
_STEPS: Final = 50  # of the width, by one press of an arrow
_KEYS: Final = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
Places = npt.NDArray[np.int64]


class ExcursionChart(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """Signals: `hovered(place or None)`; `trade_picked(place)`; `level_picked(percent)`, of an excursion, above 0."""

    hovered = Signal(object)
    trade_picked = Signal(int)
    level_picked = Signal(float)

    def __init__(self, name: str, across: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.x: Floats = np.zeros(0)
        self.y: Floats = np.zeros(0)
        self.places: Places = np.zeros(0, dtype=np.int64)
        self.level: float | None = None
        self.every = 1
        self._theme = DARK
        self._across = across
        self._axes = {"bottom": pg.AxisItem("bottom"), "right": ValueAxis(" %")}
        self._axes["bottom"].enableAutoSIPrefix(False)
        self._axes["right"].setWidth(64)
        self.plot = self.addPlot(axisItems=self._axes, enableMenu=False)
        self.plot.showAxes((False, False, True, True), showValues=(False, False, True, True))
        self.plot.setLabel("bottom", across)
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=False, y=False)
        self.ci.layout.setContentsMargins(6, 4, 0, 0)
        self._wins = pg.ScatterPlotItem(symbol="t1", size=7, pen=None)
        self._losses = pg.ScatterPlotItem(symbol="t", size=7, pen=None)
        self._zero = pg.InfiniteLine(0, angle=0)
        self._line = pg.InfiniteLine(angle=90)
        self._line.hide()
        for item in (self._zero, self._losses, self._wins, self._line):
            self.plot.addItem(item, ignoreBounds=True)
        self._mouse = pg.SignalProxy(self.scene().sigMouseMoved, rateLimit=60, slot=self._moved)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.setMinimumSize(200, 160)
        self.empty = QLabel(alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.empty.setProperty("role", "muted")
        QVBoxLayout(self).addWidget(self.empty)

    def show_trades(self, excursions: Floats, returns: Floats, places: Places, hint: str) -> None:
        """Draw trades by |excursion| and return, (k,) percent each; `hint` stands where there are none. Of very many only
        one of `every` so many is drawn.
        """
        self.every = every = max(1, -(-len(places) // MOST_DRAWN))
        self.x, self.y = np.abs(excursions[::every]), returns[::every]
        self.places = places[::every]
        self.empty.setText(hint)
        self.empty.setVisible(not len(places))
        self.plot.setVisible(bool(len(places)))
        self.set_level(None)
        won = self.y > 0
        self._wins.setData(self.x[won], self.y[won])
        self._losses.setData(self.x[~won], self.y[~won])
        if len(places):
            span = (float(self.y.max()) - float(self.y.min())) or 1.0
            self.plot.setRange(
                xRange=(0, float(self.x.max()) * 1.05 or 1.0),
                yRange=(
                    min(0.0, float(self.y.min())) - span * 0.05,
                    max(0.0, float(self.y.max())) + span * 0.05,
                ),
                padding=0,
            )

    def set_level(self, level: float | None) -> None:
        """Draw a level."""
        self.level = level
        self._line.setVisible(level is not None)
        if level is not None:
            self._line.setPos(level)
            self.setAccessibleDescription(f"{self._across}: {level:g} %")

    # -- pointer and keys --------------------------------------------------------------------------------------------

    def trade_at(self, point: QPointF) -> int | None:
        """The place of the trade drawn next to a point of the scene, where it is near."""
        view = self.plot.vb
        if not len(self.x) or not view.sceneBoundingRect().contains(point):
            return None
        at, (width, height) = view.mapSceneToView(point), view.viewPixelSize()
        away = np.hypot((self.x - at.x()) / width, (self.y - at.y()) / height)
        nearest = int(away.argmin())
        return int(self.places[nearest]) if away[nearest] <= _NEAR_PX else None

    def _moved(self, arguments: tuple[QPointF]) -> None:
        self.hovered.emit(self.trade_at(arguments[0]))

    def _clicked(self, event: Any) -> None:
        point = event.scenePos()
        if event.button() != Qt.MouseButton.LeftButton or not self.plot.vb.sceneBoundingRect().contains(
            point
        ):
            return
        place = self.trade_at(point)
        if place is not None:
            self.trade_picked.emit(place)
        elif len(self.x):
            self._pick(float(self.plot.vb.mapSceneToView(point).x()))

    def _pick(self, level: float) -> None:
        widest = self.plot.vb.viewRange()[0][1]
        digits = max(0, formats.span_digits(widest) - 1)
        level = min(max(round(level, digits), 10.0**-digits), widest)
        self.set_level(level)
        self.level_picked.emit(level)

    def sizeHint(self) -> QSize:
        """No more than it needs: a scroll area would give the scene's size, and scroll for it."""
        return QSize(self.minimumWidth(), self.minimumHeight())

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer left."""
        super().leaveEvent(event)
        self.hovered.emit(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The page scrolls, not the chart."""
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right move the level."""
        step = _KEYS.get(Qt.Key(event.key()))
        if step is None or not len(self.x):
            super().keyPressEvent(event)
            return
        widest = self.plot.vb.viewRange()[0][1]
        self._pick((self.level or 0.0) + step * widest / _STEPS)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.setBackground(theme.base)
        for axis in self._axes.values():
            style_axis(axis, theme.grid, theme.muted, theme.base)
        self.plot.setLabel("bottom", self._across, color=theme.muted)
        self.plot.vb.setBorder(pg.mkPen(theme.border))
        self._zero.setPen(pg.mkPen(theme.grid))
        self._line.setPen(pg.mkPen(theme.accent, width=2))
        self._wins.setBrush(pg.mkBrush(theme.positive))
        self._losses.setBrush(pg.mkBrush(theme.negative))
