"""The sweeps in the database as a list: open one again, or delete it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from desktop.pages.optimize.trials import metric_title
from desktop.tables import formats
from desktop.tables.run_names import params_text
from desktop.tables.runs import STATUS_WORDS
from desktop.tables.table import Column, TableModel
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.table_view import TableView, table_action
from engine.model.ranges import range_text
from engine.model.sweep import SweepResult


def _of_spec(name: str) -> Any:
    return lambda sweep: getattr(sweep.spec, name)


def _best(sweep: SweepResult) -> float | None:
    best = sweep.best
    return None if best is None else best["value"]


def _best_at(sweep: SweepResult) -> str:
    best = sweep.best
    return "" if best is None else params_text({name: best["params"][name] for name in sweep.params})


def _period(sweep: SweepResult) -> str:
    return f"{formats.day(sweep.period.start)} – {formats.day(sweep.period.end - 1)}"


COLUMNS: Final[tuple[Column[SweepResult], ...]] = (
    Column("created", "Made", lambda sweep: sweep.created_ms, formats.minute, tooltip="When it was made (UTC)",
           export=formats.exported_time),
    Column("strategy", "Strategy", _of_spec("strategy")),
    Column("symbol", "Symbol", _of_spec("symbol")),
    Column("timeframe", "TF", lambda sweep: sweep.spec.timeframe.name, tooltip="Timeframe"),
    Column("objective", "Best by", lambda sweep: metric_title(sweep.spec.objective, {})),
    Column("best", "Best", _best, formats.number, numeric=True, tooltip="The best trial's value"),
    Column("best_at", "Best at", _best_at, tooltip="The best trial's parameters"),
    Column("done", "Trials", lambda sweep: sweep.done, formats.whole, numeric=True),
    Column("failed", "Failed", lambda sweep: sweep.failed, formats.whole, numeric=True),
    Column("period", "Period", _period, tooltip="UTC, both days included"),
    Column("status", "Status", lambda sweep: STATUS_WORDS.get(sweep.status, sweep.status)),
    Column("ranges", "Ranges", lambda sweep: ", ".join(
        f"{name} {range_text(values)}" for name, values in sweep.spec.ranges.items())),
    Column("constraint", "Constraint", _of_spec("constraint")),
    Column("exchange", "Exchange", _of_spec("exchange")),
)  # fmt: skip


class StoredSweeps(QWidget):
    """Signals: `open_wanted(id)`, `export_wanted(id)`, `delete_wanted(ids)`."""

    open_wanted = Signal(str)
    export_wanted = Signal(str)
    delete_wanted = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model: TableModel[SweepResult] = TableModel(COLUMNS, self)
        self.table = TableView(self.model, "Stored sweeps", "No sweep is stored yet.")
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        self.open = tool_button(
            "Open",
            "Show the sweep's trials, with the whole set-up and plan they were made with (Enter, or double click)",
        )
        self.export = tool_button(
            "Export …", "Write the sweep as JSON and all its trials as CSV (Ctrl+Shift+E)"
        )
        self.delete = tool_button("Delete", "Delete the selected sweeps (Del); that can be undone")
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = FlowLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        for widget in (self.open, self.export, self.delete, self.count):
            row.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.table)
        self.open.clicked.connect(self._open)
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
        self._update()

    def set_sweeps(self, sweeps: Sequence[SweepResult]) -> None:
        """Show the stored sweeps, newest first."""
        first = not self.model.rows
        self.model.set_rows(sweeps)
        if first and sweeps:
            self.table.fit_columns(widest=180)
        self._update()

    def _selected(self) -> list[SweepResult]:
        return [self.model.row_at(row) for row in self.table.selected_rows()]

    def _open(self) -> None:
        for sweep in self._selected()[:1]:
            self.open_wanted.emit(sweep.id)

    def _export(self) -> None:
        for sweep in self._selected()[:1]:
            self.export_wanted.emit(sweep.id)

    def _delete(self) -> None:
        ids = [sweep.id for sweep in self._selected()]
        if ids:
            self.delete_wanted.emit(ids)

    def _update(self) -> None:
        count = len(self.model.rows)
        self.count.setText(f"{formats.whole(count)} sweep{'' if count == 1 else 's'}" if count else "")
        chosen = bool(self._selected())
        for button in (self.open, self.export, self.delete):
            button.setEnabled(chosen)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        self.open.setIcon(icon("next", theme.muted))
        self.export.setIcon(icon("export", theme.muted))
        self.delete.setIcon(icon("close", theme.muted))
