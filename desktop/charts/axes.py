"""Axes: times below, numbers in the user's locale on the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import pyqtgraph as pg
from PySide6.QtCore import QLineF
from PySide6.QtGui import QColor, QPainter, QPen

from desktop.tables import formats

VALUE_AXIS_WIDTH = 74
MOST_TICKS = 16
FEWEST_TICKS = 4
_LARGEST_EXPONENT: Final = 300.0  # of ten: above it is no float
_KEPT = 16  # ranges whose ticks are known
_LINE_PX: Final = 16  # the height of a text
_GRID_STRENGTH = (1.0, 0.5)  # of the coarsest level, of the others
_LABEL_PX = 36  # a month or an hour
Levels = list[tuple[float, list[float]]]


class _DirectAxis(pg.AxisItem):  # type: ignore[misc]
    """Draws straight onto the widget. pyqtgraph replays a QPicture on every frame, ten times slower where it holds text."""

    _specs: Any = None
    ground = QColor("black")
    picture: Any

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        """Draw line, ticks and texts; they are computed anew only after pyqtgraph has dropped its picture."""
        del option, widget
        self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        if self.picture is None:
            self._specs = self.generateDrawSpecs(painter)
            self.picture = self._specs or None
        if self._specs:
            self._draw(painter, *self._specs)

    def _draw(self, painter: QPainter, line: Any, ticks: Sequence[Any], texts: Sequence[Any]) -> None:
        """As pyqtgraph's drawPicture, but the lines of one pen at once and opaque: transparent ones take Qt seven times as
        long. The grid lies below all else.
        """
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        painter.setPen(line[0])
        painter.drawLine(line[1], line[2])
        by_colour: dict[int, tuple[QPen, list[QLineF]]] = {}
        for pen, start, end in ticks:
            key = pen.color().rgba()
            if key not in by_colour:
                by_colour[key] = QPen(_mixed(pen.color(), self.ground), 0), []
            by_colour[key][1].append(QLineF(start, end))
        for pen, lines in by_colour.values():
            painter.setPen(pen)
            painter.drawLines(lines)
        painter.setPen(self.textPen())
        for room, flags, text in texts:
            painter.drawText(room, int(flags), text)

    def _updateLabel(self) -> None:
        """Where it has no words, pyqtgraph would still write HTML of them for each pen: a tenth of making a window."""
        if self.labelText or self.label.isVisible():
            super()._updateLabel()
        else:
            self.picture = None
            self.update()

    def tickValues(self, low: float, high: float, size: float) -> Levels:
        """The ticks by level, coarsest first; levels that would only crowd the grid are left out."""
        return _uncrowded(super().tickValues(low, high, size))


def _mixed(colour: QColor, ground: QColor) -> QColor:
    """What a transparent colour looks like on the ground."""
    part = colour.alphaF()
    mine = colour.redF(), colour.greenF(), colour.blueF()
    own = ground.redF(), ground.greenF(), ground.blueF()
    return QColor.fromRgbF(*(a * part + b * (1 - part) for a, b in zip(mine, own, strict=True)))


def _uncrowded(levels: Levels) -> Levels:
    kept, total = levels[:1], len(levels[0][1]) if levels else 0
    for level in levels[1:]:
        total += len(level[1])
        if total > MOST_TICKS:
            break
        kept.append(level)
    return kept


class TimeAxis(_DirectAxis, pg.DateAxisItem):  # type: ignore[misc]
    """Times in UTC whatever the machine's zone is, or in that zone where the user wants it so."""

    _known: ClassVar[dict[tuple[float, float, float, bool], tuple[Levels, Any]]] = {}

    zoomLevel: Any  # noqa: N815 - pyqtgraph's names
    utcOffset: int | None  # noqa: N815
    fontMetrics: Any  # noqa: N815

    def __init__(self) -> None:
        super().__init__(orientation="bottom", utcOffset=0)

    def tickValues(self, low: float, high: float, size: float) -> Levels:
        """As above, but a level that would crowd the axis is thinned: two years show quarters, not only one number. Panes
        over the same times ask the same: it is computed once.
        """
        key = low, high, size, formats.is_local()
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self.utcOffset = None if formats.is_local() else 0
            self._known[key] = self._thinned(low, high, size), self.zoomLevel
        found, self.zoomLevel = self._known[key]
        return found

    def _paint(self, painter: QPainter) -> None:
        """Without texts there is but the grid: no need for what pyqtgraph finds out about places of texts."""
        view = self.linkedView()
        if self.style["showValues"] or view is None or not self.grid:
            super()._paint(painter)
            return
        self.fontMetrics = painter.fontMetrics()
        area = view.mapRectToItem(self, view.rect())
        low, high = view.viewRange()[0]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        painter.setPen(self.pen())
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        for level, (_, ticks) in enumerate(self.tickValues(low, high, area.width())):
            colour = QColor(self.tickPen().color())
            colour.setAlphaF(self.grid / 255 * _GRID_STRENGTH[min(level, 1)])
            painter.setPen(QPen(_mixed(colour, self.ground), 0))
            places = (area.left() + (tick - low) / (high - low) * area.width() for tick in ticks)
            lines = [QLineF(x, area.top(), x, area.bottom()) for x in places]
            if lines:  # Qt crashes on none
                painter.drawLines(lines)

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """The texts of the ticks, in the zone that is shown now."""
        self.utcOffset = None if formats.is_local() else 0
        return list(super().tickStrings(values, scale, spacing))

    def _thinned(self, low: float, high: float, size: float) -> Levels:
        levels = self._levels(low, high, size)
        kept = _uncrowded(levels)
        if len(kept) == 1 < len(levels) and len(kept[0][1]) < FEWEST_TICKS:
            step, ticks = levels[1]
            kept.append((step, ticks[:: math.ceil(len(ticks) / (MOST_TICKS / 2))]))
        return _apart(kept, _LABEL_PX * (high - low) / max(size, 1.0))

    def _levels(self, low: float, high: float, size: float) -> Levels:
        """At round times of the zone's clocks. pyqtgraph's own ask Qt several times for the zone of each tick."""
        self.setZoomLevelForDensity((high - low) / max(size, 1.0))
        first, last = formats.clock(low), formats.clock(high)
        found: Levels = []
        for spec in self.zoomLevel.tickSpecs:
            ticks, skipped = spec.makeTicks(first, max(first, last), self.minSpacing)
            placed = [formats.of_clock(tick) for tick in ticks.tolist()]
            found.append((spec.spacing, [tick for tick in placed if low <= tick <= high]))
            if skipped > 1:
                break
        return found


