"""The source of a strategy in a window beside the main one: it follows the file, and marks the line of its error."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import ElidedLabel, PlainLabel, breakable
from desktop.widgets.source_view import SourceView
from engine.model.parameters import StrategyInfo


class SourceWindow(QWidget):
    """Nothing waits for it; Esc closes it. `edit_wanted(str)`: the strategy's file in an editor."""

    edit_wanted = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.strategy = ""
        self.resize(820, 640)
        self.path = ElidedLabel()
        self.path.setProperty("role", "muted")
        self.edit = tool_button("Edit", "Open the file in an editor; what is saved there shows here")
        self.error = PlainLabel(wordWrap=True)
        self.error.setProperty("role", "error")
        self.view = SourceView("Source of the strategy")
        head = QHBoxLayout()
        head.addWidget(self.path, 1)
        head.addWidget(self.edit)
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addWidget(self.error)
        layout.addWidget(self.view, 1)
        self.edit.clicked.connect(lambda: self.edit_wanted.emit(self.strategy))

    def show_source(self, info: StrategyInfo, text: str) -> None:
        """Show the source of a strategy."""
        self.strategy = info.name
        self.setWindowTitle(f"Source of {info.name}")
        self.path.setText(str(Path(info.path)))
        self.error.setText(breakable(info.error or ""))
        self.error.setVisible(info.error is not None)
        self.view.show_source(text, info.error_line)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes it."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
            return
        super().keyPressEvent(event)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.edit.setIcon(icon("edit", theme.muted))
        self.view.apply_theme(theme)
