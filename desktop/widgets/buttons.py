"""Small buttons: flat ones and framed chips, and choices, each with a name for screen readers."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QToolButton, QWidget

from desktop.widgets.still_fields import Choice


def tool_button(text: str, tip: str) -> QToolButton:
    """A flat button with its icon beside its text; without text only the icon shows."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    if text:
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    return button


def chip(text: str, tip: str, *, checkable: bool = False) -> QToolButton:
    """A small framed button."""
    button = tool_button(text, tip)
    button.setProperty("chip", True)
    button.setCheckable(checkable)
    return button


def combo(name: str, words: Iterable[str]) -> QComboBox:
    """A choice of words."""
    box = Choice()
    box.addItems(list(words))
    box.setAccessibleName(name)
    box.setToolTip(name)
    return box


def narrow_combo(name: str) -> QComboBox:
    """A choice that asks for the room of eight letters, whatever is in it."""
    box = Choice()
    box.setAccessibleName(name)
    box.setMinimumContentsLength(8)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def together(*parts: QWidget) -> QWidget:
    """Buttons, or a field and its words, that stay beside each other where a line is too short for all that is in it."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for part in parts:
        layout.addWidget(part)
    return row
