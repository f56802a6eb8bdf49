"""A sweep as the program sees it: planned, its candles loaded, tried in the workers, kept."""

from __future__ import annotations

import difflib
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import BacktestError, InputError, RunError, StrategyError
from engine.events import Cancelled, CancelToken, Failed, Finished, OnEvent, ProgressMeter, Started, ending
from engine.model.market import Market
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import StrategyInfo
from engine.model.run import CANCELLED, FAILED, FINISHED, RunSpec
from engine.model.simulators import choose_engine
from engine.model.sweep import SweepResult, SweepSpec
from engine.parallel.job import Done
from engine.parallel.tasks import AskWorkers, Begun, TrialsTask, WarmupTask
from engine.research.batches import Batches, Deal
from engine.research.grid import Numbers, Trials, plan_trials
from engine.research.ledger import Ledger, PlannedSweep
from engine.runs.load import LoadedSeries, SeriesLoader
from engine.runs.plan import PlannedRun, sources_now

if TYPE_CHECKING:
    from engine.parallel.executor import Executor

WARMUP_TIMEOUT_S: Final = 60.0
WARMUP_TRIALS: Final = 10_000  # in one question to a worker
TELL_S: Final = 0.2  # between two partial results
MEMORY_BYTES: Final = 2**30  # for the indicators that all workers of a machine keep between trials

OnTrials = Callable[[SweepResult], None]
KeepSweep = Callable[[SweepResult, Ledger], SweepResult]  # stores it; raises DatabaseError


def check_objective(name: str) -> None:
    """Raise InputError where a sweep keeps no such metric."""
    if name not in SUMMARY:
        near = difflib.get_close_matches(name, SUMMARY, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(SUMMARY)}"
        raise InputError(f"unknown objective {name!r}; {hint}")


def plan_sweep(
    spec: SweepSpec, info: StrategyInfo, find_market: Callable[[], Market], ask: AskWorkers
) -> PlannedSweep:
    """The sweep with its combinations and their longest warm-up; the market is looked for when the rest is right.

    Raises InputError or StrategyError; nothing is fetched.
    """
    check_objective(spec.objective)
    trials = plan_trials(spec, info.params)
    market = find_market()
    sweep, sources = str(uuid.uuid4()), sources_now(info)
    base = PlannedRun(
        id=sweep,
        spec=RunSpec(
            spec.strategy,
            market.name,
            market.exchange,
            spec.timeframe,
            spec.period,
            trials.fixed,
            spec.costs,
            choose_engine("auto", native=info.kind == "native"),
        ),
        market=market,
        strategy_path=Path(info.path),
        params=trials.fixed,
        warmup=_longest_warmup(sweep, trials, info, sources, ask),
        sources=sources,
    )
    return PlannedSweep(spec.on(market.name), trials, base, time.time_ns() // 1_000_000)


def _longest_warmup(sweep: str, trials: Trials, info: StrategyInfo, sources: Begun, ask: AskWorkers) -> int:
    tasks = [
        WarmupTask(
            sweep=sweep,
            strategy=Path(info.path),
            sources=sources,
            combinations=trials.combinations(slice(at, at + WARMUP_TRIALS)),
        )
        for at in range(0, trials.n, WARMUP_TRIALS)
    ]
    longest = 0
    for outcome in ask(tasks, WARMUP_TIMEOUT_S):
        if not isinstance(outcome, Done):
            kind = StrategyError if getattr(outcome, "kind", "") == StrategyError.__name__ else RunError
            raise kind(f"{info.name}: {outcome.message}; nothing was run")
        longest = max(longest, outcome.value.longest)
    return longest


class Sweep:
    """One call of `engine.research.optimize`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        planned: PlannedSweep,
        loader: SeriesLoader,
        executor: Executor,
        keep: KeepSweep,
        *,
        timeout_s: float,
        on_event: OnEvent,
        cancel: CancelToken,
        on_trials: OnTrials | None,
    ) -> None:
        self._planned, self._loader, self._executor, self._keep = planned, loader, executor, keep
        self._timeout_s = timeout_s
        self._on_event, self._cancel, self._on_trials = on_event, cancel, on_trials

    def run(self, *, fetch: bool) -> SweepResult:
        """Fetch, try, store. Raises for what keeps it from beginning, and where it could not be stored."""
        planned, base = self._planned, self._planned.base
        period = base.period
        if fetch:
            report = self._loader.fetch(base, base.load_period.start)
            if isinstance(report, BacktestError):
                raise report
            period = report.period
        self._cancel.raise_if_cancelled()
        series = self._loader.load(base, period)
        self._on_event(Started(planned.id, "sweep", planned.title, (planned.id,)))
        try:
            result = self._tried(series)
        except BaseException as error:
            self._on_event(ending(planned.id, error))
            raise
        if result.status == FINISHED:
            self._on_event(Finished(planned.id, result))
        elif result.status == CANCELLED:
            self._on_event(Cancelled(planned.id, result))
        else:
            self._on_event(Failed(planned.id, result.error or FAILED, result))
        return result

    def _tried(self, series: LoadedSeries) -> SweepResult:
        """All trials, stored."""
        planned, ledger = self._planned, Ledger(self._planned, series)
        batches = Batches(
            self._executor,
            ledger,
            Deal(planned.trials.n, self._executor.size, self._executor.ahead),
            partial(self._task, series),
            timeout_s=self._timeout_s,
            cancel=self._cancel,
        )
        meter = ProgressMeter(planned.id, planned.trials.n, "trials", self._on_event)
        told = time.monotonic()

        def tell() -> None:
            nonlocal told
            meter.update(ledger.done)
            if self._on_trials is not None and time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                self._on_trials(ledger.result("running"))

        status, error = batches.run(tell)
        return self._keep(ledger.result(status, error), ledger)

    def _task(self, series: LoadedSeries, numbers: Numbers) -> TrialsTask:
        """A batch for a worker."""
        planned, base = self._planned, self._planned.base
        return TrialsTask(
            sweep=planned.id,
            strategy=base.strategy_path,
            sources=base.sources,
            combinations=planned.trials.combinations(numbers),
            candles=series.file,
            timeframe=base.spec.timeframe.name,
            warmup=base.warmup,
            costs=base.spec.costs,
            memory_bytes=MEMORY_BYTES // self._executor.side_by_side,
        )
