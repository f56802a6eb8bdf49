"""What a fetch or a check of one series works with, while it holds the series' lock; the frame of a check."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.pages import Page
from engine.data.request import check_kind
from engine.database.store import Store
from engine.errors import ExchangeError, Interrupted
from engine.model.market import Market, Period, Timeframe


@contextmanager
def verifying(
    store: Store, exchange: Exchange, market: Market, timeframe: Timeframe, caller: Caller
) -> Iterator[int]:
    """The exchange's clock in ms, while no other program fills or compares the series.

    What ends the work, ExchangeError or Interrupted, says that nothing was changed: it must not before its last answer.
    """
    check_kind(market)
    exchange.check_timeframe(timeframe)
    with store.candles.series_lock(market, timeframe, partial(caller.log, "info"), caller.cancel.sleep):
        try:
            yield exchange.now_ms(caller)
        except ExchangeError as error:
            raise ExchangeError(f"{error}; nothing was changed; run again") from error
        except Interrupted as error:
            raise Interrupted("stopped; nothing was changed") from error


@dataclass
class LockedSeries:
    """One caller at one series. `now_ms` is the exchange's clock when it began."""

    store: Store
    exchange: Exchange
    market: Market
    timeframe: Timeframe
    now_ms: int
    caller: Caller

    def page(self, window: Period) -> Page:
        """The first candles that open inside `window`."""
        return self.exchange.page(self.market, self.timeframe, window, self.caller)

    def probe(self, start_ms: int) -> Page:
        """The first candle that opens at or after `start_ms`; an empty page where there is none."""
        return self.exchange.probe(self.market, self.timeframe, start_ms, self.caller)
