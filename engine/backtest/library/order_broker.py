"""backtesting.py's broker for signals that ask for orders, parts, adds or margin.

Its orders, trades and cash are the library's: a strategy places market, limit and stop entries and closings, and moves
`trade.sl` between candles. Which of them fills, at what price and in what order, is decided here as our rules say; what a
round trip of ours is, the library has as several trades, the oldest of which leaves first.
"""
# ruff: noqa: SLF001 - the library's broker is made to be replaced, but only through its private parts

from __future__ import annotations

import math
from collections.abc import Iterator
from math import copysign
from typing import Any, Final

from engine.backtest.grid import Grid
from engine.backtest.library.broker import Exit, FundingBroker, equity_of, paid_per_coin
from engine.backtest.library.order_position import AT_CLOSE, AT_OPEN, INSIDE, Asked, Held
from engine.backtest.outcome import Outcome, RoundTrip, Terms, make_outcome
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import ADD, ENTRY, REVERSE, RUIN, TAKE_PROFIT, TIME, UNITS, exit_signal
from engine.backtest.slippage import impact_column, slipped_fraction
from engine.model.account import BLOCKED
from engine.model.filters import Filters
from engine.model.market import Candles
from engine.model.orders import TARGETS
from engine.model.slippage import SQUARE_ROOT

_CUT: Final = 1  # the motionless candle in front of the frame


