"""Text as it stands in a file: monospaced, its lines numbered, one of them marked; read-only unless it is to be edited."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontDatabase,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from desktop.theme.colours import DARK, Theme

_GAP_PX: Final = 8
_MARK: Final = "▶"


class _Margin(QWidget):
    """The numbers; they are painted by the view that they belong to."""

    def __init__(self, view: SourceView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self) -> QSize:
        """As wide as the last number."""
        return QSize(self._view.margin_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The numbers of what is seen."""
        self._view.paint_margin(event)


class SourceView(QPlainTextEdit):
    """`show_source` keeps the place where the user looks, unless another line is marked."""

    def __init__(self, name: str, parent: QWidget | None = None, *, editable: bool = False) -> None:
        super().__init__(parent)
        self._theme = DARK
        self.marked: int | None = None
        if editable:
            self.setTabChangesFocus(True)  # else no key would lead out of it
        else:
            self.setReadOnly(True)
            self.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setAccessibleName(name)
        self._margin = _Margin(self)
        self.blockCountChanged.connect(lambda _: self._place())
        self.updateRequest.connect(lambda *_: self._margin.update())
        self._place()

    def show_source(self, text: str, marked: int | None = None) -> None:
        """Show a source; `marked` is the number of a line, from 1, that is wrong."""
        bar = self.verticalScrollBar()
        place, moved = bar.value(), marked != self.marked
        if text != self.toPlainText():
            self.setPlainText(text)
        self.marked = marked
        self._mark()
        if marked is not None and moved:
            self.setTextCursor(QTextCursor(self.document().findBlockByNumber(marked - 1)))
            self.centerCursor()
        else:
            bar.setValue(place)

    def mark_line(self, number: int | None) -> None:
        """Mark another line, from 1, where it stands; the cursor stays where somebody types."""
        if number != self.marked:
            self.marked = number
            self._mark()
            self._margin.update()

    def _mark(self) -> None:
        if self.marked is None:
            self.setExtraSelections([])
            return
        line = QTextEdit.ExtraSelection()
        colour = QColor(self._theme.negative)
        colour.setAlphaF(0.25)
        line.format.setBackground(colour)
        line.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
        line.cursor = QTextCursor(self.document().findBlockByNumber(self.marked - 1))
        self.setExtraSelections([line])

    def margin_width(self) -> int:
        """Room for the numbers and the mark."""
        digits = len(str(max(1, self.blockCount()))) + 2
        return digits * self.fontMetrics().horizontalAdvance("9") + _GAP_PX

    def _place(self) -> None:
        self.setViewportMargins(self.margin_width(), 0, 0, 0)
        area = self.contentsRect()
        self._margin.setGeometry(QRect(area.left(), area.top(), self.margin_width(), area.height()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The margin is as high as the view."""
        super().resizeEvent(event)
        self._place()

    def paint_margin(self, event: QPaintEvent) -> None:
        """Number the lines that are seen."""
        painter = QPainter(self._margin)
        painter.fillRect(event.rect(), QColor(self._theme.panel))
        painter.setFont(self.font())
        block, height = self.firstVisibleBlock(), self.fontMetrics().height()
        while block.isValid():
            top = round(self.blockBoundingGeometry(block).translated(self.contentOffset()).top())
            if top > event.rect().bottom():
                break
            is_marked = block.blockNumber() + 1 == self.marked
            painter.setPen(QColor(self._theme.negative if is_marked else self._theme.muted))
            text = f"{_MARK if is_marked else ''}{block.blockNumber() + 1}"
            painter.drawText(
                0, top, self._margin.width() - _GAP_PX, height, Qt.AlignmentFlag.AlignRight, text
            )
            block = block.next()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self._mark()
        self._margin.update()
