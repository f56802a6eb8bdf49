"""A batch of runs: fill the candles, hand each run to a worker, store what comes back, tell the listener."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.errors import BacktestError, ClusterError, DatabaseError, Interrupted, worst
from engine.events import Cancelled, CancelToken, Failed, Finished, OnEvent, Progress, Started, ending
from engine.model.market import Market, Period, Timeframe
from engine.model.run import CANCELLED, FAILED, FINISHED, RunResult
from engine.parallel.job import BadEnd, Done, Job, OnProgress, Raised, Stopped
from engine.parallel.tasks import RunAnswer, RunTask, submit
from engine.reproduction.inputs import hashes
from engine.runs.load import FetchOutcome, LoadedSeries, SeriesLoader
from engine.runs.plan import PlannedRun, SeriesPeriod
from engine.runs.record import failed_run, finished_run

if TYPE_CHECKING:
    from engine.parallel.executor import Executor

log = logging.getLogger(__name__)

KeepRun = Callable[
    [RunResult, Sequence[bytes]], None
]  # with the source files that it executed; raises DatabaseError
RunJob = Job[RunAnswer]
DoneQueue = queue.Queue[tuple[PlannedRun, LoadedSeries, RunJob]]


class Batch:
    """One call of `engine.runs.run`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        loader: SeriesLoader,
        executor: Executor,
        keep: KeepRun,
        *,
        timeout_s: float,
        most_checked: int,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> None:
        self._loader, self._executor, self._keep = loader, executor, keep
        self._timeout_s, self._most_checked = timeout_s, most_checked
        self._on_event, self._cancel = on_event, cancel
        self._results: dict[str, RunResult] = {}
        self._errors: list[BacktestError] = []

    def run(self, plan: Sequence[PlannedRun], *, fetch: bool) -> list[RunResult]:
        """Do every run of the plan; one that fails leaves the others alone. Results in the plan's order.

        Raises, after everything else is done and stored, when the user stopped the work or data lacked for a run.
        """
        ready: list[tuple[PlannedRun, LoadedSeries]] = []
        reports: dict[SeriesPeriod, FetchOutcome] = {}
        files: dict[tuple[Market, Timeframe, Period, Period], LoadedSeries] = {}
        for planned in plan:
            try:
                self._cancel.raise_if_cancelled()
                if planned.problem:
                    self._fail_early(planned, planned.problem)
                    continue
                period = self._fetch_once(planned, plan, reports) if fetch else planned.period
                key = (planned.market, planned.spec.timeframe, planned.period, planned.load_period)
                if key not in files:
                    files[key] = self._loader.load(planned, period)
                ready.append((planned, files[key]))
            except BacktestError as error:
                self._end_unstarted(planned, error)
        self._compute(ready)
        self._raise_worst(plan)
        return [self._results[planned.id] for planned in plan]

    def _raise_worst(self, plan: Sequence[PlannedRun]) -> None:
        """Raise what kept runs from being done at all, once everything else is done and stored."""
        if not self._errors:
            return
        decisive = worst(self._errors)
        finished = sum(self._results[planned.id].status == FINISHED for planned in plan)
        kept = f"; {finished} of {len(plan)} runs finished and are stored" if len(plan) > 1 else ""
        raise type(decisive)(f"{decisive}{kept}") from decisive

    # -- candles

    def _fetch_once(
        self, planned: PlannedRun, plan: Sequence[PlannedRun], reports: dict[SeriesPeriod, FetchOutcome]
    ) -> Period:
        """Fill the series for all runs on it at once, from the longest warm-up on; returns the effective period."""
        key = planned.series_period
        if key not in reports:
            first = min(other.load_period.start for other in plan if other.series_period == key)
            reports[key] = self._loader.fetch(planned, first)
        outcome = reports[key]
        if isinstance(outcome, BacktestError):
            raise outcome
        return outcome.period

    # -- runs

    def _compute(self, ready: Sequence[tuple[PlannedRun, LoadedSeries]]) -> None:
        done: DoneQueue = queue.Queue()
        running: list[RunJob] = []
        for planned, series in ready:
            self._on_event(Started(planned.id, "run", planned.title, (planned.id,)))
            job = submit(
                self._executor,
                run_task(planned, series),
                timeout_s=self._timeout_s,
                on_progress=self._progress_of(planned.id),
            )
            running.append(job)
            job.add_done_callback(partial(_pass_on, done, planned, series))
        try:
            self._collect(running, done)
        except BaseException as error:
            for job in running:
                job.cancel()
            for planned, _ in ready:
                if planned.id not in self._results:
                    self._on_event(ending(planned.id, error))
            raise

    def _collect(self, running: Sequence[RunJob], done: DoneQueue) -> None:
        """End every run as its job ends; when the user stops the work, stop the jobs."""
        left, stopping = len(running), False
        while left:
            if self._cancel.cancelled and not stopping:
                stopping = True
                for job in running:
                    job.cancel()
            try:
                planned, series, job = done.get(timeout=0.1)
            except queue.Empty:
                continue
            left -= 1
            self._end(planned, *self._outcome(planned, series, job))

    def _progress_of(self, job: str) -> OnProgress:
        return lambda done, total, unit: self._on_event(Progress(job, done, total, unit))

    def _outcome(
        self, planned: PlannedRun, series: LoadedSeries, job: RunJob
    ) -> tuple[RunResult, Mapping[str, bytes]]:
        """The run as it ended, and the source that it executed, by file."""
        outcome = job.result()
        if isinstance(outcome, Stopped):
            self._errors.append(Interrupted("stopped"))
            return planned.unfinished(CANCELLED, "stopped by the user"), {}
        if isinstance(outcome, Raised) and outcome.kind == ClusterError.__name__:
            self._errors.append(ClusterError(outcome.message))
            return planned.unfinished(FAILED, outcome.message), {}
        if not isinstance(outcome, Done):
            return failed_run(planned, series, outcome)
        sources = {name: source.tobytes() for name, source in outcome.value.sources.items()}
        result = finished_run(planned, series, outcome.value, hashes(sources), self._most_checked)
        return result, sources

    def _fail_early(self, planned: PlannedRun, problem: BadEnd) -> None:
        self._on_event(Started(planned.id, "run", planned.title, (planned.id,)))
        self._end(planned, planned.unfinished(FAILED, problem.message, problem.traceback))

    def _end_unstarted(self, planned: PlannedRun, error: BacktestError) -> None:
        self._errors.append(error)
        self._on_event(Started(planned.id, "run", planned.title, (planned.id,)))
        status = CANCELLED if isinstance(error, Interrupted) else FAILED
        # stopped before it began: nobody will look for it; without a database it cannot be stored
        keep = not isinstance(error, Interrupted | DatabaseError)
        self._end(planned, planned.unfinished(status, str(error)), keep=keep)

    def _end(
        self,
        planned: PlannedRun,
        result: RunResult,
        sources: Mapping[str, bytes] = MappingProxyType({}),
        *,
        keep: bool = True,
    ) -> None:
        if result.traceback:
            log.error("run %s (%s) failed\n%s", result.id, planned.spec.strategy, result.traceback)
        self._results[planned.id] = result
        if keep:
            try:
                self._keep(result, list(sources.values()))
            except DatabaseError as error:
                self._errors.append(error)
        if result.status == FINISHED:
            self._on_event(Finished(planned.id, result))
        elif result.status == CANCELLED:
            self._on_event(Cancelled(planned.id, result))
        else:
            self._on_event(Failed(planned.id, result.error or "failed", result))


def run_task(planned: PlannedRun, series: LoadedSeries) -> RunTask:
    """A planned run for a worker."""
    spec = planned.spec
    return RunTask(
        strategy=planned.strategy_path,
        sources=planned.sources,
        params=dict(planned.params),
        candles=series.file,
        warmup=planned.warmup,
        costs=spec.costs,
        engine=spec.engine,
        timeframe=spec.timeframe.name,
        checks=spec.checks,
    )


def _pass_on(done: DoneQueue, planned: PlannedRun, series: LoadedSeries, job: RunJob) -> None:
    done.put((planned, series, job))
