"""What an exchange lists: from the database, asked for anew when it is old or lacks a symbol."""

from collections.abc import Callable
from dataclasses import replace

from engine.data.exchanges.answers import Refused
from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.data.known_markets import shipped_markets, spelt_market
from engine.data.market_names import find_market
from engine.database.store import Store
from engine.errors import ExchangeError, InputError
from engine.model.kinds import Kind
from engine.model.market import DAY_MS, MINUTE_MS, Market, check_exchange


class MarketList:
    """The markets of all exchanges. `exchange` opens one by name, `clock` is the local clock in ms."""

    def __init__(
        self,
        store: Store,
        exchange: Callable[[str], Exchange],
        clock: Callable[[], int],
        has_archive: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`has_archive`: whether bulk files serve an exchange that refuses to be asked."""
        self._store, self._exchange, self._clock = store, exchange, clock
        self._has_archive = has_archive

    def markets(self, exchange: str, caller: Caller, *, refresh: bool = False) -> list[Market]:
        """Asked of the exchange when never seen, or older than a day and the exchange answers, or when `refresh`
        insists. Where it refuses, nothing is stored and bulk files are to be had: the much traded ones.
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
            if isinstance(error, Refused) and not cached and self._has_archive(exchange):
                return shipped_markets(exchange)
            if not cached:
                raise (Refused if isinstance(error, Refused) else ExchangeError)(
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
        return any(one.is_trading for one in listed if one.name == market.name)

    def market(self, symbol: str, exchange: str, caller: Caller) -> Market:
        """The market that `symbol` names; the list is asked for again once before a symbol is called unknown.

        A symbol that the exchange dropped from its list is still known where candles of it are held; where it refuses to say
        what it lists, and bulk files are to be had, any that is spelt like one.
        """
        check_exchange(exchange)
        cached = self._store.exchanges.markets(exchange)
        try:
            return find_market(symbol, cached, exchange)
        except InputError:
            age_ms = self._clock() - (self._store.exchanges.markets_saved_ms(exchange) or 0)
            is_fresh = bool(cached) and 0 <= age_ms < MINUTE_MS
        kept = {
            held.market.of(Kind.TRADED)
            for held in self._store.candles.held_series()
            if held.market.exchange == exchange
        }
        is_refused = False
        if not is_fresh:
            try:
                cached = self.markets(exchange, caller, refresh=True)
                is_refused = not self._store.exchanges.markets(exchange)
            except ExchangeError as error:
                if not cached and not kept:
                    raise
                is_refused = isinstance(error, Refused)
        listed = {market.name for market in cached}
        dropped = [market for market in kept if market.name not in listed]
        gone = [replace(market, is_trading=False) for market in dropped]
        spelt = spelt_market(symbol, exchange) if is_refused and self._has_archive(exchange) else None
        return find_market(symbol, [*cached, *gone, *([spelt] if spelt else [])], exchange)
