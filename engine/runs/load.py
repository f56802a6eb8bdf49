"""Candles for runs: filled where they lack, read once, and laid into a file that workers map."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.data.exchanges.silence import Silence
from engine.errors import BacktestError, ExchangeError, InputError, MissingDataError
from engine.events import CancelToken, Finished, Log, OnEvent, Started, ending
from engine.model.coverage import Coverage, FetchReport
from engine.model.funding import FundingRates
from engine.model.market import (
    CandleFile,
    Candles,
    Float64Array,
    Int64Array,
    Market,
    Period,
    SideFile,
    Timeframe,
)
from engine.model.perpetual import PerpetualFile
from engine.model.reads import ReadSeries
from engine.model.run import SeenCandles
from engine.reproduction.inputs import candle_inputs
from engine.runs.plan import PlannedRun

if TYPE_CHECKING:
    from engine.data.candle_cache import CandleCache, LoadedCandles
    from engine.data.fetcher import DataFetcher

FetchOutcome = FetchReport | BacktestError


@dataclass(frozen=True, slots=True, eq=False)
class LoadedTerms:
    """What of a perpetual's market a run is subject to. `file`: for workers, None where nothing is charged or margined.

    `inputs`: what of it enters a fingerprint; `checks`: what is told of it beside a result. `rates`: as charged, None where
    they are not; `assumed`: when a settlement was taken as a rate that nobody served, ms; `settled`: when (ms) a long of one
    coin pays how much.
    """

    file: PerpetualFile | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rates: FundingRates | None = None
    assumed: frozenset[int] = frozenset()
    settled: tuple[Int64Array, Float64Array] | None = None


@dataclass(frozen=True, slots=True)
class LoadedDetail:
    """Of a run that looked inside its candles: what of that enters its fingerprint, and what is told of it."""

    inputs: Mapping[str, str]
    check: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoadedSeries:
    """Candles of one series, warm-up in front, and the `file` in which workers find them.

    `period` is the effective one of the runs on it; `inputs` are what of the candles enters a fingerprint; `terms`: of the
    runs that share them; `detail`: of one run that has a detail, once it is made; `beside`: what is read beside them, None
    what is built of them.
    """

    file: CandleFile
    seen: SeenCandles
    candles: Candles
    period: Period
    coverage: Coverage
    inputs: Mapping[str, Any] = field(default_factory=dict)
    terms: LoadedTerms = field(default_factory=LoadedTerms)
    detail: LoadedDetail | None = None
    beside: tuple[tuple[ReadSeries, LoadedSeries | None], ...] = ()


class SeriesLoader:
    """Fetches and loads for one call of the engine; its files live in `scratch` as long as that does."""

    def __init__(
        self,
        fetcher: DataFetcher,
        cache: CandleCache,
        scratch: Path,
        *,
        on_event: OnEvent,
        cancel: CancelToken,
        silence: Silence | None = None,
    ) -> None:
        """`silence`: what is known of exchanges that do not answer, shared with whoever else fetches for the call."""
        self._silence = silence or Silence()
        self._fetcher, self._cache, self._scratch = fetcher, cache, scratch
        self._on_event, self._cancel = on_event, cancel
        self._beside: dict[tuple[Market, Timeframe, Period, Period], FetchOutcome] = {}
        self._held_beside: dict[tuple[Market, Timeframe, Period, Period], LoadedSeries] = {}

    def fetch(self, planned: PlannedRun, first: int, kind: str = "fetch") -> FetchOutcome:
        """Fetch the period, then the warm-up in front of it from `first` on; an error is given back, not raised. `kind`: in
        the name of the job.
        """
        job = _job_name(kind, planned)
        self._on_event(
            Started(job, "fetch", f"{planned.market.name} {planned.spec.timeframe}", _series(planned))
        )
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
                self._fetch_warmup(
                    planned, Period(first, planned.period.start), kind.replace("fetch", "warmup")
                )
        except BacktestError as error:
            return error
        return report

    def fetched(self, planned: PlannedRun) -> Period:
        """Fetch the period, the warm-up in front of it and what is read beside it; the effective period. Raises what kept it
        from being fetched.
        """
        outcome = self.fetch(planned, planned.load_period.start)
        if isinstance(outcome, BacktestError):
            raise outcome
        self.fetch_beside(planned, outcome.period)
        return outcome.period

    def fetch_beside(self, planned: PlannedRun, period: Period) -> None:
        """Fetch what a run reads beside its candles of that (effective) period. Raises what kept it from being fetched."""
        for read in planned.reads:
            if read.is_built:
                continue
            over = planned.over(read, period)
            key = over.market, over.spec.timeframe, over.period, over.load_period
            if key not in self._beside:
                self._beside[key] = self.fetch(over, over.load_period.start, "fetch beside")
            outcome = self._beside[key]
            if isinstance(outcome, BacktestError):
                raise outcome

    def _fetch_warmup(self, planned: PlannedRun, period: Period, kind: str) -> None:
        """A warm-up that does not exist, or cannot be had now, is no failure: the run's check counts what there is."""
        job, report = _job_name(kind, planned), None
        self._on_event(
            Started(
                job, "warmup", f"{planned.market.name} {planned.spec.timeframe} warm-up", _series(planned)
            )
        )
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
            market,
            timeframe,
            period,
            job=job,
            on_event=self._on_event,
            cancel=self._cancel,
            silence=self._silence,
        )

    def load(self, planned: PlannedRun, period: Period) -> LoadedSeries:
        """The candles of a run and what it reads beside them, which must be held without gaps; raises MissingDataError or
        InputError otherwise.

        `period`: the one fetched, whose end was clipped then; a candle may have closed since.
        """
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
            raise InputError(f"{market.name} {timeframe}: no candle from {coverage.period}")
        inputs = candle_inputs(loaded.candles)
        seen = SeenCandles(inputs["sha256"], whole.start, loaded.version)
        file = file_for_workers(loaded, coverage.period.start, self._scratch)
        series = LoadedSeries(file, seen, loaded.candles, coverage.period, coverage, inputs)
        return self._with_beside(planned, series) if planned.reads else series

    def _with_beside(self, planned: PlannedRun, series: LoadedSeries) -> LoadedSeries:
        """The same with what the run reads beside it."""
        beside: list[tuple[ReadSeries, LoadedSeries | None]] = []
        for read in planned.reads:
            over = planned.over(read, series.period)
            beside.append((read, None if read.is_built else self._load_beside(over)))
        files = (
            SideFile(read.symbol, read.timeframe, read.wanted, None if one is None else one.file)
            for read, one in beside
        )
        return replace(
            series,
            file=replace(series.file, timeframe=planned.spec.timeframe.name, beside=tuple(files)),
            inputs={**series.inputs, "reads": {read.name: _beside_inputs(read, one) for read, one in beside}},
            beside=tuple(beside),
        )

    def _load_beside(self, over: PlannedRun) -> LoadedSeries:
        """Once for all runs that read it."""
        key = (*over.series_period, over.load_period)
        if key not in self._held_beside:
            self._held_beside[key] = self.load(over, over.period)
        return self._held_beside[key]


