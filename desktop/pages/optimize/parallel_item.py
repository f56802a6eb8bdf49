"""Parallel axes with the trials' lines: dragging along an axis brushes it, a click on a line picks its trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen
from PySide6.QtWidgets import QWidget

from desktop.pages.optimize.coordinates import STRENGTHS, Axis
from desktop.theme.colours import DARK, Theme

_SIDE: Final = 44  # room for what stands beside the first and the last axis
_GAP: Final = 8  # between words
_GRIP_PX: Final = 6.0
_BRUSH_PX: Final = 9.0
_LEAST: Final = 0.02  # of an axis; a shorter drag is a click
Span = tuple[float, float]  # shares of an axis, from below


class ParallelItem(pg.GraphicsWidget):  # type: ignore[misc]
    """Draws in pixels. `spans`: what is brushed, in shares, by the number of the axis; `current`: the axis that keys move.

    Signals: `spans_changed()`; `clicked(at, share)`: a point, `at` axes from the left and so far up; `room_changed()`.
    """

    spans_changed = Signal()
    clicked = Signal(float, float)
    room_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.axes: Sequence[Axis] = ()
        self.spans: dict[int, Span] = {}
        self.current = 0
        self.picked: npt.NDArray[np.float32] | None = None
        self.shows_current = False
        self._image = QImage()
        self._dragged: tuple[int, str, Span] | None = None
        self._theme = DARK

    # -- geometry ----------------------------------------------------------------------------------------------------

    def plot_rect(self) -> QRectF:
        """Between the outer axes, and between their upper and lower ends."""
        line = QFontMetricsF(self.font()).height()
        rect: QRectF = self.rect()
        return rect.adjusted(_SIDE, (1 + self._title_rows()) * line + 6, -_SIDE, -line - 6)

    def _spacing(self) -> float:
        room: float = self.rect().width() - 2 * _SIDE
        return room / max(1, len(self.axes) - 1)

    def _title_rows(self) -> int:
        """Names that do not fit beside each other stand on two heights."""
        metrics = QFontMetricsF(self.font())
        widest = max((metrics.horizontalAdvance(axis.title) for axis in self.axes), default=0.0)
        return 2 if widest > self._spacing() - _GAP else 1

    def x_of(self, number: int) -> float:
        """Where an axis stands."""
        rect = self.plot_rect()
        return rect.left() + rect.width() * number / max(1, len(self.axes) - 1)

    def _y_of(self, share: float) -> float:
        rect = self.plot_rect()
        return rect.bottom() - share * rect.height()

    def _share_at(self, y: float) -> float:
        rect = self.plot_rect()
        return min(1.0, max(0.0, (rect.bottom() - y) / max(1.0, rect.height())))

    def _axis_at(self, x: float) -> int:
        rect = self.plot_rect()
        number = round((x - rect.left()) / max(1.0, rect.width()) * (len(self.axes) - 1))
        return min(len(self.axes) - 1, max(0, number))

    def resizeEvent(self, event: Any) -> None:
        """There is more room, or less."""
        super().resizeEvent(event)
        self.room_changed.emit()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show_axes(self, axes: Sequence[Axis], spans: dict[int, Span]) -> None:
        """Other axes, or the same ones with other ends."""
        if len(axes) != len(self.axes):
            self._dragged = None  # the axis under the pointer may be gone
        self.axes, self.spans = axes, spans
        self.current = min(self.current, max(0, len(axes) - 1))
        self.update()

    def show_picture(self, pixels: npt.NDArray[np.uint8]) -> None:
        """The lines, uint8 RGBA (height, width, 4); stretched until there is one for the present room."""
        height, width = pixels.shape[:2]
        self._image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
        self.update()

    def clear_picture(self) -> None:
        """No lines, until there is another picture."""
        self._image = QImage()
        self.update()

    def colours(self) -> npt.NDArray[np.uint8]:
        """Of no line, of an unwanted one, and of the others from the weakest on: RGBA, (STRENGTHS + 2, 4)."""
        faint, weak, strong = map(_rgba, (self._theme.border, self._theme.strong_border, self._theme.accent))
        shares = np.linspace(0, 1, STRENGTHS)[:, None]
        return np.vstack([np.zeros(4), faint, weak + (strong - weak) * shares]).astype(np.uint8)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.update()

    # -- brushing ----------------------------------------------------------------------------------------------------

    def set_span(self, number: int, span: Span | None) -> None:
        """Brush an axis, or no more."""
        self.current = number
        if span is None:
            self.spans.pop(number, None)
        else:
            low, high = sorted(min(1.0, max(0.0, end)) for end in span)
            self.spans[number] = (low, high)
        self.update()
        self.spans_changed.emit()

    def clear(self) -> None:
        """Brush nothing."""
        self.spans.clear()
        self.update()
        self.spans_changed.emit()

    def mouseDragEvent(self, event: Any) -> None:
        """Drag along an axis: a new brush, the end of one, or all of it."""
        if event.button() != Qt.MouseButton.LeftButton or not self.axes:
            return
        event.accept()
        start, now = event.buttonDownPos(), event.pos()
        if event.isStart():
            self._dragged = self._grip(start)
        if self._dragged is None:
            return
        number, grip, (low, high) = self._dragged
        move = self._share_at(now.y()) - self._share_at(start.y())
        if grip == "all":
            move = min(1 - high, max(-low, move))
            self.set_span(number, (low + move, high + move))
        else:
            fixed = {"low": high, "high": low}.get(grip, self._share_at(start.y()))
            self.set_span(number, (fixed, self._share_at(now.y())))
        if event.isFinish():
            self._dragged = None
            left = self.spans[number]
            if left[1] - left[0] < _LEAST:
                self.set_span(number, None)

    def _grip(self, start: QPointF) -> tuple[int, str, Span]:
        number = self._axis_at(start.x())
        span = self.spans.get(number)
        if span is None:
            return number, "new", (0.0, 0.0)
        for name, end in zip(("low", "high"), span, strict=True):
            if abs(start.y() - self._y_of(end)) <= _GRIP_PX:
                return number, name, span
        inside = span[0] < self._share_at(start.y()) < span[1]
        return number, "all" if inside else "new", span

    def mouseClickEvent(self, event: Any) -> None:
        """A click on an axis takes its brush away, another one picks the line there."""
        if event.button() != Qt.MouseButton.LeftButton or len(self.axes) < 2:
            return
        event.accept()
        point, rect = event.pos(), self.plot_rect()
        number = self._axis_at(point.x())
        if abs(point.x() - self.x_of(number)) <= _BRUSH_PX:
            self.set_span(number, None)
        elif rect.contains(point):
            at = (point.x() - rect.left()) / rect.width() * (len(self.axes) - 1)
            self.clicked.emit(at, self._share_at(point.y()))

    # -- painting ----------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """The picture of the lines, the picked one, the axes with their words."""
        del option, widget
        if not self.axes:
            return
        painter.drawImage(self.plot_rect(), self._image)
        self._paint_picked(painter)
        for number, axis in enumerate(self.axes):
            self._paint_axis(painter, number, axis)

    def _paint_picked(self, painter: QPainter) -> None:
        if self.picked is None or len(self.picked) != len(self.axes):
            return
        points = [
            QPointF(self.x_of(number), self._y_of(float(share)))
            for number, share in enumerate(self.picked)
            if np.isfinite(share)
        ]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, width in ((self._theme.base, 5.0), (self._theme.text, 2.5)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawPolyline(points)
        painter.setBrush(QColor(self._theme.text))
        for point in points:
            painter.drawEllipse(point, 3.0, 3.0)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)

    def _paint_axis(self, painter: QPainter, number: int, axis: Axis) -> None:
        x, rect = round(self.x_of(number)), self.plot_rect()
        is_current = self.shows_current and number == self.current
        painter.setPen(
            QPen(QColor(self._theme.accent if is_current else self._theme.muted), 3 if is_current else 1)
        )
        painter.drawLine(QPointF(x, rect.top()), QPointF(x, rect.bottom()))
        if number in self.spans:
            self._paint_brush(painter, x, self.spans[number])
        line = QFontMetricsF(self.font()).height()
        painter.setPen(QColor(self._theme.text))
        rows = self._title_rows()
        higher = (number % 2) * (rows - 1)
        self._write(painter, number, axis.title, rect.top() - (2 + higher) * line - 4, rows * self._spacing())
        painter.setPen(QColor(self._theme.muted))
        if not axis.choices:
            self._write(painter, number, self._end(axis, axis.high), rect.top() - line - 2)
            self._write(painter, number, self._end(axis, axis.low), rect.bottom() + 2)
        for place in range(len(axis.choices)):
            self._write(painter, number, axis.text(place), self._y_of(axis.share(place)) - line)

    def _end(self, axis: Axis, place: float) -> str:
        """An end of an axis, with fewer digits where there is little room."""
        text = axis.text(place)
        is_short = QFontMetricsF(self.font()).horizontalAdvance(text) <= self._spacing() - _GAP
        return text if is_short else f"{place:.3g}"

    def _paint_brush(self, painter: QPainter, x: float, span: Span) -> None:
        box = QRectF(
            x - _BRUSH_PX, self._y_of(span[1]), 2 * _BRUSH_PX, self._y_of(span[0]) - self._y_of(span[1])
        )
        inside = QColor(self._theme.accent)
        inside.setAlphaF(0.25)
        painter.fillRect(box, inside)
        painter.setPen(QPen(QColor(self._theme.text), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box)

    def _write(self, painter: QPainter, number: int, text: str, y: float, room: float | None = None) -> None:
        """In the middle over an axis, shortened to its room: what lies between it and the next."""
        metrics = QFontMetricsF(self.font())
        room = max(24.0, (self._spacing() if room is None else room) - _GAP)
        text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
        width = metrics.horizontalAdvance(text)
        left = min(max(2.0, self.x_of(number) - width / 2), self.rect().width() - width - 2)
        painter.setFont(self.font())
        painter.drawText(QPointF(left, y + metrics.ascent()), text)


def _rgba(colour: str) -> npt.NDArray[np.float64]:
    known = QColor(colour)
    return np.array([known.red(), known.green(), known.blue(), 255], dtype=np.float64)
