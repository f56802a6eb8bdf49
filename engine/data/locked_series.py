"""What a fetch or a check of one series works with, while it holds the series' lock."""

from dataclasses import dataclass

from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.pages import Page
from engine.database.store import Store
from engine.model.market import Market, Period, Timeframe


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
