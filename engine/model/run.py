"""What goes into a run and what comes out: frozen values, and their JSON shapes (the contract of the command line)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine.errors import InputError
from engine.model.account import Costs
from engine.model.exchanges import describe
from engine.model.market import Float64Array, Int64Array, Market, Period, Timeframe, format_time
from engine.model.parameters import Assignment, StrategyInfo, assign
from engine.model.reads import longer_warmup
from engine.model.simulators import AUTO, ENGINES, MAX_WARMUP
from engine.model.trade import Trade
from engine.model.window_params import WindowParams, windows_json

FINISHED: Final = "finished"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
RUNNING: Final = "running"
STOPPED: Final = "stopped"  # by the end of its program: it goes on where it was
NO_WARMUP: Final = "no warm-up wanted"
MOST_CUTS: Final = 20_000  # of a search for look-ahead: each computes all candles before it again


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run to do. `params` holds only what differs from the strategy's defaults.

    `warmup`: at least so many candles before the period, even where the strategy asks for fewer: recursive averages never
    quite forget how many they saw, so a trial of a sweep is repeated with the sweep's warm-up. `checks`: whether the
    strategy is asked again to find look-ahead and a warm-up that is too short. `windows`: in place of `params`, which rule
    when (of a walk-forward), chosen from `walk_trials` trials. `longer_warmup`: as `warmup`, of longer timeframes that it
    reads.
    """

    strategy: str
    symbol: str
    exchange: str
    timeframe: Timeframe
    period: Period
    params: Mapping[str, Any] = field(default_factory=dict)
    costs: Costs = field(default_factory=Costs)
    engine: str = "auto"
    warmup: int | None = None
    checks: bool = True
    windows: tuple[WindowParams, ...] = ()
    longer_warmup: tuple[tuple[str, int], ...] = ()
    walk_trials: int | None = None

    def __post_init__(self) -> None:
        _check(self.engine, self.warmup, self.longer_warmup)
        self.costs.check_detail(self.timeframe)