class OrderBroker(FundingBroker):
    """One position at a time, entered by orders whose tag is what they asked for, and added to by those tagged ADD."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._taker = self._rate = self.costs.commission
        self._maker = self._taker if self.costs.maker is None else self.costs.maker
        self._margined = 1.0 if self.costs.leverage is None else self.costs.leverage
        self.held: Held | None = None
        self.positions: list[Held] = []
        self.dropped = self.no_volume = self.below_minimum = self.above_maximum = 0

    def trade_in(self, candles: Candles, market: Perpetual) -> Grid:
        """The market of these candles, where it counts for slippage and sizes; what of its filters counts for prices."""
        self._slips, self._impact = self.costs.slips, impact_column(candles, self.costs.slips)
        filters = market.filters or Filters()
        self._tick, self._grid = filters.tick, Grid(filters) if market.filtered else Grid()
        return self._grid

    def next(self) -> None:
        """As every broker; a position that is held at the close has seen the candle."""
        super().next()
        if self.held is not None:
            high, low, close = (self._price(name) for name in ("High", "Low", "Close"))
            self.held.see(self._candle, high, low, close)

    def _is_ruined(self, equity: float) -> bool:
        return equity <= 0 and (self.costs.leverage is None or self.held is None)

    def _ruin(self, i: int) -> None:
        if self.held is not None:
            self._leave_whole(self.last_price, RUIN, AT_CLOSE)
        super()._ruin(i)

    def _commission_func(self, order_size: float, price: float) -> float:
        """At the rate of the order that is being filled: one that rested, or one that did not."""
        return abs(order_size) * price * self._rate

    def _price(self, name: str) -> float:
        return float(self._data._current_value(name))

    @property
    def _candle(self) -> int:
        return int(self._i) - _CUT

    @property
    def _side(self) -> int:
        return self.held.asked.side if self.held is not None else 0

    @property
    def _units(self) -> float:
        return float(sum(abs(trade.size) for trade in self.trades))

    def _slipped(self, direction: int, units: float, price: float, i: int | None = None) -> float:
        """As so many units are filled: +1 buys, -1 sells; by the market before candle i, None = this one."""
        impact = float(self._impact[self._candle if i is None else i])
        return price * (
            1 + direction * slipped_fraction(self._slips, units / UNITS, price, impact, self._tick)
        )

    # -- a candle: what leaves at the open, what enters, what is reached inside

    def _process_orders(self) -> None:
        for leave in (self._leave_as_asked, self._leave_where_passed, self._leave_in_time):
            if self.held is not None:
                leave(self.held)
        self._add()
        for opened in (True, False):
            entry = next(self._entries(), None)
            if self.held is None and entry is not None:
                self._enter(entry, opened)
            if self.held is not None and opened and self.held.entry == self._candle:
                self._leave_where_passed(self.held)  # beyond its stop or target at once
        if self.held is not None:
            self._reach(self.held)

    def _leave_as_asked(self, held: Held) -> None:
        """Fill the library's closings: all is left at the open."""
        closings = [order for order in self.orders if order.parent_trade and not order.is_contingent]
        for order in closings:
            self.orders.remove(order)
        if closings:
            self._leave_at_open(REVERSE if self.reversing else exit_signal(held.asked.side))

    def _leave_where_passed(self, held: Held) -> None:
        """A stop that the open is beyond takes all; else the targets that it is beyond take their parts."""
        opened, side = self._price("Open"), held.asked.side
        if side * (opened - self._stop()) <= 0:
            self._leave_at_open(held.stop_reason)
            return
        for k in range(held.reached, len(held.asked.targets)):
            target = held.asked.targets[k]
            if side * (opened - target) >= 0:
                units = held.next_part(self._units)
                fill = self._slipped(-side, units, opened)
                fill = max(fill, target) if side > 0 else min(fill, target)
                self._leave(units, fill, opened, TARGETS[k], AT_OPEN)
        if self.held is not None and side * (opened - held.asked.profit) >= 0:
            self._leave_at_open(TAKE_PROFIT)

    def _leave_in_time(self, held: Held) -> None:
        if self._candle == held.entry + held.asked.count("max_candles", -1):
            self._leave_at_open(TIME)

    def _reach(self, held: Held) -> None:
        """The stop first; targets only where it is known that they were reached after the entry."""
        side, stop = held.asked.side, self._stop()
        adverse, favourable = (
            self._price(name) for name in (("Low", "High") if side > 0 else ("High", "Low"))
        )
        if side * (adverse - stop) <= 0:
            self._leave_whole(stop, held.stop_reason, INSIDE)
            return
        if held.entry == self._candle and held.where == INSIDE:
            return
        profit = held.asked.profit
        for k in range(held.reached, len(held.asked.targets)):
            target = held.asked.targets[k]
            if side * (favourable - target) < 0 or side * (profit - target) < 0:
                break
            self._leave(held.next_part(self._units), target, target, TARGETS[k], INSIDE, self._maker)
        if self.held is not None and side * (favourable - profit) >= 0:
            self._leave_whole(profit, TAKE_PROFIT, INSIDE)

    def _stop(self) -> float:
        """The library's own stop of the position, NaN = none."""
        level = self.trades[0].sl
        return math.nan if level is None else float(level)

    # -- entering

    def _entries(self) -> Iterator[Any]:
        """The order that waits to enter, of which there is at most one; one that has expired is cancelled."""
        for order in list(self.orders):
            if isinstance(order.tag, Asked) and not order.parent_trade:
                if self._candle <= order.tag.signal + order.tag.count("entry_expiry", 1):
                    yield order
                else:
                    order.cancel()

    def _enter(self, order: Any, at_open: bool) -> None:
        """Fill an entry at the open, or inside the candle where that reaches its price."""
        asked, opened = order.tag, self._price("Open")
        side, price = asked.side, order.limit or order.stop
        if price is None:
            fee = asked.fraction * opened * self._taker / asked.fraction  # as the library adds it
            self._fill_entry(order, opened, side * math.inf, self._taker, fee, AT_OPEN)
            return
        towards = 1 if order.limit else -1  # a limit waits for lower prices than now, a stop for higher ones
        reached = opened if at_open else self._price("Low" if side * towards > 0 else "High")
        if side * towards * (reached - price) > 0:
            return
        bare, where = (opened, AT_OPEN) if at_open else (price, INSIDE)
        bound, rate = side * math.inf, self._taker
        if order.limit:
            bound, rate = price, self._taker if at_open else self._maker
        self._fill_entry(order, bare, bound, rate, price * rate, where)

    def _fill_entry(self, order: Any, bare: float, bound: float, rate: float, fee: float, where: str) -> None:
        """Enter as much as size and risk allow, slipped from `bare` but not beyond `bound`; `fee`: per coin, as the size
        reckons it.
        """
        asked: Asked = order.tag
        order.cancel()
        risk = asked.value("risk")
        if not math.isnan(risk) and asked.side * (self._price("Open") - asked.stop) <= 0:
            self.dropped += 1
            return

        def affordable(price: float) -> float:
            money = max(0.0, float(self._cash))
            units = money * asked.fraction // (price / self._margined + fee)
            if math.isnan(risk):
                return units
            lost = abs(asked.price - asked.stop) + self._taker * (asked.price + asked.stop)
            return min(units, money * risk // lost) if lost else units

        fill = bare
        if bare != bound:
            fill = self._entry_price(asked.side, asked.signal + 1, affordable(bare), bare)
            fill = min(fill, bound) if asked.side > 0 else max(fill, bound)
        units = 0.0 if math.isnan(fill) else self._taken(affordable(fill), bare)
        if units < 1:
            return
        self.held = Held(asked, self._candle, where, bool(order.limit), began=float(self._cash))
        self.positions.append(self.held)
        self._buy(self.held, units, fill, bare, rate, ENTRY, where)
        self._move_stop(self.held.first_level())

    def _entry_price(self, side: int, i: int, units: float, bare: float) -> float:
        """The fill of an order that without slippage would be of so many units, by the market before candle i; NaN where
        nobody traded.
        """
        if self._slips.kind == SQUARE_ROOT and math.isinf(self._impact[i]):
            self.no_volume += 1
            return math.nan
        return self._slipped(side, min(units, self._grid.most), bare, i)

    def _taken(self, units: float, bare: float) -> float:
        """Of so many units, unslipped at `bare`, what the exchange takes."""
        if units < 1:
            return 0.0
        if units > self._grid.most:
            self.above_maximum += 1
            units = self._grid.most
        whole = self._grid.whole_steps(units)
        if self._grid.is_too_small(whole, bare):
            self.below_minimum += 1
            return 0.0
        return whole

    def _add(self) -> None:
        """Fill the orders that add to the position, where it is still held, may be added to, and no target has filled."""
        orders = [order for order in self.orders if order.tag == ADD]
        for order in orders:
            order.cancel()
        held, opened = self.held, self._price("Open")
        if held is None or not orders or held.reached or held.adds >= held.asked.count("max_adds", 1):
            return
        part = held.asked.value("add_size")
        if math.isnan(part):
            return
        free = float(self._cash) - sum(self._wallet(trade) for trade in self.trades)
        spent, fee = min(part * held.began, max(0.0, free)), opened * self._taker
        fill = self._entry_price(
            held.asked.side, self._candle, spent // (opened / self._margined + fee), opened
        )
        units = 0.0 if math.isnan(fill) else self._taken(spent // (fill / self._margined + fee), opened)
        if units >= 1:
            held.adds += 1
            self._buy(held, units, fill, opened, self._taker, ADD, AT_OPEN)

    def _wallet(self, trade: Any) -> float:
        """What a trade binds of the cash; with margin on it has borne its funding."""
        margin = abs(trade.size) * trade.entry_price / self._margined
        return float(margin if self.costs.leverage is None else margin - trade.size * paid_per_coin(trade))

    def _buy(
        self, held: Held, units: float, fill: float, bare: float, rate: float, kind: str, where: str
    ) -> None:
        """Open a trade of the library's, beside those of the position that there are."""
        stop = self.trades[0].sl if self.trades else None
        size, self._rate = held.asked.side * units, rate
        self._open_trade(fill, size, stop, None, self._i, held.asked)
        self.trades[-1].rate = rate
        if where == AT_OPEN:
            self._note_edge(size)
        held.filled(self._candle, units, fill, bare, kind, units * fill * rate)

    def _move_stop(self, level: float) -> None:
        """Set the library's stop of every trade; below every price there is nothing to touch."""
        if level > 0:
            for trade in self.trades:
                trade.sl = level

    def tighten(self, stop_now: float) -> None:
        """Move the stop between two candles, where trail, break-even or `stop_now` (NaN = no wish) have it nearer."""
        if self.held is not None:
            self._move_stop(self.held.raised(self._stop(), stop_now))

    # -- leaving

    def _leave_at_open(self, reason: str) -> None:
        self._leave_whole(self._price("Open"), reason, AT_OPEN)

    def _leave_whole(self, bare: float, reason: str, where: str) -> None:
        self._leave(self._units, self._slipped(-self._side, self._units, bare), bare, reason, where)

    def _leave(
        self, units: float, fill: float, bare: float, reason: str, where: str, rate: float | None = None
    ) -> None:
        """Leave that much, the oldest trades first, at `fill`, unslipped `bare`; as a taker unless `rate` is given."""
        held = self.held
        assert held is not None
        if not units:
            return
        self._rate = self._taker if rate is None else rate
        left, everything = units, units >= self._units
        for trade in list(self.trades):
            size = (
                abs(trade.size) if everything else min(left, abs(trade.size))
            )  # sums of many coins are rounded
            if size:
                self._reduce(
                    held, trade, size, fill, Exit(trade, bare, reason, where == AT_CLOSE, where == INSIDE)
                )
                left -= size
        if where == AT_OPEN:
            self._note_edge(-held.asked.side * units)
        held.left = where
        held.filled(self._candle, -units, fill, bare, reason, units * fill * self._rate)
        if not self.trades:
            self.held = None

    def _reduce(self, held: Held, trade: Any, size: float, fill: float, leaving: Exit) -> None:
        """Leave so much of one trade, by the library; the part that left is a trade of its own, with both its fees."""
        self._reduce_trade(trade, fill, copysign(size, -trade.size), self._i)
        closed = self.closed_trades[-1]
        closed._commissions = size * (fill * self._rate + closed.entry_price * closed.rate)
        held.trades.append(closed)
        self.exits.append(Exit(closed, leaving.price, leaving.reason, leaving.at_close, leaving.inside))

    # -- what became of it

    def outcome(self, candles: Candles, names: tuple[str, ...]) -> Outcome:
        """Round trips by signals of those names, equity and terms over `candles`."""
        for trade in self.trades:  # the exit has not been paid
            trade._commissions = abs(trade.size) * trade.entry_price * trade.rate
        terms = Terms(
            self.funding_edge / self.money, math.nan, 0, self.dropped, (0,) * len(BLOCKED),
            self.no_volume, self.below_minimum, self.above_maximum,
        )  # fmt: skip
        trips = [self._round_trip(held, candles) for held in self.positions]
        shortfall, charged = self.shortfall / self.money, self.funding is not None
        return make_outcome(
            candles, trips, equity_of(self, _CUT), shortfall, charged, terms=terms, names=names
        )

    def _round_trip(self, held: Held, candles: Candles) -> RoundTrip:
        trades = [*held.trades, *(self.trades if held is self.held else ())]
        units = self._units if held is self.held else 0.0
        exit_at, exit_price, reason = held.exit(candles, units)
        funding = sum(float(trade.size) * paid_per_coin(trade) for trade in trades) / self.money
        return RoundTrip(
            side=held.asked.side,
            size=held.entered / self.money,
            entry=held.entry,
            entry_price=held.mean,
            exit=exit_at,
            exit_price=exit_price,
            exit_unslipped=exit_price,
            pnl=sum(float(trade.pl) for trade in trades) / self.money - funding,
            commission=sum(float(trade._commissions) for trade in trades) / self.money,
            slippage=held.slippage / self.money,
            signal=held.asked.name,
            reason=reason,
            funding=funding,
            fills=tuple(held.fills),
            excursions=held.excursions(candles, exit_at, exit_price, reason),
        )
