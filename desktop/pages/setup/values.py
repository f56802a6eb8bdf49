"""The set-up as a frozen value: what to run, on what, at which costs. Saved and restored as JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, Final

from engine.errors import InputError
from engine.model.account import AUTO_FUNDING, Costs
from engine.model.exchanges import EXCHANGES
from engine.model.market import (
    SAMPLE_EXCHANGE,
    SAMPLE_NOW_MS,
    TIMEFRAMES,
    Period,
    Timeframe,
    parse_time,
)
from engine.model.run import RunResult, RunSpec
from engine.model.simulators import ENGINES, MAX_WARMUP

SAMPLE_SYMBOL: Final = "SAMPLEUSDT"
FIRST_STRATEGIES: Final = ("vwap_supertrend_ema", "ema_cross", "buy_and_hold")


@dataclass(frozen=True, slots=True)
class Setup:
    """All that the set-up dock holds; the defaults are the first start's, which works offline.

    `params` per strategy name: only what differs from the strategy's defaults. `warmup`: at least so many candles before the
    period; None: as many as each strategy asks for. `unreadable`: what was typed and cannot be understood, in words; the
    value before it stands.
    """

    exchange: str = SAMPLE_EXCHANGE
    symbols: tuple[str, ...] = (SAMPLE_SYMBOL,)
    timeframe: str = "1h"
    start: int = parse_time("2024-07-01")
    end: int = SAMPLE_NOW_MS
    strategies: tuple[str, ...] = FIRST_STRATEGIES
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    costs: Costs = field(default_factory=lambda: Costs(funding=AUTO_FUNDING))
    engine: str = ENGINES[0]
    warmup: int | None = None
    unreadable: str = ""

    @property
    def period(self) -> Period:
        """The period as chosen; may be empty."""
        return Period(self.start, max(self.start, self.end))

    def series(self) -> list[tuple[str, str]]:
        """The chosen symbols with their exchange."""
        return [(symbol, self.exchange) for symbol in self.symbols]

    def specs(self) -> list[RunSpec]:
        """One run per symbol and strategy."""
        return [
            RunSpec(
                strategy=strategy,
                symbol=symbol,
                exchange=self.exchange,
                timeframe=Timeframe(self.timeframe),
                period=self.period,
                params=dict(self.params.get(strategy, {})),
                costs=self.costs,
                engine=self.engine,
                warmup=self.warmup,
            )
            for symbol, strategy in product(self.symbols, self.strategies)
        ]

    def data_problem(self) -> str | None:
        """Why nothing can be fetched, or None."""
        if self.unreadable:
            return self.unreadable
        if not self.symbols:
            return "Select a symbol"
        if self.start >= self.end:
            return "The period is empty: From must be before To"
        return None

    def problem(self) -> str | None:
        """Why nothing can be run, or None."""
        return (
            self.data_problem()
            or (None if self.strategies else "Select a strategy")
            or self._detail_problem()
        )

    def _detail_problem(self) -> str | None:
        try:
            self.costs.check_detail(Timeframe(self.timeframe))
        except InputError as error:
            return f"Terms: {error}"
        return None

    def summary(self) -> str:
        """How many runs that makes: 2 symbols × 3 strategies = 6 runs."""
        symbols, strategies = len(self.symbols), len(self.strategies)
        return (
            f"{_count(symbols, 'symbol', 'symbols')} × {_count(strategies, 'strategy', 'strategies')} = "
            f"{_count(symbols * strategies, 'run', 'runs')}"
        )

    @classmethod
    def of_run(cls, run: RunResult) -> Setup:
        """The set-up that makes the run again, on as many candles of warm-up."""
        spec = run.spec
        return cls(
            spec.exchange, (spec.symbol,), spec.timeframe.name, spec.period.start, spec.period.end,
            (spec.strategy,), {spec.strategy: dict(spec.params)}, spec.costs, spec.engine, spec.warmup or None,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` understands."""
        return asdict(self) | {"costs": self.costs.to_json() | {"funding": self.costs.funding}}

    @classmethod
    def from_json(cls, value: Any) -> Setup | None:
        """The set-up as saved, or None where it does not make sense any more."""
        try:
            found = cls(
                exchange=value["exchange"],
                symbols=tuple(map(str, value["symbols"])),
                timeframe=value["timeframe"],
                start=int(value["start"]),
                end=int(value["end"]),
                strategies=tuple(map(str, value["strategies"])),
                params={str(name): dict(params) for name, params in value["params"].items()},
                costs=Costs.from_json({"funding": AUTO_FUNDING} | value["costs"]),
                engine=str(value.get("engine", ENGINES[0])),
                warmup=int(value.get("warmup") or 0) or None,
            )
        except (KeyError, TypeError, ValueError, AttributeError, InputError):
            return None
        known = found.exchange in EXCHANGES and found.timeframe in TIMEFRAMES and found.engine in ENGINES
        return found if known and 0 <= (found.warmup or 0) <= MAX_WARMUP else None


def clock_ms(exchange: str) -> int:
    """Now, as the exchange's market has it: the sample market's clock stands still."""
    return SAMPLE_NOW_MS if exchange == SAMPLE_EXCHANGE else round(time.time() * 1000)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
