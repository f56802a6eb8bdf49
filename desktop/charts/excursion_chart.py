"""How far each trade went against (or for) its entry, beside what it made: a click on a trade picks it, one on a level the
level.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from desktop.charts.axes import ValueAxis
from desktop.charts.items.envelope import Floats
from desktop.charts.still_chart import StillChart, number_axis, stride
from desktop.tables import formats
from desktop.theme.colours import Theme

MOST_DRAWN: Final = 5_000
_NEAR_PX: Final = 7.0
_STEPS: Final = 50  # of the width, by one press of an arrow
_KEYS: Final = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
Places = npt.NDArray[np.int64]


class ExcursionChart(StillChart):
    """Signals: `hovered(place or None)`; `trade_picked(place)`; `level_picked(percent)`, of an excursion, above 0."""

    KEYS: ClassVar = (
        "MAE and MFE",
        (("Left or Right", "Move the level"),),
    )

    hovered = Signal(object)
    trade_picked = Signal(int)
    level_picked = Signal(float)

    def __init__(self, name: str, across: str, parent: QWidget | None = None) -> None:
        right = ValueAxis(" %")
        super().__init__(name, number_axis(), right, width=64, least=(200, 160), across=across, parent=parent)
        self.x: Floats = np.zeros(0)
        self.y: Floats = np.zeros(0)
        self.places: Places = np.zeros(0, dtype=np.int64)
        self.level: float | None = None
        self.every = 1
        self._wins = pg.ScatterPlotItem(symbol="t1", size=7, pen=None)
        self._losses = pg.ScatterPlotItem(symbol="t", size=7, pen=None)
        self._zero = pg.InfiniteLine(0, angle=0)
        self._line = pg.InfiniteLine(angle=90)
        self._line.hide()
        self.add(self._zero, self._losses, self._wins, self._line)
        self._mouse = pg.SignalProxy(self.scene().sigMouseMoved, rateLimit=60, slot=self._moved)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_trades(self, excursions: Floats, returns: Floats, places: Places, hint: str) -> None:
        """Draw trades by |excursion| and return, (k,) percent each; `hint` stands where there are none. Of very many only
        one of `every` so many is drawn.
        """
        self.every = every = stride(len(places), MOST_DRAWN)
        self.x, self.y = np.abs(excursions[::every]), returns[::every]
        self.places = places[::every]
        self.show_plot(on=bool(len(places)), hint=hint)
        self.set_level(None)
        won = self.y > 0
        self._wins.setData(self.x[won], self.y[won])
        self._losses.setData(self.x[~won], self.y[~won])
        if len(places):
            span = (float(self.y.max()) - float(self.y.min())) or 1.0
            self.plot.vb.setRange(
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
        at = self.place_of(point)
        nearest = None if at is None else self.nearest(self.x, self.y, at, _NEAR_PX)
        return None if nearest is None else int(self.places[nearest])

    def _moved(self, arguments: tuple[QPointF]) -> None:
        self.hovered.emit(self.trade_at(arguments[0]))

    def _clicked(self, event: Any) -> None:
        at, place = self.place_of(event.scenePos()), self.trade_at(event.scenePos())
        if event.button() != Qt.MouseButton.LeftButton or at is None:
            return
        if place is not None:
            self.trade_picked.emit(place)
        elif len(self.x):
            self._pick(at.x())

    def _pick(self, level: float) -> None:
        widest = self.plot.vb.viewRange()[0][1]
        digits = max(0, formats.span_digits(widest) - 1)
        level = min(max(round(level, digits), 10.0**-digits), widest)
        self.set_level(level)
        self.level_picked.emit(level)

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer left."""
        super().leaveEvent(event)
        self.hovered.emit(None)

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
        super().apply_theme(theme)
        self._zero.setPen(pg.mkPen(theme.grid))
        self._line.setPen(pg.mkPen(theme.accent, width=2))
        self._wins.setBrush(pg.mkBrush(theme.positive))
        self._losses.setBrush(pg.mkBrush(theme.negative))
