"""Pictures of a walk-forward: its windows over time, the stitched account, what was chosen, training against test.

A click on a window picks it; Left and Right walk over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QWidget

from desktop.charts.axes import TimeAxis, ValueAxis
from desktop.charts.items.envelope import Envelope
from desktop.charts.legend import line_pen
from desktop.charts.still_chart import StillChart, number_axis, stride
from desktop.tables import formats
from desktop.theme.colours import Theme
from engine.model.market import Float64Array, Period
from engine.model.walk_forward import IN_SAMPLE, OUT_OF_SAMPLE, WalkForward

_KEYS: Final = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
_AXIS_PX: Final = 60
_SHADE: Final = 46  # of 255
_MOST_POINTS: Final = 4_000
_NEAR_PX: Final = 12.0
_HINT: Final = "Appears here when a walk-forward has finished, or a stored one is opened."


class WalkChart(StillChart):
    """`picked(number)`: a window was clicked, or walked to."""

    KEYS: ClassVar = (
        "Charts of a walk-forward",
        (("Left or Right", "Go from window to window"),),
    )

    picked = Signal(int)

    def __init__(self, name: str, bottom: pg.AxisItem, parent: QWidget | None = None) -> None:
        right = ValueAxis(short=True)
        super().__init__(name, bottom, right, width=_AXIS_PX, least=(180, 110), parent=parent)
        self.walk: WalkForward | None = None
        self.chosen: int | None = None
        self.plot.set_title(name)
        self.ci.layout.setContentsMargins(6, 2, 0, 0)
        self.name = name
        self._items: list[Any] = []  # of the walk
        self._marks: list[Any] = []  # of the choice
        self.scene().sigMouseClicked.connect(self._clicked)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._draw()

    def show_walk(self, walk: WalkForward | None, chosen: int | None) -> None:
        """Draw a finished walk-forward, of which a window may be chosen; only the choice where the walk is drawn already."""
        walk = walk if walk is not None and walk.results else None
        self.chosen = chosen
        if walk is self.walk:
            self._draw_choice()
        else:
            self.walk = walk
            self._draw()

    def _draw(self) -> None:
        self.show_plot(on=self.walk is not None, hint=f"{self.name}\n{_HINT}")
        self._clear(self._items)
        if self.walk is not None:
            self.draw(self.walk)
        self._draw_choice()

    def _draw_choice(self) -> None:
        self._clear(self._marks)
        if self.walk is not None:
            self.draw_choice(self.walk)

    def _clear(self, items: list[Any]) -> None:
        for item in items:
            self.plot.remove(item)
        items.clear()

    def draw(self, walk: WalkForward) -> None:
        """Add the items that stay whatever is chosen."""

    def draw_choice(self, walk: WalkForward) -> None:
        """Add what shows the chosen window."""

    def add(self, *items: Any) -> None:
        """Some more that stay whatever is chosen."""
        self._items.extend(items)
        super().add(*items)

    def mark(self, item: Any) -> None:
        """One more that the next choice removes."""
        self._marks.append(item)
        super().add(item)

    def add_bars(self, periods: Sequence[Period], rows: Sequence[float], colour: str, height: float) -> None:
        """A bar for each period, around the height of its row."""
        starts, ends = (np.array([getattr(one, side) / 1000 for one in periods]) for side in ("start", "end"))
        self.add(
            pg.BarGraphItem(
                x0=starts, width=ends - starts, y0=np.array(rows) - height / 2, height=height, brush=QColor(colour),
                pen=pg.mkPen(None),
            )
        )  # fmt: skip

    def mark_times(self, start: float, end: float, colour: str) -> None:
        """A band over all values."""
        fill = QColor(colour)
        fill.setAlpha(_SHADE)
        band = pg.LinearRegionItem((start, end), movable=False, brush=fill, pen=pg.mkPen(None))
        band.setZValue(-10)
        self.mark(band)

    def window_at(self, at: QPointF) -> int | None:
        """The window at a place on the axes: whose test holds its time."""
        results = self.walk.results if self.walk is not None else ()
        tests = enumerate(one.window.test for one in results)
        return next((number for number, test in tests if test.start <= at.x() * 1000 < test.end), None)

    def _clicked(self, event: Any) -> None:
        place = self.place_of(event.scenePos())
        number = None if self.walk is None or place is None else self.window_at(place)
        if number is not None and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right walk over the windows."""
        step = _KEYS.get(Qt.Key(event.key()))
        if step is None or self.walk is None:
            super().keyPressEvent(event)
            return
        last = len(self.walk.results) - 1
        self.picked.emit(max(0, min(last, (0 if self.chosen is None else self.chosen + step))))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self.plot.set_title(self.name, color=theme.muted, size="9pt")
        self._draw()


