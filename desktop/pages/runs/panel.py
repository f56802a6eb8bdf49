"""Every run, one row each, from the moment it starts; check boxes overlay curves, the selected row is the current run."""

from __future__ import annotations

import time
from dataclasses import replace

from PySide6.QtCore import QItemSelection, QModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from desktop.pages.page import Panel
from desktop.tables.badges import badges_in, verdict
from desktop.tables.runs import RunRow, RunsModel
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.badge_row import BadgeStory
from desktop.widgets.buttons import tool_button
from desktop.widgets.table_view import TableView
from desktop.work.jobs import Job
from desktop.workspace import Workspace

_REDRAW_MS = 100
_PROBLEM_WIDTH = 220


class RunsPanel(Panel):
    """Signals: `delete_wanted(ids)`, `setup_wanted(id)` (load a run's set-up into the dock), `export_wanted(id)`."""

    delete_wanted = Signal(list)
    setup_wanted = Signal(str)
    export_wanted = Signal(str)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.model = RunsModel(workspace, self)
        self.table = TableView(self.model, "Runs", "No runs yet. Press F5 to run the set-up on the left.")
        self.search = QLineEdit(placeholderText="Filter runs", clearButtonEnabled=True)
        self.search.setAccessibleName("Filter runs")
        self.search.setMaximumWidth(220)
        self.story = BadgeStory(self)
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        self.export = tool_button("Export …", "Write trades, equity and the whole run as files")
        self.delete = tool_button("Delete", "Delete the selected runs (Del); that can be undone")
        created = self.model.column_number("created")
        self.table.sortByColumn(created, Qt.SortOrder.DescendingOrder)
        self._active: dict[str, RunRow] = {}
        self._dirty: dict[str, RunRow] = {}
        self._fitted = False
        self._timer = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._timer.timeout.connect(self.flush)
        self._lay_out()
        self._connect()
        self._show_problems()

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self.search)
        row.addWidget(self.count, 1)
        row.addWidget(self.export)
        row.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.table)
        use = QAction("Use this run's set-up", self)
        use.setToolTip("Put symbol, period, parameters and costs of the run into the set-up dock")
        use.triggered.connect(lambda: self._each_selected(self.setup_wanted, first_only=True))
        self.table.addAction(use)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def _connect(self) -> None:
        self.workspace.runs_changed.connect(self._runs_changed)
        self.workspace.runs_removed.connect(self._runs_removed)
        self.workspace.checked_changed.connect(self._checks_changed)
        self.workspace.current_changed.connect(self._show_current)
        self.table.selectionModel().selectionChanged.connect(self._selected)
        self.table.clicked.connect(self._clicked)
        self.table.doubleClicked.connect(lambda _: self._each_selected(self.setup_wanted, first_only=True))
        self.search.textChanged.connect(self._filter)
        self.delete.clicked.connect(self._delete)
        self.table.delete_pressed.connect(self._delete)
        self.export.clicked.connect(lambda: self._each_selected(self.export_wanted, first_only=True))
        self._update()

    def follow(self, job: Job) -> None:
        """A row appears when a run starts and fills when it ends."""
        (run_id,) = job.subject
        if job.ending is not None:
            self._active.pop(run_id, None)
            return
        row = self._active.get(run_id) or RunRow(run_id, job.title, started_ms=round(time.time() * 1000))
        self._active[run_id] = replace(row, progress=job.part)
        self._put(self._active[run_id])

    def end_batch(self) -> None:
        """The batch is over: rows that never got a result go."""
        self.flush()
        orphans = [row.id for row in self.model.rows if row.result is None]
        self._active.clear()
        if orphans:
            self.model.drop(orphans)
        self._update()

    def flush(self) -> None:
        """Show what changed since the last time."""
        if not self._dirty:
            return
        rows, self._dirty = list(self._dirty.values()), {}
        self.model.put(rows)
        if not self._fitted:
            self.table.fit_columns(widest=200)
            self._fitted = any(row.result is not None for row in rows)
        self._show_current()
        self._show_problems()
        self._update()

    def _show_problems(self) -> None:
        failed = any(row.result is not None and row.result.error for row in self.model.rows)
        column = self.model.column_number("error")
        newly = failed and self.table.isColumnHidden(column)
        self.table.setColumnHidden(column, not failed)
        if newly:
            self.table.setColumnWidth(column, _PROBLEM_WIDTH)

    def _put(self, row: RunRow) -> None:
        self._dirty[row.id] = row
        if not self._timer.isActive():
            self._timer.start()

    def _runs_changed(self, ids: list[str]) -> None:
        for run_id in ids:
            run = self.workspace.runs[run_id]
            shown = badges_in(self.workspace, run)
            self._put(RunRow(run_id, result=run, verdict=verdict(shown) if shown else None))

    def _runs_removed(self, ids: list[str]) -> None:
        self.flush()
        self.model.drop(ids)
        self._show_current()
        self._update()

    def _checks_changed(self) -> None:
        self.table.viewport().update()
        self._update()

    def _show_current(self) -> None:
        current = self.workspace.current
        place = None if current is None else self.model.place_of(current)
        view = None if place is None else self.model.view_row(place)
        if view is not None and self.table.selected_rows() != [view]:
            self.table.select_row(view)

    def _selected(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        del selected, deselected
        rows = self.table.selected_rows()
        self._update()
        if len(rows) != 1:
            return
        row = self.model.row_at(rows[0])
        if row.result is not None:
            self.workspace.show(row.id)

    def _clicked(self, index: QModelIndex) -> None:
        """A click on what the checks add up to tells their story."""
        row = self.model.row_at(index.row())
        if row.result is not None and self.model.columns[index.column()].key == "checks":
            below = self.table.visualRect(index).bottomLeft()
            self.story.tell(badges_in(self.workspace, row.result), self.table.context_point(below))

    def _filter(self, text: str) -> None:
        words = text.lower().split()

        def wanted(row: RunRow) -> bool:
            parts = [row.title, row.status_text()]
            if row.result is not None:
                parts += [
                    row.result.strategy,
                    row.result.symbol,
                    row.result.timeframe.name,
                    row.result.error or "",
                ]
            joined = " ".join(parts).lower()
            return all(word in joined for word in words)

        self.model.set_filter(wanted if words else None)
        self._show_current()
        self._update()

    def _each_selected(self, signal: object, *, first_only: bool = False) -> None:
        rows = [self.model.row_at(row) for row in self.table.selected_rows()]
        for row in rows[:1] if first_only else rows:
            if row.result is not None:
                signal.emit(row.id)  # type: ignore[attr-defined]

    def _delete(self) -> None:
        ids = [row.id for row in self._selected_rows() if row.result is not None]
        if ids:
            self.delete_wanted.emit(ids)

    def _selected_rows(self) -> list[RunRow]:
        return [self.model.row_at(row) for row in self.table.selected_rows()]

    def _update(self) -> None:
        total, shown = len(self.model.rows), self.model.rowCount()
        some = "" if shown == total else f"{shown} of "
        text = f"{some}{total} run{'' if total == 1 else 's'}"
        self.count.setText(f"{text} · {len(self.workspace.checked)} compared" if total else "")
        has_result = any(self.model.row_at(row).result is not None for row in self.table.selected_rows())
        self.delete.setEnabled(has_result)
        self.export.setEnabled(has_result)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.model.curve_colours = theme.curves
        self.table.apply_theme(theme)
        self.story.apply_theme(theme)
        self.export.setIcon(icon("export", theme.muted))
        self.delete.setIcon(icon("close", theme.muted))
