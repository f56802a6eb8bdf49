"""The legs of a portfolio as rows, what its requests got, and the stored ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from desktop.pages.portfolio.charts import added_by
from desktop.tables import formats
from desktop.tables.metrics import metric_text
from desktop.tables.runs import STATUS_WORDS
from desktop.tables.table import Column
from desktop.tables.trades import COLUMNS, TradeRow
from engine.model.coverage import Coverage
from engine.model.portfolio import LegSpec
from engine.model.portfolio_result import LegResult, PortfolioResult, Request


@dataclass(frozen=True, slots=True)
class LegRow:
    """A leg as it stands in the file, what is held of its candles, and what it did in the run that is shown, if it did."""

    spec: LegSpec
    held: Coverage | None = None
    result: LegResult | None = None
    added: Mapping[str, float | None] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: LegSpec, held: Coverage | None, whole: PortfolioResult | None) -> LegRow:
        """With what the leg of that name did."""
        results = () if whole is None else whole.legs
        result = next((leg for leg in results if leg.name == spec.name), None)
        added = {} if whole is None else added_by(whole, spec.name)
        return cls(spec, held, result, added)

    @property
    def weight(self) -> float | None:
        """As it was played, else as it stands in the file."""
        return self.spec.weight if self.result is None else self.result.weight

    @property
    def held_pct(self) -> float | None:
        """How much of its period is held, in whole percent; what the exchange does not have counts as held."""
        if self.held is None or not self.held.expected:
            return None
        lacking = sum(map(self.held.timeframe.count, self.held.gaps))
        return float(100 * (self.held.expected - lacking) // self.held.expected)


def _params(row: LegRow) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.spec.params.items())


def _result(name: str) -> Any:
    return lambda row: None if row.result is None else getattr(row.result, name)


def _metric(name: str) -> Any:
    return lambda row: None if row.result is None else row.result.metrics.get(name)


def _contention(name: str) -> Any:
    return lambda row: None if row.result is None else getattr(row.result.contention, name)


def _percent(value: Any) -> str:
    return formats.NO_VALUE if formats.is_missing(value) else f"{formats.number(value, 0)} %"


LEGS: Final[tuple[Column[LegRow], ...]] = (
    Column("leg", "Leg", lambda row: row.spec.name),
    Column("strategy", "Strategy", lambda row: row.spec.strategy),
    Column("symbol", "Symbol", lambda row: row.spec.symbol),
    Column("timeframe", "TF", lambda row: row.spec.timeframe.name, tooltip="Timeframe"),
    Column("weight", "Weight", lambda row: row.weight, formats.number, numeric=True,
           tooltip="Its share of the equity, or what it may lose at the stop; – where the allocation decides"),
    Column("held", "Held", lambda row: row.held_pct, _percent, numeric=True,
           tooltip="How much of its candles is held; a run fetches the rest"),
    Column("pnl", "Profit", _result("pnl"), formats.signed, numeric=True, signed=True,
           tooltip="What it made, in money"),
    Column("risk", "Risk", _result("risk_share_pct"), _percent, numeric=True,
           tooltip="Its part of the variance of the wallet's days"),
    Column("sharpe", "Adds Sharpe", lambda row: row.added.get("sharpe"), formats.signed, numeric=True, signed=True,
           tooltip="The Sharpe ratio of the whole less that of the same portfolio without it"),
    Column("trades", "Trades", _metric("trades"), formats.whole, numeric=True),
    Column("win", "Win %", _metric("win_rate_pct"), metric_text("win_rate_pct"), numeric=True),
    Column("factor", "Profit f.", _metric("profit_factor"), formats.number, numeric=True, tooltip="Profit factor"),
    Column("requests", "Asked", _contention("requests"), formats.whole, numeric=True,
           tooltip="How often it asked the wallet for money"),
    Column("scaled", "Scaled", _contention("scaled"), formats.whole, numeric=True,
           tooltip="How often it got less, because the money did not suffice for all"),
    Column("dropped", "Dropped", _contention("dropped"), formats.whole, numeric=True, tooltip="How often it got nothing"),
    Column("params", "Parameters", _params, tooltip="What differs from the strategy's defaults"),
)  # fmt: skip

TradeOf = tuple[str, TradeRow]


def _of_leg(column: Column[TradeRow]) -> Column[TradeOf]:
    return Column(
        column.key, column.title, lambda row: column.value(row[1]), column.text, column.numeric, column.signed,
        column.tooltip, column.export,
    )  # fmt: skip


TRADES: Final[tuple[Column[TradeOf], ...]] = (
    Column("leg", "Leg", lambda row: row[0]),
    *(_of_leg(column) for column in COLUMNS if column.key not in ("number", "beside_hole")),
)

REQUESTS: Final[tuple[Column[Request], ...]] = (
    Column("time", "Time", lambda one: one.time, formats.minute, tooltip="Open of the candle",
           export=formats.exported_time),
    Column("leg", "Leg", lambda one: one.leg),
    Column("requested", "Asked for", lambda one: one.requested, formats.number, numeric=True),
    Column("filled", "Got", lambda one: one.filled, formats.number, numeric=True),
    Column("why", "Why", lambda one: one.why),
)  # fmt: skip

STORED: Final[tuple[Column[PortfolioResult], ...]] = (
    Column("created", "Made", lambda one: one.created_ms, formats.minute, tooltip="When it was made (UTC)",
           export=formats.exported_time),
    Column("name", "Name", lambda one: one.spec.name),
    Column("legs", "Legs", lambda one: len(one.legs), formats.whole, numeric=True),
    Column("from", "From", lambda one: one.period.start, formats.day, export=formats.exported_time),
    Column("to", "To", lambda one: one.period.end, formats.last_day, tooltip="That day included",
           export=formats.exported_time),
    Column("return_pct", "Return %", lambda one: one.metrics.get("return_pct"), metric_text("return_pct"), numeric=True,
           signed=True),
    Column("drawdown", "Max DD %", lambda one: one.metrics.get("max_drawdown_pct"), metric_text("max_drawdown_pct"),
           numeric=True),
    Column("sharpe", "Sharpe", lambda one: one.metrics.get("sharpe"), formats.number, numeric=True),
    Column("status", "Status", lambda one: STATUS_WORDS.get(one.status, one.status)),
)  # fmt: skip
