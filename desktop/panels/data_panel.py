"""What the database holds; a double click puts a series into the set-up."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop.models.held import COLUMNS
from desktop.models.table import TableModel
from desktop.panels.table_view import TableView
from desktop.theme import Theme


class DataPanel(QWidget):
    """`series_wanted(HeldSeries)`: the user wants to work on a series."""

    series_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model: TableModel[Any] = TableModel(COLUMNS, self)
        hint = "No candles held yet. Fetch or Run on the left fills this; only what is missing is ever downloaded."
        self.table = TableView(self.model, "Held candles", hint)
        self.table.horizontalHeader().setStretchLastSection(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        self.table.doubleClicked.connect(
            lambda index: self.series_wanted.emit(self.model.row_at(index.row()))
        )

    def set_held(self, held: list[Any]) -> None:
        """Show what is held."""
        self.model.set_rows(held)
        self.table.fit_columns()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
