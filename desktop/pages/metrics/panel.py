"""The figures of the compared runs side by side; the tooltip of a row defines it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QModelIndex
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop.pages.page import Panel
from desktop.tables.metrics import MetricsModel
from desktop.tables.run_names import names_in
from desktop.theme.colours import DARK, Theme
from desktop.widgets.table_view import TableView, table_action
from desktop.widgets.when_seen import WhenSeen
from desktop.workspace import Workspace

_SWATCH_ROOM, _WIDEST = 56, 320
_NAME_ROOM = 24
_GATHER_MS = 50  # a run that ends changes several things at once


class MetricsPanel(Panel):
    """Follows the compared runs and the current one."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.model = MetricsModel(self)
        self.table = TableView(
            self.model, "Metrics", "Check runs in the Runs tab to compare their figures here."
        )
        self.table.horizontalHeader().setStretchLastSection(False)
        self._theme = DARK
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        self.table.clicked.connect(self._toggle)
        self.table.addAction(
            table_action("Fold", "Return", lambda: self._toggle(self.table.currentIndex()), self.table)
        )
        self._drawing = WhenSeen(self, self.refresh, _GATHER_MS)
        workspace.checked_changed.connect(self._drawing.wish)
        workspace.current_changed.connect(self._drawing.wish)
        workspace.runs_changed.connect(lambda _: self._drawing.wish())

    def set_definitions(self, definitions: Mapping[str, Any]) -> None:
        """What each metric means."""
        self.model.definitions = definitions
        self.refresh()

    def _toggle(self, index: QModelIndex) -> None:
        """A click on a heading, or Enter, folds its group."""
        if index.isValid() and index.row() < self.model.rowCount():
            self.model.toggle(self.model.row_at(index.row()))

    def refresh(self) -> None:
        """Show the compared runs."""
        runs, checked = self.workspace.shown_runs(), self.workspace.checked
        colours = [
            self._theme.curve(self.workspace.slot(run.id)) if run.id in checked else self._theme.text
            for run in runs
        ]
        before = self.model.columnCount()
        self.model.set_runs(runs, names_in(self.workspace, runs), colours)
        if self.model.columnCount() != before:
            self.table.fit_columns()
            self.table.setColumnWidth(0, max(self.table.columnWidth(0), self._longest_name()))
        for number, (title, _) in enumerate(self.model.headers, start=2):
            room = self.table.horizontalHeader().fontMetrics().horizontalAdvance(title) + _SWATCH_ROOM
            self.table.setColumnWidth(number, max(self.table.columnWidth(number), min(room, _WIDEST)))

    def _longest_name(self) -> int:
        """The pixels that the names of metrics need; Qt looks at the visible rows alone."""
        model, measure = self.model, self.table.fontMetrics().horizontalAdvance
        names = (str(model.data(model.index(row, 0))) for row in range(model.rowCount()))
        return max(map(measure, names), default=0) + _NAME_ROOM

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.table.apply_theme(theme)
        self.refresh()
