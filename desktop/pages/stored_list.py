"""What is stored of a kind as a list: open one again, go on with it, write it into files, delete some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop.tables import formats
from desktop.tables.table import Column, TableModel
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import PlainLabel
from desktop.widgets.table_view import LISTED_LATER, TableView, table_action
from engine.model.run import FINISHED, RUNNING


class Stored(Protocol):
    """What has a name in the database, and a status."""

    @property
    def id(self) -> str:
        """The name."""

    @property
    def status(self) -> str:
        """Whether it is finished."""


StoredT = TypeVar("StoredT", bound=Stored)


class StoredList(QWidget, Generic[StoredT]):
    """Signals: `open_wanted(id)`, `resume_wanted(id)`, `export_wanted(id)`, `delete_wanted(ids)`."""

    open_wanted = Signal(str)
    resume_wanted = Signal(str)
    export_wanted = Signal(str)
    delete_wanted = Signal(list)

    def __init__(
        self,
        what: str,
        columns: Sequence[Column[StoredT]],
        shown: str,
        parent: QWidget | None = None,
        *,
        written: str = "as JSON and all its trials as CSV",
    ) -> None:
        """`what` is stored, in the singular ("sweep"); `shown`: what opening one does; `written`: how it is exported."""
        super().__init__(parent)
        self._what, self._idle = what, True
        self.model: TableModel[StoredT] = TableModel(columns, self)
        self.table = TableView(self.model, f"Stored {what}s", LISTED_LATER.format(f"{what.capitalize()}s"))
        self.count = PlainLabel()
        self.count.setProperty("role", "muted")
        self.open = tool_button("Open", f"{shown} (Enter, or double click)")
        self.resume = tool_button("Go on", f"Go on with a {what} that was stopped, killed or failed")
        self.export = tool_button("Export …", f"Write the {what} {written} (Ctrl+Shift+E)")
        self.delete = tool_button("Delete", f"Delete the selected {what}s (Del); that can be undone")
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = FlowLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        for widget in (self.open, self.resume, self.export, self.delete, self.count):
            row.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.table)
        self._connect()
        self._update()

    def _connect(self) -> None:
        self.open.clicked.connect(self._open)
        self.resume.clicked.connect(self._resume)
        self.export.clicked.connect(self._export)
        self.delete.clicked.connect(self._delete)
        self.table.offer(
            table_action("Open", "Return", self._open, self.table),
            table_action("Export …", "Ctrl+Shift+E", self._export, self.table),
            table_action("Copy", "Ctrl+C", self.table.copy, self.table),
            table_action("Delete", "Del", self._delete, self.table),
        )
        self.table.doubleClicked.connect(lambda _: self._open())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._update())

    def set_stored(self, stored: Sequence[StoredT]) -> None:
        """Show what is stored, newest first."""
        first = not self.model.rows
        self.table.say(f"No {self._what} is stored yet.")
        self.model.set_rows(stored)
        if first and stored:
            self.table.fit_columns(widest=180)
        self._update()

    def set_idle(self, *, idle: bool) -> None:
        """Whether nothing is under way."""
        self._idle = idle
        self._update()

    def _selected(self) -> list[StoredT]:
        return [self.model.row_at(row) for row in self.table.selected_rows()]

    def _open(self) -> None:
        for one in self._selected()[:1]:
            self.open_wanted.emit(one.id)

    def _resume(self) -> None:
        for one in self._selected()[:1]:
            self.resume_wanted.emit(one.id)

    def _export(self) -> None:
        for one in self._selected()[:1]:
            self.export_wanted.emit(one.id)

    def _delete(self) -> None:
        ids = [one.id for one in self._selected()]
        if ids:
            self.delete_wanted.emit(ids)

    def _update(self) -> None:
        count = len(self.model.rows)
        self.count.setText(f"{formats.whole(count)} {self._what}{'s' * (count != 1)}" if count else "")
        chosen = self._selected()
        for button in (self.open, self.export, self.delete):
            button.setEnabled(bool(chosen))
        unfinished = len(chosen) == 1 and chosen[0].status not in (FINISHED, RUNNING)
        self.resume.setEnabled(unfinished and self._idle)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        self.open.setIcon(icon("next", theme.muted))
        self.resume.setIcon(icon("run", theme.positive))
        self.export.setIcon(icon("export", theme.muted))
        self.delete.setIcon(icon("close", theme.muted))
