"""backtesting.py's broker in coins: it fills parts of 1e-8 coin where the library knows whole units only.

Its trades, orders and position are the library's own objects. For whole sizes its arithmetic is the library's to the last
bit; it was written anew because the library's own loop cuts every size to an int.
"""
# ruff: noqa: SLF001 - the library's broker is made to be replaced, but only through its private parts

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from math import copysign, inf
from typing import Any, Final, NamedTuple

import backtesting.backtesting as library
import numpy as np
from backtesting._util import patch

from engine.backtest.library.broker import SlippingBroker
from engine.backtest.library.coins import Coins, on_grid, traded
from engine.backtest.rules import UNITS

_ROUNDING: Final = (
    1e-12  # by how much a size that was floored to the grid may seem to cost more than there is
)


class _Fill(NamedTuple):
    """Where an order is filled: the price without slippage, the candle, and the stop that was touched, if one was."""

    price: float
    at: int
    stop: float | None
    market: bool


class CoinBroker(SlippingBroker):
    """The library's broker in coins: real money, and sizes that are whole numbers of 1e-8 coin."""

    money = 1.0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.first: int | None = None
        self.cancelled = self.late = 0
        self.placed = np.zeros((2, len(self._data)))

    def next(self) -> None:
        """As the library, and note when it begins."""
        if self.first is None:
            self.first = len(self._data) - 1
        super().next()

    def new_order(self, size: float, *args: Any, **kwargs: Any) -> Any:
        """As the library; a size in coins stays one."""
        size = Coins(on_grid(size)) if isinstance(size, Coins) else size
        order = super().new_order(size, *args, **kwargs)
        if isinstance(size, Coins):
            order._replace(size=size)
        self.note_placed(order)
        return order

    def note_placed(self, order: Any) -> None:
        """Remember what was ordered at the last close."""
        prices = sum(price for price in (order.limit, order.stop, order.sl, order.tp) if price)
        self.placed[:, len(self._data) - 1] += order.size, prices

    @cached_property
    def _position_size(self) -> float:
        return traded(sum(trade.size for trade in self.trades))

    def _process_orders(self) -> None:
        again = False
        for order in list(self.orders):
            if order not in self.orders:
                continue  # its trade was closed meanwhile
            fill = self._fill(order)
            if fill is None:
                continue
            if order.parent_trade:
                self._leave(order, fill)
            else:
                again |= self._enter(order, fill)
                self.orders.remove(order)
        if again:
            self._process_orders()

    def _fill(self, order: Any) -> _Fill | None:
        """Where the order is filled on this candle; None while it waits."""
        opened, high, low = (self._data._current_value(name) for name in ("Open", "High", "Low"))
        stop, limit, long = order.stop, order.limit, order.is_long
        if stop:
            if not (high >= stop if long else low <= stop):
                return None
            order._replace(stop_price=None)  # from now on a market or limit order
        if limit:
            hit = low <= limit if long else high >= limit
            before_stop = limit <= (stop or -inf) if long else limit >= (stop or inf)
            if not hit or before_stop:
                return None
            price = min(stop or opened, limit) if long else max(stop or opened, limit)
            return _Fill(price, self._i, stop, market=False)
        at_close = self._trade_on_close and not order.is_contingent
        price = self._data.Close[-2] if at_close else opened
        if stop:
            price = max(price, stop) if long else min(price, stop)
        return _Fill(price, self._i - (at_close and not stop), stop, market=not stop)

    def _leave(self, order: Any, fill: _Fill) -> None:
        """Fill the stop, the target or the closing of a trade."""
        trade = order.parent_trade
        size = copysign(min(abs(trade.size), abs(order.size)), order.size)
        if trade in self.trades:
            self._reduce_trade(trade, fill.price, size, fill.at)
            if order is trade._sl_order:
                order._replace(stop_price=fill.stop)  # what the strategy had set
        if order in self.orders:
            self.orders.remove(order)

    def _enter(self, order: Any, fill: _Fill) -> bool:
        """Fill an order of its own; whether a stop or target of it may be touched on the same candle."""
        price = self._adjusted_price(order.size, fill.price)
        cost = price + self._commission(order.size, fill.price) / abs(order.size)
        share = -1 < order.size < 1 and not isinstance(order.size, Coins)
        size = self._share(order.size, cost) if share else traded(order.size)
        if not size:
            self.cancelled += 1
            return False
        if not self._hedging:
            size = self._reduce_opposite(order, size, fill)
        allowed = self.margin_available * self._leverage * (1 + _ROUNDING * share)
        if abs(size) * cost > allowed:
            self.cancelled += 1
            return False
        if not size:
            return False
        self._open_trade(price, size, order.sl, order.tp, fill.at, order.tag)
        return self._brackets(order, fill)

    def _share(self, fraction: float, cost: float) -> float:
        """So much of what is available, in coins, rounded down."""
        units = (self.margin_available * self._leverage * UNITS * abs(fraction)) // cost
        return traded(copysign(units / UNITS, fraction))

    def _reduce_opposite(self, order: Any, size: float, fill: _Fill) -> float:
        """Close trades of the other side, the oldest first; returns what is left of the order."""
        for trade in list(self.trades):
            if trade.is_long == order.is_long:
                continue
            if abs(size) >= abs(trade.size):
                self._close_trade(trade, fill.price, fill.at)
                size = traded(size + trade.size)
            else:
                self._reduce_trade(trade, fill.price, size, fill.at)
                size = 0
            if not size:
                break
        return size

    def _brackets(self, order: Any, fill: _Fill) -> bool:
        """Whether the new trade's stop and target are looked at once more on this candle."""
        if not (order.sl or order.tp):
            return False
        if fill.market:
            return True
        high, low = (self._data._current_value(name) for name in ("High", "Low"))
        if fill.stop and not order.limit and order.tp:  # past a stop the price runs on towards the target
            long = order.is_long and order.tp <= high and (order.sl or -inf) < low
            short = order.is_short and order.tp >= low and (order.sl or inf) > high
            if long or short:
                return True
        self.late += any(low <= (price or -inf) <= high for price in (order.sl, order.tp))
        return False

    def _open_trade(self, price: float, size: float, sl: Any, tp: Any, time_index: int, tag: Any) -> None:
        super()._open_trade(price, size, sl, tp, time_index, tag)
        self.trades[-1].entered_at_close = time_index < self._i

    def _reduce_trade(self, trade: Any, price: float, size: float, time_index: int) -> None:
        size = size if isinstance(size, int) else Coins(size)  # what is left lies on the grid
        super()._reduce_trade(trade, price, size, time_index)


