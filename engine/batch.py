"""A batch of runs: fill the candles, hand each run to a worker, store what comes back, tell the listener."""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.coverage import BEFORE_LISTING, Coverage, FetchReport
from engine.errors import (
    BacktestError,
    DatabaseError,
    ExchangeError,
    InputError,
    Interrupted,
    MissingDataError,
)
from engine.events import Cancelled, CancelToken, Failed, Finished, Log, OnEvent, Progress, Started, ending
from engine.market import DAY_MS, Candles, Market, Period, Timeframe
from engine.runs import CANCELLED, FAILED, FINISHED, RunResult, RunSpec, Series, Trade, skipped_checks

if TYPE_CHECKING:
    from engine.data.fetcher import DataFetcher
    from engine.database.store import Store
    from engine.parallel.job import Job
    from engine.parallel.pool import WorkerPool

log = logging.getLogger(__name__)

RUN_FUNCTION = "engine.backtest.simulation:run_job"
PREPARE_FUNCTION = "engine.backtest.preparation:prepare_job"
PREPARE_TIMEOUT_S = 30.0
EXIT_CODE_ORDER = (130, 4, 3, 5, 2, 1)  # of several causes, the first decides


SeriesPeriod = tuple[Market, Timeframe, Period]
FetchOutcome = FetchReport | BacktestError


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run whose strategy, parameters and market are known to exist; `period` has its bounds on the grid."""

    id: str
    spec: RunSpec
    market: Market
    strategy_path: str
    params: Mapping[str, Any]
    warmup: int

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

    def unfinished(self, status: str, error: str | None, traceback: str | None = None) -> RunResult:
        """The result of this run when it did not come to an end."""
        return RunResult(
            id=self.id,
            status=status,
            error=error,
            strategy=self.spec.strategy,
            symbol=self.market.name,
            unified=self.market.unified,
            exchange=self.market.exchange,
            timeframe=self.spec.timeframe.name,
            period=self.period,
            params=self.params,
            costs=self.spec.costs,
            engine="reference",
            created_ms=time.time_ns() // 1_000_000,
            traceback=traceback,
        )


def new_run_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class LoadedSeries:
    """Candles of one series, saved where workers can map them. `period` is the effective one of the runs on it."""

    path: Path
    sha256: str
    candles: Candles
    period: Period
    coverage: Coverage

    @property
    def warmup_held(self) -> int:
        """How many candles of the file precede the period."""
        return int(np.searchsorted(self.candles.timestamp, self.period.start))


DoneQueue = queue.Queue[tuple[PlannedRun, LoadedSeries, "Job"]]


class Batch:
    """One call of `Engine.run`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        store: Store,
        fetcher: DataFetcher,
        pool: WorkerPool,
        scratch: Path,
        unsaved: Path,
        *,
        timeout_s: float,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> None:
        self._store, self._fetcher, self._pool = store, fetcher, pool
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
                if fetch:
                    self._fetch_once(planned, plan, reports)
                key = (planned.market, planned.spec.timeframe, planned.period, planned.load_period)
                if key not in files:
                    files[key] = self._load(planned)
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
        worst = min(self._errors, key=lambda error: EXIT_CODE_ORDER.index(error.exit_code))
        finished = sum(self._results[planned.id].status == FINISHED for planned in plan)
        kept = f"; {finished} of {len(plan)} runs finished and are stored" if len(plan) > 1 else ""
        raise type(worst)(f"{worst}{kept}") from worst

    # -- candles

    def _fetch_once(
        self, planned: PlannedRun, plan: Sequence[PlannedRun], reports: dict[SeriesPeriod, FetchOutcome]
    ) -> None:
        """Fill the series for all runs on it at once, from the longest warm-up on."""
        key = planned.series_period
        if key not in reports:
            first = min(other.load_period.start for other in plan if other.series_period == key)
            reports[key] = self._fetch(planned, first)
        outcome = reports[key]
        if isinstance(outcome, BacktestError):
            raise outcome

    def _fetch(self, planned: PlannedRun, first: int) -> FetchOutcome:
        """Fetch the period, then the warm-up in front of it from `first` on."""
        market, timeframe = planned.market, planned.spec.timeframe
        job = f"fetch:{market.exchange}:{market.name}:{timeframe.file_name}"
        self._on_event(Started(job, "fetch", f"{market.name} {timeframe}: checking candles"))
        fetch = partial(self._fetcher.fetch, job=job, on_event=self._on_event, cancel=self._cancel)
        try:
            report = fetch(market, timeframe, planned.period)
            if first < planned.period.start:
                try:
                    fetch(market, timeframe, Period(first, planned.period.start))
                except (
                    InputError
                ) as error:  # wholly before the listing: the warm-up check counts what there is
                    self._on_event(Log(job, "info", str(error)))
                except ExchangeError as error:
                    text = f"{error}; the period is complete, going on with the warm-up candles held"
                    self._on_event(Log(job, "warning", text))
        except BacktestError as error:
            self._on_event(ending(job, error))
            return error
        self._on_event(Finished(job, report))
        return report

    def _load(self, planned: PlannedRun) -> LoadedSeries:
        market, timeframe = planned.market, planned.spec.timeframe
        coverage = self._fetcher.status(market, timeframe, planned.period)
        if not coverage.complete:
            gap = coverage.gaps[0]
            raise MissingDataError(
                f"{market.name} {timeframe}: {coverage.candles:,} of {coverage.expected:,} candles held, "
                f"first gap {gap}; nothing was run on it, `backtest fetch` fills it"
            )
        candles = self._store.read(market, timeframe, Period(planned.load_period.start, coverage.period.end))
        if not len(candles.within(coverage.period)):
            raise InputError(f"{market.name} {timeframe}: no candle between {coverage.period}")
        digest = hashlib.sha256(
            b"".join(c.tobytes() for c in (candles.timestamp, *candles.columns().values()))
        )
        path = self._scratch / f"{digest.hexdigest()}.npy"
        if not path.exists():
            candles.save(path)
        return LoadedSeries(path, digest.hexdigest(), Candles.load(path), coverage.period, coverage)

    # -- runs

    def _compute(self, ready: Sequence[tuple[PlannedRun, LoadedSeries]]) -> None:
        done: DoneQueue = queue.Queue()
        jobs: list[Job] = []
        for planned, series in ready:
            self._on_event(Started(planned.id, "run", f"{planned.spec.strategy} on {planned.market.name}"))
            job = self._pool.submit(
                RUN_FUNCTION,
                self._task(planned, series),
                timeout_s=self._timeout_s,
                on_progress=self._progress_of(planned.id),
            )
            jobs.append(job)
            job.add_done_callback(partial(_pass_on, done, planned, series))
        left, stopping = len(jobs), False
        while left:
            if self._cancel.cancelled and not stopping:
                stopping = True
                for job in jobs:
                    job.cancel()
            try:
                planned, series, job = done.get(timeout=0.1)
            except queue.Empty:
                continue
            left -= 1
            self._end(planned, self._outcome(planned, series, job))

    def _progress_of(self, job: str) -> Any:
        return lambda done, total, unit: self._on_event(Progress(job, done, total, unit))

    def _task(self, planned: PlannedRun, series: LoadedSeries) -> dict[str, Any]:
        return {
            "candles_path": str(series.path),
            "warmup_candles": series.warmup_held,
            "warmup_wanted": planned.warmup,
            "strategy_path": planned.strategy_path,
            "params": dict(planned.params),
            "costs": asdict(planned.spec.costs),
            "engine": planned.spec.engine,
            "timeframe": planned.spec.timeframe.name,
            "keep_indicators": True,
        }

    def _outcome(self, planned: PlannedRun, series: LoadedSeries, job: Job) -> RunResult:
        from engine.parallel.job import Done, Stopped

        outcome = job.result()
        if isinstance(outcome, Stopped):
            self._errors.append(Interrupted("stopped"))
            return planned.unfinished(CANCELLED, "stopped by the user")
        if not isinstance(outcome, Done):
            return planned.unfinished(FAILED, outcome.message, outcome.traceback)
        return finished_run(planned, series, outcome.value)

    def _end_unstarted(self, planned: PlannedRun, error: BacktestError) -> None:
        self._errors.append(error)
        self._on_event(Started(planned.id, "run", f"{planned.spec.strategy} on {planned.market.name}"))
        status = CANCELLED if isinstance(error, Interrupted) else FAILED
        self._end(planned, planned.unfinished(status, str(error)), began=False)

    def _end(self, planned: PlannedRun, result: RunResult, *, began: bool = True) -> None:
        if result.traceback:
            log.error("run %s (%s) failed\n%s", result.id, planned.spec.strategy, result.traceback)
        self._results[planned.id] = result
        if began:
            self._save(result)
        if result.status == FINISHED:
            self._on_event(Finished(planned.id, result))
        elif result.status == CANCELLED:
            self._on_event(Cancelled(planned.id, result))
        else:
            self._on_event(Failed(planned.id, result.error or "failed", result))

    def _save(self, result: RunResult) -> None:
        try:
            self._store.save_run(result)
        except DatabaseError as error:
            from engine.export import export_run

            log.exception("run %s could not be stored", result.id)
            export_run(result, self._unsaved)
            self._errors.append(DatabaseError(f"{error}; the run was written to {self._unsaved} instead"))


