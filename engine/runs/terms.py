"""What a perpetual does to a run beside its candles: funding, mark prices and brackets, fetched where they lack, and laid
into a file that workers map. Nothing is zero in silence: what is not charged, or not known, is said.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.backtest.metrics import close_times
from engine.backtest.perpetual import Funding, Mark, Perpetual, settlements
from engine.data.brackets import brackets_of
from engine.data.exchanges.silence import Silence
from engine.data.filters import needs_filters
from engine.errors import BacktestError, ExchangeError, InputError, MissingDataError, RunError
from engine.events import CancelToken, Finished, Log, OnEvent, Started, ending
from engine.model.account import OFF, ON, Costs, FundingPolicy
from engine.model.brackets import Brackets
from engine.model.exchanges import describe
from engine.model.filters import CURRENT, Filters
from engine.model.funding import REGULAR, FundingRates, FundingRow, expected_times
from engine.model.kinds import Kind
from engine.model.market import (
    DAY_MS,
    FUNDING_GRID,
    HOUR_MS,
    Candles,
    Float64Array,
    Int64Array,
    Market,
    Period,
    Timeframe,
    short_time,
)
from engine.model.perpetual import PerpetualFile
from engine.model.run import RunResult
from engine.runs.load import LoadedSeries, LoadedTerms
from engine.runs.plan import PlannedRun

if TYPE_CHECKING:
    from engine.data.candle_cache import CandleCache
    from engine.data.fetcher import DataFetcher
    from engine.database.store import Store


# of a market whose brackets nobody knows only a leverage of 1 is run
_UNKNOWN: Final = Brackets.of(
    [(0.0, 0.005, 1.0)], "none known: a maintenance margin of 0.5 % was taken", "no day"
)
_FEW_ATTEMPTS: Final = 2  # for funding that a run can do without: offline it begins at once


class TermsLoader:
    """Fetches and loads for one call of the engine; its files live in `scratch` as long as that does."""

    def __init__(
        self,
        fetcher: DataFetcher,
        store: Store,
        cache: CandleCache,
        home: Path,
        scratch: Path,
        *,
        on_event: OnEvent,
        cancel: CancelToken,
        silence: Silence | None = None,
    ) -> None:
        """`silence`: what is known of exchanges that do not answer, shared with whoever else fetches for the call."""
        self._silence = silence or Silence()
        self._fetcher, self._store, self._cache = fetcher, store, cache
        self._home, self._scratch = home, scratch
        self._on_event, self._cancel = on_event, cancel
        self._loaded: dict[tuple[Any, ...], LoadedTerms] = {}
        self._faults: dict[tuple[Market, Timeframe, Period], BacktestError | None] = {}

    def with_terms(self, planned: PlannedRun, series: LoadedSeries, *, fetch: bool) -> LoadedSeries:
        """The loaded candles of a run with its terms over them, which runs that share both share.

        With the funding policy "on" raises ExchangeError where it could not be had, RunError where the exchange lacks some.
        """
        costs, market = planned.spec.costs, planned.market
        asked = costs.funding, costs.leverage, costs.filters, needs_filters(costs)
        key = (market, planned.spec.timeframe, series.period, series.seen, asked)
        if key not in self._loaded:
            self._loaded[key] = self._load(
                market, planned.spec.timeframe, series.period, costs, series.candles, fetch=fetch
            )
        return replace(series, terms=self._loaded[key])

    def of_run(self, run: RunResult, candles: Candles) -> LoadedTerms:
        """The terms of a stored run over its candles, as they are held now; nothing is fetched. What the exchange takes of
        orders is as the run had it: only today's is held.
        """
        then = (run.inputs or {}).get("perpetual", {}).get("filters")
        filters = None if then is None else Filters.from_json(then)
        return self._load(
            run.market, run.timeframe, run.period, run.costs, candles, fetch=False, filters=filters
        )

    def _load(
        self,
        market: Market,
        timeframe: Timeframe,
        period: Period,
        costs: Costs,
        candles: Candles,
        *,
        fetch: bool,
        filters: Filters | None = None,
    ) -> LoadedTerms:
        info = describe(market.exchange)
        if not (info.is_perpetual or info.has_funding):
            costs = replace(costs, leverage=None, funding=OFF)
        policy = FundingPolicy.parse(costs.funding)
        brackets = None
        if costs.leverage is not None:
            brackets = brackets_of(market, self._home) or _UNKNOWN
        candles = candles.within(period)
        inputs: dict[str, Any] = {}
        checks: dict[str, Mapping[str, Any]] = {}
        if filters is None and needs_filters(costs):
            filters = self._store.exchanges.filters(market)
        if filters is not None:
            inputs["filters"] = filters.to_json()
            if costs.filters == CURRENT:
                checks["filters"] = {"status": "passed", "note": str(filters)}
        funding = mark = rates = settled = None
        assumed: frozenset[int] = frozenset()
        if policy.kind != OFF:
            rates, assumed, note = self._rates(market, policy, period, fetch=fetch)
            checks["funding"] = {"status": "skipped", "note": note}
        if rates is not None:
            hourly = self._hourly_marks(market, rates, fetch=fetch)
            closes = close_times(candles.timestamp, timeframe)
            times, paid, sources = settlements(candles, closes, rates.time, rates.rate, rates.mark, hourly)
            settled, funding = (times, paid), Funding.laid(candles.timestamp, closes, times, paid)
            checks["funding"] = _funding_check(rates, assumed, sources)
            inputs["funding"] = _hash(funding.at_open, funding.edge, funding.inside, funding.inside_paid)
            if assumed:
                inputs["assumed settlements"] = _hash(np.array(sorted(assumed)))
        if brackets is not None:
            mark, checks["margin"] = self._mark(market, timeframe, period, candles, brackets, fetch=fetch)
            inputs["mark"] = _hash(mark.open, mark.high, mark.low)
            inputs["brackets"] = _hash(brackets.floor, brackets.rate, brackets.leverage)
        if not inputs:
            return LoadedTerms(checks=checks)
        path = self._scratch / f"{uuid.uuid4().hex}.perpetual.npy"
        file = PerpetualFile.write(
            path, Perpetual(funding, mark).columns(), brackets, filters, filtered=costs.filters == CURRENT
        )
        return LoadedTerms(file, inputs, checks, rates, assumed, settled)

    # -- funding

    def _rates(
        self, market: Market, policy: FundingPolicy, period: Period, *, fetch: bool
    ) -> tuple[FundingRates | None, frozenset[int], str]:
        """(what is charged, or None; which settlements were assumed; why nothing is charged)."""
        if not describe(market.exchange).has_funding:
            return None, frozenset(), f"not included: {market.exchange} has no funding rates here"
        series = market.of(Kind.FUNDING)
        attempts = None if policy.kind == ON else _FEW_ATTEMPTS
        fault = self._fetch(series, FUNDING_GRID, FUNDING_GRID.align(period), attempts) if fetch else None
        rates, unknown = self._store.funding.known(series, period)
        if not unknown:
            return rates, frozenset(), ""
        before = self._store.funding.read(series, Period(period.start - DAY_MS, period.end))
        times = expected_times(before, unknown)  # at the interval of the settlements before
        times = times[(times >= period.start) & (times < period.end)]
        if policy.fills or not len(times):
            return _filled(rates, times, policy.rate), frozenset(times.tolist()), ""
        first = f"the settlement expected at {short_time(int(times[0]))} is not known"
        if policy.kind == ON:
            raise self._refusal(series, period, fault, f"{market}: {first}")
        why = f" ({fault})" if fault is not None else ""
        return None, frozenset(), f"not included: {first}{why}"

    def _refusal(
        self, series: Market, period: Period, fault: BacktestError | None, first: str
    ) -> BacktestError:
        """Why a run that insists on funding cannot be made: it could not be fetched, or the exchange has none."""
        if fault is not None:
            return type(fault)(f"{first}: {fault}")
        text = f"{first}; --funding zero or constant:RATE takes a rate for it, off runs without"
        gaps = self._store.funding.coverage(series, FUNDING_GRID.align(period)).gaps
        return MissingDataError(f"{text}; `backtest fetch --funding` fills it") if gaps else RunError(text)

    def _hourly_marks(self, market: Market, rates: FundingRates, *, fetch: bool) -> Candles | None:
        """1h candles of the mark price over the settlements that came without one; None where there are none to be had."""
        lacking = rates.hours[np.isnan(rates.mark) & (rates.rate != 0)]
        if not len(lacking) or Kind.MARK not in describe(market.exchange).kinds:
            return None
        period = Period(int(lacking[0]), int(lacking[-1]) + HOUR_MS)
        return self._marks(market, FUNDING_GRID, period, fetch=fetch)

    # -- mark prices

    def _mark(
        self,
        market: Market,
        timeframe: Timeframe,
        period: Period,
        candles: Candles,
        brackets: Brackets,
        *,
        fetch: bool,
    ) -> tuple[Mark, dict[str, Any]]:
        """Mark prices of the candles, the last price's where there are none; and what is told of them."""
        found = None
        if Kind.MARK in describe(market.exchange).kinds:
            found = self._marks(market, timeframe, period, fetch=fetch)
        mark, known = Mark.of(candles, found)
        lacking = len(candles) - known
        note = f"brackets of {brackets.day}"
        if lacking:
            note += f"; {lacking:,} of {len(candles):,} candles have no mark price: the last one may invent liquidations"
        status = "failed" if lacking else "passed"
        return mark, {
            "status": status,
            "note": note,
            "candles_without_mark": lacking,
            "brackets": brackets.source,
        }

    def _marks(self, market: Market, timeframe: Timeframe, period: Period, *, fetch: bool) -> Candles | None:
        series = market.of(Kind.MARK)
        if fetch:
            self._fetch(series, timeframe, timeframe.align(period))
        held = self._cache.load(series, timeframe, period).candles
        return held if len(held) else None

    def _fetch(
        self, series: Market, timeframe: Timeframe, period: Period, attempts: int | None = None
    ) -> BacktestError | None:
        """Fill a series' gaps; what went wrong is told and given back: the run goes on with what is held. `attempts`: how
        often an exchange that does not answer is asked, where not as often as ever.
        """
        key = (series, timeframe, period)
        if key in self._faults:
            return self._faults[key]
        job = f"fetch:{series.exchange}:{series.title(timeframe)}:{period.start}-{period.end}"
        self._on_event(
            Started(job, "fetch", series.title(timeframe), (series.exchange, series.name, timeframe.name))
        )
        self._faults[key] = None
        try:
            report = self._fetcher.fetch(
                series,
                timeframe,
                period,
                job=job,
                on_event=self._on_event,
                cancel=self._cancel,
                silence=self._silence,
                attempts=attempts,
            )
            self._on_event(Finished(job, report))
        except (InputError, ExchangeError) as error:
            self._on_event(Log(job, "warning", f"{series.title(timeframe)}: {error}"))
            self._on_event(ending(job, error))
            self._faults[key] = error
        except BacktestError as error:
            self._on_event(ending(job, error))
            raise
        return self._faults[key]


def _filled(rates: FundingRates, times: np.ndarray[Any, np.dtype[np.int64]], rate: float) -> FundingRates:
    """With a settlement of that rate at each of the times."""
    assumed: list[FundingRow] = [(time, rate, float("nan"), REGULAR, float("nan")) for time in times.tolist()]
    return FundingRates.from_rows([*rates.rows(), *assumed])


def _funding_check(
    rates: FundingRates, assumed: frozenset[int], sources: Mapping[str, int]
) -> dict[str, Any]:
    """What is told of funding that is charged."""
    note = f"{len(rates):,} settlements"
    if assumed:
        note += f", {len(assumed):,} of them assumed"
    stale = sources["candle"] + sources["stale"]
    if stale:
        note += f"; {stale:,} at the last price, for want of a mark price"
    return {
        "status": "failed" if assumed else "passed",
        "note": note,
        "settlements": len(rates),
        "assumed": len(assumed),
        "mark_prices": dict(sources),
    }


def _hash(*columns: Float64Array | Int64Array) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()[:16]
