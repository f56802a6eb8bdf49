"""Every run, one row each, from the moment it starts; check boxes overlay curves, the selected row is the current run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from PySide6.QtCore import QItemSelection, QModelIndex, Qt, QTimer, Signal, SignalInstance
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from desktop.pages.page import Panel
from desktop.tables.badges import badges_in, verdict_in
from desktop.tables.run_names import name_in, run_name
from desktop.tables.runs import ALL_RUNS, GROUPS, HIDDEN, KINDS, NO_GROUPS, RunRow, RunsModel
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.badge_row import BadgeStory
from desktop.widgets.buttons import combo, tool_button
from desktop.widgets.filter_field import FilterField
from desktop.widgets.labels import ElidedLabel
from desktop.widgets.table_view import LISTED_LATER, TableView
from desktop.work.jobs import Job
from desktop.workspace import Workspace
from engine.model.run import FINISHED

REPORT_KEYS = "Ctrl+Shift+P"  # of the File menu; the menu of a run shows them too
_REDRAW_MS = 100
_NARROW_BOX = 70
_AT_ONCE = 100  # rows that are made in one turn of the event loop
_MOST_AT_ONCE = 50  # that are compared by one key
_LEAST_WIDTHS = {
    "strategy": 240,
    "symbol": 100,
    "exchange": 110,
    "status": 110,
    "checks": 130,
    "note": 90,
}  # for rows that are still to come


class RunsPanel(Panel):
    """Signals: `delete_wanted(ids)`, `export_wanted(ids)`, `rerun_wanted(ids)`, `setup_wanted(id)` (load a run's set-up into
    the dock), `remarked({id: Remark})`, `report_wanted(ids)`; `compare_wanted(ids)`: two side by side, or the source of one
    beside today's; `trade_list_wanted(id)`: beside another program's trades.
    """

    delete_wanted = Signal(list)
    export_wanted = Signal(list)
    rerun_wanted = Signal(list)
    setup_wanted = Signal(str)
    remarked = Signal(dict)
    report_wanted = Signal(list)
    compare_wanted = Signal(list)
    trade_list_wanted = Signal(str)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.model = RunsModel(workspace, self)
        self.table = TableView(self.model, "Runs", LISTED_LATER.format("Runs"))
        self.search = FilterField("Filter runs", "Filter runs", self.table)
        self.search.setMinimumWidth(90)
        self.search.setMaximumWidth(220)
        self.kind = combo("Which runs", (ALL_RUNS, *KINDS))
        self.groups = combo("Groups", (NO_GROUPS, *GROUPS))
        for box in (self.kind, self.groups):
            box.setMinimumWidth(_NARROW_BOX)  # in a small window no button is pushed out
        self.story = BadgeStory(self)
        self.count = ElidedLabel()
        self.count.setProperty("role", "muted")
        self.columns = tool_button("", "Choose the columns")
        self.columns.setMenu(self.table.let_columns_be_chosen(HIDDEN))
        self.columns.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.export = tool_button(
            "", "Export: write trades, equity and the whole run as files, of all selected runs"
        )
        self.delete = tool_button("", "Delete the selected runs (Del); that can be undone")
        created = self.model.column_number("created")
        self.table.sortByColumn(created, Qt.SortOrder.DescendingOrder)
        self._active: dict[str, RunRow] = {}
        self._dirty: dict[str, RunRow | None] = {}
        self._fitted = False
        self._in_view: tuple[str, int] | None = None
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(lambda: self.flush(_AT_ONCE))
        self._lay_out()
        self._connect()
        self._update()

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self.search, 2)
        row.addWidget(self.kind)
        row.addWidget(self.groups)
        row.addWidget(self.count, 1)
        row.addWidget(self.columns)
        row.addWidget(self.export)
        row.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.table)
        self.actions_ = [
            self._action("Use this run's set-up", "Return", self._use),
            self._action("Run again", "Ctrl+R", lambda: self._emit(self.rerun_wanted)),
            self._action("Compare, or not", "Space", self._toggle_compared),
            self._action("Compare only these", "Shift+Space", self._compare_only),
            self._action("Side by side", "Ctrl+B", self._side_by_side),
            self._action("Compare with a trade list …", "", self._compare_with_list),
            self._action("Source as it was", "Ctrl+Shift+U", lambda: self._emit(self.compare_wanted, 1)),
            self._action("Note …", "F2", lambda: self._edit("note")),
            self._action("Name …", "Shift+F2", lambda: self._edit("strategy")),
            self._action("Pin, or not", "Ctrl+P", self._toggle_pinned),
            self._action("Copy", "Ctrl+C", self.table.copy),
            self._action("Export …", "Ctrl+Shift+E", lambda: self._emit(self.export_wanted)),
            self._action(f"Report …\t{REPORT_KEYS}", "", lambda: self._emit(self.report_wanted)),
            self._action("Delete", "Del", lambda: self._emit(self.delete_wanted)),
        ]
        self.table.addActions(self.actions_)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def _action(self, text: str, keys: str, do: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(lambda: do())
        return action

    def _connect(self) -> None:
        self.workspace.runs_changed.connect(self._runs_changed)
        self.workspace.runs_removed.connect(self._runs_removed)
        self.workspace.checked_changed.connect(self._checks_changed)
        self.workspace.current_changed.connect(self._show_current)
        self.table.selectionModel().selectionChanged.connect(self._selected)
        self.table.clicked.connect(self._clicked)
        self.table.doubleClicked.connect(lambda _: self._use())
        self.search.textChanged.connect(lambda _: self._filter())
        self.kind.currentTextChanged.connect(lambda _: self._filter())
        self.groups.currentTextChanged.connect(self._group)
        for changed in (self.model.layoutChanged, self.model.modelReset, self.model.rowsInserted):
            changed.connect(self._span_headings)
        self.delete.clicked.connect(lambda: self._emit(self.delete_wanted))
        self.export.clicked.connect(lambda: self._emit(self.export_wanted))
        self.model.noted.connect(self._noted)
        self.model.named.connect(self._named)
        self._update()

    def say_none(self, *, coming: bool = False) -> None:
        """The database is open: where there are no runs, there are none, or the first are `coming`."""
        what = "The first ones are under way." if coming else "Press F5 to run the set-up on the left."
        self.table.say(f"No runs yet. {what}")

    def begin_batch(self) -> None:
        """Runs are about to come: no filter hides them."""
        self.search.clear()
        self.kind.setCurrentText(ALL_RUNS)
        self._in_view = None

    def follow(self, job: Job) -> None:
        """A row appears when a run starts and fills when it ends."""
        (run_id,) = job.subject
        if job.ending is not None:
            self._active.pop(run_id, None)
            return
        began = round(time.time() * 1000)
        row = self._active.get(run_id) or RunRow(run_id, job.title, started_ms=began, series=job.series)
        far = None if job.progress is None else job.part or 0.0
        self._active[run_id] = replace(row, progress=far)
        self._mark(run_id, self._active[run_id])

    def end_batch(self) -> None:
        """The batch is over: rows that never got a result go."""
        self.flush()
        orphans = [row.id for row in self.model.rows if row.result is None]
        self._active.clear()
        if orphans:
            self.model.drop(orphans)
        self._in_view = None
        self._show_current()
        self._update()

    def flush(self, most: int | None = None) -> None:
        """Show what changed since the last time, or the first `most` of it."""
        if not self._dirty:
            return
        found = {run_id: self._dirty.pop(run_id) for run_id in list(self._dirty)[:most]}
        rows = [
            row or self._row_of(run_id)
            for run_id, row in found.items()
            if row or run_id in self.workspace.runs
        ]
        self.model.put(rows)
        if not self._fitted:
            self.table.fit_columns(widest=200)
            for key, least in _LEAST_WIDTHS.items():
                column = self.model.column_number(key)
                self.table.setColumnWidth(column, max(least, self.table.columnWidth(column)))
            self._fitted = any(row.result is not None for row in rows)
        self._show_current()
        self._update()
        if self._dirty:
            self._timer.start(0)

    def _row_of(self, run_id: str) -> RunRow:
        run = self.workspace.runs[run_id]
        remark = self.workspace.remark(run_id)
        return RunRow.of(run, verdict_in(self.workspace, run), name_in(self.workspace, run), remark)

    def _mark(self, run_id: str, row: RunRow | None) -> None:
        """A row is to be shown again; None: as its run is by then."""
        self._mark_all({run_id: row})

    def _mark_all(self, rows: Mapping[str, RunRow | None]) -> None:
        self._dirty |= rows
        if not self._timer.isActive():
            self._timer.start(_REDRAW_MS)

    def _runs_changed(self, ids: list[str]) -> None:
        self._mark_all(dict.fromkeys(ids))

    def _runs_removed(self, ids: list[str]) -> None:
        for run_id in ids:
            self._dirty.pop(run_id, None)
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
        in_view = None if current is None or view is None else (current, view)
        if in_view == self._in_view:
            return
        is_other = self._in_view is None or in_view is None or in_view[0] != self._in_view[0]
        self._in_view = in_view
        if view is not None and (is_other or view not in self.table.selected_rows()):
            self.table.select_row(view)
        elif view is not None:  # of several selected ones: they stay, wherever it went
            self.table.scrollTo(self.model.index(view, 0))

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
        """A click on what the checks add up to tells their story; one on a heading folds its group."""
        row = self.model.row_at(index.row())
        if row.heading:
            self._toggle_group(row)
            return
        if row.result is not None and self.model.columns[index.column()].key == "checks":
            below = self.table.visualRect(index).bottomLeft()
            self.story.tell(badges_in(self.workspace, row.result), self.table.context_point(below))

    def _filter(self) -> None:
        words, kind = self.search.text().lower().split(), KINDS.get(self.kind.currentText())

        def wanted(row: RunRow) -> bool:
            return (kind is None or kind(row)) and row.has(words)

        self.model.set_filter(wanted if words or kind else None)
        self._show_current()
        self._update()

    def _group(self, name: str) -> None:
        self.model.group_by(name)
        self._show_current()

    def _toggle_group(self, row: RunRow) -> None:
        self.model.toggle(row)
        view = next(
            (v for v in self.model.heading_rows() if self.model.row_at(v).heading == row.heading), None
        )
        if view is not None:
            self.table.select_row(view)

    def _span_headings(self) -> None:
        self.table.clearSpans()
        for view in self.model.heading_rows():
            self.table.setSpan(view, 0, 1, self.model.columnCount())

    # -- what is done with the selected ones -------------------------------------------------------------------------

    def _selected_ids(self) -> list[str]:
        rows = [self.model.row_at(row) for row in self.table.selected_rows()]
        return [row.id for row in rows if row.result is not None]

    def _emit(self, signal: SignalInstance, most: int | None = None) -> None:
        ids = self._selected_ids()[:most]
        if ids:
            signal.emit(ids)

    def selected_or_current(self) -> list[str]:
        """The selected runs that have ended; where none is, the current one."""
        current = self.workspace.current
        return self._selected_ids() or ([] if current is None else [current])

    def _side_by_side(self) -> None:
        """The two that are selected; of one, it and the current one or another that is compared."""
        ids = self._selected_ids()[:2]
        others = [self.workspace.current, *self.workspace.checked]
        ids += [other for other in others if other is not None and other not in ids][: 2 - len(ids)]
        if ids:
            self.compare_wanted.emit(ids)

    def _compare_with_list(self) -> None:
        for run_id in self._selected_ids()[:1]:
            self.trade_list_wanted.emit(run_id)

    def _use(self) -> None:
        selected = self.table.selected_rows()[:1]
        for row in (self.model.row_at(view) for view in selected):
            if row.heading:
                self._toggle_group(row)
        for run_id in self._selected_ids()[:1]:
            self.setup_wanted.emit(run_id)

    def _finished_ids(self) -> list[str]:
        """Not so many that their curves would fill the memory."""
        ids = [run_id for run_id in self._selected_ids() if self.workspace.runs[run_id].status == FINISHED]
        return ids[:_MOST_AT_ONCE]

    def _toggle_compared(self) -> None:
        ids = self._finished_ids()
        on = any(run_id not in self.workspace.checked for run_id in ids)
        for run_id in ids:
            self.workspace.check(run_id, on=on)

    def _compare_only(self) -> None:
        ids = self._finished_ids()
        if ids:
            self.workspace.clear_checks()
            for run_id in ids:
                self.workspace.check(run_id, on=True)

    def _edit(self, column: str) -> None:
        rows = self.table.selected_rows()
        if rows:
            index = self.model.index(rows[0], self.model.column_number(column))
            self.table.scrollTo(index)
            self.table.edit(index)

    def _noted(self, run_id: str, text: str) -> None:
        remark = self.workspace.remark(run_id)
        if text != remark.note:
            self.remarked.emit({run_id: replace(remark, note=text)})

    def _named(self, run_id: str, text: str) -> None:
        """An empty name is the one that it has by itself."""
        remark = self.workspace.remark(run_id)
        name = "" if text == run_name(self.workspace.runs[run_id], self.workspace.defaults) else text
        if name != remark.name:
            self.remarked.emit({run_id: replace(remark, name=name)})

    def _toggle_pinned(self) -> None:
        ids = self._selected_ids()
        pinned = not all(self.workspace.remark(run_id).pinned for run_id in ids)
        self.remarked.emit({run_id: replace(self.workspace.remark(run_id), pinned=pinned) for run_id in ids})

    def _update(self) -> None:
        total, shown = len(self.model.rows), self.model.wanted_count()
        some = "" if shown == total else f"{shown:,} of "
        text = f"{some}{total:,} run{'' if total == 1 else 's'}"
        self.count.setText(f"{text} · {len(self.workspace.checked)} compared" if total else "")
        has_result = any(self.model.row_at(row).result is not None for row in self.table.selected_rows())
        self.delete.setEnabled(has_result)
        self.export.setEnabled(has_result)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.model.curve_colours, self.model.current_colour = theme.curves, theme.text
        self.table.apply_theme(theme)
        self.story.apply_theme(theme)
        self.export.setIcon(icon("export", theme.muted))
        self.columns.setIcon(icon("columns", theme.muted))
        self.delete.setIcon(icon("close", theme.muted))
