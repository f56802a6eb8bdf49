"""The portfolio's file as text: new from the set-up, opened, edited, saved; the line that is wrong is marked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import ElidedLabel, PlainLabel
from desktop.widgets.source_view import SourceView

UNTITLED: Final = "portfolio.toml"
_LINE: Final = re.compile(r"\bline (\d+)")


class PortfolioEditor(QWidget):
    """Signals: `edited()`; `new_wanted()`, `open_wanted()`, `save_wanted()`, `save_as_wanted()`."""

    edited = Signal()
    new_wanted = Signal()
    open_wanted = Signal()
    save_wanted = Signal()
    save_as_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.path: Path | None = None
        self._saved = ""
        self.new = tool_button(
            "New from set-up", "Write a portfolio of the set-up's strategies, symbols and period"
        )
        self.open = tool_button("Open …", "Open a portfolio's file")
        self.save = tool_button("Save", "Save the file (Ctrl+S)")
        self.save_as = tool_button("Save as …", "Save it as another file")
        self.name = ElidedLabel()
        self.name.setProperty("role", "muted")
        self.view = SourceView("The portfolio's file", editable=True)
        self.problem = PlainLabel(wordWrap=True)
        self.problem.setProperty("role", "warning")
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = FlowLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        for part in (self.new, self.open, self.save, self.save_as, self.name):
            row.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for widget in (bar, self.view, self.problem):
            layout.addWidget(widget)
        for button, signal in (
            (self.new, self.new_wanted), (self.open, self.open_wanted), (self.save, self.save_wanted),
            (self.save_as, self.save_as_wanted),
        ):  # fmt: skip
            button.clicked.connect(signal)
        self.view.textChanged.connect(self._changed)
        self._changed()

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.view.toPlainText()

    @property
    def file_name(self) -> str:
        """What the file is called in messages."""
        return UNTITLED if self.path is None else self.path.name

    @property
    def is_changed(self) -> bool:
        """Whether it holds what no file does."""
        return self.text != self._saved

    def put(self, text: str, path: Path | None, *, saved: bool) -> None:
        """Show another text, of a file where there is one; `saved`: as it stands in it."""
        self.path, self._saved = path, text if saved else ""
        self.view.show_source(text)
        self._changed()

    def kept(self, path: Path, text: str) -> None:
        """That text stands in a file now; what was typed since is not saved."""
        self.path, self._saved = path, text
        self._changed()

    def tell(self, problem: str) -> None:
        """What is wrong with it, at which line; empty: nothing."""
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        line = _LINE.search(problem)
        self.view.mark_line(int(line[1]) if line else None)

    def _changed(self) -> None:
        changed = self.is_changed and bool(self.text.strip())
        self.name.setText(f"{self.file_name}{' · not saved' if changed else ''}")
        self.name.setToolTip(str(self.path or ""))
        self.save.setEnabled(changed)
        self.save_as.setEnabled(bool(self.text.strip()))
        self.edited.emit()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.view.apply_theme(theme)
        for button, name in (
            (self.new, "import"),
            (self.open, "open"),
            (self.save, "save"),
            (self.save_as, "save"),
        ):
            button.setIcon(icon(name, theme.muted))
