"""The strip that shows a series over time: green is held, amber missing at the exchange, grey not fetched.

What lies before the listing stays empty: nobody can have it.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from desktop.theme.colours import Theme
from engine.model.coverage import BEFORE_LISTING, Coverage

_LEAST_PX = 2.0  # a hole of one candle in years of them must not vanish


def paint_strip(painter: QPainter, area: QRectF, found: Coverage, theme: Theme) -> None:
    """Paint the coverage of its whole period into `area`."""
    span = max(1, found.period.end - found.period.start)

    def part(start: int, end: int, least: float = _LEAST_PX) -> QRectF:
        width = max(least, (end - start) / span * area.width())
        left = area.left() + (start - found.period.start) / span * area.width()
        return QRectF(min(left, area.right() - width), area.top(), width, area.height())

    leading = found.missing[:1] if found.missing[:1] and found.missing[0].reason == BEFORE_LISTING else ()
    start = leading[0].period.end if leading else found.period.start
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.held))
    if start < found.period.end:
        painter.drawRoundedRect(part(start, found.period.end), 2, 2)
    painter.setBrush(QColor(theme.strong_border))
    for gap in found.gaps:
        painter.drawRect(part(gap.start, gap.end))
    painter.setBrush(QColor(theme.warning))
    for gone in found.missing[len(leading) :]:
        painter.drawRect(part(gone.period.start, gone.period.end))
