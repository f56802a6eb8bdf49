"""DataFetcher: candles from the database, and from the exchange exactly those that are not held yet."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

from engine.data.archive_fill import fill_from_archive
from engine.data.exchanges.answers import Refused, UnexpectedAnswer, Unreachable
from engine.data.exchanges.archive import Archive, has_archive
from engine.data.exchanges.connection import Caller, Patience, local_ms
from engine.data.exchanges.dialect import dialect_of
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.sample import open_sample_exchange
from engine.data.exchanges.silence import Silence
from engine.data.filling import SeriesFill, check_listed
from engine.data.funding import FundingFill
from engine.data.market_list import MarketList
from engine.data.request import align, check_kind, clip_to_closed, stale_tails
from engine.data.verify import verify_series
from engine.data.verify_funding import verify_funding
from engine.database.store import Store, open_store
from engine.errors import ExchangeError, Interrupted
from engine.events import CancelToken, OnEvent, ignore_event
from engine.model.coverage import AFTER_DELISTING, Coverage, FetchReport, VerifyReport
from engine.model.exchanges import EXCHANGES
from engine.model.kinds import Kind
from engine.model.market import (
    DEFAULT_EXCHANGE,
    SAMPLE_EXCHANGE,
    SAMPLE_NOW_MS,
    Market,
    Period,
    Timeframe,
    check_exchange,
    short_time,
)
from engine.settings import Settings, read_settings

if TYPE_CHECKING:
    import pandas as pd

    from engine.data.exchanges.loopback import LoopbackExchange


class DataFetcher:
    """Fills gaps. Blocking and thread-safe, but for `get_data`, the one coroutine. Without arguments it reads the
    settings and opens the database itself.
    """

    def __init__(
        self,
        store: Store | None = None,
        settings: Settings | None = None,
        exchanges: Mapping[str, Exchange] | None = None,
        clock: Callable[[], int] = local_ms,
    ) -> None:
        """`exchanges`: ready ones by name, in place of those that the settings name; the caller closes them.
        `clock`: the local clock in ms.
        """
        self._settings = settings or read_settings()
        self._owns_store = store is None
        self._store = store or open_store(self._settings.database_url, self._settings.home)
        self._given, self._clock = dict(exchanges or {}), clock
        self._opened: dict[str, Exchange] = {}
        self._archive: Archive | None = None
        self._sample: LoopbackExchange | None = None
        self._lock = threading.Lock()
        self._list = MarketList(
            self._store, self._exchange, clock, lambda name: self._archive_of(name) is not None
        )

    def close(self) -> None:
        """Close connections, the sample market, and the database where it was opened here. Safe to call twice."""
        with self._lock:
            opened, self._opened = self._opened, {}
            sample, self._sample = self._sample, None
            archive, self._archive = self._archive, None
        for exchange in opened.values():
            exchange.close()
        if sample is not None:
            sample.close()
        if archive is not None:
            archive.close()
        if self._owns_store:
            self._store.close()

    async def get_data(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        start: str | date | datetime,
        end: str | date | datetime,
        exchange: str = DEFAULT_EXCHANGE,
    ) -> pd.DataFrame:
        """Every candle of the period, gaps filled first: columns open high low close volume, a UTC index.

        Dates as on the command line: a bare end date includes that day, a full timestamp is exclusive.
        """
        cancel = CancelToken()

        def work() -> pd.DataFrame:
            cells = timeframe if isinstance(timeframe, Timeframe) else Timeframe(timeframe)
            period = Period.parse(start, end)
            market = self.market(symbol, exchange)
            report = self.fetch(market, cells, period, job=market.name, cancel=cancel)
            return self._store.candles.read(market, cells, report.period).frame()

        try:
            return await asyncio.to_thread(work)
        except asyncio.CancelledError:
            cancel.cancel()
            raise

    # -- markets

    def markets(
        self,
        exchange: str = DEFAULT_EXCHANGE,
        *,
        refresh: bool = False,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> list[Market]:
        """What the exchange lists, from the database; asked of the exchange when never seen, or older than a day and
        the exchange answers, or when `refresh` insists.
        """
        return self._list.markets(exchange, Caller("", on_event, cancel), refresh=refresh)

    def market(
        self,
        symbol: str,
        exchange: str = DEFAULT_EXCHANGE,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> Market:
        """The market that `symbol` names; the list is asked for again once before a symbol is called unknown."""
        return self._list.market(symbol, exchange, Caller("", on_event, cancel))

    def ping(self, exchange: str = DEFAULT_EXCHANGE) -> tuple[str, int]:
        """The exchange's host, and its clock minus the local one in ms; those of its archive where it refuses. Asks once;
        raises ExchangeError.
        """
        source = self._exchange(check_exchange(exchange))
        now = self._clock_of(source, Caller(), replace(source.patience, attempts=1))
        archive = self._archive_of(exchange) if source.is_off else None
        return archive.host if archive else source.host, now - self._clock()

    # -- candles

    def status(self, market: Market, timeframe: Timeframe, period: Period) -> Coverage:
        """What is held, by the last known clock of the exchange; asks nobody."""
        check_kind(market)
        wanted = align(timeframe, period)
        return self.coverage(
            market, timeframe, clip_to_closed(market, timeframe, wanted, self.known_now_ms(market))
        )

    def coverage(self, market: Market, timeframe: Timeframe, period: Period) -> Coverage:
        """What is held of a series of any kind."""
        if market.kind is Kind.FUNDING:
            return self._store.funding.coverage(market, period)
        return self._store.candles.coverage(market, timeframe, period)

    def fetch(
        self,
        market: Market,
        timeframe: Timeframe,
        period: Period,
        *,
        job: str,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
        silence: Silence | None = None,
        attempts: int | None = None,
    ) -> FetchReport:
        """Fill the gaps of a series: each page is stored with the coverage it proves before the next is asked for.

        `silence`: shared with other fetches, which then ask an exchange that does not answer no more; `attempts`: how often
        to ask at most.

        Tells `Progress` in candles and `Log`; the caller tells of start and end. Raises InputError for a period without
        a closed candle, ExchangeError, Interrupted; finished pages are kept in every case.
        """
        exchange = self._exchange(market.exchange)
        check_kind(market)
        exchange.check_timeframe(timeframe)
        wanted = align(timeframe, period)
        caller = Caller(job, on_event, cancel, silence, attempts)
        check_listed(market, wanted, self._store.candles.first_candle(market, timeframe))
        coverage = self.coverage(market, timeframe, wanted)
        stale = stale_tails(coverage, self.known_now_ms(market))
        if coverage.complete and not stale and not coverage.false_listing:
            return self._report(coverage, caller)

        tell = partial(caller.log, "info")
        with self._store.candles.series_lock(market, timeframe, tell, caller.cancel.sleep):
            return self._fetch_locked(exchange, market, timeframe, wanted, caller)

    def verify(
        self,
        market: Market,
        timeframe: Timeframe,
        period: Period | None = None,
        *,
        job: str,
        dry_run: bool = False,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> VerifyReport:
        """Compare what is held of the period (None: of the series) with the exchange, page by page, and mend it.

        Never asks the bulk archive. Raises InputError where nothing is held, ExchangeError, Interrupted; then nothing
        was changed.
        """
        exchange, caller = self._exchange(market.exchange), Caller(job, on_event, cancel)
        trades = partial(self._list.still_trades, market, caller)
        if market.kind is Kind.FUNDING:
            return verify_funding(self._store, exchange, market, period, caller, trades, dry_run=dry_run)
        return verify_series(
            self._store, exchange, market, timeframe, period, caller, trades, dry_run=dry_run
        )

    def _fetch_locked(
        self, exchange: Exchange, market: Market, timeframe: Timeframe, wanted: Period, caller: Caller
    ) -> FetchReport:
        now = self._now(exchange, market, timeframe, wanted, caller)
        closed = clip_to_closed(market, timeframe, wanted, now)
        notices = []
        if closed.end < wanted.end:
            last, one = timeframe.shift(closed.end, -1), f"the last closed {timeframe} candle opened"
            one = "of funding the last hour that is over began" if market.kind is Kind.FUNDING else one
            notices.append(f"end clipped to {short_time(closed.end)}: {one} at {short_time(last)}")
        coverage = self.coverage(market, timeframe, closed)
        recheck = stale_tails(coverage, now)
        if coverage.complete and not recheck and not coverage.false_listing:
            return self._report(coverage, caller, notices=notices)
        if coverage.claimed:
            self._store.verification.mend(market, timeframe)
            notices.append(
                f"the database claimed {coverage.claimed:,} candles of {market.name} {timeframe} that it does not hold; "
                "its record is mended and they are fetched"
            )
        if market.kind is not Kind.FUNDING:  # its last hour began a minute ago
            self._let_settle(exchange, coverage, now, caller)
        trades = partial(self._list.still_trades, market, caller)
        kind = FundingFill if market.kind is Kind.FUNDING else SeriesFill
        fill = kind(self._store, exchange, market, timeframe, now, caller, trades)
        if refused := self._fill(fill, coverage, recheck):
            notices.append(refused)
        check_listed(market, closed, fill.first_candle)
        if fill.unproven:
            count = sum(timeframe.count(part) for part in fill.unproven)
            notices.append(
                f"the exchange has no {market.kind.one} after {short_time(fill.unproven[0].start)} yet: "
                f"{count}{' hours' if market.kind is Kind.FUNDING else ''} stay a gap"
            )
        return self._report(self.coverage(market, timeframe, closed), caller, fill, notices)

    def _fill(self, fill: SeriesFill | FundingFill, coverage: Coverage, recheck: list[Period]) -> str:
        """Run the fill; whatever ends it, say how much is saved. Returns in words why the archive alone was asked, or ""."""
        market, timeframe, period = coverage.market, coverage.timeframe, coverage.period
        saved, archive, why = f"{market.kind.rows} already saved", self._archive_of(market.exchange), ""
        try:
            try:
                fill.run(coverage, recheck, archive)
            except Refused as refused:
                if archive is None:
                    raise
                why = (
                    f"{refused}; the archive alone was asked: what it lacks stays a gap, the newest days too"
                )
                fill_from_archive(fill, archive, self.coverage(market, timeframe, period))
        except (Unreachable, UnexpectedAnswer) as error:
            raise ExchangeError(f"{error}, {fill.fetched:,} {saved}; run again to continue") from error
        except ExchangeError as error:
            raise ExchangeError(f"{error}, {fill.fetched:,} {saved}") from error
        except Interrupted as error:
            raise Interrupted(
                f"stopped, {fill.fetched:,} {market.kind.rows} are saved; run again to continue"
            ) from error
        return why

    def _report(
        self,
        coverage: Coverage,
        caller: Caller,
        fill: SeriesFill | FundingFill | None = None,
        notices: list[str] | None = None,
    ) -> FetchReport:
        market, timeframe, period = coverage.market, coverage.timeframe, coverage.period
        first = self._store.candles.first_candle(market, timeframe)
        listing = list(coverage.notices)
        if first is not None and period.start < first:
            one = "funding" if market.kind is Kind.FUNDING else f"{timeframe} candle"
            listing.append(f"{market.name} has its first {one} at {short_time(first)}")
        if any(gone.reason == AFTER_DELISTING for gone in coverage.missing):
            listing.append(f"{market.name} is not traded any more")
        return FetchReport(
            market,
            timeframe,
            period,
            coverage.candles,
            fill.fetched if fill else 0,
            caller.candle_requests,
            tuple(fill.filled) if fill else (),
            coverage.missing,
            (*(notices or ()), *listing),
            fill.archive_days if fill else 0,
        )

    # -- clocks

    def now_ms(
        self, exchange: str, *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> int:
        """The exchange's clock, asked for now."""
        return self._clock_of(self._exchange(exchange), Caller("", on_event, cancel))

    def _clock_of(self, exchange: Exchange, caller: Caller, patience: Patience | None = None) -> int:
        """The exchange's clock; where it refuses, the archive's."""
        try:
            return exchange.now_ms(caller, patience)
        except Refused:
            archive = self._archive_of(exchange.name)
            if archive is None:
                raise
            now = archive.now_ms()
            self._store.exchanges.save_clock_offset(exchange.name, now - self._clock())
            return now

    def known_now_ms(self, market: Market) -> int:
        """The exchange's clock without asking it: the local one, put right by the difference last measured."""
        if market.exchange == SAMPLE_EXCHANGE:
            return SAMPLE_NOW_MS
        return self._clock() + (self._store.exchanges.clock_offset_ms(market.exchange) or 0)

    def _now(
        self, exchange: Exchange, market: Market, timeframe: Timeframe, wanted: Period, caller: Caller
    ) -> int:
        """The exchange's clock. Where it cannot be asked but nothing is missing by the last known one, that one."""
        known = self.known_now_ms(market)
        closed = wanted.clip(Period(0, timeframe.floor(known)))
        held = closed.start < closed.end and self.coverage(market, timeframe, closed).complete
        try:
            return self._clock_of(exchange, caller, replace(exchange.patience, attempts=1) if held else None)
        except ExchangeError as error:
            if not held:
                again = (
                    "; nothing was fetched; run again to continue" if isinstance(error, Unreachable) else ""
                )
                raise ExchangeError(f"{error}{again}") from error
            caller.log("warning", f"{error}; everything closed by the last known clock is held")
            return known

    @staticmethod
    def _let_settle(exchange: Exchange, coverage: Coverage, now: int, caller: Caller) -> None:
        """Wait until the newest wanted candle has been closed for a moment: it may still change."""
        left_s = exchange.patience.settle_s - (now - coverage.period.end) / 1000
        if left_s > 0 and coverage.gaps and coverage.gaps[-1].end == coverage.period.end:
            caller.cancel.sleep(left_s)

    # -- exchanges

    def _exchange(self, name: str) -> Exchange:
        with self._lock:
            if name in self._given:
                return self._given[name]
            if name not in self._opened:
                self._opened[name] = self._open(check_exchange(name))
            return self._opened[name]

    def _archive_of(self, exchange: str) -> Archive | None:
        """The bulk archive of an exchange, None where only REST is to be asked."""
        url = self._settings.archive
        is_replaced = exchange in self._given and self._settings.archive_url is None
        if url is None or is_replaced or not has_archive(exchange):
            return None
        with self._lock:
            if self._archive is None:
                self._archive = Archive(url)
            return self._archive

    def _open(self, name: str) -> Exchange:
        if name == SAMPLE_EXCHANGE:
            self._sample = open_sample_exchange()
            return Exchange(
                name, dialect_of(name), self._store.exchanges, self._sample.url, Patience(settle_s=0)
            )
        setting = EXCHANGES[name].url_setting
        url = getattr(self._settings, setting) if setting else None
        return Exchange(name, dialect_of(name), self._store.exchanges, url, clock=self._clock)
