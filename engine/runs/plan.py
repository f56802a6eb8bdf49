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
from engine.loader.modules import sources_of
from engine.model.account import ON, Costs, FundingPolicy
from engine.model.exchanges import describe
from engine.model.market import DAY_MS, Market, Period, Timeframe, timeframes_of
from engine.model.parameters import StrategyInfo
from engine.model.run import RunResult, RunSpec
from engine.model.simulators import REFERENCE, choose_engine
from engine.parallel.job import BadEnd, Done, Raised
from engine.parallel.tasks import Answered, AskWorkers, Begun, PrepareAnswer, PrepareTask

PREPARE_TIMEOUT_S: Final = 30.0

SeriesPeriod = tuple[Market, Timeframe, Period]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run whose strategy, parameters and market are known to exist; `period` has its bounds on the grid, and the
    engine of `spec` is the one that runs.

    `problem` is how the strategy failed before it saw a candle, else None: such a run fails alone. `sources`: what its files
    held then, by name; saving one of them changes no run that has begun.
    """

    id: str
    spec: RunSpec
    market: Market
    strategy_path: Path
    params: Mapping[str, Any]
    warmup: int
    problem: BadEnd | None = None
    sources: Begun = field(default_factory=dict)

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
        """The period with its warm-up in front, from there back to 00:00 UTC (daily anchors need whole days)."""
        first = self.spec.timeframe.shift(self.period.start, -self.warmup)
        day = max(0, first // DAY_MS * DAY_MS)
        return Period(min(self.spec.timeframe.ceil(day), self.period.start), self.period.end)

    @property
    def title(self) -> str:
        """One short line for people."""
        return f"{self.spec.strategy} on {self.market.name}"

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
    find_market: Callable[[str, str], Market],
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
        if isinstance(outcome, Done):
            ready, problem = outcome.value, None
        else:
            ready, problem = PrepareAnswer(params=dict(spec.params), warmup=0), outcome
        plan.append(
            PlannedRun(
                id=str(uuid.uuid4()),
                spec=replace(spec, symbol=market.name),
                market=market,
                strategy_path=Path(info.path),
                params={} if spec.windows else ready.params,
                warmup=max(ready.warmup, spec.warmup or 0),
                problem=problem,
                sources=sources[info.path],
            )
        )
    return plan


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
