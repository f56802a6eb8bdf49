"""Axes: times below, numbers in the user's locale on the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import pyqtgraph as pg
from PySide6.QtGui import QPainter

from desktop.tables import formats

VALUE_AXIS_WIDTH = 74
MOST_TICKS = 16
FEWEST_TICKS = 4
_LABEL_PX = 36  # a month or an hour
Levels = list[tuple[float, list[float]]]


class _DirectAxis(pg.AxisItem):  # type: ignore[misc]
    """Draws straight onto the widget. pyqtgraph replays a QPicture on every frame, ten times slower where it holds text."""

    _specs: Any = None
    picture: Any

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        """Draw line, ticks and texts; they are computed anew only after pyqtgraph has dropped its picture."""
        del option, widget
        if self.picture is None:
            self._specs = self.generateDrawSpecs(painter)
            self.picture = self._specs or None
        if self._specs:
            self.drawPicture(painter, *self._specs)

    def tickValues(self, low: float, high: float, size: float) -> Levels:
        """The ticks by level, coarsest first; levels that would only crowd the grid are left out."""
        return _uncrowded(super().tickValues(low, high, size))


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

    def __init__(self) -> None:
        super().__init__(orientation="bottom", utcOffset=0)

    def tickValues(self, low: float, high: float, size: float) -> Levels:
        """As above, but a level that would crowd the axis is thinned: two years show quarters, not only one number. Panes
        over the same times ask the same: it is computed once.
        """
        key = low, high, size, formats.is_local()
        if key not in self._known:
            self._known.clear()
            self.utcOffset = None if formats.is_local() else 0
            self._known[key] = self._thinned(low, high, size), self.zoomLevel
        found, self.zoomLevel = self._known[key]
        return found

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """The texts of the ticks, in the zone that is shown now."""
        self.utcOffset = None if formats.is_local() else 0
        return list(super().tickStrings(values, scale, spacing))

    def _thinned(self, low: float, high: float, size: float) -> Levels:
        levels = pg.DateAxisItem.tickValues(self, low, high, size)
        kept = _uncrowded(levels)
        if len(kept) == 1 < len(levels) and len(kept[0][1]) < FEWEST_TICKS:
            step, ticks = levels[1]
            kept.append((step, ticks[:: math.ceil(len(ticks) / (MOST_TICKS / 2))]))
        return _apart(kept, _LABEL_PX * (high - low) / max(size, 1.0))


def _apart(levels: Levels, least: float) -> Levels:
    """Without the ticks that stand so near to one of a coarser level that their texts would run into each other."""
    kept: Levels = []
    for spacing, ticks in levels:
        taken = [tick for _, others in kept for tick in others]
        kept.append((spacing, [tick for tick in ticks if all(abs(tick - one) >= least for one in taken)]))
    return kept


class ValueAxis(_DirectAxis):
    """Numbers with as many decimals as the distance of the ticks needs; one width, so that panes align."""

    def __init__(self, suffix: str = "", *, short: bool = False) -> None:
        super().__init__("right")
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
        return float(10.0**value) if self.is_log else value

    def text(self, drawn: float, digits: int) -> str:
        """A drawn value in words."""
        value = self.real(drawn)
        return formats.tick(value) if self._short else formats.number(value, digits) + self._suffix

    def tickValues(self, low: float, high: float, size: float) -> Levels:
        """As for plain values also where logarithms are drawn: at round prices, not at powers of ten."""
        if not self.is_log:
            return super().tickValues(low, high, size)
        levels = super().tickValues(self.real(low), self.real(high), size)
        return [(spacing, [math.log10(value) for value in values if value > 0]) for spacing, values in levels]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """The texts of the ticks."""
        del scale
        values = [self.real(value) for value in values]
        if self._short:
            return [formats.tick(value) for value in values]
        digits = min(10, max(0, -math.floor(math.log10(spacing) + 1e-9))) if spacing > 0 else 2
        return [formats.number(value, digits) + self._suffix for value in values]


def style_axis(axis: Any, line: str, text: str) -> None:
    """Colour an axis."""
    axis.setPen(pg.mkPen(line))
    axis.setTextPen(pg.mkPen(text))
    axis.setTickPen(pg.mkPen(line))