def values_of_spec(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a spec in JSON, those with a meaning of their own read: timeframe, period, costs. Raises InputError."""
    values = dict(document)
    period = Period.parse(values.pop("start"), values.pop("end"))
    costs = Costs.from_json(values.pop("costs", {}))
    return values | {"timeframe": Timeframe(values["timeframe"]), "period": period, "costs": costs}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Runs as a user asks for them: each strategy on each symbol, once, however often and in whatever spelling it is named.

    `assignments` go to every strategy that has the parameter, or to the one that they name; the rest is as in RunSpec.
    """

    strategies: Sequence[str]
    symbols: Sequence[str]
    exchange: str
    timeframe: Timeframe
    period: Period
    assignments: Sequence[Assignment] = ()
    costs: Costs = field(default_factory=Costs)
    engine: str = AUTO
    warmup: int | None = None
    checks: bool = True
    longer_warmup: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        _check(self.engine, self.warmup, self.longer_warmup)
        self.costs.check_detail(self.timeframe)

    def specs(self, infos: Mapping[str, StrategyInfo]) -> list[RunSpec]:
        """A run per symbol and strategy, symbols as they were typed; raises InputError for what fits nowhere: assignments,
        a warm-up of longer candles that none of them reads.
        """
        names = list(dict.fromkeys(self.strategies))
        longer = {name: self._longer_read(infos[name]) for name in names}
        for one in self.longer_warmup:
            if not any(one in read for read in longer.values()):
                raise InputError(
                    f"a warm-up of {one[0]} candles is asked for, which {', '.join(names)} does not read; nothing was run"
                )
        params = assign(self.assignments, [infos[name] for name in names])
        return [
            RunSpec(
                name, symbol, self.exchange, self.timeframe, self.period, params[name], self.costs, self.engine,
                self.warmup, self.checks, longer_warmup=longer[name],
            )
            for symbol in dict.fromkeys(self.symbols)
            for name in names
        ]  # fmt: skip

    def _longer_read(self, info: StrategyInfo) -> tuple[tuple[str, int], ...]:
        return tuple(one for one in self.longer_warmup if one[0] in info.timeframes)


def _check(engine: str, warmup: int | None, longer: Sequence[tuple[str, int]]) -> None:
    """Raise InputError for options that no run can have."""
    for count in (warmup, *dict(longer).values()):
        if count is not None and not 0 <= count <= MAX_WARMUP:
            raise InputError(f"the warm-up must be from 0 to {MAX_WARMUP:,} candles, not {count}")
    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")


def skipped_checks() -> dict[str, dict[str, Any]]:
    """The checks of a run before any was made."""
    return {
        "data": {"status": "skipped", "missing_candles": 0, "trades_beside_holes": []},
        "lookahead": {"status": "skipped", "columns": []},
        "warmup": {"status": "skipped", "columns": []},
        "crosscheck": {"status": "skipped", "equal": 0, "total": 0},
    }


def funding_left_out(exchange: str, checks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is said of funding that is not charged, was assumed, or was reckoned by the last price; else nothing."""
    if "funding" not in checks:
        return ["funding not included"] if describe(exchange).is_perpetual else []
    check = checks["funding"]
    prices = check.get("mark_prices", {})
    exact = check["status"] == "passed" and not prices.get("candle", 0) + prices.get("stale", 0)
    return [] if exact else [f"funding {'of ' if check['status'] == 'passed' else ''}{check['note']}"]


def counted_warmup(held: int, wanted: int) -> dict[str, Any]:
    """The check of the warm-up as far as counting goes: `wanted` candles before the period, of which `held` are there."""
    status = "skipped" if not wanted else "passed" if held >= wanted else "failed"
    note = f"{held:,} of {wanted:,}" if wanted else NO_WARMUP
    return {"status": status, "columns": [], "wanted": wanted, "held": held, "note": note}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Named float columns over open times: equity of a run, or the indicators it saw. All arrays have one length."""

    time: Int64Array
    columns: Mapping[str, Float64Array]

    def points(self, name: str) -> list[tuple[str, float]]:
        """`[[time, value]]` of a column."""
        values = self.columns[name].tolist()
        return [(format_time(t), v) for t, v in zip(self.time.tolist(), values, strict=True)]


@dataclass(frozen=True, slots=True)
class SeenCandles:
    """Which candles a run saw, warm-up included: their hash, from when on, and the version of the series then."""

    sha256: str
    start_ms: int
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class RunResult:
    """One run as it ended and as it is stored. `period` is the effective one; `params` are complete.

    `equity` is the value at each candle's close; `indicators` are the drawn columns, or None where not stored. `inputs`
    names what the fingerprint covers (engine/reproduction/inputs.py); None in runs of older versions.
    """

    id: str
    status: str
    strategy: str
    market: Market
    timeframe: Timeframe
    period: Period
    params: Mapping[str, Any]
    costs: Costs
    engine: str
    error: str | None = None
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    signals: Mapping[str, int] = field(default_factory=dict)
    trades: tuple[Trade, ...] = ()
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=skipped_checks)
    equity: Series | None = None
    indicators: Series | None = None
    fingerprint: str | None = None
    inputs: Mapping[str, Any] | None = None
    elapsed_s: float = 0.0
    created_ms: int = 0
    traceback: str | None = None
    seen: SeenCandles | None = None

    @property
    def symbol(self) -> str:
        """The market's name."""
        return self.market.name

    @property
    def exchange(self) -> str:
        """Where it is traded."""
        return self.market.exchange

    @property
    def spec(self) -> RunSpec:
        """What was to be done: it makes the same run once more, warm-up and engine included."""
        chosen_from = self.metrics.get("walk_trials")
        return RunSpec(
            self.strategy,
            self.symbol,
            self.exchange,
            self.timeframe,
            self.period,
            self.params,
            self.costs,
            self.engine,
            warmup=self.inputs["warmup"] if self.inputs else None,
            windows=self.windows,
            longer_warmup=longer_warmup((self.inputs or {}).get("candles", {})),
            walk_trials=None if chosen_from is None else int(chosen_from),
        )

    @property
    def windows(self) -> tuple[WindowParams, ...]:
        """Which parameters ruled when, of a stitched walk-forward; none of any other run."""
        return tuple(map(WindowParams.from_json, (self.inputs or {}).get("windows", ())))

    @property
    def left_out(self) -> list[str]:
        """What the figures do not contain."""
        return funding_left_out(self.exchange, self.checks) if self.status == FINISHED else []

    @property
    def left_unsettled(self) -> list[str]:
        """What finer candles were asked for and did not settle."""
        check = self.checks.get("detail", {})
        return [f"detail: {check['note']}"] if check.get("status") == "failed" else []

    @property
    def notes(self) -> list[str]:
        """What the figures leave out, and finer candles unsettled; and of a backtesting.Strategy, what became of its orders,
        and by which settings.
        """
        orders = str(self.checks.get("orders", {}).get("note", ""))
        return self.left_out + self.left_unsettled + [note for note in orders.split("; ") if note]

    def to_json(self) -> dict[str, Any]:
        """The contract's run, without equity."""
        return {
            "id": self.id,
            "status": self.status,
            "error": self.error,
            "strategy": self.strategy,
            "symbol": self.symbol,
            "unified": self.market.unified,
            "exchange": self.exchange,
            "timeframe": self.timeframe.name,
            **self.period.to_json(),
            "params": dict(self.params),
            **({"windows": windows_json(self.windows)} if self.windows else {}),
            "costs": self.costs.to_json(),
            "engine": self.engine,
            "metrics": dict(self.metrics),
            "signals": dict(self.signals),
            "trades": [trade.to_json() for trade in self.trades],
            "checks": {name: dict(check) for name, check in self.checks.items()},
            "fingerprint": self.fingerprint,
            "elapsed_s": self.elapsed_s,
            "created": format_time(self.created_ms),
            "notes": self.notes,
        }

    def to_shown_json(self, *, data_changed: bool | None) -> dict[str, Any]:
        """The contract's `show`: the run with its equity and inputs, and whether its candles have changed since."""
        more = {"equity": self.equity_points(), "data_changed": data_changed, "inputs": self.inputs}
        return self.to_json() | more

    def equity_points(self) -> list[tuple[str, float]]:
        """`[[time, value]]`, one per candle of the period."""
        return [] if self.equity is None else self.equity.points("equity")


@dataclass(frozen=True, slots=True, eq=False)
class LookaheadReport:
    """What an exhaustive search for look-ahead found: `lookahead` and `warmup` are checks as a run has them.

    `candles`: how many candles of the period have a future that can be cut off.
    """

    spec: RunSpec
    period: Period
    params: Mapping[str, Any]
    lookahead: Mapping[str, Any]
    warmup: Mapping[str, Any]
    candles: int

    def to_json(self) -> dict[str, Any]:
        """`{strategy, symbol, ..., status, columns, cuts, note, first: [{column, candle, cut}], warmup: {...}}`."""
        return {
            "strategy": self.spec.strategy,
            "symbol": self.spec.symbol,
            "exchange": self.spec.exchange,
            "timeframe": self.spec.timeframe.name,
            **self.period.to_json(),
            "params": dict(self.params),
            **self.lookahead,
            "candles": self.candles,
            "warmup": dict(self.warmup),
        }


_PANDAS_NOTHINGS = ("NaTType", "NAType")  # by name: pandas is not imported for them


def json_ready(value: Any) -> Any:
    """`value` as JSON can hold it: NaN, infinities, NaT and NA as None, numpy scalars as Python's, all else as text."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return None if type(value).__name__ in _PANDAS_NOTHINGS else str(value)
