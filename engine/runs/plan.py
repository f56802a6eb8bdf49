"""What must be right before anything runs: strategies that load, parameters that fit, markets that exist."""

from __future__ import annotations

import difflib
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from engine.errors import InputError, StrategyError
from engine.events import Started
from engine.loader.modules import sources_of
from engine.model.account import ON, Costs, FundingPolicy
from engine.model.exchanges import describe
from engine.model.market import Market, Period, Timeframe, timeframes_of
from engine.model.parameters import StrategyInfo
from engine.model.reads import Reads, ReadSeries, Warmup, series_of, warmup_start
from engine.model.run import RunResult, RunSpec
from engine.model.simulators import REFERENCE, choose_engine
from engine.parallel.job import BadEnd, Done, Raised
from engine.parallel.tasks import Answered, AskWorkers, Begun, PrepareAnswer, PrepareTask

PREPARE_TIMEOUT_S: Final = 30.0

SeriesPeriod = tuple[Market, Timeframe, Period]
FindMarket = Callable[[str, str], Market]  # of a symbol and an exchange; raises InputError


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run reads beside its candles. `warmup`: as the strategy asks for it; `markets`: of `reads.symbols`."""

    reads: Reads = field(default_factory=Reads)
    warmup: Warmup = field(default_factory=Warmup)
    markets: tuple[Market, ...] = ()


NOTHING_READ: Final = Reading()


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run whose strategy, parameters and market are known to exist; `period` has its bounds on the grid, and the
    engine of `spec` is the one that runs.

    `problem` is how the strategy failed before it saw a candle, else None: such a run fails alone. `sources`: what its files
    held then, by name; saving one of them changes no run that has begun. `reading`: what it reads beside its candles.
    """

    id: str
    spec: RunSpec
    market: Market
    strategy_path: Path
    params: Mapping[str, Any]
    warmup: int
    problem: BadEnd | None = None
    sources: Begun = field(default_factory=dict)
    reading: Reading = NOTHING_READ

    @property
    def reads(self) -> tuple[ReadSeries, ...]:
        """The series beside that of the run."""
        reading = self.reading
        if not reading.reads:
            return ()
        markets = (self.market, *reading.markets)
        return series_of(reading.reads, reading.warmup, self.spec.timeframe, markets)

    def over(self, read: ReadSeries, period: Period) -> PlannedRun:
        """The same run as it would be over a series that it reads: what is fetched and loaded of that, for a period of the
        run's own candles.
        """
        whole = read.period(self.spec.timeframe, period)
        spec = replace(self.spec, symbol=read.market.name, timeframe=read.candle, period=whole, costs=Costs())
        return replace(self, spec=spec, market=read.market, warmup=read.wanted, reading=NOTHING_READ)

    @property
    def period(self) -> Period:
        """The period asked for, on the grid."""
        return self.spec.timeframe.align(self.spec.period)

    @property
    def series_period(self) -> SeriesPeriod:
        """What is fetched once for all runs that share it."""
        return self.market, self.spec.timeframe, self.period

    @property
    def load_period(self) -> Period:
        """The period with its warm-up in front, from there back to 00:00 UTC."""
        return Period(warmup_start(self.spec.timeframe, self.period.start, self.warmup), self.period.end)

    @property
    def title(self) -> str:
        """One short line for people."""
        return f"{self.spec.strategy} on {self.market.name}"

    @property
    def started(self) -> Started:
        """The event that it begins with."""
        series = self.market.exchange, self.market.name, self.spec.timeframe.name
        return Started(self.id, "run", self.title, (self.id,), series)

    def unfinished(self, status: str, error: str | None, traceback: str | None = None) -> RunResult:
        """The result of this run when it did not come to an end."""
        return RunResult(
            id=self.id,
            status=status,
            error=error,
            strategy=self.spec.strategy,
            market=self.market,
            timeframe=self.spec.timeframe,
            period=self.period,
            params=self.params,
            costs=self.spec.costs,
            engine=self.spec.engine,
            created_ms=time.time_ns() // 1_000_000,
            traceback=traceback,
        )


def make_plan(
    specs: Sequence[RunSpec],
    infos: Mapping[str, StrategyInfo],
    find_market: FindMarket,
    ask: AskWorkers,
) -> list[PlannedRun]:
    """A planned run per spec, its symbol by the market's own name.

    Raises InputError or StrategyError for what the user can put right; nothing is fetched.
    """
    if not specs:
        raise InputError("nothing to run: name at least one symbol and one strategy")
    chosen = [infos[spec.strategy] for spec in specs]
    specs = [_with_engine(spec, info) for spec, info in zip(specs, chosen, strict=True)]
    markets = {(s.symbol, s.exchange): find_market(s.symbol, s.exchange) for s in specs}
    sources = {info.path: sources_now(info) for info in infos.values()}
    outcomes = _prepared(specs, chosen, sources, ask)
    plan = []
    for spec, info, outcome in zip(specs, chosen, outcomes, strict=True):
        market = markets[spec.symbol, spec.exchange]
        reading, warmup = NOTHING_READ, spec.warmup or 0
        if isinstance(outcome, Done):
            params, problem = outcome.value.params, None
            reading = read_by(outcome.value.reads, outcome.value.warmup, spec, find_market)
            warmup = reading.warmup.building(reading.reads, spec.timeframe)
        else:
            params, problem = spec.params, outcome
        plan.append(
            PlannedRun(
                id=str(uuid.uuid4()),
                spec=replace(spec, symbol=market.name),
                market=market,
                strategy_path=Path(info.path),
                params={} if spec.windows else dict(params),
                warmup=warmup,
                problem=problem,
                sources=sources[info.path],
                reading=reading,
            )
        )
    return plan


