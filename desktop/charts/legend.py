"""Names of lines, each with its colour and its kind of line, in a row of their own above what they name."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QGraphicsSceneResizeEvent, QGraphicsTextItem, QSizePolicy

_SIGNS: Final = {
    Qt.PenStyle.SolidLine: "━━",
    Qt.PenStyle.DashLine: "╍╍",
    Qt.PenStyle.DotLine: "┉┉",
    Qt.PenStyle.DashDotLine: "━╍",
}


def line_pen(slot: int, colour: str) -> QPen:
    """The pen of the slot-th of several lines: who does not see colours knows the first four by their kinds of line."""
    pen = QPen(QColor(colour), 2, list(_SIGNS)[slot % len(_SIGNS)])
    pen.setCosmetic(True)
    return pen


class Legend(pg.GraphicsWidget):  # type: ignore[misc]
    """As many rows as the width asks for; none without names."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QGraphicsTextItem(self)
        self.text.document().setDocumentMargin(2)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._fit()

    def set_lines(self, lines: Mapping[str, QPen], colour: str) -> None:
        """Name lines with their pens; `colour`: of the words."""
        named = (
            f"<span style='color:{pen.color().name()}'>{_SIGNS[pen.style()]}</span>&nbsp;{escape(name)}"
            for name, pen in lines.items()
        )
        self.text.setHtml(f"<span style='color:{colour};font-size:8pt'>{' &nbsp; '.join(named)}</span>")
        self._fit()

    def _fit(self) -> None:
        self.text.setTextWidth(max(1.0, self.size().width()))
        self.setFixedHeight(self.text.boundingRect().height() if self.text.toPlainText() else 0.0)

    def resizeEvent(self, event: QGraphicsSceneResizeEvent) -> None:
        """Another width, other rows."""
        super().resizeEvent(event)
        self._fit()