def _apart(levels: Levels, least: float) -> Levels:
    """Without the ticks that stand so near to one of a coarser level that their texts would run into each other."""
    kept: Levels = []
    for spacing, ticks in levels:
        taken = [tick for _, others in kept for tick in others]
        kept.append((spacing, [tick for tick in ticks if all(abs(tick - one) >= least for one in taken)]))
    return kept


def _every_other(level: tuple[float, list[float]], least: float) -> tuple[float, list[float]]:
    """Every second, third ... of evenly spaced ticks, zero among them: the same ones wherever the view is."""
    spacing, ticks = level
    stride = math.ceil(least / spacing) if spacing > 0 else 1
    kept = [tick for tick in ticks if round(tick / spacing) % stride == 0] if stride > 1 else ticks
    return spacing, list(kept if len(kept) else ticks[:1])


def _spaced(ticks: Sequence[float], least: float) -> list[float]:
    kept: list[float] = []
    for tick in ticks:
        if not kept or tick - kept[-1] >= least:
            kept.append(tick)
    return kept


class ValueAxis(_DirectAxis):
    """Numbers with as many decimals as the distance of the ticks needs; one width, so that panes align."""

    def __init__(self, suffix: str = "", *, short: bool = False, side: str = "right") -> None:
        super().__init__(side)
        self._suffix, self._short = suffix, short
        self.is_log = False
        self.enableAutoSIPrefix(False)

    def set_suffix(self, suffix: str) -> None:
        """What follows each number."""
        self._suffix = suffix
        self.picture = None
        self.update()

    def set_log(self, *, on: bool) -> None:
        """What is drawn are logarithms (base 10); what is written are the values."""
        self.is_log = on
        self.picture = None
        self.update()

    def real(self, value: float) -> float:
        """The value of what is drawn."""
        return float(10.0 ** min(value, _LARGEST_EXPONENT)) if self.is_log else value

    def text(self, drawn: float, digits: int) -> str:
        """A drawn value in words."""
        value = self.real(drawn)
        return formats.tick(value) if self._short else formats.number(value, digits) + self._suffix

    def tickValues(self, low: float, high: float, size: float) -> Levels:
        """As for plain values also where logarithms are drawn: at round prices, not at powers of ten. In a low pane so few
        that no text stands on another.
        """
        least = _LINE_PX * (high - low) / max(size, 1.0)
        if not self.is_log:
            levels = super().tickValues(low, high, size)  # none, where low is high
            return [_every_other(one, least) for one in levels[:1]] + [
                one for one in levels[1:] if one[0] >= least
            ]
        levels = super().tickValues(self.real(low), self.real(high), size)
        drawn = [(spacing, [math.log10(one) for one in values if one > 0]) for spacing, values in levels]
        return [(spacing, _spaced(ticks, least)) for spacing, ticks in drawn]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """The texts of the ticks."""
        del scale
        values = [self.real(value) for value in values]
        if self._short:
            return [formats.tick(value) for value in values]
        digits = min(10, max(0, -math.floor(math.log10(spacing) + 1e-9))) if spacing > 0 else 2
        return [formats.number(value, digits) + self._suffix for value in values]


def style_axis(axis: Any, line: str, text: str, ground: str) -> None:
    """Colour an axis, which stands on `ground`."""
    axis.ground = QColor(ground)
    axis.setPen(pg.mkPen(line))
    axis.setTextPen(pg.mkPen(text))
    axis.setTickPen(pg.mkPen(line))
