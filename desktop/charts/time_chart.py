"""Panes over one time axis: linked, with one crosshair, wheel zoom at the cursor, own view history.

x is seconds since 1970 (what pyqtgraph's date axis wants); everything outside speaks milliseconds.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QRubberBand, QWidget

from desktop.charts.pane import Pane
from desktop.tables import formats
from desktop.theme.colours import DARK, Theme

RANGES: Final = {"1D": 86_400, "1W": 7 * 86_400, "1M": 30 * 86_400, "3M": 91 * 86_400, "1Y": 365 * 86_400}
_FEWEST_STEPS: Final = 8
_LEAST_BOX_PX: Final = 6  # less is a click
_FRAME_MS: Final = 16
View = tuple[float, float]


def _is_back(event: QKeyEvent) -> bool:
    alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
    plain = event.key() == Qt.Key.Key_Backspace
    return plain or event.matches(QKeySequence.StandardKey.Undo) or (alt and event.key() == Qt.Key.Key_Left)


def _is_forward(event: QKeyEvent) -> bool:
    control, alt = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
    redo = event.key() == Qt.Key.Key_Y and event.modifiers() == control
    return redo or (event.modifiers() == alt and event.key() == Qt.Key.Key_Right)


class TimeChart(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """The panes below each other. `hovered` carries x in seconds, or None when the cursor left."""

    KEYS: ClassVar = (
        "Charts over time",
        (
            ("Left or Right", "Pan"),
            ("+ or -", "Zoom"),
            ("Home or End", "Go to the beginning or to the end"),
            ("Ctrl+Z, Alt+Left or Backspace", "Go to the view before"),
            ("Ctrl+Y or Alt+Right", "Go to the view after"),
            ("Shift and dragging", "Zoom into a box"),
            ("Double click", "Show everything"),
        ),
    )

    hovered = Signal(object)
    range_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = DARK
        self.panes: list[Pane] = []
        self._bounds = (0.0, 1.0)
        self._step = 60.0
        self._back: list[View] = []
        self._forward: list[View] = []
        self._box = QRubberBand(QRubberBand.Shape.Rectangle, self)
        self._box_from: QPoint | None = None
        self._quiet = QTimer(self, singleShot=True, interval=300)
        self._quiet.timeout.connect(self._remember)
        self._last: tuple[float, float] | None = None
        self._pointer: QPointF | None = None  # in the scene; None where it is elsewhere
        self._following = QTimer(self, singleShot=True, interval=_FRAME_MS)
        self._following.timeout.connect(self._follow_pointer)
        self.ci.layout.setContentsMargins(4, 4, 0, 0)
        self.ci.layout.setSpacing(0)
        self._mouse = pg.SignalProxy(self.scene().sigMouseMoved, rateLimit=60, slot=self._moved)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def add_pane(self, pane: Pane, stretch: int) -> Pane:
        """Put a pane below the others; only the lowest shows times."""
        row = len(self.panes)
        self.addItem(pane.plot, row=row, col=0)
        self.ci.layout.setRowStretchFactor(row, stretch)
        if self.panes:
            pane.view.setXLink(self.panes[0].view)
        else:
            pane.view.sigXRangeChanged.connect(self._x_changed)
        self.panes.append(pane)
        self.arrange()
        return pane

    def arrange(self) -> None:
        """Show times below the lowest visible pane only, and give hidden panes no room."""
        shown = [pane for pane in self.panes if pane.plot.isVisible()]
        for pane in self.panes:
            lowest = bool(shown) and pane is shown[-1]
            pane.time_axis.setStyle(showValues=lowest)
            pane.time_axis.setHeight(24 if lowest else 2)
            pane.plot.setMaximumHeight(16_777_215 if pane in shown else 0)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.theme = theme
        self.setBackground(theme.base)
        for pane in self.panes:
            pane.style(theme)

    # -- range -------------------------------------------------------------------------------------------------------

    def set_bounds(self, start: float, end: float, step: float) -> None:
        """The outermost times, and the distance of two points; panning stops a little beyond."""
        self._bounds, self._step = (start, max(end, start + step)), step
        slack = max((end - start) * 0.25, step * 20)
        for pane in self.panes:
            pane.view.setLimits(
                xMin=start - slack,
                xMax=end + slack,
                minXRange=step * _FEWEST_STEPS,
                maxXRange=end - start + 2 * slack,
            )

    def x_range(self) -> tuple[float, float]:
        """The visible times."""
        low, high = self.panes[0].view.viewRange()[0]
        return float(low), float(high)

    def show_range(self, start: float, end: float) -> None:
        """Show these times; the heights follow, also where the times stay."""
        before = self.x_range()
        self.panes[0].view.setXRange(start, end, padding=0)
        if self.x_range() == before:
            self.fit()

    def show_all(self) -> None:
        """Show everything."""
        start, end = self._bounds
        pad = max((end - start) * 0.01, self._step)
        self.show_range(start - pad, end + pad)

    def show_last(self, span_s: float) -> None:
        """Show a span that ends where the view ends now, or at the end of everything."""
        start, end = self._bounds
        right = min(self.x_range()[1], end)
        right = right if right - span_s > start else min(start + span_s, end)
        self.show_range(max(right - span_s, start - self._step), right + self._step)

    def pan(self, fraction: float) -> None:
        """Move by a part of the visible width."""
        low, high = self.x_range()
        shift = (high - low) * fraction
        self.show_range(low + shift, high + shift)

    def zoom(self, factor: float) -> None:
        """Zoom around the middle; below 1 zooms in."""
        low, high = self.x_range()
        middle, half = (low + high) / 2, (high - low) / 2 * factor
        self.show_range(middle - half, middle + half)

    def back(self) -> None:
        """The view before this one."""
        self._settle()
        self._go(self._back, self._forward)

    def forward(self) -> None:
        """The view that `back` left."""
        self._settle()
        self._go(self._forward, self._back)

    def _go(self, views: list[View], others: list[View]) -> None:
        if views:
            others.append(self.x_range())
            self._last = None
            self.show_range(*views.pop())
            self._quiet.stop()
            self._last = self.x_range()

    def _settle(self) -> None:
        """A view that is not a third of a second old counts too."""
        if self._quiet.isActive():
            self._quiet.stop()
            self._remember()

    def fit(self) -> None:
        """Fit the height of every pane to what is visible."""
        start, end = self.x_range()
        for pane in self.panes:
            if pane.plot.isVisible():
                pane.fit(start, end)

    def _x_changed(self, *_: Any) -> None:
        self.fit()
        self._quiet.start()
        if not self._following.isActive():
            self._following.start()
        self.range_changed.emit()

    def _remember(self) -> None:
        now = self.x_range()
        if self._last is not None and self._last != now:
            self._back[:] = [*self._back[-49:], self._last]
            self._forward.clear()
        self._last = now

    # -- pointer and keys --------------------------------------------------------------------------------------------

    def _moved(self, args: tuple[QPointF]) -> None:
        self._pointer = args[0]
        self._follow_pointer()

    def _follow_pointer(self) -> None:
        """The crosshair is where the pointer is, be it that the view moved below it."""
        point = self._pointer
        if point is None or self.closed:
            return
        shown = [pane for pane in self.panes if pane.plot.isVisible()]
        inside = [pane for pane in shown if pane.plot.sceneBoundingRect().contains(point)]
        at = inside[0].view.mapSceneToView(point) if inside else None
        self.point_at(None if at is None else float(at.x()))
        for pane in self.panes:
            pane.level_at(float(at.y()) if at is not None and pane is inside[0] else None)
        self.pointed(inside[0] if inside else None, at)

    def pointed(self, pane: Pane | None, at: QPointF | None) -> None:
        """The pointer moved to a point of a pane, or away from all."""

    def point_at(self, x: float | None) -> None:
        """Move the crosshair to a time (None hides it)."""
        lowest = next((pane for pane in reversed(self.panes) if pane.plot.isVisible()), None)
        for pane in self.panes:
            pane.point_at(
                x, formats.minute(self.told_time(x) * 1000) if x is not None and pane is lowest else ""
            )
            if x is None:
                pane.level_at(None)
        self.hovered.emit(x)

    def told_time(self, x: float) -> float:
        """What the time axis says of a time under the crosshair."""
        return x

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """The marks on the axes are placed in pixels."""
        super().resizeEvent(event)
        if event is not None:  # before there are panes
            self._following.start()

    def leaveEvent(self, event: QEvent) -> None:
        """The crosshair goes with the cursor."""
        super().leaveEvent(event)
        self._pointer = None
        self.point_at(None)
        self.pointed(None, None)

    # -- box and double click ----------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """With Shift a box is drawn."""
        if (
            event.button() == Qt.MouseButton.LeftButton
            and event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        ):
            self._box_from = event.position().toPoint()
            self._box.setGeometry(QRect(self._box_from, self._box_from))
            self._box.show()
            self.setFocus()
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The box follows the pointer."""
        if self._box_from is not None:
            to = event.position().toPoint()
            self._box.setGeometry(QRect(self._box_from, to).normalized())
            self._moved((self.mapToScene(to),))
            return
        super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """What is in the box is shown."""
        if self._box_from is None:
            super().mouseReleaseEvent(event)
            return
        pixels = self._box_from.x(), event.position().toPoint().x()
        self._box_from = None
        self._box.hide()
        if abs(pixels[1] - pixels[0]) >= _LEAST_BOX_PX:
            view = self.panes[0].view
            ends = [view.mapSceneToView(self.mapToScene(QPoint(pixel, 0))).x() for pixel in pixels]
            self.show_range(min(ends), max(ends))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Fit everything."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.show_all()
        else:
            super().mouseDoubleClickEvent(event)

    def event(self, event: QEvent) -> bool:
        """Ctrl+Z and Ctrl+Y are the chart's as long as it has a view to go to; then they are the window's."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            self._settle()
            if (_is_back(event) and self._back) or (_is_forward(event) and self._forward):
                event.accept()
                return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows pan, + and - zoom, Home and End go to the ends; Ctrl+Z, Alt+Left and Backspace go to the view before,
        Ctrl+Y and Alt+Right forth again.
        """
        start, end = self._bounds
        low, high = self.x_range()
        key = event.key()
        if _is_back(event):
            self.back()
        elif _is_forward(event):
            self.forward()
        elif key == Qt.Key.Key_Left:
            self.pan(-0.15)
        elif key == Qt.Key.Key_Right:
            self.pan(0.15)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(0.7)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / 0.7)
        elif key == Qt.Key.Key_Home:
            self.show_range(start, start + high - low)
        elif key == Qt.Key.Key_End:
            self.show_range(end - (high - low), end)
        else:
            super().keyPressEvent(event)
