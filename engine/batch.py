"""A batch of runs: fill the candles, hand each run to a worker, store what comes back, tell the listener."""

from __future__ import annotations

import contextlib
import logging
import queue
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.coverage import Coverage, FetchReport
from engine.errors import (
    BacktestError,
    DatabaseError,
    ExchangeError,
    InputError,
    Interrupted,
    MissingDataError,
    worst,
)
from engine.events import Cancelled, CancelToken, Failed, Finished, Log, OnEvent, Progress, Started, ending
from engine.market import Candles, Market, Period, Timeframe
from engine.planning import PlannedRun, SeriesPeriod
from engine.recording import failed_run, finished_run
from engine.reproduction import candle_inputs, hashes
from engine.runs import CANCELLED, FAILED, FINISHED, RunResult, SeenCandles

if TYPE_CHECKING:
    from engine.data.candle_cache import CandleCache, LoadedCandles
    from engine.data.fetcher import DataFetcher
    from engine.database.store import Store
    from engine.parallel import job as jobs
    from engine.parallel.job import Job
    from engine.parallel.pool import WorkerPool

log = logging.getLogger(__name__)

RUN_FUNCTION = "engine.backtest.simulation:run_job"


FetchOutcome = FetchReport | BacktestError


@dataclass(frozen=True, slots=True)
class LoadedSeries:
    """Candles of one series, warm-up in front, at `first` and after in a file that workers can map.

    `period` is the effective one of the runs on it; `inputs` are what of the candles enters a fingerprint.
    """

    path: Path
    seen: SeenCandles
    candles: Candles
    period: Period
    coverage: Coverage
    first: int = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warmup_held(self) -> int:
        """How many of the candles precede the period."""
        return int(np.searchsorted(self.candles.timestamp, self.period.start))


DoneQueue = queue.Queue[tuple[PlannedRun, LoadedSeries, "Job"]]


