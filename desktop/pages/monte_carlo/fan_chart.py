"""Where an account could have been: bands over many paths, and the path that it took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor

from desktop.charts.axes import VALUE_AXIS_WIDTH, TimeAxis, ValueAxis, style_axis
from desktop.charts.still_chart import StillChart
from desktop.tables import formats
from desktop.theme.colours import Theme
from engine.model.monte_carlo import DAY, Bands

_WIDE, _NARROW = 46, 70  # alpha of 5 to 95 %, and of 25 to 75 % over it
_LABEL_PX: Final = 24


class FanChart(StillChart):
    """At most some hundred moments. `hovered(text)`: what is told of the moment under the pointer."""

    hovered = Signal(str)

    def __init__(self) -> None:
        right = ValueAxis()
        super().__init__("Bands of equity", TimeAxis(), right, width=VALUE_AXIS_WIDTH, least=(260, 150))
        self.bands: Bands | None = None
        self._x: npt.NDArray[np.float64] = np.empty(0)
        self._items: list[Any] = []
        self._cross = pg.InfiniteLine(angle=90)
        self._mouse = pg.SignalProxy(self.scene().sigMouseMoved, rateLimit=60, slot=self._moved)
        self._unit = DAY
        self.plot.axes["bottom"].setHeight(_LABEL_PX)
        self.ci.layout.setContentsMargins(4, 4, 0, 0)
        self.add(self._cross)
        self.show_bands(None)

    def show_bands(self, bands: Bands | None, hint: str = "") -> None:
        """Draw other bands; None: `hint` stands in their place."""
        self.bands = bands
        self.show_plot(on=bands is not None, hint=hint)
        unit = DAY if bands is None else bands.unit
        if unit != self._unit:
            self._count(unit)
        at = np.array([] if bands is None else bands.at, dtype=np.float64)
        self._x = at / 1000 if unit == DAY else at
        self._draw()
        self.setAccessibleDescription(self.words(None))
        self.hovered.emit(self.words(None))

    def _count(self, unit: str) -> None:
        """Count days or trades below."""
        self._unit, theme = unit, self.theme
        axis = TimeAxis() if unit == DAY else ValueAxis(short=True, side="bottom")
        self.plot.set_axis("bottom", axis)
        axis.setHeight(_LABEL_PX)
        style_axis(axis, theme.grid, theme.muted, theme.base)

    def _draw(self) -> None:
        for item in self._items:
            self.plot.remove(item)
        self._items.clear()
        self._cross.hide()
        if self.bands is None:
            return
        theme, rows = self.theme, np.array(self.bands.quantiles)
        for low, high, alpha in ((0, 4, _WIDE), (1, 3, _NARROW)):
            fill = QColor(theme.accent)
            fill.setAlpha(alpha)
            edges = [pg.PlotCurveItem(self._x, rows[at], pen=None) for at in (low, high)]
            self._items += [*edges, pg.FillBetweenItem(*edges, brush=fill)]
        median = pg.mkPen(theme.accent, width=1, style=Qt.PenStyle.DashLine)
        self._items.append(pg.PlotCurveItem(self._x, rows[2], pen=median))
        own = np.array(self.bands.original)
        self._items.append(pg.PlotCurveItem(self._x, own, pen=pg.mkPen(theme.text, width=2)))
        self.add(*self._items)
        low_y, high_y = min(rows[0].min(), own.min()), max(rows[4].max(), own.max())
        room = (high_y - low_y or 1.0) * 0.05
        self.plot.vb.setRange(
            xRange=(self._x[0], self._x[-1]), yRange=(low_y - room, high_y + room), padding=0
        )

    # -- pointer -----------------------------------------------------------------------------------------------------

    def words(self, number: int | None) -> str:
        """What is told of a moment; None: of the last."""
        if self.bands is None:
            return ""
        at = len(self.bands.at) - 1 if number is None else number
        moment = self.bands.at[at]
        when = formats.day(moment) if self.bands.unit == DAY else f"after {moment:,} trades"
        bands: Sequence[Sequence[float]] = self.bands.quantiles
        low, first, middle, third, high = (formats.number(row[at], 0) for row in bands)
        own = formats.number(self.bands.original[at], 0)
        return f"{when}: this run {own}; median {middle}; 25 to 75 % {first} to {third}; 5 to 95 % {low} to {high}"

    def _moved(self, arguments: tuple[QPointF]) -> None:
        place = None if self.bands is None else self.place_of(arguments[0])
        self._point_at(None if place is None else int(np.abs(self._x - place.x()).argmin()))

    def _point_at(self, number: int | None) -> None:
        self._cross.setVisible(number is not None)
        if number is not None:
            self._cross.setPos(self._x[number])
        self.hovered.emit(self.words(number))

    def leaveEvent(self, event: QEvent) -> None:
        """The crosshair goes with the pointer."""
        super().leaveEvent(event)
        self._point_at(None)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self._cross.setPen(pg.mkPen(theme.crosshair, style=Qt.PenStyle.DashLine))
        self._draw()