def _pass_on(done: DoneQueue, planned: PlannedRun, series: LoadedSeries, job: Job) -> None:
    done.put((planned, series, job))


def finished_run(planned: PlannedRun, series: LoadedSeries, output: Mapping[str, Any]) -> RunResult:
    """The stored form of what a worker returned."""
    period_candles = series.candles.within(series.period)
    trades = tuple(Trade(**trade) for trade in output["trades"])
    indicators = output["indicators"]
    base = planned.unfinished(FINISHED, None)
    return replace(
        base,
        period=series.period,
        params=output["params"],
        engine=output["engine"],
        metrics=output["metrics"],
        signals=output["signals"],
        trades=trades,
        checks=skipped_checks() | {"data": data_check(series, trades), "warmup": output["warmup"]},
        equity=Series(period_candles.timestamp, {"equity": output["equity"]}),
        indicators=Series(period_candles.timestamp, indicators) if indicators else None,
        fingerprint=fingerprint(planned, series, output),
        elapsed_s=output["elapsed_s"],
    )


def data_check(series: LoadedSeries, trades: Sequence[Trade]) -> dict[str, Any]:
    """Which candles of the period the exchange has none of, and which trades (by number) begin or end beside such a hole.

    Fails when there are such trades: their fill, or the decision before it, would have been another without the hole.
    """
    timeframe = series.coverage.timeframe
    holes = [gone for gone in series.coverage.missing if gone.reason != BEFORE_LISTING]
    edges = {edge for gone in holes for edge in (timeframe.shift(gone.period.start, -1), gone.period.end)}
    beside = [number for number, trade in enumerate(trades) if {trade.entry_time, trade.exit_time} & edges]
    missing = sum(timeframe.count(gone.period) for gone in holes)
    return {
        "status": "failed" if beside else "passed",
        "missing_candles": missing,
        "trades_beside_holes": beside,
        "missing": [gone.to_json() for gone in series.coverage.missing],
        "note": f"{missing:,} candles missing, {len(beside)} trades beside them" if missing else "complete",
    }


def fingerprint(planned: PlannedRun, series: LoadedSeries, output: Mapping[str, Any]) -> str:
    """sha256 over everything the result depends on: candles, source, parameters, costs, engine, library versions."""
    inputs = {
        "candles": series.sha256,
        "period": [series.period.start, series.period.end],
        "timeframe": planned.spec.timeframe.name,
        "warmup": planned.warmup,
        "source": output["source_sha256"],
        "params": dict(output["params"]),
        "costs": asdict(planned.spec.costs),
        "engine": output["engine"],
        "versions": output["versions"],
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
