"""Choices and numbers that the wheel passes by: who scrolls the page over them changes none of them."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox

BY_KEY_OR_CLICK: Final = (
    Qt.FocusPolicy.StrongFocus
)  # Qt's own would let the wheel take the focus to them, too


class Still:
    """What the wheel does over the field is the page's. In front of the field's kind among the bases."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Left to what is around."""
        event.ignore()


class Choice(Still, QComboBox):
    """One of a list."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self.setFocusPolicy(BY_KEY_OR_CLICK)


class WholeField(Still, QSpinBox):
    """A whole number."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self.setFocusPolicy(BY_KEY_OR_CLICK)


class DecimalField(Still, QDoubleSpinBox):
    """A number with decimals."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self.setFocusPolicy(BY_KEY_OR_CLICK)
