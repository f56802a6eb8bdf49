"""A line that asks for a name where it is needed, instead of a dialog over the window."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QLineEdit, QScrollArea, QWidget

from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import PlainLabel, breakable


class NameRow(QWidget):
    """Hidden until `ask`. `named(str)`: Return, or the button; Esc and the cross leave it."""

    named = Signal(str)

    def __init__(self, what: str, button: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = QLineEdit(placeholderText=what, maxLength=60)
        self.field.setAccessibleName(what)
        self.make = tool_button(button, f"{button} it")
        self.leave = tool_button("", "Leave this")
        self.problem = PlainLabel(wordWrap=True)
        self.problem.setProperty("role", "error")
        self.problem.setMinimumWidth(1)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for column, widget in enumerate((self.field, self.make, self.leave)):
            grid.addWidget(widget, 0, column)
        grid.addWidget(self.problem, 1, 0, 1, 3)
        self.problem.hide()
        self.field.returnPressed.connect(self._made)
        self.make.clicked.connect(self._made)
        self.leave.clicked.connect(self.hide)
        self.field.textChanged.connect(self._typed)
        self.make.setEnabled(False)
        self.hide()

    def ask(self) -> None:
        """Come up with an empty field."""
        self.field.clear()
        self.show()
        self.field.setFocus()
        QTimer.singleShot(0, self, self._come_into_view)  # when it has its place

    def _come_into_view(self) -> None:
        """Where it is part of something long."""
        over = self.parentWidget()
        while over is not None:
            if isinstance(over, QScrollArea):
                over.ensureWidgetVisible(self)
                return
            over = over.parentWidget()

    def refuse(self, why: str) -> None:
        """Say why there is no such name to be had."""
        self.problem.setText(breakable(why))
        self.problem.show()
        self.field.setFocus()

    def _typed(self, text: str) -> None:
        self.make.setEnabled(bool(text.strip()))
        self.problem.hide()

    def _made(self) -> None:
        if self.field.text().strip():
            self.named.emit(self.field.text().strip())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc leaves it, and stops nothing else."""
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
            return
        super().keyPressEvent(event)

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icon."""
        self.leave.setIcon(icon("close", theme.muted))
