"""Parallel coordinates with their words: what is brushed, how many trials that leaves, and a way back to all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from desktop.pages.optimize.coordinates import Axis, Brushes, Lines, nearest, places
from desktop.pages.optimize.parallel_item import ParallelItem, Span
from desktop.pages.optimize.trials import Wanted
from desktop.tables import formats
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import ElidedLabel, PlainLabel
from engine.model.sweep import SweepResult

LINES_HINT: Final = "Every trial appears here as a line over its parameters and figures."
_HINT: Final = "drag along an axis to filter · the stronger a line, the better"
_NEAR: Final = 0.03  # of an axis: how far a click may be off a line
_STEP: Final = 0.05  # of an axis, by a key


class ParallelView(QWidget):
    """Signals: `brushed()`: other trials are wanted; `picked(number)` of a trial by a click; `picture_wanted()`."""

    brushed = Signal()
    picked = Signal(int)
    picture_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.item = ParallelItem()
        self.view = KeyedLines(self.item)
        self.words = ElidedLabel()
        self.clear = tool_button("Show all", "Take every brush away: all trials are shown again")
        self.empty = PlainLabel(LINES_HINT, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.empty.setProperty("role", "muted")
        self.sweep: SweepResult | None = None
        self.axes: tuple[Axis, ...] = ()
        self.lines: Lines | None = None
        self.wanted: Wanted | None = None
        self.brushes: dict[str, tuple[float, float]] = {}
        self._lay_out()
        self.item.spans_changed.connect(self._spans_changed)
        self.item.clicked.connect(self._clicked)
        self.item.room_changed.connect(self.picture_wanted)
        self.clear.clicked.connect(self.item.clear)
        self._say()

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(6, 3, 6, 3)
        bar.addWidget(self.words, 1)
        bar.addWidget(self.clear)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addLayout(bar)
        inner.addWidget(self.view, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def set_sweep(self, sweep: SweepResult | None, axes: tuple[Axis, ...]) -> None:
        """Show another sweep, or the same one further on, whose brushes stay; the lines come with `show_lines`."""
        if sweep is None or self.sweep is None or sweep.id != self.sweep.id:
            self.brushes, self.lines = {}, None
            self.item.clear_picture()
        self.sweep, self.axes = sweep, axes
        self.brushes = {
            name: ends for name, ends in self.brushes.items() if name in {axis.name for axis in axes}
        }
        numbers = {axis.name: number for number, axis in enumerate(axes)}
        self.item.show_axes(axes, {numbers[name]: self._span(name) for name in self.brushes})
        self.stack.setCurrentIndex(0 if sweep is None or not len(sweep) else 1)

    def set_wanted(self, wanted: Wanted | None) -> None:
        """Which trials of the sweep that is shown the brushes leave."""
        self.wanted = wanted
        self._say()
        self.picture_wanted.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """While it was not looked at nothing was drawn."""
        super().showEvent(event)
        self.picture_wanted.emit()

    def show_lines(self, lines: Lines, pixels: npt.NDArray[np.uint8]) -> None:
        """The lines are drawn; late ones of another sweep are dropped."""
        if self.sweep is not None and lines.sweep.id == self.sweep.id:
            self.lines = lines
            self.item.show_picture(pixels)

    def mark(self, position: int | None) -> None:
        """Draw the picked trial over all others."""
        if self.sweep is None or position is None:
            self.item.picked = None
        else:
            at = [axis.share(float(places(self.sweep, axis)[position])) for axis in self.axes]
            self.item.picked = np.array(at, dtype=np.float32)
        self.item.update()

    def picture_size(self) -> tuple[list[int], int]:
        """The columns of the axes and the height of the picture that is wanted now, in pixels of the screen."""
        rect, scale = self.item.plot_rect(), self.view.devicePixelRatioF()
        width, last = max(2.0, rect.width() * scale), max(1, len(self.axes) - 1)
        return [round(number * (width - 1) / last) for number in range(len(self.axes))], max(
            2, round(rect.height() * scale)
        )

    # -- brushing ----------------------------------------------------------------------------------------------------

    def _span(self, name: str) -> Span:
        axis = next(axis for axis in self.axes if axis.name == name)
        low, high = (axis.share(place) for place in self.brushes[name])
        return max(0.0, low), min(1.0, high)

    def _spans_changed(self) -> None:
        self.brushes = {
            self.axes[number].name: (self.axes[number].place(low), self.axes[number].place(high))
            for number, (low, high) in self.item.spans.items()
        }
        self.brushed.emit()

    def _clicked(self, at: float, share: float) -> None:
        if self.lines is None:
            return
        found = nearest(self.lines, self._wanted_of(self.lines), at, share)
        if found is not None and found[1] <= _NEAR:
            self.picked.emit(int(self.lines.sweep.numbers[found[0]]))

    def _wanted_of(self, lines: Lines) -> Wanted | None:
        return self.wanted if lines.sweep is self.sweep else None

    def _say(self) -> None:
        self.clear.setEnabled(bool(self.brushes))
        if self.wanted is None:
            words = _HINT
        else:
            left = f"{formats.whole(int(self.wanted.sum()))} of {formats.whole(len(self.wanted))} trials"
            words = " · ".join([left, *brush_words(self.axes, self.brushes)])
        self.words.setText(words)
        self.view.setAccessibleDescription(words)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.view.setBackground(theme.base)
        self.item.apply_theme(theme)
        self.clear.setIcon(icon("reset", theme.muted))
        self.picture_wanted.emit()


def brush_words(axes: Sequence[Axis], brushes: Brushes) -> list[str]:
    """What is brushed: fast 10 – 25, Sharpe from 1.50."""
    found = []
    for axis in axes:
        low, high = brushes.get(axis.name, (-math.inf, math.inf))
        ends = [axis.text(end) if math.isfinite(end) else "" for end in (low, high)]
        if all(ends):
            found.append(f"{axis.title} {ends[0]} – {ends[1]}")
        elif any(ends):
            found.append(f"{axis.title} from {ends[0]}" if ends[0] else f"{axis.title} to {ends[1]}")
    return found


class KeyedLines(pg.GraphicsView):  # type: ignore[misc]
    """Left and Right choose an axis; Up and Down move the lower end of its brush, with Shift the upper one; Delete takes it
    away.
    """

    KEYS: ClassVar = (
        "Parallel coordinates",
        (
            ("Left or Right", "Choose an axis"),
            ("Up or Down", "Move the lower end of its filter"),
            ("Shift+Up or Shift+Down", "Move the upper end"),
            ("Del", "End its filter"),
        ),
    )

    def __init__(self, item: ParallelItem) -> None:
        super().__init__()
        self.item_ = item
        self.setCentralItem(item)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Parallel coordinates")
        self.setToolTip(
            "Drag along an axis to filter, click it to end that; click a line for its trial.\n"
            "Keys: Left and Right choose an axis, Up and Down move the lower end of its filter, with Shift the upper end, "
            "Delete ends it."
        )
        self.setMinimumSize(220, 140)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Brush by keys."""
        item, key = self.item_, Qt.Key(event.key())
        sides: Mapping[Any, int] = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        steps: Mapping[Any, float] = {Qt.Key.Key_Up: _STEP, Qt.Key.Key_Down: -_STEP}
        if not item.axes:
            super().keyPressEvent(event)
        elif key in sides:
            item.current = min(len(item.axes) - 1, max(0, item.current + sides[key]))
            item.update()
        elif key in steps:
            low, high = item.spans.get(item.current, (0.0, 1.0))
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                high = max(low, high + steps[key])
            else:
                low = min(high, low + steps[key])
            item.set_span(item.current, None if low <= 0 and high >= 1 else (low, high))
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            item.set_span(item.current, None)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The axis that keys move is seen."""
        super().focusInEvent(event)
        self.item_.shows_current = True
        self.item_.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """No more."""
        super().focusOutEvent(event)
        self.item_.shows_current = False
        self.item_.update()
