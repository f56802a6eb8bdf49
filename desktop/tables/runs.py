"""The runs as a table: one row per run, also while it is still going; a check box overlays its curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QObject, Qt

from desktop.tables import formats
from desktop.tables.badges import badges_in
from desktop.tables.holdings import GOOD, WARNING, Note
from desktop.tables.table import Column, Index, TableModel
from desktop.theme.icons import swatch
from desktop.workspace import RUNNING, Workspace
from engine.model.run import CANCELLED, FAILED, FINISHED, RunResult

STATUS_WORDS: Final = {FINISHED: "Done", FAILED: "Failed", CANCELLED: "Stopped"}


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run to list: its result with what its checks add up to, or only a title and progress (0..1) while it is going."""

    id: str
    title: str = ""
    progress: float | None = None
    result: RunResult | None = None
    started_ms: int = 0
    verdict: Note | None = None

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
            return "Running" if not self.progress else f"Running {self.progress:.0%}"
        return STATUS_WORDS.get(self.result.status, self.result.status)

    def metric(self, name: str) -> Any:
        """A figure, or None."""
        return None if self.result is None else self.result.metrics.get(name)

    def changed_params(self) -> str:
        """The parameters in short."""
        if self.result is None:
            return ""
        return ", ".join(f"{name} {value}" for name, value in self.result.params.items())


def _field(name: str) -> Any:
    return lambda row: None if row.result is None else getattr(row.result, name)


def _metric(key: str, title: str, text: Any, *, signed: bool = False, tooltip: str = "") -> Column[RunRow]:
    return Column(key, title, lambda row: row.metric(key), text, numeric=True, signed=signed, tooltip=tooltip)


def _plain(value: Any) -> str:
    return formats.NO_VALUE if value is None else str(value)


COLUMNS: Final[tuple[Column[RunRow], ...]] = (
    Column("strategy", "Strategy", lambda row: row.result.strategy if row.result else row.title, _plain),
    Column("symbol", "Symbol", _field("symbol"), _plain),
    Column("timeframe", "TF", _field("timeframe"), _plain, tooltip="Timeframe"),
    Column("status", "Status", RunRow.status_text),
    Column("checks", "Checks", lambda row: row.verdict, lambda note: "" if note is None else note.text,
           tooltip="Data, cross-check, look-ahead, warm-up; click for the story",
           export=lambda note: "" if note is None else note.text),
    Column("error", "Problem", _field("error"), lambda text: text or ""),
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
    Column("start", "From", lambda row: row.result.period.start if row.result else None, formats.day,
           export=formats.exported_time),
    Column("end", "To", lambda row: row.result.period.end if row.result else None, formats.day,
           tooltip="Exclusive", export=formats.exported_time),
    Column("elapsed_s", "Took", _field("elapsed_s"), formats.duration, numeric=True),
    Column("created", "Made", lambda row: row.created_ms, formats.minute,
           tooltip="UTC", export=formats.exported_time),
    Column("params", "Parameters", RunRow.changed_params),
)  # fmt: skip


class RunsModel(TableModel[RunRow]):
    """Rows follow the workspace and the jobs under way."""

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self._workspace = workspace
        self._places: dict[str, int] = {}
        self.curve_colours: tuple[str, ...] = ("#888888",)

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

    def flags(self, index: Index) -> Qt.ItemFlag:
        """The first column has a check box."""
        flags = super().flags(index)
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
            slot = self._workspace.slot(row.id) % len(self.curve_colours)
            return swatch(self.curve_colours[slot] if checked else None)
        return super().data(index, role)

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """The check box overlays the run."""
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != 0:
            return False
        self._workspace.check(self.row_at(index.row()).id, on=Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    def foreground(self, column: Column[RunRow], value: Any) -> Any:
        """States have colours too."""
        if column.key == "error":
            return self.colours.get("negative")
        if column.key == "status":
            word = str(value)
            name = {"Failed": "negative", "Stopped": "warning", "Done": "muted"}.get(word, "accent")
            return self.colours.get(name)
        if column.key == "checks" and value is not None:
            return self.colours.get({GOOD: "positive", WARNING: "warning"}.get(value.level, "muted"))
        return super().foreground(column, value)

    def tooltip(self, row: RunRow, column: Column[RunRow]) -> str | None:
        """The whole error, the parameters, or the run's name."""
        if row.result is None:
            return row.title
        if row.result.error and column.key in ("status", "error", "strategy"):
            return row.result.error
        if column.key == "checks":
            return "\n".join(badge.label for badge in badges_in(self._workspace, row.result))
        if column.key == "params":
            return row.changed_params().replace(", ", "\n")
        return f"run {row.id[:8]} · {row.result.exchange} · engine {row.result.engine}"