class Timeline(WalkChart):
    """A row for each window: where it was trained, and where it was tried."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Windows: training grey, test by its return", TimeAxis(), parent)
        self.plot.axes["right"].hide()

    def draw(self, walk: WalkForward) -> None:
        """The first window on top."""
        count, theme = len(walk.results), self.theme
        rows = [float(count - at) for at in range(count)]
        self.add_bars([one.window.train for one in walk.results], rows, theme.strong_border, 0.5)
        for good, colour in ((True, theme.positive), (False, theme.negative)):
            places = [
                at for at, one in enumerate(walk.results) if ((one.test.get("return_pct") or 0) > 0) is good
            ]
            if places:
                self.add_bars(
                    [walk.results[at].window.test for at in places], [rows[at] for at in places], colour, 0.7
                )
        self.plot.vb.setRange(
            xRange=(walk.period.start / 1000, walk.period.end / 1000), yRange=(0.4, count + 0.6), padding=0
        )

    def draw_choice(self, walk: WalkForward) -> None:
        """A line through its row."""
        if self.chosen is not None:
            pen = pg.mkPen(self.theme.accent, width=2)
            line = pg.InfiniteLine(len(walk.results) - self.chosen, angle=0, pen=pen)
            line.setZValue(-5)
            self.mark(line)

    def window_at(self, at: QPointF) -> int | None:
        """The row under the pointer."""
        count = len(self.walk.results) if self.walk is not None else 0
        number = count - round(at.y())
        return number if 0 <= number < count else None


class StitchedEquity(WalkChart):
    """The account over all tests, with the training of the chosen window (of the first, where none is) shaded."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Stitched equity: training shaded", TimeAxis(), parent)

    def draw(self, walk: WalkForward) -> None:
        """A line at each bound of two tests, and the account."""
        theme, low, high = self.theme, 0.0, 1.0
        course = walk.course
        if course is not None:
            times, values = course.time, course.columns["equity"]
            start, end = times[0] / 1000, times[-1] / 1000
            seen_x, seen_y = Envelope(times, values, values).outline(start, end, _MOST_POINTS)
            xs = np.concatenate(([walk.period.start / 1000, start], seen_x))
            ys = np.concatenate(([walk.spec.sweep.costs.cash] * 2, seen_y))
            self.add(pg.PlotCurveItem(xs, ys, pen=pg.mkPen(theme.curve(0), width=1.5)))
            room = (float(ys.max() - ys.min()) or 1.0) * 0.06
            low, high = float(ys.min()) - room, float(ys.max()) + room
            self.setAccessibleDescription(f"From {formats.number(ys[0])} to {formats.number(ys[-1])}")
        starts = [one.window.test.start / 1000 for one in walk.results]
        bounds = np.tile([low, high], len(starts))
        lines = pg.PlotCurveItem(np.repeat(starts, 2), bounds, connect="pairs", pen=pg.mkPen(theme.border))
        lines.setZValue(-5)
        self.add(lines)
        self.plot.vb.setRange(
            xRange=(walk.period.start / 1000, walk.period.end / 1000), yRange=(low, high), padding=0
        )

    def draw_choice(self, walk: WalkForward) -> None:
        """Its training."""
        train = walk.results[self.chosen or 0].window.train
        self.mark_times(train.start / 1000, train.end / 1000, self.theme.accent)


