"""The sweeps in the database as a list: open one again, or delete it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from desktop.pages.optimize.trials import metric_title
from desktop.tables import formats
from desktop.tables.runs import STATUS_WORDS
from desktop.tables.table import Column, TableModel
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.table_view import TableView
from engine.model.ranges import range_text
from engine.model.sweep import SweepResult


def _of_spec(name: str) -> Any:
    return lambda sweep: getattr(sweep.spec, name)


def _best(sweep: SweepResult) -> float | None:
    best = sweep.best
    return None if best is None else best["value"]


COLUMNS: Final[tuple[Column[SweepResult], ...]] = (
    Column("created", "Made", lambda sweep: sweep.created_ms, formats.minute, tooltip="UTC",
           export=formats.exported_time),
    Column("strategy", "Strategy", _of_spec("strategy")),
    Column("symbol", "Symbol", _of_spec("symbol")),
    Column("timeframe", "TF", lambda sweep: sweep.spec.timeframe.name, tooltip="Timeframe"),
    Column("done", "Trials", lambda sweep: sweep.done, formats.whole, numeric=True),
    Column("objective", "Best by", lambda sweep: metric_title(sweep.spec.objective, {})),
    Column("best", "Best", _best, formats.number, numeric=True),
    Column("status", "Status", lambda sweep: STATUS_WORDS.get(sweep.status, sweep.status)),
    Column("ranges", "Ranges", lambda sweep: ", ".join(
        f"{name} {range_text(values)}" for name, values in sweep.spec.ranges.items())),
)  # fmt: skip


class StoredSweeps(QWidget):
    """Signals: `open_wanted(id)`, `delete_wanted(ids)`."""

    open_wanted = Signal(str)
    delete_wanted = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model: TableModel[SweepResult] = TableModel(COLUMNS, self)
        self.table = TableView(self.model, "Stored sweeps", "No sweep is stored yet.")
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        self.open = tool_button("Open", "Show the sweep's trials (Enter, or double click)")
        self.delete = tool_button("Delete", "Delete the selected sweeps (Del); that can be undone")
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        row.addWidget(self.count, 1)
        row.addWidget(self.open)
        row.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.table)
        self.open.clicked.connect(self._open)
        self.delete.clicked.connect(self._delete)
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

    def _delete(self) -> None:
        ids = [sweep.id for sweep in self._selected()]
        if ids:
            self.delete_wanted.emit(ids)

    def _update(self) -> None:
        count = len(self.model.rows)
        self.count.setText(f"{formats.whole(count)} sweep{'' if count == 1 else 's'}" if count else "")
        chosen = bool(self._selected())
        self.open.setEnabled(chosen)
        self.delete.setEnabled(chosen)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens, Del deletes."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open()
        elif event.key() == Qt.Key.Key_Delete:
            self._delete()
        else:
            super().keyPressEvent(event)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        self.open.setIcon(icon("export", theme.muted))
        self.delete.setIcon(icon("close", theme.muted))
