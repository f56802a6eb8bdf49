"""Everything that was said, with level and text filter; details of the selected line below."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPlainTextEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.page import Panel
from desktop.tables.log import LEVELS, LogLine, LogModel
from desktop.theme.colours import Theme
from desktop.widgets.filter_field import FilterField
from desktop.widgets.still_fields import Choice
from desktop.widgets.table_view import TableView

_FROM_LEVEL = {"All": 0, "Warnings and errors": 1, "Errors": 2}


class LogPanel(Panel):
    """The newest line is always visible unless the user scrolled away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = LogModel(self)
        self.table = TableView(self.model, "Log", "Nothing happened yet.")
        self.level = Choice()
        self.level.addItems(list(_FROM_LEVEL))
        self.level.setAccessibleName("Log level")
        self.text = FilterField("Filter the log", "Filter the log", self.table)
        self.text.setMaximumWidth(260)
        self.details = QPlainTextEdit(readOnly=True)
        self.details.setAccessibleName("Details of the log line")
        self.details.hide()
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self.level)
        row.addWidget(self.text, 1)
        row.addStretch(1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.table)
        split.addWidget(self.details)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(split)
        self.level.currentTextChanged.connect(lambda _: self._filter())
        self.text.textChanged.connect(lambda _: self._filter())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._show_details())

    def add(self, line: LogLine) -> None:
        """Append a line."""
        bar = self.table.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 2
        first = not self.model.rows
        self.model.add(line)
        if first:
            self.table.fit_columns()
        if at_end:
            self.table.scrollToBottom()

    def show_line(self, text: str) -> None:
        """Select the newest line of these words, so that its details are visible; a filter that hides it goes."""
        place = next(
            (at for at in reversed(range(len(self.model.rows))) if self.model.rows[at].text == text), None
        )
        if place is None:
            return
        if self.model.view_row(place) is None:
            self.text.clear()
            self.level.setCurrentIndex(0)
        self.table.select_row(self.model.view_row(place))

    def _filter(self) -> None:
        least = _FROM_LEVEL[self.level.currentText()]
        words = self.text.text().lower().split()
        self.model.set_filter(
            lambda line: (
                LEVELS.index(line.level) >= least and all(word in line.text.lower() for word in words)
            )
        )

    def _show_details(self) -> None:
        rows = self.table.selected_rows()
        details = self.model.row_at(rows[0]).details if rows else ""
        self.details.setPlainText(details)
        self.details.setVisible(bool(details))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
