"""One exchange, whichever it is: its markets, its clock, and pages of candles that are checked."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.exchanges.ccxt_client import Client
from engine.data.exchanges.connection import OFF, Caller, Connection, ExchangeMemory, Patience, local_ms
from engine.data.exchanges.dialect import LAST_MS, Dialect, Listing, Request
from engine.data.exchanges.funding_pages import FundingPage, check_funding, served_bounds
from engine.data.exchanges.pace import Pace
from engine.data.exchanges.pages import Page, check_page
from engine.data.exchanges.search import find_first
from engine.errors import InputError
from engine.model.market import (
    DAY_MS,
    FUNDING_GRID,
    MINUTE_MS,
    SAMPLE_EXCHANGE,
    Market,
    Period,
    Timeframe,
)

_CLOCK_WARNING_MS: Final = MINUTE_MS
FUNDING_ROWS: Final = 1000  # that one request is asked for
_FUNDING_REQUESTS: Final = (450, 300.0)  # Binance allows an address 500 in 5 minutes, beside the weight


class Exchange:
    """One exchange. Thread-safe; every call blocks, tells its caller what it waits for, and stops within a moment."""

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        memory: ExchangeMemory,
        base_url: str | None = None,
        patience: Patience | None = None,
        page_limit: int | None = None,
        clock: Callable[[], int] = local_ms,
    ) -> None:
        """`base_url` replaces scheme and host of every address, paths are kept. For tests: `page_limit`, rows per page,
        and `clock`, the local clock in ms.
        """
        self.name, self.dialect, self.patience = name, dialect, patience or Patience()
        self.page_limit = page_limit or dialect.page_limit
        self._memory, self._clock = memory, clock
        self._connection = Connection(name, dialect, memory, base_url, self.patience, clock)
        self._funding_pace = Pace(*_FUNDING_REQUESTS)
        self._said_offset_ms = 0  # the exchange's clock minus the local one
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        self._connection.close()

    @property
    def host(self) -> str:
        """The host that is asked."""
        return self._connection.host

    @property
    def is_off(self) -> bool:
        """Whether nothing may be asked of it."""
        return self.host == OFF

    # -- markets

    def markets(self, caller: Caller, patience: Patience | None = None) -> list[Market]:
        """Everything the exchange trades or traded of its kind: spot pairs, or perpetuals."""
        found: list[Market] = []
        for number, first in enumerate(self.dialect.listings()):
            asked: list[Request] = []
            request: Request | None = first
            while request is not None:
                if request in asked:
                    raise UnexpectedAnswer(f"{self.name} repeats a page of its list of markets")
                asked.append(request)
                is_needed = number == 0 and request is first
                markets, request = self._listing(request, caller, patience, is_needed=is_needed)
                found += markets
        return list(dict.fromkeys(found))

    def _listing(
        self, request: Request, caller: Caller, patience: Patience | None, *, is_needed: bool
    ) -> tuple[list[Market], Request | None]:
        """The markets of one answer, at least one where they are needed, and the request for more."""

        def read(value: Any, client: Client) -> tuple[list[Market], Request | None] | None:
            listing: Listing | None = self.dialect.read_listing(request, value)
            if listing is None:
                return None
            read_one = partial(self.dialect.market, self.name, ccxt=client.ccxt)
            markets = [market for entry in listing.entries if (market := read_one(entry)) is not None]
            return (markets, listing.more) if markets or not is_needed else None

        return self._connection.ask(request, read, caller, patience)

    # -- the clock

    def now_ms(self, caller: Caller, patience: Patience | None = None) -> int:
        """The exchange's clock. Its difference to the local one is remembered for all processes."""
        now = self._connection.ask(
            self.dialect.time(),
            lambda value, _: self.dialect.read_time(value),
            caller,
            patience,
            on_fault=lambda answer: answer.date_ms,
        )
        offset = now - self._clock()
        if self._is_news(offset):
            caller.log(
                "warning",
                f"the local clock differs from {self.name}'s by {abs(offset) // 1000:,} s; theirs counts",
            )
        self._memory.save_clock_offset(self.name, offset)
        return now

    def _is_news(self, offset_ms: int) -> bool:
        """Whether the clocks differ, and not as was said before: a command asks for the time more than once."""
        with self._lock:
            said, is_far = self._said_offset_ms, abs(offset_ms) > _CLOCK_WARNING_MS
            if self.name == SAMPLE_EXCHANGE or not is_far or abs(offset_ms - said) <= _CLOCK_WARNING_MS:
                return False
            self._said_offset_ms = offset_ms
            return True

    # -- candles

    def page(self, market: Market, timeframe: Timeframe, window: Period, caller: Caller) -> Page:
        """The first candles that open inside `window`, at most `page_limit`, checked. Where the exchange does not say that
        it answers with the oldest rows, `Page.asked` is the part of the window that a page can hold.
        """
        limit = min(self.page_limit, timeframe.count(window))
        if not self.dialect.is_oldest_first:
            window = window.clip(Period(window.start, timeframe.shift(window.start, limit)))
        return self._rows(market, caller, timeframe, window, limit)

    def probe(self, market: Market, timeframe: Timeframe, start_ms: int, caller: Caller) -> Page:
        """The first candle that opens at or after `start_ms`, the one still open included. An empty page: none."""
        request = self.dialect.first_candle(market, timeframe, start_ms)
        if request is not None:
            return self._candles(market, caller, timeframe, Period(start_ms, LAST_MS), request)

        def ask(length: Timeframe, part: Period) -> Page:
            return self._rows(market, caller, length, part, is_exact=length != timeframe)

        tomorrow = self._clock() + (self._memory.clock_offset_ms(self.name) or 0) + DAY_MS
        window = Period(start_ms, max(start_ms, tomorrow))
        return find_first(ask, timeframe, window, self.dialect.page_limit)

    def _rows(
        self,
        market: Market,
        caller: Caller,
        timeframe: Timeframe,
        window: Period,
        limit: int | None = None,
        *,
        is_exact: bool = False,
    ) -> Page:
        """What opens inside `window`; all of it, where no limit is given."""
        rows = limit or timeframe.count(window)
        request = self.dialect.candles(market, timeframe, window, rows)
        return self._candles(market, caller, timeframe, window, request, is_exact=is_exact)

    def _candles(
        self,
        market: Market,
        caller: Caller,
        timeframe: Timeframe,
        window: Period,
        request: Request,
        *,
        is_exact: bool = False,
    ) -> Page:
        """A checked page; `is_exact`: not believed when it has anything beside the grid or outside the window."""

        def read(value: Any, _: Client) -> Page | None:
            rows = self.dialect.read_rows(market.name, value)
            if rows is None:
                return None
            found = check_page(rows, timeframe, window, market.title(timeframe), self.dialect.rows)
            return None if is_exact and found.notes else found

        page = self._connection.ask(request, read, caller, is_candles=True)
        for note in page.notes:
            caller.log("warning", note)
        return page

    # -- funding

    def funding_page(self, market: Market, window: Period, caller: Caller) -> FundingPage:
        """The first settlements of the whole hours of `window`, at most FUNDING_ROWS, checked."""
        start, end = served_bounds(window)
        request = self.dialect.funding(market.name, start, end, FUNDING_ROWS)
        return self._funding(market, window, request, FUNDING_ROWS, caller)

    def funding_probe(self, market: Market, start_ms: int, caller: Caller) -> FundingPage:
        """The first settlement of the hour `start_ms` or a later one; an empty page: none."""
        window = Period(start_ms, LAST_MS)
        request = self.dialect.funding(market.name, served_bounds(window)[0], None, 1)
        return self._funding(market, window, request, 1, caller)

    def _funding(
        self, market: Market, window: Period, request: Request, limit: int, caller: Caller
    ) -> FundingPage:
        title = market.title(FUNDING_GRID)

        def read(value: Any, _: Client) -> FundingPage | None:
            rows = self.dialect.read_funding(market.name, value)
            return None if rows is None else check_funding(rows, window, limit, title)

        self._funding_pace.wait(caller)
        return self._connection.ask(request, read, caller, is_candles=True)

    def check_timeframe(self, timeframe: Timeframe) -> None:
        """Raise InputError for a candle length that this exchange does not have."""
        if timeframe.name not in self.dialect.timeframes:
            raise InputError(
                f"{self.name} has no {timeframe} candles; it has: {', '.join(self.dialect.timeframes)}"
            )
