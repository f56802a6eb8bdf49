"""What is held of every chosen series before anything runs: a strip and a line of words each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.charts.strip import paint_strip
from desktop.tables import formats
from desktop.theme.colours import DARK, Theme
from engine.model.coverage import BEFORE_LISTING, Coverage

Answer = tuple[str, Coverage | str]
MOST_ROWS = 6
_STRIP = 5


def held_words(found: Coverage | str, *, brief: bool = False) -> str:
    """How much of a series is held, in one line (brief: a short one); the error where that is not known."""
    if isinstance(found, str):
        return found
    words = f"{formats.whole(found.candles)} of {formats.whole(found.expected)} held"
    early = sum(found.timeframe.count(gone.period) for gone in found.missing if gone.reason == BEFORE_LISTING)
    if found.missing_candles > early:
        words += (
            f", {formats.whole(found.missing_candles - early)} missing{'' if brief else ' at the exchange'}"
        )
    if early:
        words += f", {formats.whole(early)} before its first candle"
    return words


def gap_words(found: Coverage | str) -> str:
    """The first gap and how many more; empty where there is none."""
    if isinstance(found, str) or not found.gaps:
        return ""
    first = found.gaps[0]
    cells = sum(found.timeframe.count(gap) for gap in found.gaps)
    more = f" and {len(found.gaps) - 1} more" if len(found.gaps) > 1 else ""
    return f"gap {formats.day(first.start)} – {formats.day(first.end - 1)}{more}: {formats.whole(cells)} to fetch"


def coverage_words(found: Coverage | str) -> str:
    """Held, missing and gaps of a series in one line."""
    return " · ".join(words for words in (held_words(found), gap_words(found)) if words)


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

    def _row_height(self, found: Coverage | str) -> int:
        lines = 2 if gap_words(found) else 1
        return lines * self.fontMetrics().height() + _STRIP + 7

    def sizeHint(self) -> QSize:
        """As high as the rows."""
        line = self.fontMetrics().height()
        rows = [self._row_height(found) for _, found in self.answers[:MOST_ROWS]] or [line + _STRIP + 7]
        return QSize(240, sum(rows) + (line if len(self.answers) > MOST_ROWS else 0))

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
        top = 0
        for name, found in self.answers[:MOST_ROWS]:
            self._paint_row(painter, top, name, found)
            top += self._row_height(found)
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
        width = self.width() - left
        painter.setPen(QColor(self._theme.negative if isinstance(found, str) else self._theme.muted))
        painter.drawText(
            left,
            baseline,
            metrics.elidedText(held_words(found, brief=True), Qt.TextElideMode.ElideRight, width),
        )
        if isinstance(found, str):
            return
        below = top + metrics.height() + 2
        paint_strip(painter, QRectF(0, below, self.width() - 1, _STRIP), found, self._theme)
        painter.setPen(QColor(self._theme.warning))
        words = metrics.elidedText(gap_words(found), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(0, below + _STRIP + metrics.ascent() + 1, words)