class Batch:
    """One call of `Engine.run`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        store: Store,
        fetcher: DataFetcher,
        pool: WorkerPool,
        cache: CandleCache,
        scratch: Path,
        unsaved: Path,
        *,
        timeout_s: float,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> None:
        self._store, self._fetcher, self._pool, self._cache = store, fetcher, pool, cache
        self._scratch, self._unsaved, self._timeout_s = scratch, unsaved, timeout_s
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
                    files[key] = self._load(planned, period)
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
            reports[key] = self._fetch(planned, first)
        outcome = reports[key]
        if isinstance(outcome, BacktestError):
            raise outcome
        return outcome.period

    def _fetch(self, planned: PlannedRun, first: int) -> FetchOutcome:
        """Fetch the period, then the warm-up in front of it from `first` on."""
        job = _job_name("fetch", planned)
        self._on_event(Started(job, "fetch", f"{planned.market.name} {planned.spec.timeframe}"))
        try:
            report = self._fetch_period(job, planned, planned.period)
        except BacktestError as error:
            self._on_event(ending(job, error))
            return error
        for notice in report.notices:
            self._on_event(Log(job, "info", notice))
        self._on_event(Finished(job, report))
        try:
            if first < planned.period.start:
                self._fetch_warmup(planned, Period(first, planned.period.start))
        except BacktestError as error:
            return error
        return report

    def _fetch_warmup(self, planned: PlannedRun, period: Period) -> None:
        """A warm-up that does not exist, or cannot be had now, is no failure: the run's check counts what there is."""
        job, report = _job_name("warmup", planned), None
        self._on_event(Started(job, "fetch", f"{planned.market.name} {planned.spec.timeframe} warm-up"))
        try:
            report = self._fetch_period(job, planned, period)
        except InputError:
            text = f"{planned.market.name}: no candle exists before the period; the warm-up check counts what is lacking"
            self._on_event(Log(job, "info", text))
        except ExchangeError as error:
            text = f"{error}; the period is complete, going on with the warm-up candles held"
            self._on_event(Log(job, "warning", text))
        except BacktestError as error:
            self._on_event(ending(job, error))
            raise
        self._on_event(Finished(job, report))

    def _fetch_period(self, job: str, planned: PlannedRun, period: Period) -> FetchReport:
        market, timeframe = planned.market, planned.spec.timeframe
        return self._fetcher.fetch(
            market, timeframe, period, job=job, on_event=self._on_event, cancel=self._cancel
        )

    def _load(self, planned: PlannedRun, period: Period) -> LoadedSeries:
        """`period`: the one fetched, whose end was clipped then; a candle may have closed since."""
        market, timeframe = planned.market, planned.spec.timeframe
        coverage = self._fetcher.status(market, timeframe, period)
        if not coverage.complete:
            gap = coverage.gaps[0]
            damage = f"; {coverage.claimed:,} more are claimed but not there" if coverage.claimed else ""
            raise MissingDataError(
                f"{market.name} {timeframe}: {coverage.candles:,} of {coverage.expected:,} candles held{damage}, "
                f"first gap {gap}; nothing was run on it, `backtest fetch` fills it"
            )
        whole = Period(planned.load_period.start, coverage.period.end)
        loaded = self._cache.load(market, timeframe, whole)
        if not len(loaded.candles.within(coverage.period)):
            raise InputError(f"{market.name} {timeframe}: no candle between {coverage.period}")
        inputs = candle_inputs(loaded.candles)
        seen = SeenCandles(inputs["sha256"], whole.start, loaded.version)
        path, first = self._file_for_workers(loaded)
        return LoadedSeries(path, seen, loaded.candles, coverage.period, coverage, first, inputs)

    def _file_for_workers(self, loaded: LoadedCandles) -> tuple[Path, int]:
        """A file that stays until the batch ends, and where the candles begin in it: the cached one under another
        name, as the cache may be emptied at any time.
        """
        path = self._scratch / f"{uuid.uuid4().hex}.npy"
        if loaded.path is not None:
            with contextlib.suppress(OSError):  # gone this moment, or a file system without links
                path.hardlink_to(loaded.path)
                return path, loaded.first
        loaded.candles.save(path)
        return path, 0

    # -- runs

    def _compute(self, ready: Sequence[tuple[PlannedRun, LoadedSeries]]) -> None:
        done: DoneQueue = queue.Queue()
        running: list[Job] = []
        for planned, series in ready:
            self._on_event(Started(planned.id, "run", planned.title))
            job = self._pool.submit(
                RUN_FUNCTION,
                self._task(planned, series),
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

    def _collect(self, running: Sequence[Job], done: DoneQueue) -> None:
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

    def _progress_of(self, job: str) -> Any:
        return lambda done, total, unit: self._on_event(Progress(job, done, total, unit))

    def _task(self, planned: PlannedRun, series: LoadedSeries) -> dict[str, Any]:
        return {
            "candles_path": str(series.path),
            "first": series.first,
            "last": series.first + len(series.candles),
            "warmup_candles": series.warmup_held,
            "warmup_wanted": planned.warmup,
            "strategy_path": planned.strategy_path,
            "params": dict(planned.params),
            "costs": asdict(planned.spec.costs),
            "engine": planned.spec.engine,
            "timeframe": planned.spec.timeframe.name,
            "keep_indicators": True,
        }

    def _outcome(
        self, planned: PlannedRun, series: LoadedSeries, job: Job
    ) -> tuple[RunResult, Mapping[str, bytes]]:
        """The run as it ended, and the source that it executed, by file."""
        from engine.parallel.job import Done, Stopped

        outcome = job.result()
        if isinstance(outcome, Stopped):
            self._errors.append(Interrupted("stopped"))
            return planned.unfinished(CANCELLED, "stopped by the user"), {}
        if not isinstance(outcome, Done):
            return failed_run(planned, series, outcome)
        sources = {name: source.tobytes() for name, source in outcome.value["sources"].items()}
        return finished_run(planned, series, outcome.value, hashes(sources)), sources

    def _fail_early(self, planned: PlannedRun, problem: jobs.Failed | jobs.TimedOut | jobs.Died) -> None:
        self._on_event(Started(planned.id, "run", planned.title))
        self._end(planned, planned.unfinished(FAILED, problem.message, problem.traceback))

    def _end_unstarted(self, planned: PlannedRun, error: BacktestError) -> None:
        self._errors.append(error)
        self._on_event(Started(planned.id, "run", planned.title))
        status = CANCELLED if isinstance(error, Interrupted) else FAILED
        self._end(planned, planned.unfinished(status, str(error)), began=False)

    def _end(
        self,
        planned: PlannedRun,
        result: RunResult,
        sources: Mapping[str, bytes] = MappingProxyType({}),
        *,
        began: bool = True,
    ) -> None:
        if result.traceback:
            log.error("run %s (%s) failed\n%s", result.id, planned.spec.strategy, result.traceback)
        self._results[planned.id] = result
        if began:
            self._save(result, sources)
        if result.status == FINISHED:
            self._on_event(Finished(planned.id, result))
        elif result.status == CANCELLED:
            self._on_event(Cancelled(planned.id, result))
        else:
            self._on_event(Failed(planned.id, result.error or "failed", result))

    def _save(self, result: RunResult, sources: Mapping[str, bytes]) -> None:
        try:
            self._store.save_run(result, list(sources.values()))
        except DatabaseError as error:
            from engine.export import export_run

            log.exception("run %s could not be stored", result.id)
            try:
                export_run(result, self._unsaved)
                kept = f"the run was written to {self._unsaved} instead"
            except (BacktestError, OSError) as second:
                kept = f"and the run could not be kept elsewhere either: {second}"
            self._errors.append(DatabaseError(f"{error}; {kept}"))


def _job_name(kind: str, planned: PlannedRun) -> str:
    market, period = planned.market, planned.period
    return f"{kind}:{market.exchange}:{market.name}:{planned.spec.timeframe.file_name}:{period.start}-{period.end}"


def _pass_on(done: DoneQueue, planned: PlannedRun, series: LoadedSeries, job: Job) -> None:
    done.put((planned, series, job))
