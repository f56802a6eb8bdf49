"""The figures of the overlaid runs side by side: one row per metric, one column per run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QFont

from desktop.tables import formats
from desktop.tables.table import Column, Index, TableModel
from desktop.theme.icons import swatch
from engine.model.metric_definitions import DEFINITIONS, group_names
from engine.model.run import RunResult

_HIGHER_IS_BETTER: Final = frozenset(
    [
        "return_pct",
        "cagr_pct",
        "sharpe",
        "sortino",
        "calmar",
        "max_drawdown_pct",
        "win_rate_pct",
        "profit_factor",
        "expectancy_pct",
        "sqn",
        "kelly",
        "final_equity",
        "peak_equity",
        "best_trade_pct",
        "worst_trade_pct",
        "avg_trade_pct",
    ]
)
_GAINS: Final = frozenset(  # what has a sign: gained or lost; a volatility or a share of the time has none
    f"{name}_pct"
    for name in (
        "return", "buy_hold_return", "excess_return", "cagr", "alpha", "best_day", "worst_day", "avg_day", "var95", "cvar95",
        "expectancy", "avg_trade", "best_trade", "worst_trade", "avg_win", "avg_loss", "avg_mae", "avg_mfe",
    )
)  # fmt: skip
_OTHER: Final = "Other"
_COUNTS: Final = frozenset(name for name, one in DEFINITIONS.items() if one.unit == "count")
_PROBABILITIES: Final = frozenset(("psr", "dsr", "dsr_eff", "trade_mean_p"))


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric in words: its title, its unit and how it is computed."""

    title: str
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric over the shown runs."""

    key: str
    definition: Definition
    values: tuple[Any, ...]
    group: str = ""

    @property
    def is_heading(self) -> bool:
        """Whether it is the heading of its group."""
        return self.key == self.group != ""

    def best(self) -> Any:
        """The best value where one is better than another, else None."""
        known = [value for value in self.values if not formats.is_missing(value)]
        if self.key not in _HIGHER_IS_BETTER or len(known) < 2 or len(set(known)) < 2:
            return None
        return max(known)


def definition_of(key: str, definitions: Mapping[str, Any]) -> Definition:
    """The metric's definition; a plain title from its name where the engine has none."""
    found = definitions.get(key)
    if found is not None:
        return Definition(found.title, found.unit, found.definition)
    unit = "%" if key.endswith("_pct") else "days" if key.endswith("_days") else ""
    title = key.removesuffix("_pct").removesuffix("_days").replace("_", " ")
    return Definition(title[:1].upper() + title[1:], unit, "")


def metric_text(key: str) -> Any:
    """The function that writes a metric's values."""

    def text(value: Any) -> str:
        if key in _COUNTS:
            return formats.whole(value)
        if key in _PROBABILITIES:
            return formats.number(value, 3)
        if key in _GAINS:
            return formats.signed(value)
        return formats.number(value)

    return text


class MetricsModel(TableModel[MetricRow]):
    """Rows are metrics in the order the engine gives them, under headings that fold; sorted ones have no headings."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__((), parent)
        self.definitions: Mapping[str, Any] = {}
        self.headers: tuple[tuple[str, str], ...] = ()
        self.folded: set[str] = set()
        self.set_filter(self._is_shown)

    def set_runs(self, runs: Sequence[RunResult], names: Sequence[str], colours: Sequence[str]) -> None:
        """Compare these runs; each column's title is its name in its curve's colour."""
        known = {key for run in runs for key in run.metrics}
        keys = [key for key in self.definitions if key in known]
        keys += sorted(known.difference(keys))
        self.headers = tuple(zip(names, colours, strict=True))
        quotes = {formats.quote_of(run.market.unified) for run in runs}
        money = quotes.pop() if len(quotes) == 1 else "quote currency"
        name: Column[MetricRow] = Column("metric", "Metric", lambda row: row.definition.title)
        unit: Column[MetricRow] = Column(
            "unit", "Unit", lambda row: money if row.definition.unit == "money" else row.definition.unit
        )
        self.set_columns([name, unit, *(self._run_column(number) for number in range(len(runs)))])
        groups = group_names(self.definitions)
        rows: list[MetricRow] = []
        for key in keys:
            group = groups.get(key, _OTHER if groups else "")
            if group and (not rows or rows[-1].group != group):
                rows.append(MetricRow(group, Definition(group, "", ""), (None,) * len(runs), group))
            values = tuple(run.metrics.get(key) for run in runs)
            rows.append(MetricRow(key, definition_of(key, self.definitions), values, group))
        self.set_rows(rows)

    def _is_shown(self, row: MetricRow) -> bool:
        if self._sorted_by is not None:
            return not row.is_heading
        return row.is_heading or row.group not in self.folded

    def toggle(self, row: MetricRow) -> None:
        """Fold the group of a heading, or unfold it."""
        if row.is_heading:
            self.folded ^= {row.group}
            self.rearrange()

    def csv(self, view_rows: Iterable[int] | None = None, *, delimiter: str = ",") -> str:
        """As of any table, headed by the runs' names and without the headings of groups."""
        chosen = range(len(self.order)) if view_rows is None else view_rows
        return super().csv([view for view in chosen if not self.row_at(view).is_heading], delimiter=delimiter)

    def _run_column(self, number: int) -> Column[MetricRow]:
        def value(row: MetricRow) -> Any:
            return row.values[number] if number < len(row.values) else None

        name = self.headers[number][0]  # no two are the same
        return Column(name, name, value, formats.number, numeric=True)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Values are shown in their metric's unit, the best one bold."""
        if self.row_at(index.row()).is_heading:
            return self._heading(self.row_at(index.row()), index.column(), role)
        if index.column() < 2:
            if index.column() == 1 and role == Qt.ItemDataRole.ForegroundRole:
                return self.colours.get("muted")
            return super().data(index, role)
        row = self.row_at(index.row())
        value = self.columns[index.column()].value(row)
        if role == Qt.ItemDataRole.DisplayRole:
            return metric_text(row.key)(value)
        if role == Qt.ItemDataRole.FontRole and value is not None and value == row.best():
            bold = QFont()
            bold.setBold(True)
            return bold
        if role == Qt.ItemDataRole.ForegroundRole:
            coloured = row.key in (
                "return_pct",
                "cagr_pct",
                "buy_hold_return_pct",
                "avg_trade_pct",
                "expectancy_pct",
            )
            if coloured and not formats.is_missing(value) and value:
                return self.colours.get("positive" if value > 0 else "negative")
            return None
        return super().data(index, role)

    def _heading(self, row: MetricRow, column: int, role: int) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and column == 0:
            return f"{'▸' if row.group in self.folded else '▾'} {row.group}"
        if role == Qt.ItemDataRole.FontRole:
            bold = QFont()
            bold.setBold(True)
            return bold
        return self.colours.get("muted") if role == Qt.ItemDataRole.ForegroundRole else None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """A run's column is headed by strategy and series in its curve's colour."""
        number = section - 2
        if orientation == Qt.Orientation.Horizontal and 0 <= number < len(self.headers):
            title, colour = self.headers[number]
            if role == Qt.ItemDataRole.DisplayRole:
                return title
            if role == Qt.ItemDataRole.DecorationRole:
                return swatch(colour)
            if role == Qt.ItemDataRole.TextAlignmentRole:  # beside its own swatch, not beside the next one's
                return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            if role == Qt.ItemDataRole.ToolTipRole:
                return title
        return super().headerData(section, orientation, role)

    def tooltip(self, row: MetricRow, column: Column[MetricRow]) -> str | None:
        """What the metric means."""
        del column
        return row.definition.text or None