def read_by(
    reads: Mapping[str, Any], warmup: Mapping[str, int], spec: RunSpec, find_market: FindMarket
) -> Reading:
    """What a strategy said that it reads, on the exchange of the run. Raises InputError where it cannot."""
    declared = Reads.from_json(reads)
    declared.check(spec.timeframe, spec.exchange, spec.strategy)
    wanted = Warmup.from_json(warmup).longest(Warmup(spec.warmup or 0, spec.longer_warmup))
    return Reading(declared, wanted, tuple(_market_read(one, spec, find_market) for one in declared.symbols))


def _market_read(symbol: str, spec: RunSpec, find_market: FindMarket) -> Market:
    try:
        return find_market(symbol, spec.exchange)
    except InputError as error:
        raise InputError(
            f"{spec.strategy}: symbols_read names {symbol!r}: {error}; nothing was run"
        ) from error


def sources_now(info: StrategyInfo) -> Begun:
    """What the files of a strategy hold: what begins now goes on with it, whoever saves them."""
    return sources_of(Path(info.path))


def check_funding(costs: Costs, market: Market) -> None:
    """Raise InputError where a run insists on funding of a market that has none to be had."""
    if FundingPolicy.parse(costs.funding).kind == ON and not describe(market.exchange).has_funding:
        raise InputError(
            f"{market}: no funding rates can be had from there; --funding auto or off runs without them; nothing was run"
        )


def check_detail(costs: Costs, market: Market) -> None:
    """Raise InputError where the market has no candles as fine as a run wants to look inside its own."""
    known = timeframes_of(market.exchange)
    if costs.detail is not None and costs.detail not in known:
        raise InputError(
            f"{market}: detail {costs.detail} cannot be had, there are candles of {', '.join(known)}; nothing was run"
        )


def distinct(plan: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Each strategy on each market once, the first of them: one symbol may have been named in several spellings."""
    found: dict[tuple[str, Market], PlannedRun] = {}
    for planned in plan:
        found.setdefault((planned.spec.strategy, planned.market), planned)
    return list(found.values())


def _with_engine(spec: RunSpec, info: StrategyInfo) -> RunSpec:
    try:
        engine = choose_engine(spec.engine, native=info.kind == "native")
    except InputError as error:
        raise InputError(f"{info.name}: {error}; nothing was run") from error
    if engine == REFERENCE and spec.costs.detail is not None:
        raise InputError(
            f"{info.name}: backtesting.py cannot look inside candles; leave the detail out; nothing was run"
        )
    return replace(spec, engine=engine)


def _prepared(
    specs: Sequence[RunSpec],
    chosen: Sequence[StrategyInfo],
    sources: Mapping[str, Begun],
    ask: AskWorkers,
) -> list[Answered[PrepareAnswer]]:
    """How each strategy answered for its parameters and warm-up; equal questions are asked once."""
    tasks = [
        PrepareTask(strategy=Path(info.path), params=dict(spec.params), sources=sources[info.path])
        for spec, info in zip(specs, chosen, strict=True)
    ]
    keys = [repr((task.strategy, sorted(task.params.items()))) for task in tasks]
    distinct = dict(zip(keys, tasks, strict=True))
    outcomes = dict(zip(distinct, ask(list(distinct.values()), PREPARE_TIMEOUT_S), strict=True))
    for key, outcome in outcomes.items():
        for error in (InputError, StrategyError):
            # what the user can put right; anything else fails its run alone
            if isinstance(outcome, Raised) and outcome.kind == error.__name__:
                raise error(f"{distinct[key].strategy.stem}: {outcome.message}; nothing was run")
    return [outcomes[key] for key in keys]


def check_strategies(
    names: Collection[str], known: Collection[str], infos: Sequence[StrategyInfo]
) -> dict[str, StrategyInfo]:
    """The strategies of these names; raises InputError for an unknown name, StrategyError for one that does not load.

    Of two files of one name the first folder's counts; the other is listed as broken.
    """
    found: dict[str, StrategyInfo] = {}
    for info in infos:
        found.setdefault(info.name, info)
    for name in names:
        if name not in found:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(sorted(known))}"
            raise InputError(f"unknown strategy {name!r}; {hint}")
        error = found[name].error
        if error is not None:
            raise StrategyError(f"{name} does not load: {error}; nothing was run")
    return found
