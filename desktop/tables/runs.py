"""The runs as a table: one row per run, also while it is still going; a check box overlays its curve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFont

from desktop.tables import formats
from desktop.tables.badges import badges_in
from desktop.tables.holdings import GOOD, WARNING, Note
from desktop.tables.run_names import value_text
from desktop.tables.table import Column, Index, TableModel
from desktop.theme.icons import swatch
from desktop.workspace import RUNNING, Workspace
from engine.model.remark import Remark
from engine.model.run import CANCELLED, FAILED, FINISHED, RunResult

STATUS_WORDS: Final = {FINISHED: "Done", FAILED: "✗ Failed", CANCELLED: "Stopped"}


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run to list: its result with what its checks add up to, or only a title and progress while it is going (0..1; None:
    it waits for a worker).
    """

    id: str
    title: str = ""
    progress: float | None = None
    result: RunResult | None = None
    started_ms: int = 0
    verdict: Note | None = None
    name: str = ""
    remark: Remark = field(default_factory=Remark)

    @property
    def created_ms(self) -> int:
        """When it was made, or began."""
        return self.started_ms if self.result is None else self.result.created_ms

    @property
    def status(self) -> str:
        """running, finished, failed or cancelled."""
        return RUNNING if self.result is None else self.result.status

    def status_text(self) -> str:
        """The state in words."""
        if self.result is None:
            far = f" {self.progress:.0%}" if self.progress else ""
            return "Waiting" if self.progress is None else f"Running{far}"
        return STATUS_WORDS.get(self.result.status, self.result.status)

    def metric(self, name: str) -> Any:
        """A figure, or None."""
        return None if self.result is None else self.result.metrics.get(name)

    def all_params(self) -> str:
        """Every parameter in a line."""
        if self.result is None:
            return ""
        return ", ".join(f"{name} {value_text(value)}" for name, value in self.result.params.items())


def _field(name: str) -> Any:
    return lambda row: None if row.result is None else getattr(row.result, name)


def _metric(key: str, title: str, text: Any, *, signed: bool = False, tooltip: str = "") -> Column[RunRow]:
    return Column(key, title, lambda row: row.metric(key), text, numeric=True, signed=signed, tooltip=tooltip)


def _plain(value: Any) -> str:
    return formats.NO_VALUE if value is None else str(value)


COLUMNS: Final[tuple[Column[RunRow], ...]] = (
    Column("strategy", "Run", lambda row: ("★ " if row.remark.pinned else "") + (row.name or row.title), _plain,
           tooltip="The strategy, and the parameters that are not its defaults"),
    Column("symbol", "Symbol", _field("symbol"), _plain),
    Column("timeframe", "TF", lambda row: row.result.timeframe.name if row.result else None, _plain, tooltip="Timeframe"),
    Column("exchange", "Exchange", _field("exchange"), _plain),
    Column("start", "From", lambda row: row.result.period.start if row.result else None, formats.day,
           export=formats.exported_time),
    Column("end", "To", lambda row: row.result.period.end if row.result else None,
           lambda end: formats.day(None if end is None else end - 1), tooltip="Included", export=formats.exported_time),
    Column("status", "Status", RunRow.status_text),
    Column("checks", "Checks", lambda row: row.verdict, lambda note: "" if note is None else note.text,
           tooltip="Data, cross-check, look-ahead, warm-up; click for the story",
           export=lambda note: "" if note is None else note.text),
    Column("note", "Note", lambda row: row.remark.note, tooltip="Your words: F2 writes them"),
    _metric("return_pct", "Return %", formats.signed, signed=True),
    _metric("buy_hold_return_pct", "Buy & hold %", formats.signed, signed=True),
    _metric("max_drawdown_pct", "Max DD %", formats.number, tooltip="Deepest fall of equity from its peak"),
    _metric("sharpe", "Sharpe", formats.number),
    _metric("sortino", "Sortino", formats.number),
    _metric("profit_factor", "Profit factor", formats.number),
    _metric("win_rate_pct", "Win %", lambda value: formats.number(value, 1)),
    _metric("trades", "Trades", formats.whole),
    _metric("exposure_pct", "Exposure %", lambda value: formats.number(value, 1)),
    _metric("final_equity", "Final equity", formats.number),
    Column("elapsed_s", "Took", _field("elapsed_s"), formats.duration, numeric=True),
    Column("created", "Made", lambda row: row.created_ms, formats.minute,
           tooltip="UTC", export=formats.exported_time),
    Column("params", "Parameters", RunRow.all_params),
)  # fmt: skip


