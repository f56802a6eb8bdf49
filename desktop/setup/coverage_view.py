"""What is held of every chosen series before anything runs: a strip and a line of words each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import formats
from desktop.theme import DARK, Theme
from engine.coverage import Coverage

Answer = tuple[str, Coverage | str]
MOST_ROWS = 6
_STRIP = 5


def coverage_words(found: Coverage | str) -> str:
    """Held, missing and gaps of a series in one line."""
    if isinstance(found, str):
        return found
    words = f"{formats.whole(found.candles)} of {formats.whole(found.expected)} held"
    if found.missing:
        words += f", {formats.whole(found.missing_candles)} missing at the exchange"
    if found.gaps:
        first = found.gaps[0]
        words += f" · gap {formats.day(first.start)} – {formats.day(first.end - 1)}"
        if len(found.gaps) > 1:
            words += f" and {len(found.gaps) - 1} more"
    return words


class CoverageView(QWidget):
    """Painted rows: name and words above, strip below. Green is held, amber missing at the exchange, hollow a gap."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.answers: list[Answer] = []
        self.waiting = False
        self._theme = DARK
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("What is held")

    def set_answers(self, answers: Sequence[Answer]) -> None:
        """Show the coverage of the chosen series."""
        self.answers, self.waiting = list(answers), False
        self.setToolTip("\n".join(f"{name}: {coverage_words(found)}" for name, found in answers))
        self.setAccessibleDescription(self.toolTip())
        self.updateGeometry()
        self.update()

    def set_waiting(self) -> None:
        """A question is under way; what is shown is old."""
        self.waiting = True
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.update()

    def _row_height(self) -> int:
        return QFontMetrics(self.font()).height() + _STRIP + 7

    def sizeHint(self) -> QSize:
        """As high as the rows."""
        rows = min(max(1, len(self.answers)), MOST_ROWS)
        more = self.fontMetrics().height() if len(self.answers) > MOST_ROWS else 0
        return QSize(240, rows * self._row_height() + more)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.answers:
            text = "Checking …" if self.waiting else "Select a symbol to see what is held"
            painter.setPen(QColor(self._theme.muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
            return
        for row, (name, found) in enumerate(self.answers[:MOST_ROWS]):
            self._paint_row(painter, row * self._row_height(), name, found)
        if len(self.answers) > MOST_ROWS:
            painter.setPen(QColor(self._theme.muted))
            more = f"and {len(self.answers) - MOST_ROWS} more"
            painter.drawText(0, self.height() - self.fontMetrics().descent() - 1, more)

    def _paint_row(self, painter: QPainter, top: int, name: str, found: Coverage | str) -> None:
        metrics = self.fontMetrics()
        bold = painter.font()
        bold.setBold(True)
        painter.setFont(bold)
        baseline = top + metrics.ascent() + 1
        painter.setPen(QColor(self._theme.text))
        painter.drawText(0, baseline, name)
        left = QFontMetrics(bold).horizontalAdvance(name) + 8
        bold.setBold(False)
        painter.setFont(bold)
        bad = isinstance(found, str)
        complete = not bad and not found.gaps  # type: ignore[union-attr]
        colour = self._theme.negative if bad else self._theme.muted if complete else self._theme.warning
        painter.setPen(QColor(colour))
        words = metrics.elidedText(coverage_words(found), Qt.TextElideMode.ElideRight, self.width() - left)
        painter.drawText(left, baseline, words)
        if isinstance(found, Coverage):
            self._paint_strip(painter, QRectF(0, top + metrics.height() + 2, self.width() - 1, _STRIP), found)

    def _paint_strip(self, painter: QPainter, area: QRectF, found: Coverage) -> None:
        span = max(1, found.period.end - found.period.start)

        def part(start: int, end: int) -> QRectF:
            left = area.left() + (start - found.period.start) / span * area.width()
            return QRectF(left, area.top(), max(2.0, (end - start) / span * area.width()), area.height())

        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.held))
        painter.drawRoundedRect(area, 2, 2)
        painter.setBrush(QColor(self._theme.warning))
        for gone in found.missing:
            painter.drawRect(part(gone.period.start, gone.period.end))
        painter.setBrush(QColor(self._theme.border))
        for gap in found.gaps:
            painter.drawRect(part(gap.start, gap.end))
