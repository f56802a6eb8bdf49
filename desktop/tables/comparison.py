"""Two runs side by side as tables: what went in, the figures, the trades that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.metrics import definition_of, metric_text
from desktop.tables.run_names import value_text
from desktop.tables.table import Column
from engine.model.comparison import MetricDifference, RunComparison, TradeDifference
from engine.model.metric_definitions import DEFINITIONS
from engine.model.run import RunResult

DIFFERS: Final = "≠"


@dataclass(frozen=True, slots=True)
class InputRow:
    """One thing that went into two runs; None: it did not go into that one."""

    name: str
    left: str | None
    right: str | None

    @property
    def sign(self) -> str:
        """Whether it differs."""
        return "" if self.left == self.right else DIFFERS


def input_rows(comparison: RunComparison) -> list[InputRow]:
    """What went in, what differs first."""
    left, right = (dict(_inputs(run)) for run in (comparison.left, comparison.right))
    rows = [InputRow(name, left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]
    return sorted(rows, key=lambda row: not row.sign)


def _inputs(run: RunResult) -> Iterator[tuple[str, str]]:
    yield "Strategy", run.strategy
    yield "Exchange", run.exchange
    yield "Symbol", run.symbol
    yield "Timeframe", run.timeframe.name
    yield "From, UTC", formats.spoken(run.period.start)
    yield "To (excluded), UTC", formats.spoken(run.period.end)
    yield from ((f"Parameter {name}", value_text(value)) for name, value in run.params.items())
    yield from ((name.capitalize(), value_text(value)) for name, value in run.costs.told().items())
    yield "Engine", run.engine
    if run.inputs is None:
        yield "Candles, source, versions", "not recorded (an older version made it)"
        return
    known: Mapping[str, Any] = run.inputs
    yield "Warm-up candles", str(known.get("warmup", ""))
    yield "Candles (hash)", str((known.get("candles") or {}).get("sha256", ""))[:12]
    yield from (
        (f"Source {name} (hash)", str(sha256)[:12]) for name, sha256 in (known.get("source") or {}).items()
    )
    yield from ((f"Version of {name}", str(text)) for name, text in (known.get("versions") or {}).items())
    yield "Random seed", str(known.get("seed", ""))


def input_columns(names: Sequence[str]) -> list[Column[InputRow]]:
    """Columns of `input_rows` of two runs with these names."""
    left, right = names
    return [
        Column("sign", DIFFERS, lambda row: row.sign, tooltip="Where the runs differ"),
        Column("name", "What went in", lambda row: row.name),
        Column("left", left, lambda row: row.left, _text),
        Column("right", right, lambda row: row.right, _text),
    ]


def _text(value: str | None) -> str:
    return formats.NO_VALUE if value is None else value


def metric_rows(comparison: RunComparison) -> list[MetricDifference]:
    """The figures, in the order of all tables."""
    found = {row.name: row for row in comparison.metrics}
    return [
        found[name]
        for name in [*(n for n in DEFINITIONS if n in found), *(n for n in found if n not in DEFINITIONS)]
    ]


def metric_columns(names: Sequence[str], money: str) -> list[Column[MetricDifference]]:
    """Columns of `metric_rows`; each figure in its own unit."""
    left, right = names

    def unit(row: MetricDifference) -> str:
        known = definition_of(row.name, DEFINITIONS).unit
        return money if known == "money" else known

    return [
        Column("metric", "Metric", lambda row: definition_of(row.name, DEFINITIONS).title),
        Column("left", left, lambda row: row.left, numeric=True),
        Column("right", right, lambda row: row.right, numeric=True),
        Column("difference", "Difference", lambda row: row.difference, numeric=True, signed=True,
               tooltip="The second run's figure less the first one's"),
        Column("unit", "Unit", unit),
    ]  # fmt: skip


def metric_cell(row: MetricDifference, key: str, value: Any) -> str:
    """A figure as the Metrics page writes it; a difference with its sign."""
    if key != "difference":
        return str(metric_text(row.name)(value))
    whole = definition_of(row.name, DEFINITIONS).unit == "count"
    return formats.signed(value, 0 if whole else 2)


def trade_columns(names: Sequence[str]) -> list[Column[TradeDifference]]:
    """Columns of the trades that differ between two runs with these names."""
    left, right = names

    def which(row: TradeDifference) -> str:
        return (
            f"only {left}" if row.right is None else f"only {right}" if row.left is None else "both, differs"
        )

    def of(side: str, name: str) -> Any:
        return lambda row: getattr(getattr(row, side), name, None)

    def less(row: TradeDifference) -> float:
        return (row.right.pnl if row.right else 0.0) - (row.left.pnl if row.left else 0.0)

    return [
        Column("entry_time", "Entry (UTC)", lambda row: row.trade.entry_time, formats.minute, export=formats.exported_time),
        Column("side", "Side", lambda row: row.trade.side, lambda side: "▲ Long" if side == "long" else "▼ Short"),
        Column("which", "Made by", which),
        Column("left_pnl", "P&L, first", of("left", "pnl"), formats.signed, numeric=True, signed=True),
        Column("right_pnl", "P&L, second", of("right", "pnl"), formats.signed, numeric=True, signed=True),
        Column("difference", "Difference", less, formats.signed, numeric=True, signed=True,
               tooltip="The second run's P&L less the first one's"),
        Column("left_exit", "Exit, first (UTC)", of("left", "exit_time"), formats.minute, export=formats.exported_time),
        Column("right_exit", "Exit, second (UTC)", of("right", "exit_time"), formats.minute, export=formats.exported_time),
        Column("left_reason", "Reason, first", of("left", "exit_reason"), _reason),
        Column("right_reason", "Reason, second", of("right", "exit_reason"), _reason),
        Column("columns", "Differs in", lambda row: ", ".join(name.replace("_", " ") for name in row.columns)),
    ]  # fmt: skip


def _reason(value: str | None) -> str:
    return formats.NO_VALUE if value is None else value.replace("_", " ")
