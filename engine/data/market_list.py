"""What an exchange lists: from the database, asked for anew when it is old or lacks a symbol."""

from collections.abc import Callable
from dataclasses import replace

from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.database.store import Store
from engine.errors import ExchangeError, InputError
from engine.model.market import DAY_MS, MINUTE_MS, Market, check_exchange, find_market


class MarketList:
    """The markets of all exchanges. `exchange` opens one by name, `clock` is the local clock in ms."""

    def __init__(self, store: Store, exchange: Callable[[str], Exchange], clock: Callable[[], int]) -> None:
        self._store, self._exchange, self._clock = store, exchange, clock

    def markets(self, exchange: str, caller: Caller, *, refresh: bool = False) -> list[Market]:
        """Asked of the exchange when never seen, or older than a day and the exchange answers, or when `refresh`
        insists.
        """
        check_exchange(exchange)
        cached = self._store.exchanges.markets(exchange)
        age_ms = self._clock() - (self._store.exchanges.markets_saved_ms(exchange) or 0)
        if cached and not refresh and 0 <= age_ms < DAY_MS:
            return cached
        source = self._exchange(exchange)
        patience = replace(source.patience, attempts=1) if cached and not refresh else None
        try:
            markets = source.markets(caller, patience)
        except ExchangeError as error:
            if not cached:
                raise ExchangeError(
                    f"{error}; the markets of {exchange} are not known yet: run again"
                ) from error
            if refresh:
                raise
            return cached
        self._store.exchanges.save_markets(exchange, markets, self._clock())
        return markets

    def still_trades(self, market: Market, caller: Caller) -> bool:
        """Whether the exchange's list, asked now, says that a market trades; one that it lacks does not."""
        listed = self.markets(market.exchange, caller, refresh=True)
        return any(one.is_trading for one in listed if one == market)

    def market(self, symbol: str, exchange: str, caller: Caller) -> Market:
        """The market that `symbol` names; the list is asked for again once before a symbol is called unknown.

        A symbol that the exchange dropped from its list is still known where candles of it are held.
        """
        check_exchange(exchange)
        cached = self._store.exchanges.markets(exchange)
        try:
            return find_market(symbol, cached, exchange)
        except InputError:
            age_ms = self._clock() - (self._store.exchanges.markets_saved_ms(exchange) or 0)
            is_fresh = bool(cached) and 0 <= age_ms < MINUTE_MS
        if not is_fresh:
            try:
                cached = self.markets(exchange, caller, refresh=True)
            except ExchangeError:
                if not cached:
                    raise
        listed = {market.name for market in cached}
        dropped = {
            held.market
            for held in self._store.candles.held_series()
            if held.market.exchange == exchange and held.market.name not in listed
        }
        gone = [replace(market, is_trading=False) for market in dropped]
        return find_market(symbol, [*cached, *gone], exchange)
