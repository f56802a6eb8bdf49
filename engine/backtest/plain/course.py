"""The steps of one candle in the plain simulator, a method each, in the order of the rules: its open, its inside, its close,
and what is decided at that close for the next open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.backtest.plain.account import Account
from engine.backtest.plain.places import Places
from engine.backtest.plain.position import AT_OPEN, BY_LIMIT, BY_STOP, NONE, Order, Position
from engine.backtest.rules import (
    AGAINST,
    DEFAULT,
    IN_FAVOUR,
    REVERSE,
    TAKE_PROFIT,
    TIME,
    check_stops,
    exit_signal,
)
from engine.model.market import Candles
from engine.model.orders import TARGETS
from engine.strategy import Signals


@dataclass(frozen=True, slots=True)
class Entry:
    """How an order is filled: where in the candle, its price before slippage, the worst it takes, the rate of its fee, and
    the fee per coin as its size reckons it.
    """

    order: Order
    how: str
    bare: float
    bound: float
    rate: float
    fee: float


@dataclass(slots=True)
class Course:
    """A strategy's course from candle to candle: its account, and what was decided at the last close.

    `reading`: how a candle that could be read two ways is read; `two_ways`: the candle can be read so; `liquidation`: of
    what is held, as of the open of the candle.
    """

    places: Places
    signals: Signals
    account: Account
    reverse: bool
    reading: int = DEFAULT
    exit_asked: str | None = None
    add_asked: bool = False
    entry_asked: Order | None = None  # at the market
    waiting: Order | None = None
    liquidation: float = NONE
    two_ways: bool = False

    @property
    def candles(self) -> Candles:
        """Those of the run, then the finer ones."""
        return self.places.candles

    # decided at a close

    def decide(self, i: int) -> None:
        """What is asked for at the close of candle i, from what is held then; it is done at the next open."""
        self.exit_asked, self.add_asked, self.entry_asked = None, False, None
        position = self.account.position
        if position is None:
            self._ask_entry(i)
            return
        side, wanted = position.side, self.signals.orders
        if self.reverse and side * int(self.signals.entry[i]) < 0:
            self.exit_asked = REVERSE
            self._ask_entry(i)
        elif (self.signals.exit_long if side > 0 else self.signals.exit_short)[i]:
            self.exit_asked = exit_signal(side)
        else:
            self.add_asked = wanted is not None and side * int(wanted.add[i]) > 0

    def _ask_entry(self, i: int) -> None:
        """Take the entry signalled on candle i, unless a protection holds; it takes the place of a waiting order."""
        if self.signals.entry[i] == 0 or self.account.guard.blocks(i):
            return
        check_stops(self.candles, self.signals, i)
        account = self.account
        order = Order.read(self.candles, self.signals, account.costs, account.exchange, i)
        self.entry_asked, self.waiting = (None, order) if order.rests else (order, None)

    # steps 0 to 4: at the open

    def leave_at_open(self, i: int) -> None:
        """Funding; then what ends a position, by rank."""
        if self.account.position is not None:
            self._move_stop(self.account.position, i)
            self.account.pay_funding(self.account.position, float(self.account.funding.at_open[i]))
        for step in (self._liquidated, self._leave_as_asked, self._passed, self._leave_in_time):
            if self.account.position is not None:
                step(self.account.position, i)

    def arrive_at_open(self, i: int) -> None:
        """What begins a position or adds to it."""
        if self.account.position is not None:
            self._add(self.account.position, i)
        elif not self.account.over:
            entry = self.waiting_entry(i) if self.entry_asked is None else self.market_entry(i)
            entered = self._enter_by_open(entry, i)
            if entered is not None:  # beyond its stop or target at once
                self._passed(entered, i)

    def _move_stop(self, position: Position, i: int) -> None:
        wanted = self.signals.orders
        position.move_stop(NONE if wanted is None else wanted.value("stop_now", i - 1))

    def _liquidated(self, position: Position, i: int) -> None:
        marked = float(self.account.mark.open[i])
        if position.side * (marked - self.account.liquidation_price(position)) <= 0:
            self.account.liquidate_at_open(position, i)

    def _leave_as_asked(self, position: Position, i: int) -> None:
        if self.exit_asked is not None:
            self.account.leave_at_open(position, i, self.exit_asked)

    def _passed(self, position: Position, i: int) -> None:
        """A stop that the open is beyond takes all; else the targets that it is beyond take their parts."""
        opened = float(self.candles.open[i])
        if position.passes_stop(opened):
            self.account.leave_at_open(position, i, position.stop_reason)
            return
        for k in range(position.reached, len(position.order.targets)):
            target = position.order.targets[k]
            if position.units and position.reaches(opened, target):
                self.account.leave_part_at_open(position, i, position.next_part(), target, TARGETS[k])
        if position.units and position.reaches(opened, position.order.take_profit):
            self.account.leave_at_open(position, i, TAKE_PROFIT)

    def _leave_in_time(self, position: Position, i: int) -> None:
        if i == position.entry + position.order.count("max_candles", -1):
            self.account.leave_at_open(position, i, TIME)

    def market_entry(self, i: int) -> Entry | None:
        """What was asked for at the market, at the open of candle i."""
        order, opened, taker = self.entry_asked, float(self.candles.open[i]), self.account.taker
        if order is None:
            return None
        # backtesting.py's own expression, so that the last bits agree
        fee = order.fraction * opened * taker / order.fraction
        return Entry(order, AT_OPEN, opened, order.side * math.inf, taker, fee)

    def waiting_entry(self, i: int) -> Entry | None:
        """The order that is live on candle i: filled by an open at or beyond its price, or waiting for that."""
        opened, order = float(self.candles.open[i]), self.waiting
        maker, taker = self.account.maker, self.account.taker
        if order is None or not order.is_live(self.places.owner[i]):
            return None
        price, any_price = order.price, order.side * math.inf
        if order.side * (opened - order.limit) <= 0:
            return Entry(order, AT_OPEN, opened, order.limit, taker, price * taker)
        if order.side * (opened - order.stop) >= 0:
            return Entry(order, AT_OPEN, opened, any_price, taker, price * taker)
        if math.isnan(order.stop):
            return Entry(order, BY_LIMIT, price, price, maker, price * maker)
        return Entry(order, BY_STOP, price, any_price, taker, price * taker)

    def _enter_by_open(self, entry: Entry | None, i: int) -> Position | None:
        return self._enter(entry, i) if entry is not None and entry.how == AT_OPEN else None

    def _enter(self, entry: Entry, i: int) -> Position | None:
        """Enter, unless the risk was reckoned with a stop that the open of this candle is already beyond."""
        self.waiting, order = None, entry.order
        beyond = order.side * (float(self.candles.open[i]) - order.stop_loss) <= 0
        if beyond and not math.isnan(order.asked["risk"]):
            self.account.dropped += 1
            return None
        return self.account.enter(order, i, entry.how, entry.bare, entry.bound, entry.rate, entry.fee)

    def _add(self, position: Position, i: int) -> None:
        """Buy more of it, as the strategy asked at the last close."""
        part = self.add_part(position)
        if not math.isnan(part):
            self.account.add(position, i, part)

    def add_part(self, position: Position) -> float:
        """The part that is added to it, while no target has filled; NaN = none."""
        room = position.adds < position.order.count("max_adds", 1)
        asked = self.add_asked and room and not position.reached
        return position.order.asked["add_size"] if asked else NONE

    def go_on(self, place: int) -> None:
        """The open of a finer candle: as any, but that nothing was decided at the close before it."""
        position = self.account.position
        if position is None:
            position = self._enter_by_open(self.waiting_entry(place), place)
        else:
            position.move_stop(NONE)
            self.account.pay_funding(position, float(self.account.funding.at_open[place]))
            self._liquidated(position, place)
        if position is not None and self.account.position is position:
            self._passed(position, place)

    # step 5: inside the candle

    def inside(self, i: int) -> None:
        """An order that the candle reaches; then stop against liquidation; targets last."""
        if self.account.position is None:
            self._enter_inside(i)
        position = self.account.position
        if position is None:
            return
        position.path.append(i)
        liquidation = self.liquidation = self.account.liquidation_price(position)
        adverse, favourable = self._extremes(position, i)
        liquidated = position.side * (self._worst_mark(position, i) - liquidation) <= 0
        self._note(position, position.is_read_two_ways(i, adverse, favourable, liquidated))
        fresh, in_favour = position.entered_inside(i), self.reading == IN_FAVOUR
        if in_favour and not fresh:
            position.tighten(position.trailed(position.better(favourable)))
        stopped = position.passes_stop(adverse) and not (in_favour and fresh)
        if in_favour or not (stopped or liquidated or fresh):
            self._take_targets(position, i)
        if position.units == 0:
            return
        stop_is_nearer = math.isnan(liquidation) or position.side * (position.level - liquidation) > 0
        if stopped and (stop_is_nearer or not liquidated):
            self.account.leave_inside(position, i, position.level, position.stop_reason)
        elif liquidated:
            self.account.liquidate_inside(position, i)

    def _enter_inside(self, i: int) -> None:
        """By a waiting order whose price the candle reaches: a limit exactly there, a stop entry slipped."""
        entry = self.waiting_entry(i)
        if entry is None or entry.how == AT_OPEN:
            return
        order, low, high = entry.order, float(self.candles.low[i]), float(self.candles.high[i])
        towards_limit, towards_stop = (low, high) if order.side > 0 else (high, low)
        if order.side * (towards_limit - order.limit) <= 0:
            only_just = towards_limit == order.price
            if only_just and self.reading == AGAINST:
                return
            position = self._enter(entry, i)
            if position is not None:
                self._note(position, only_just)
        elif order.side * (towards_stop - order.stop) >= 0:
            self._enter(entry, i)

    def _extremes(self, position: Position, i: int) -> tuple[float, float]:
        """(the worst, the best price for it) of candle i."""
        low, high = float(self.candles.low[i]), float(self.candles.high[i])
        return (low, high) if position.side > 0 else (high, low)

    def _worst_mark(self, position: Position, i: int) -> float:
        mark = self.account.mark
        return float((mark.low if position.side > 0 else mark.high)[i])

    def _note(self, position: Position, ambiguous: bool) -> None:
        position.ambiguous |= ambiguous
        self.two_ways |= ambiguous

    def _take_targets(self, position: Position, i: int) -> None:
        """Those that the candle reaches, the nearest first: a target takes its part at its price, a take-profit the rest.

        One that was only just reached, while something is left to sell, might as well not have filled.
        """
        favourable, profit = self._extremes(position, i)[1], position.order.take_profit
        for k in range(position.reached, len(position.order.targets)):
            target = position.order.targets[k]
            only_just = self.reading == AGAINST and favourable == target
            profit_is_nearer = position.side * (profit - target) < 0
            if not position.reaches(favourable, target) or profit_is_nearer:
                break
            self._note(position, favourable == target)
            if only_just:
                break
            self.account.leave_part_inside(position, i, position.next_part(), target, TARGETS[k])
            if position.units == 0:
                return
        if position.reaches(favourable, profit):
            self.account.leave_inside(position, i, profit, TAKE_PROFIT)

    # steps 6 and 7: at the close

    def outlast(self, i: int) -> None:
        """What a position had on a candle that it is still held at the close of: settlements inside it, its best price."""
        account, position = self.account, self.account.position
        if position is not None:
            account.note_nearest(position, self._worst_mark(position, i), self.liquidation)
            account.pay_funding(position, float(account.funding.inside[i]))
            close = float(self.candles.close[i])
            seen = close if position.entered_inside(i) else self._extremes(position, i)[1]
            position.best = position.better(seen)
