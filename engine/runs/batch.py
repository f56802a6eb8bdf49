"""A batch of runs: fill the candles, hand each run to a worker, store what comes back, tell the listener."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.errors import BacktestError, ClusterError, DatabaseError, Interrupted, RunError, worst
from engine.events import Cancelled, CancelToken, Failed, Finished, OnEvent, Progress, ending
from engine.model.detail import DetailFile
from engine.model.run import CANCELLED, FAILED, FINISHED, RunResult
from engine.parallel.job import BadEnd, Done, Job, OnProgress, Raised, Stopped
from engine.parallel.tasks import RunAnswer, RunTask, submit
from engine.reproduction.inputs import hashes
from engine.runs.detail import MOST_ROUNDS, DetailLoader, Inside
from engine.runs.load import LoadedSeries, SeriesLoader
from engine.runs.plan import PlannedRun
from engine.runs.plan_series import PlanSeries
from engine.runs.record import failed_run, finished_run
from engine.runs.terms import TermsLoader

if TYPE_CHECKING:
    from engine.parallel.executor import Executor

log = logging.getLogger(__name__)

# with the source files that it executed; returns it as it is stored; raises DatabaseError
KeepRun = Callable[[RunResult, Sequence[bytes]], RunResult]
RunJob = Job[RunAnswer]


@dataclass(slots=True)
class _Begun:
    """A run that was handed to a worker. `inside`: of a run with a detail, which is made in rounds; `first`: what the first
    answered, which alone asks the strategy whether it looks ahead.
    """

    planned: PlannedRun
    series: LoadedSeries
    inside: Inside | None
    rounds: int = 1
    first: RunAnswer | None = None


DoneQueue = queue.Queue[tuple[_Begun, RunJob]]


class Batch:
    """One call of `engine.runs.run`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        loader: SeriesLoader,
        terms: TermsLoader,
        details: DetailLoader,
        executor: Executor,
        keep: KeepRun,
        *,
        timeout_s: float,
        most_checked: int,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> None:
        self._loader, self._terms, self._details = loader, terms, details
        self._executor, self._keep = executor, keep
        self._timeout_s, self._most_checked = timeout_s, most_checked
        self._on_event, self._cancel = on_event, cancel
        self._results: dict[str, RunResult] = {}
        self._errors: list[BacktestError] = []

    def run(self, plan: Sequence[PlannedRun], *, fetch: bool) -> list[RunResult]:
        """Do every run of the plan; one that fails leaves the others alone. Results in the plan's order.

        Raises, after everything else is done and stored, when the user stopped the work or data lacked for a run.
        """
        ready: list[tuple[PlannedRun, LoadedSeries]] = []
        series = PlanSeries(self._loader, self._terms, plan, fetch=fetch)
        for planned in plan:
            try:
                self._cancel.raise_if_cancelled()
                if planned.problem:
                    self._fail_early(planned, planned.problem)
                    continue
                ready.append((planned, series.of(planned)))
            except RunError as error:
                self._fail_early(planned, Raised(str(error), "", RunError.__name__))
            except BacktestError as error:
                self._end_unstarted(planned, error)
        self._compute(ready, fetch=fetch)
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

    # -- runs

    def _compute(self, ready: Sequence[tuple[PlannedRun, LoadedSeries]], *, fetch: bool) -> None:
        done: DoneQueue = queue.Queue()
        running: list[RunJob] = []
        try:
            for planned, series in ready:
                self._on_event(planned.started)
                candles = series.candles.within(series.period)
                inside = self._details.begin(planned.spec, planned.market, candles, series.terms)
                begun = _Begun(planned, series, inside)
                detail = None if inside is None else DetailFile()
                self._submit(begun, run_task(planned, series, detail), running, done)
            self._collect(running, done, fetch=fetch)
        except BaseException as error:
            for job in running:
                job.cancel()
            for planned, _ in ready:
                if planned.id not in self._results:
                    self._on_event(ending(planned.id, error))
            raise

    def _submit(self, begun: _Begun, task: RunTask, running: list[RunJob], done: DoneQueue) -> None:
        job = submit(
            self._executor,
            task,
            timeout_s=self._timeout_s,
            on_progress=self._progress_of(begun.planned.id),
        )
        running.append(job)
        job.add_done_callback(partial(_pass_on, done, begun))

    def _collect(self, running: list[RunJob], done: DoneQueue, *, fetch: bool) -> None:
        """End every run as its job ends, or hand it to a worker once more with what it asked for; when the user stops the
        work, stop the jobs.
        """
        left, stopping = len(running), False
        while left:
            if self._cancel.cancelled and not stopping:
                stopping = True
                for job in running:
                    job.cancel()
            try:
                begun, job = done.get(timeout=0.1)
            except queue.Empty:
                continue
            try:
                task = self._next_round(begun, job, fetch=fetch)
            except BacktestError as error:
                left -= 1
                self._end_without(begun.planned, error)
                continue
            if task is not None:
                self._submit(begun, task, running, done)
                continue
            left -= 1
            self._end(begun.planned, *self._outcome(begun, job))

    def _next_round(self, begun: _Begun, job: RunJob, *, fetch: bool) -> RunTask | None:
        """The run once more, with finer candles of what it left open; None where it is made, or no more are to be had."""
        outcome, inside = job.result(), begun.inside
        if inside is None or not isinstance(outcome, Done):
            return None
        answer = outcome.value
        begun.first = begun.first or answer
        file = None
        if begun.rounds < MOST_ROUNDS:
            file = self._details.more(inside, answer.doubted, fetch=fetch)
        if file is None:
            begun.series = replace(begun.series, detail=inside.told(answer.walked, answer.doubted))
            return None
        begun.rounds += 1
        return replace(run_task(begun.planned, begun.series, file), checks=False)

    def _progress_of(self, job: str) -> OnProgress:
        return lambda done, total, unit: self._on_event(Progress(job, done, total, unit))

    def _outcome(self, begun: _Begun, job: RunJob) -> tuple[RunResult, Mapping[str, bytes]]:
        """The run as it ended, and the source that it executed, by file."""
        outcome, planned, series = job.result(), begun.planned, begun.series
        if isinstance(outcome, Stopped):
            self._errors.append(Interrupted("stopped"))
            return planned.unfinished(CANCELLED, "stopped by the user"), {}
        if isinstance(outcome, Raised) and outcome.kind == ClusterError.__name__:
            self._errors.append(ClusterError(outcome.message))
            return planned.unfinished(FAILED, outcome.message), {}
        if not isinstance(outcome, Done):
            return failed_run(planned, series, outcome)
        answer = outcome.value
        if begun.first is not None:
            asked = {name: begun.first.checks[name] for name in ("lookahead", "warmup")}
            answer = replace(answer, checks={**answer.checks, **asked})
        sources = {name: source.tobytes() for name, source in answer.sources.items()}
        result = finished_run(planned, series, answer, hashes(sources), self._most_checked)
        return result, sources

    def _fail_early(self, planned: PlannedRun, problem: BadEnd) -> None:
        self._on_event(planned.started)
        self._end(planned, planned.unfinished(FAILED, problem.message, problem.traceback))

    def _end_unstarted(self, planned: PlannedRun, error: BacktestError) -> None:
        self._on_event(planned.started)
        self._end_without(planned, error)

    def _end_without(self, planned: PlannedRun, error: BacktestError) -> None:
        """End a run that what it needs cannot be had for."""
        self._errors.append(error)
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
        if keep:
            try:
                result = self._keep(result, list(sources.values()))
            except DatabaseError as error:
                self._errors.append(error)
        self._results[planned.id] = result
        if result.status == FINISHED:
            self._on_event(Finished(planned.id, result))
        elif result.status == CANCELLED:
            self._on_event(Cancelled(planned.id, result))
        else:
            self._on_event(Failed(planned.id, result.error or "failed", result))


def run_task(planned: PlannedRun, series: LoadedSeries, detail: DetailFile | None = None) -> RunTask:
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
        perpetual=series.terms.file,
        detail=detail,
        windows=spec.windows,
    )


def _pass_on(done: DoneQueue, begun: _Begun, job: RunJob) -> None:
    done.put((begun, job))
