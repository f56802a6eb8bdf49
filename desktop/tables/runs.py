"""The runs as a table: one row per run, also while it is still going; a check box overlays its curve. They may stand in
groups that fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFont

from desktop.tables import formats
from desktop.tables.badges import badges_in
from desktop.tables.holdings import GOOD, WARNING, Note
from desktop.tables.run_names import value_text
from desktop.tables.table import Column, Index, TableModel
from desktop.theme.icons import blank, swatch
from desktop.workspace import Workspace
from engine.model.market import DAY_MS
from engine.model.remark import Remark
from engine.model.run import CANCELLED, FAILED, FINISHED, RUNNING, STOPPED, RunResult

STATUS_WORDS: Final = {
    FINISHED: "Done", FAILED: "✗ Failed", CANCELLED: "Stopped", STOPPED: "Stopped", RUNNING: "Running",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run to list: its result with what its checks add up to, or while it is going only a title, its series (exchange,
    symbol, timeframe) and progress (0..1; None: it waits for a worker).
    """

    id: str
    title: str = ""
    progress: float | None = None
    result: RunResult | None = None
    started_ms: int = 0
    verdict: Note | None = None
    name: str = ""
    remark: Remark = field(default_factory=Remark)
    words: str = ""
    heading: str = ""
    series: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: RunResult, verdict: Note | None, name: str, remark: Remark) -> RunRow:
        """The row of a run that has ended; what is looked for is put together once, not for every letter that is typed."""
        parts = (
            name, run.strategy, run.symbol, run.timeframe.name, run.exchange, STATUS_WORDS.get(run.status, run.status),
            run.error or "", remark.note, "" if verdict is None else verdict.text, formats.day(run.created_ms), run.id[:8],
            *(f"{key}={value_text(value)}" for key, value in run.params.items()),
        )  # fmt: skip
        return cls(
            run.id, result=run, verdict=verdict, name=name, remark=remark, words=" ".join(parts).lower()
        )

    def has(self, words: Iterable[str]) -> bool:
        """Whether all of these are found in it."""
        text = self.words or " ".join((self.title, *self.series, self.status_text())).lower()
        return all(word in text for word in words)

    @property
    def created_ms(self) -> int:
        """When it was made, or began."""
        return self.started_ms if self.result is None else self.result.created_ms

    @property
    def status(self) -> str:
        """running, finished, failed or cancelled; empty of a heading."""
        return self.result.status if self.result is not None else "" if self.heading else RUNNING

    def status_text(self) -> str:
        """The state in words."""
        if self.result is None:
            far = f" {self.progress:.0%}" if self.progress else ""
            return "Waiting" if self.progress is None else f"Running{far}"
        return STATUS_WORDS.get(self.result.status, self.result.status)

    def metric(self, name: str) -> Any:
        """A figure, or None."""
        return None if self.result is None else self.result.metrics.get(name)

    def series_part(self, number: int) -> str | None:
        """Exchange (0), symbol (1) or timeframe (2) of its candles."""
        if self.result is not None:
            return (self.result.exchange, self.result.symbol, self.result.timeframe.name)[number]
        return self.series[number] if self.series else None

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
    Column("symbol", "Symbol", lambda row: row.series_part(1), _plain),
    Column("timeframe", "TF", lambda row: row.series_part(2), _plain, tooltip="Timeframe"),
    Column("exchange", "Exchange", lambda row: row.series_part(0), _plain),
    Column("start", "From", lambda row: row.result.period.start if row.result else None, formats.day,
           export=formats.exported_time),
    Column("end", "To", lambda row: row.result.period.end if row.result else None, formats.last_day, tooltip="Included",
           export=formats.exported_time),
    Column("status", "Status", RunRow.status_text),
    Column("checks", "Checks", lambda row: row.verdict, lambda note: "" if note is None else note.text,
           tooltip="Data, cross-check, look-ahead, warm-up; click for the story",
           export=lambda note: "" if note is None else note.text),
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
    _metric("cagr_pct", "CAGR %", formats.signed, signed=True),
    _metric("calmar", "Calmar", formats.number),
    _metric("volatility_pct", "Volatility %", formats.number),
    _metric("max_drawdown_days", "Max DD days", formats.number, tooltip="From a peak to its recovery, or to the end"),
    _metric("sqn", "SQN", formats.number),
    _metric("expectancy_pct", "Expectancy %", formats.signed, signed=True),
    _metric("best_trade_pct", "Best trade %", formats.signed, signed=True),
    _metric("worst_trade_pct", "Worst trade %", formats.signed, signed=True),
    _metric("commission", "Commission", formats.number),
    Column("note", "Note", lambda row: row.remark.note, tooltip="Your words: F2 writes them"),
    Column("elapsed_s", "Took", _field("elapsed_s"), formats.duration, numeric=True),
    Column("created", "Made", lambda row: row.created_ms, formats.minute,
           tooltip="When it was made (UTC)", export=formats.exported_time),
    Column("engine", "Engine", _field("engine"), _plain),
    Column("id", "Id", lambda row: row.id, lambda run_id: run_id[:8], tooltip="The command line knows a run by it"),
    Column("params", "Parameters", RunRow.all_params),
)  # fmt: skip