@contextmanager
def in_coins() -> Iterator[None]:
    """The three methods of the library that insist on whole units let parts of a coin through."""
    with ExitStack() as patches:
        for name, sign in (("buy", 1), ("sell", -1)):
            method = _ordering(getattr(library.Strategy, name), sign)
            patches.enter_context(patch(library.Strategy, name, method))
        patches.enter_context(patch(library.Trade, "close", _close))
        yield


def _ordering(original: Callable[..., Any], sign: int) -> Callable[..., Any]:
    @functools.wraps(original)
    def order(self: Any, *, size: float = library.Strategy._FULL_EQUITY, **wanted: Any) -> Any:
        if isinstance(size, Coins) and size > 0:
            return self._broker.new_order(sign * size, **wanted)
        return original(self, size=size, **wanted)

    return order


@functools.wraps(library.Trade.close)
def _close(self: Any, portion: float = 1.0) -> None:
    assert 0 < portion <= 1, "portion must be a fraction between 0 and 1"
    size = abs(self.size)
    if portion < 1:  # in whole units, so that halves are rounded as the library rounds them
        size = max(1, round(round(size * UNITS) * portion)) / UNITS
    broker = self._Trade__broker
    order = library.Order(broker, Coins(copysign(size, -self.size)), parent_trade=self, tag=self.tag)
    broker.orders.insert(0, order)
    broker.note_placed(order)