class RunsModel(TableModel[RunRow]):
    """Rows follow the workspace and the jobs under way. `noted(id, text)`: a note was written."""

    noted = Signal(str, str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self._workspace = workspace
        self._places: dict[str, int] = {}
        self.curve_colours: tuple[str, ...] = ("#888888",)
        self.current_colour = "#888888"

    def put(self, rows: list[RunRow]) -> None:
        """Add or replace rows by run id."""
        for row in rows:
            place = self._places.get(row.id)
            if place is None:
                self._places[row.id] = len(self.rows)
                self.rows.append(row)
            else:
                self.rows[place] = row
        self.rearrange()

    def drop(self, ids: list[str]) -> None:
        """Remove rows by run id."""
        self.set_rows(row for row in self.rows if row.id not in ids)

    def set_rows(self, rows: Any) -> None:
        """Show other rows."""
        super().set_rows(rows)
        self._places = {row.id: place for place, row in enumerate(self.rows)}

    def place_of(self, run_id: str) -> int | None:
        """Base position of a run."""
        return self._places.get(run_id)

    def _arranged(self) -> list[int]:
        """However the rest is sorted, what is under way comes first, then what is pinned."""
        order = super()._arranged()
        order.sort(key=lambda base: (self.rows[base].result is not None, not self.rows[base].remark.pinned))
        return order

    def flags(self, index: Index) -> Qt.ItemFlag:
        """The first column has a check box, notes are written in place."""
        flags = super().flags(index)
        if self.columns[index.column()].key == "note" and self.row_at(index.row()).result is not None:
            flags |= Qt.ItemFlag.ItemIsEditable
        if index.column() == 0 and self.row_at(index.row()).status == FINISHED:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Adds the check box and the curve's colour."""
        if index.column() == 0 and role in (Qt.ItemDataRole.CheckStateRole, Qt.ItemDataRole.DecorationRole):
            row = self.row_at(index.row())
            if row.status != FINISHED:
                return None
            checked = row.id in self._workspace.checked
            if role == Qt.ItemDataRole.CheckStateRole:
                return Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked
            return swatch(self._curve_colour(row.id, checked=checked))
        if role == Qt.ItemDataRole.EditRole and self.columns[index.column()].key == "note":
            return self.row_at(index.row()).remark.note
        if role == Qt.ItemDataRole.FontRole and self.row_at(index.row()).id == self._workspace.current:
            bold = QFont()
            bold.setBold(True)
            return bold
        return super().data(index, role)

    def _curve_colour(self, run_id: str, *, checked: bool) -> str | None:
        if checked:
            return self.curve_colours[self._workspace.slot(run_id) % len(self.curve_colours)]
        return self.current_colour if run_id == self._workspace.current else None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """The check box overlays the run; a note is kept."""
        if role == Qt.ItemDataRole.EditRole and self.columns[index.column()].key == "note":
            self.noted.emit(self.row_at(index.row()).id, str(value).strip())
            return True
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != 0:
            return False
        self._workspace.check(self.row_at(index.row()).id, on=Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    def foreground(self, column: Column[RunRow], value: Any) -> Any:
        """States have colours too."""
        if column.key == "status":
            word = str(value)[2:] if str(value).startswith("✗ ") else str(value)
            name = {"Failed": "negative", "Stopped": "warning", "Done": "muted"}.get(word, "accent")
            return self.colours.get(name)
        if column.key == "checks" and value is not None:
            return self.colours.get({GOOD: "positive", WARNING: "warning"}.get(value.level, "muted"))
        return super().foreground(column, value)

    def tooltip(self, row: RunRow, column: Column[RunRow]) -> str | None:
        """The whole error, the parameters, or the run's name."""
        if row.result is None:
            return row.title
        if row.result.error and column.key in ("status", "checks", "strategy"):
            return f"{row.result.error}\nClick Checks for all of it"
        if column.key == "note" and row.remark.note:
            return row.remark.note
        if column.key == "strategy":
            return f"{row.name}\nrun {row.id[:8]} · {row.result.exchange} · engine {row.result.engine}"
        if column.key == "checks":
            return "\n".join(badge.label for badge in badges_in(self._workspace, row.result))
        if column.key == "params":
            return row.all_params().replace(", ", "\n")
        return f"run {row.id[:8]} · {row.result.exchange} · engine {row.result.engine}"