@cache
def _day(number: int) -> str:
    """The UTC date so many days after 1970."""
    return formats.day(number * DAY_MS)


NO_GROUPS: Final = "No groups"
GROUPS: Final[Mapping[str, Callable[[RunResult], str]]] = {
    "By strategy": lambda run: run.strategy,
    "By symbol": lambda run: f"{run.symbol} on {run.exchange}",
    "By day": lambda run: _day(run.created_ms // DAY_MS),
}
_FLAGS: Final = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemNeverHasChildren
_BOX_AND_SWATCH: Final = 35  # pixels that the two take from a name
_UNDER_WAY: Final = "Under way"
ALL_RUNS: Final = "All runs"
KINDS: Final[Mapping[str, Callable[[RunRow], bool]]] = {
    "Pinned": lambda row: row.remark.pinned,
    "With a note": lambda row: bool(row.remark.note),
    "Finished": lambda row: row.status == FINISHED,
    "Failed": lambda row: row.status == FAILED,
    "With a warning": lambda row: row.verdict is not None and row.verdict.level == WARNING,
}
HIDDEN: Final = frozenset(  # until somebody asks for them
    ("cagr_pct", "calmar", "volatility_pct", "max_drawdown_days", "sqn", "expectancy_pct", "best_trade_pct",
     "worst_trade_pct", "commission", "engine", "id")
)  # fmt: skip


class RunsModel(TableModel[RunRow]):
    """Rows follow the workspace and the jobs under way. `noted(id, text)`: a note was written; `named(id, text)`: a name.

    Headings of groups are rows too, but stand in no list of runs: their places in `order` are negative.
    """

    noted = Signal(str, str)
    named = Signal(str, str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self._workspace = workspace
        self._places: dict[str, int] = {}
        self.curve_colours: tuple[str, ...] = ("#888888",)
        self.current_colour = "#888888"
        self._note = self.column_number("note")
        self._group_of: Callable[[RunResult], str] | None = None
        self._headings: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._folded: set[str] = set()

    def group_by(self, name: str) -> None:
        """Stand in the groups of GROUPS, unfolded, or in none."""
        self._group_of = GROUPS.get(name)
        self._folded.clear()
        self.rearrange()

    def wanted_count(self) -> int:
        """How many runs the filter lets through, folded ones included."""
        return len(self.shown()) if self._group_of is None else sum(self._counts.values())

    def toggle(self, row: RunRow) -> None:
        """Fold the group of a heading, or unfold it."""
        if row.heading:
            self._folded ^= {row.heading}
            self.rearrange()

    def heading_rows(self) -> list[int]:
        """Where headings are seen."""
        return [view for view, base in enumerate(self.order) if base < 0]

    def row_at(self, view_row: int) -> RunRow:
        """The row at a visible position."""
        base = self.order[view_row]
        return self.rows[base] if base >= 0 else self._heading(-base - 1)

    def _heading(self, number: int) -> RunRow:
        name = list(self._headings)[number]
        count = self._counts.get(name, 0)
        sign = "▸" if name in self._folded else "▾"
        return RunRow(f"group {name}", f"{sign} {name}  ·  {count:,} run{'s' * (count != 1)}", heading=name)

    def shown(self) -> list[RunRow]:
        """The visible runs in visible order."""
        return [self.rows[base] for base in self.order if base >= 0]

    def csv(self, view_rows: Iterable[int] | None = None, *, delimiter: str = ",") -> str:
        """As of any table, without the headings."""
        chosen = range(len(self.order)) if view_rows is None else view_rows
        return super().csv([view for view in chosen if self.order[view] >= 0], delimiter=delimiter)

    def put(self, rows: list[RunRow]) -> None:
        """Add or replace rows by run id. Thousands are sorted again only where one of these belongs elsewhere."""
        moved = False
        for row in rows:
            place = self._places.get(row.id)
            if place is None:
                self._places[row.id] = len(self.rows)
                self.rows.append(row)
                moved = True
            else:
                moved = moved or self._place_by(row) != self._place_by(self.rows[place])
                self.rows[place] = row
        self.rearrange() if moved else self.redraw()

    def _place_by(self, row: RunRow) -> tuple[Any, ...]:
        """All that decides where a row is seen."""
        key = None if self._sorted_by is None else self.columns[self._sorted_by[0]].value(row)
        group = None if self._group_of is None or row.result is None else self._group_of(row.result)
        wanted = self._wanted is None or self._wanted(row)
        return row.result is None, row.remark.pinned, key, group, wanted

    def drop(self, ids: list[str]) -> None:
        """Remove rows by run id."""
        gone = set(ids)
        self.set_rows(row for row in self.rows if row.id not in gone)

    def set_rows(self, rows: Any) -> None:
        """Show other rows."""
        super().set_rows(rows)
        self._places = {row.id: place for place, row in enumerate(self.rows)}

    def place_of(self, run_id: str) -> int | None:
        """Base position of a run."""
        return self._places.get(run_id)

    def _arranged(self) -> list[int]:
        """However the rest is sorted, what is under way comes first, then what is pinned."""
        rows, order = self.rows, super()._arranged()
        ahead = [base for base in order if rows[base].result is None or rows[base].remark.pinned]
        if ahead:
            ahead.sort(key=lambda base: (rows[base].result is not None, not rows[base].remark.pinned))
            order = list(dict.fromkeys(ahead + order))
        return order if self._group_of is None else self._grouped(order)

    def _grouped(self, order: list[int]) -> list[int]:
        """The same in groups; the group of the first comes first."""
        groups: dict[str, list[int]] = {}
        for base in order:
            result = self.rows[base].result
            assert self._group_of is not None
            groups.setdefault(_UNDER_WAY if result is None else self._group_of(result), []).append(base)
        self._counts = {name: len(members) for name, members in groups.items()}
        found: list[int] = []
        for name, members in groups.items():
            found.append(-1 - self._headings.setdefault(name, len(self._headings)))
            found += () if name in self._folded else members
        return found

    def flags(self, index: Index) -> Qt.ItemFlag:
        """The first column has a check box; names and notes are written in place. Asked of every selected cell."""
        column = index.column()
        if column not in (0, self._note):
            return _FLAGS
        row = self.row_at(index.row())
        if column == self._note and row.result is not None:
            return _FLAGS | Qt.ItemFlag.ItemIsEditable
        if column == 0 and row.result is not None:
            checkable = Qt.ItemFlag.ItemIsUserCheckable if row.status == FINISHED else Qt.ItemFlag(0)
            return _FLAGS | Qt.ItemFlag.ItemIsEditable | checkable
        return _FLAGS

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Adds the check box and the curve's colour."""
        if self.row_at(index.row()).heading:
            return self._heading_data(self.row_at(index.row()), index.column(), role)
        if index.column() == 0 and role in (Qt.ItemDataRole.CheckStateRole, Qt.ItemDataRole.DecorationRole):
            row = self.row_at(index.row())
            if row.status != FINISHED:  # nothing to check, but names stand below each other
                return blank(_BOX_AND_SWATCH) if role == Qt.ItemDataRole.DecorationRole else None
            checked = row.id in self._workspace.checked
            if role == Qt.ItemDataRole.CheckStateRole:
                return Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked
            return swatch(self._curve_colour(row.id, checked=checked))
        if role == Qt.ItemDataRole.EditRole and index.column() in (0, self._note):
            row = self.row_at(index.row())
            return row.name if index.column() == 0 else row.remark.note
        if role == Qt.ItemDataRole.FontRole and self.row_at(index.row()).id == self._workspace.current:
            bold = QFont()
            bold.setBold(True)
            return bold
        return super().data(index, role)

    def _heading_data(self, row: RunRow, column: int, role: int) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title if column == 0 else ""
        if role == Qt.ItemDataRole.FontRole:
            bold = QFont()
            bold.setBold(True)
            return bold
        return self.colours.get("muted") if role == Qt.ItemDataRole.ForegroundRole else None

    def _curve_colour(self, run_id: str, *, checked: bool) -> str | None:
        if checked:
            return self.curve_colours[self._workspace.slot(run_id) % len(self.curve_colours)]
        return self.current_colour if run_id == self._workspace.current else None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """The check box overlays the run; a note is kept."""
        if role == Qt.ItemDataRole.EditRole and self.columns[index.column()].key == "note":
            self.noted.emit(self.row_at(index.row()).id, str(value).strip())
            return True
        if role == Qt.ItemDataRole.EditRole and index.column() == 0:
            self.named.emit(self.row_at(index.row()).id, str(value).strip())
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
