"""Keeps the series of active symbols up to the last closed candle; fills several series at once, each failing alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NoReturn, TypeVar

from engine.data.fetcher import DataFetcher
from engine.database.store import KeptSeries, Store
from engine.errors import BacktestError, DatabaseError
from engine.events import CancelToken, Finished, Log, OnEvent, Started, ending
from engine.model.coverage import SyncedSeries
from engine.model.kinds import Kind
from engine.model.market import Market, Period, Timeframe, series_name

SIDE_BY_SIDE: Final = 4  # series at once: the exchange's weight per minute is used up by fewer already
EVERYTHING: Final = Period(0, 7_258_118_400_000)  # to the year 2200, the last that the schema allows
T = TypeVar("T")
R = TypeVar("R")


def side_by_side(tasks: Sequence[T], do: Callable[[T], R]) -> list[R | BacktestError]:
    """What `do` made of each task, in order; the error, where it raised one of ours."""

    def attempt(task: T) -> R | BacktestError:
        try:
            return do(task)
        except BacktestError as error:
            return error

    if not tasks:
        return []
    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(tasks)), "series") as pool:
        return list(pool.map(attempt, tasks))


class Sync:
    """Rounds over all kept series (of one exchange). Keeps nothing between rounds but which series are whole."""

    def __init__(
        self,
        store: Store,
        fetcher: DataFetcher,
        on_event: OnEvent,
        cancel: CancelToken,
        exchange: str | None = None,
    ) -> None:
        self._store, self._fetcher, self._exchange = store, fetcher, exchange
        self._on_event, self._cancel = on_event, cancel
        self._whole: set[tuple[Market, Timeframe]] = (
            set()
        )  # held from their start on: only the end is looked at

    def round(self) -> list[SyncedSeries]:
        """Fetch what has closed since; a series that fails leaves the others alone. Raises DatabaseError, Interrupted."""
        kept = self._store.symbols.kept_series(self._exchange)
        names = sorted({series.market.exchange for series in kept})
        clocks = dict(zip(names, side_by_side(names, self._clock), strict=True))
        outcomes = side_by_side(kept, lambda series: self._extend(series, clocks[series.market.exchange]))
        self._cancel.raise_if_cancelled()
        last = {
            (held.market, held.timeframe): held.last_ms
            for held in self._store.symbols.kept_series(self._exchange)
        }
        return [
            SyncedSeries(
                series.market,
                series.timeframe,
                last.get((series.market, series.timeframe)),
                *((0, outcome) if isinstance(outcome, BacktestError) else (outcome, None)),
            )
            for series, outcome in zip(kept, outcomes, strict=True)
        ]

    def watch(
        self,
        interval_s: float,
        tell: Callable[[Sequence[SyncedSeries] | DatabaseError], None],
    ) -> NoReturn:
        """Rounds until cancelled, then Interrupted. `tell` hears of each, also of one that the database ended."""
        while True:
            try:
                tell(self.round())
            except DatabaseError as error:
                tell(error)
            self._cancel.sleep(interval_s)

    def _clock(self, exchange: str) -> int:
        return self._fetcher.now_ms(exchange, on_event=self._on_event, cancel=self._cancel)

    def _extend(self, series: KeptSeries, now_ms: int | BacktestError) -> int:
        """Fetch what is not held since the series is kept: from where it was asked for, or the last candle held when it
        first was brought up to date. Later candles may be held before earlier ones when that was stopped.

        Returns how many candles are new.
        """
        self._cancel.raise_if_cancelled()
        if isinstance(now_ms, BacktestError):
            raise now_ms
        market, timeframe, start = series.market, series.timeframe, series.kept_from_ms
        after_last = None if series.last_ms is None else timeframe.next(series.last_ms)
        if after_last is not None and (start is None or (market, timeframe) in self._whole):
            start = after_last
        assert start is not None
        period = Period(start, timeframe.floor(now_ms))
        if period.start >= period.end:
            return 0
        if series.kept_from_ms is None:
            self._store.symbols.start_keeping(market, timeframe, start)
        job = f"sync:{market.exchange}:{market.title(timeframe)}"
        self._on_event(
            Started(
                job,
                "fetch",
                f"{market.title(timeframe)}: fetching {market.kind.rows}",
                (market.exchange, market.name, series_name(market.kind, timeframe)),
            )
        )
        try:
            report = self._fetcher.fetch(
                market, timeframe, period, job=job, on_event=self._on_event, cancel=self._cancel
            )
        except BaseException as error:
            self._whole.discard((market, timeframe))
            self._on_event(ending(job, error))
            raise
        self._on_event(Finished(job, report))
        self._whole.add((market, timeframe))
        return report.fetched


def delete_series(
    store: Store, market: Market, timeframe: Timeframe, on_event: OnEvent, cancel: CancelToken
) -> int:
    """Delete all candles of a series and what is known of its cells, while nobody fills it; returns how many."""

    def tell(why: str) -> None:
        on_event(Log("", "info", why))

    with store.candles.series_lock(market, timeframe, tell, cancel.sleep):
        return forget_series(store, market, timeframe)


def forget_series(store: Store, market: Market, timeframe: Timeframe) -> int:
    """The same for who holds the series' lock."""
    if market.kind is Kind.FUNDING:
        held = store.funding.forget(market, EVERYTHING)
    else:
        held = store.candles.coverage(market, timeframe, timeframe.align(EVERYTHING)).candles
        store.candles.forget(market, timeframe, EVERYTHING)
        store.verification.mend(market, timeframe)  # rows outside all calendars
    store.candles.save_first_candle(market, timeframe, None)
    store.symbols.keep_no_more(market, timeframe)
    return held