def _beside_inputs(read: ReadSeries, series: LoadedSeries | None) -> dict[str, Any]:
    """How a series that is read beside the candles of a run enters its fingerprint, and is found again: of one that is built
    that it is.
    """
    found = {**read.to_json(), "built": read.is_built}
    if series is None:
        return found
    span = Period(series.seen.start_ms, series.coverage.period.end)
    return {**found, **span.to_json(), **series.inputs}


def file_for_workers(loaded: LoadedCandles, start: int, scratch: Path) -> CandleFile:
    """The candles, of which those before `start` are warm-up, in a file in `scratch`: the cached one under another name, as
    the cache may be emptied at any time.
    """
    warmup = int(np.searchsorted(loaded.candles.timestamp, start))
    path = scratch / f"{uuid.uuid4().hex}.npy"
    if loaded.path is not None:
        with contextlib.suppress(OSError):  # gone this moment, or a file system without links
            path.hardlink_to(loaded.path)
            return CandleFile(path, warmup, loaded.first, loaded.first + len(loaded.candles))
    loaded.candles.save(path)
    return CandleFile(path, warmup, 0, len(loaded.candles))


def _series(planned: PlannedRun) -> tuple[str, str, str]:
    return planned.market.exchange, planned.market.name, planned.spec.timeframe.name


def _job_name(kind: str, planned: PlannedRun) -> str:
    market, period = planned.market, planned.period
    return f"{kind}:{market.exchange}:{market.name}:{planned.spec.timeframe.file_name}:{period.start}-{period.end}"