class ChosenParams(WalkChart):
    """Where on its grid each parameter stood: 0 the lowest of its values, 1 the highest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Parameters chosen, 0 lowest to 1 highest", TimeAxis(), parent)

    def draw(self, walk: WalkForward) -> None:
        """A stair for each parameter that varies."""
        times = [one.window.test.start / 1000 for one in walk.results]
        times.append(walk.results[-1].window.test.end / 1000)
        numbers = [one.number for one in walk.results]
        varied = {name: np.unique(column, return_inverse=True) for name, column in walk.columns.items()}
        shown = [(name, *found) for name, found in varied.items() if len(found[0]) > 1]
        pens = {name: line_pen(slot, self.theme.curve(slot)) for slot, (name, *_) in enumerate(shown)}
        for slot, (name, levels, at) in enumerate(shown):
            shift = (slot - (len(shown) - 1) / 2) * 0.015  # lines that lie on each other are told apart
            stairs = at[numbers] / (len(levels) - 1) + shift
            self.add(pg.PlotDataItem(times, stairs, stepMode="center", pen=pens[name]))
        self.plot.set_lines(pens, self.theme.text)
        self.plot.vb.setRange(xRange=(times[0], times[-1]), yRange=(-0.08, 1.08), padding=0)

    def draw_choice(self, walk: WalkForward) -> None:
        """Its test."""
        if self.chosen is not None:
            test = walk.results[self.chosen].window.test
            self.mark_times(test.start / 1000, test.end / 1000, self.theme.accent)


class TrainedAndTested(WalkChart):
    """What the chosen made in training and in test, a point a window; of the chosen window every combination, faintly."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Test (up) against training (across)", number_axis(), parent)
        # (windows, 2): the objective of the chosen in training and test, of flat runs; NaN where it has none
        self.points: Float64Array = np.empty((0, 2))

    def draw(self, walk: WalkForward) -> None:
        """With the axes through 0."""
        found = [walk.figures[one.number, at, :, 0] for at, one in enumerate(walk.results)]
        self.points = np.array(found).reshape(-1, 2)
        valued = _valued(self.points)
        self.add(pg.ScatterPlotItem(*valued.T, size=10, pen=None, brush=pg.mkBrush(self.theme.accent)))
        for angle in (0, 90):
            line = pg.InfiniteLine(0, angle=angle, pen=pg.mkPen(self.theme.border))
            line.setZValue(-5)
            self.add(line)

    def draw_choice(self, walk: WalkForward) -> None:
        """All combinations in its window, its own point ringed; with the diagonal on which both are equal."""
        theme, shown = self.theme, _valued(self.points)
        if self.chosen is not None:
            cloud = walk.figures[:, self.chosen, (IN_SAMPLE, OUT_OF_SAMPLE), 0]
            cloud = _valued(cloud[:: stride(len(cloud), _MOST_POINTS)])
            shown = np.concatenate((shown, cloud))
            fill = QColor(theme.muted)
            fill.setAlpha(90)
            faint = pg.ScatterPlotItem(*cloud.T, size=4, pen=None, brush=fill)
            faint.setZValue(-1)
            self.mark(faint)
            own = _valued(self.points[self.chosen : self.chosen + 1])
            self.mark(
                pg.ScatterPlotItem(*own.T, size=10, pen=pg.mkPen(theme.text, width=2), brush=theme.accent)
            )
        if not len(shown):
            return
        low, high = shown.min(axis=0), shown.max(axis=0)
        room = np.where(high > low, (high - low) * 0.08, 1.0)
        ends = [min(low), max(high)]
        self.mark(pg.PlotCurveItem(ends, ends, pen=pg.mkPen(theme.grid, style=Qt.PenStyle.DashLine)))
        (left, bottom), (right, top) = low - room, high + room
        self.plot.vb.setRange(xRange=(left, right), yRange=(bottom, top), padding=0)

    def window_at(self, at: QPointF) -> int | None:
        """The nearest point, where it is near."""
        x, y = self.points.T
        return self.nearest(x, y, at, _NEAR_PX)


def _valued(points: Float64Array) -> Float64Array:
    """Those with both coordinates."""
    return points[~np.isnan(points).any(axis=1)]
