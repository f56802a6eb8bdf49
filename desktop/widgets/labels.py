"""Labels that show what they are given: plain text, one line that is cut where it does not fit, text that can be broken."""

from __future__ import annotations

import re
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QWidget

_LEAST_PX = 24
_LONG_WORD = re.compile(r"\S{28,}")
_PIECE = re.compile(r".{1,8}")


def breakable(text: str) -> str:
    """The same with places to break words that are wider than a narrow panel: paths, long names."""
    return _LONG_WORD.sub(lambda word: "\u200b".join(_PIECE.findall(word.group())), text)


class PlainLabel(QLabel):
    """Text as it is: what users, strategies and servers write is never taken for HTML, which would hide parts of it."""

    def __init__(self, text: str = "", parent: QWidget | None = None, **properties: Any) -> None:
        super().__init__(text, parent, textFormat=Qt.TextFormat.PlainText, **properties)


class ElidedLabel(PlainLabel):
    """One line. `tip`: what the tooltip says beside the text, if anything."""

    def __init__(self, text: str = "", tip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._tip = tip
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show another text, its lines joined."""
        super().setText(" ".join(text.split()))
        self._tell()

    def set_tip(self, tip: str) -> None:
        """Say something else in the tooltip."""
        self._tip = tip
        self._tell()

    def minimumSizeHint(self) -> QSize:
        """A few characters, whatever the text."""
        return QSize(_LEAST_PX, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The tooltip tells the text only where it is cut."""
        super().resizeEvent(event)
        self._tell()

    def _is_cut(self) -> bool:
        return self.fontMetrics().horizontalAdvance(self.text()) > self.contentsRect().width()

    def _tell(self) -> None:
        parts = [self.text()] if self._is_cut() else []
        self.setToolTip("\n".join(part for part in (*parts, self._tip) if part))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what fits."""
        del event
        painter, room = QPainter(self), self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        self.style().drawItemText(
            painter, room, self.alignment(), self.palette(), self.isEnabled(), text, self.foregroundRole()
        )
