"""Named bars up and down from zero: the words of the one under the pointer, a click picks, arrows walk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget

from desktop.charts.axes import ValueAxis
from desktop.charts.label_axis import LabelAxis
from desktop.charts.still_chart import StillChart
from desktop.theme.colours import Theme

_GAP: Final = 0.12
_ROOM: Final = 0.08
_AXIS_WIDTH: Final = 56
_FADED: Final = 90  # of 255: what is not chosen
_STEPS: Final = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


@dataclass(frozen=True, slots=True)
class Bar:
    """`words`: all that is told of it. `tone`: 1 good, -1 bad, 0 neither."""

    label: str
    value: float
    words: str
    tone: int = 0


class BarChart(StillChart):
    """Signals: `hovered(number or None)`; `picked(number)` by a click or Enter."""

    KEYS: ClassVar = (
        "Bars",
        (
            ("Left or Right", "Go from bar to bar"),
            ("Return or Enter", "Pick the bar"),
        ),
    )

    hovered = Signal(object)
    picked = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        labels, right = LabelAxis(), ValueAxis(short=True)
        right.setStyle(maxTickLevel=0, tickLength=3)
        super().__init__(name, labels, right, width=_AXIS_WIDTH, least=(180, 130), parent=parent)
        self._labels = labels
        self.bars: Sequence[Bar] = ()
        self.chosen: int | None = None
        self.cursor_bar: int | None = None
        self.ci.layout.setContentsMargins(14, 4, 0, 0)  # the first label reaches beyond its bar
        self._items: list[Any] = []
        self._zero = pg.InfiniteLine(0, angle=0)
        self._frame = QGraphicsRectItem()
        self.add(self._zero, self._frame)
        self._mouse = pg.SignalProxy(self.scene().sigMouseMoved, rateLimit=60, slot=self._moved)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.show_bars((), None, "")

    def show_bars(self, bars: Sequence[Bar], chosen: int | None, hint: str) -> None:
        """Draw other bars, of which one may be chosen; `hint` stands where there are none."""
        self.bars, self.chosen = bars, chosen
        self.show_plot(on=bool(bars), hint=hint)
        self._labels.show_labels([bar.label for bar in bars])
        values = [bar.value for bar in bars]
        low, high = min([0.0, *values]), max([0.0, *values])
        room = ((high - low) or 1.0) * _ROOM
        self.plot.vb.setRange(
            xRange=(-0.5, max(len(bars), 1) - 0.5),
            yRange=(low - room * (low < 0), high + room * (high > 0 or low == 0)),
            padding=0,
        )
        self.set_cursor(None)
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.plot.remove(item)
        self._items.clear()
        theme = self.theme
        colours = {1: theme.positive, -1: theme.negative, 0: theme.accent}
        for tone, colour in colours.items():
            for is_chosen in (True, False):
                places = [
                    at for at, bar in enumerate(self.bars)
                    if bar.tone == tone and (at == self.chosen) is is_chosen
                ]  # fmt: skip
                if places:
                    fill = QColor(colour)
                    fill.setAlpha(255 if is_chosen or self.chosen is None else _FADED)
                    self._add(places, fill, theme.text if is_chosen else None)

    def _add(self, places: Sequence[int], fill: QColor, edge: str | None) -> None:
        item = pg.BarGraphItem(
            x=list(places),
            height=[self.bars[at].value for at in places],
            width=1 - 2 * _GAP,
            brush=fill,
            pen=pg.mkPen(edge, width=2) if edge else pg.mkPen(None),
        )
        self._items.append(item)
        self.add(item)

    # -- pointer and keys --------------------------------------------------------------------------------------------

    def set_cursor(self, number: int | None) -> None:
        """Move the cursor to a bar and say so."""
        self.cursor_bar = number
        self._frame.setVisible(number is not None)
        if number is not None:
            low, high = self.plot.vb.viewRange()[1]
            self._frame.setRect(number - 0.5, low, 1, high - low)
            self.setAccessibleDescription(self.bars[number].words)
        self.hovered.emit(number)

    def bar_at(self, point: QPointF) -> int | None:
        """The bar whose column is at a point of the scene."""
        place = self.place_of(point)
        if not self.bars or place is None:
            return None
        number = math.floor(place.x() + 0.5)
        return number if 0 <= number < len(self.bars) else None

    def _moved(self, arguments: tuple[QPointF]) -> None:
        self.set_cursor(self.bar_at(arguments[0]))

    def _clicked(self, event: Any) -> None:
        number = self.bar_at(event.scenePos())
        if number is not None and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(number)

    def leaveEvent(self, event: QEvent) -> None:
        """The cursor left."""
        super().leaveEvent(event)
        self.set_cursor(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right walk over the bars, Enter picks."""
        step = _STEPS.get(Qt.Key(event.key()))
        if not self.bars or (step is None and event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter)):
            super().keyPressEvent(event)
        elif step is None:
            self.picked.emit(self.cursor_bar or 0)
        else:
            start = self.cursor_bar if self.cursor_bar is not None else (-1 if step > 0 else len(self.bars))
            self.set_cursor(max(0, min(len(self.bars) - 1, start + step)))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self._zero.setPen(pg.mkPen(theme.grid))
        self._frame.setPen(pg.mkPen(theme.crosshair, style=Qt.PenStyle.DashLine))
        self._draw()
