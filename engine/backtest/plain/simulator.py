"""The referee: the rules of docs/rules.md once more, in plain Python, to be read and not to be fast.

Every candle is the same few steps in the same order, a method each: `_at_open`, `_inside`, `_at_close`, then what is decided
at that close for the next open. It shares no line with the compiled engine, whose trades it must find.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.backtest.detail import Detail
from engine.backtest.outcome import Outcome, Walked
from engine.backtest.perpetual import Perpetual
from engine.backtest.plain.account import Account
from engine.backtest.plain.places import Places
from engine.backtest.plain.position import AT_OPEN, BY_LIMIT, BY_STOP, NONE, Order, Position
from engine.backtest.plain.protections import Guard
from engine.backtest.plain.trades import fill_table, trade_table
from engine.backtest.rules import (
    AGAINST,
    DEFAULT,
    IN_FAVOUR,
    REVERSE,
    RUIN,
    TAKE_PROFIT,
    TIME,
    UNITS,
    Report,
    check_stops,
    exit_signal,
    ignore_report,
)
from engine.model.account import Costs
from engine.model.market import Candles
from engine.model.orders import TARGETS
from engine.strategy import Signals


def run_plain(
    candles: Candles,
    signals: Signals,
    costs: Costs,
    reverse: bool = False,
    report: Report = ignore_report,
    *,
    perpetual: Perpetual | None = None,
    reading: int = DEFAULT,
    timeframe_ms: int | None = None,
    detail: Detail | None = None,
) -> Outcome:
    """Trade `signals` over `candles` (both of the period only, of equal length, at least one candle).

    `reading`: how a candle that could be read two ways is read: AGAINST the trader, DEFAULT, or IN_FAVOUR. `timeframe_ms`:
    of the candles, None = the smallest distance of two; `detail`: finer candles of some of them. Raises RunError naming the
    candle of an entry that cannot be.
    """
    n, times = len(candles), candles.timestamp.tolist()
    assert n == len(signals.entry) > 0
    if timeframe_ms is None:
        timeframe_ms = int(np.diff(candles.timestamp).min(initial=times[-1] - times[0]))
    guard = Guard(costs.protect, costs.cash * UNITS, times, timeframe_ms)
    places = Places.of(candles, perpetual or Perpetual(), detail)
    account, wanted = Account(places, costs, guard), signals.only(costs.side, reverse)
    run = _Run(places, wanted, account, reverse, reading, looks_inside=detail is not None)
    run.play()
    report(n, n, "candles")
    account = run.account
    positions, charged = account.positions, account.market.funding is not None
    table = trade_table(candles, signals, positions, charged, places)
    shortfall = (0.0 - account.money) / UNITS if account.over else 0.0
    walked = run.told_inside(candles) if run.looks_inside else None
    fills = fill_table(candles, positions)
    return Outcome(table, np.array(run.equity) / UNITS, shortfall, fills, account.terms(), walked)


@dataclass(slots=True)
class _Run:
    """A run from candle to candle, with what was decided at the last close."""

    places: Places
    signals: Signals
    account: Account
    reverse: bool
    reading: int
    looks_inside: bool
    exit_asked: str | None = None
    add_asked: bool = False
    entry_asked: Order | None = None  # at the market
    waiting: Order | None = None
    liquidation: float = NONE  # of what is held, as of the open of the candle
    two_ways: bool = False  # the candle can be read so
    walked: list[int] = field(default_factory=list)  # candles played by their finer ones
    doubted: list[int] = field(default_factory=list)  # that have none, and would be
    equity: list[float] = field(default_factory=list)

    @property
    def candles(self) -> Candles:
        """Those of the run, then the finer ones."""
        return self.places.candles

    def play(self) -> None:
        """Every candle of the run, until it is over."""
        n = len(self.signals.entry)
        for i in range(n):
            if self.looks_inside:
                self._look_inside(i)
            else:
                self._candle(i, [i])
            if self.account.over:
                self.equity += [0.0] * (n - i)
                return
            if i < n - 1:
                self._decide(i)

    def _candle(self, i: int, course: Sequence[int]) -> None:
        """Candle i: its open, what happens in the course of it, its close; broken off where the run is over."""
        self._at_open(i)
        for place in course:
            if place != course[0]:
                self._go_on(place)
            if not self.account.over:
                self._inside(place)
                self._outlast(place)
        if not self.account.over:
            self._at_close(i)

    def _look_inside(self, i: int) -> None:
        """Candle i; where it hangs on what came first inside it, once more by its finer ones."""
        before, waiting, closes = self.account, self.waiting, len(self.equity)
        self.account, self.two_ways = before.twin(), False
        self._candle(i, [i])
        if not (self.two_ways or self.account.hangs):
            return
        inside = self.places.within[i]
        (self.walked if inside else self.doubted).append(i)
        if inside:
            two_ways = self.two_ways
            self.account, self.waiting = before, waiting
            del self.equity[closes:]
            held = [] if before.position is None else [before.position]
            known = len(before.positions)
            self._candle(i, inside)
            for position in [*held, *before.positions[known:]] if two_ways else []:
                position.settled |= bool({position.place, *position.path} & {*inside})

    def told_inside(self, candles: Candles) -> Walked:
        """Which candles were looked into, or should have been, and which trades that left nothing open of."""
        settled = [position.settled and not position.ambiguous for position in self.account.positions]
        walked, doubted = (np.array(found, dtype=np.int64) for found in (self.walked, self.doubted))
        times = candles.timestamp
        return Walked(times[walked], times[doubted], np.array(settled, dtype=np.bool_))

    # decided at a close

    def _decide(self, i: int) -> None:
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

    def _at_open(self, i: int) -> None:
        """Funding; then what ends a position, by rank; then what begins one or adds to it."""
        if self.account.position is not None:
            self._move_stop(self.account.position, i)
            self.account.pay_funding(self.account.position, float(self.account.funding.at_open[i]))
        for step in (self._liquidated, self._leave_as_asked, self._passed, self._leave_in_time):
            if self.account.position is not None:
                step(self.account.position, i)
        if self.account.position is not None:
            self._add(self.account.position, i)
        elif not self.account.over:
            entered = self._enter_at_open(i)
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

    def _enter_at_open(self, i: int) -> Position | None:
        """By a market entry, or by a waiting order, whose price the open is at or beyond."""
        opened, taker = float(self.candles.open[i]), self.account.taker
        order = self.entry_asked
        if order is not None:
            # backtesting.py's own expression, so that the last bits agree
            fee = order.fraction * opened * taker / order.fraction
            return self._enter(order, i, AT_OPEN, opened, order.side * math.inf, taker, fee)
        return self._enter_waiting(i)

    def _enter_waiting(self, i: int) -> Position | None:
        opened, order, taker = float(self.candles.open[i]), self.waiting, self.account.taker
        if order is None or not order.is_live(self.places.owner[i]):
            return None
        if order.side * (opened - order.limit) <= 0:
            bound = order.limit
        elif order.side * (opened - order.stop) >= 0:
            bound = order.side * math.inf
        else:
            return None
        return self._enter(order, i, AT_OPEN, opened, bound, taker, order.price * taker)

    def _enter(
        self, order: Order, i: int, how: str, bare: float, bound: float, rate: float, fee: float
    ) -> Position | None:
        """Enter, unless the risk was reckoned with a stop that the open of this candle is already beyond."""
        self.waiting = None
        beyond = order.side * (float(self.candles.open[i]) - order.stop_loss) <= 0
        if beyond and not math.isnan(order.asked["risk"]):
            self.account.dropped += 1
            return None
        return self.account.enter(order, i, how, bare, bound, rate, fee)

    def _add(self, position: Position, i: int) -> None:
        """Buy more of it, as the strategy asked at the last close, while no target has filled."""
        part = position.order.asked["add_size"]
        room = position.adds < position.order.count("max_adds", 1)
        if self.add_asked and room and not position.reached and not math.isnan(part):
            self.account.add(position, i, part)

    def _go_on(self, place: int) -> None:
        """The open of a finer candle: as any, but that nothing was decided at the close before it."""
        position = self.account.position
        if position is None:
            position = self._enter_waiting(place)
        else:
            position.move_stop(NONE)
            self.account.pay_funding(position, float(self.account.funding.at_open[place]))
            self._liquidated(position, place)
        if position is not None and self.account.position is position:
            self._passed(position, place)

    # step 5: inside the candle

    def _inside(self, i: int) -> None:
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
        order = self.waiting
        if order is None or not order.is_live(self.places.owner[i]):
            return
        low, high = float(self.candles.low[i]), float(self.candles.high[i])
        towards_limit, towards_stop = (low, high) if order.side > 0 else (high, low)
        price, maker, taker = order.price, self.account.maker, self.account.taker
        if order.side * (towards_limit - order.limit) <= 0:
            only_just = towards_limit == price
            if only_just and self.reading == AGAINST:
                return
            position = self._enter(order, i, BY_LIMIT, price, price, maker, price * maker)
            if position is not None:
                self._note(position, only_just)
        elif order.side * (towards_stop - order.stop) >= 0:
            self._enter(order, i, BY_STOP, price, order.side * math.inf, taker, price * taker)

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

    def _outlast(self, i: int) -> None:
        """What a position had on a candle that it is still held at the close of: settlements inside it, its best price."""
        account, position = self.account, self.account.position
        if position is not None:
            account.note_nearest(position, self._worst_mark(position, i), self.liquidation)
            account.pay_funding(position, float(account.funding.inside[i]))
            close = float(self.candles.close[i])
            seen = close if position.entered_inside(i) else self._extremes(position, i)[1]
            position.best = position.better(seen)

    def _at_close(self, i: int) -> None:
        """The equity; without margin, ruin."""
        account, position, close = self.account, self.account.position, float(self.candles.close[i])
        if position is not None and account.equity(close) <= 0 and not account.margined:
            price = account.slipped(i, position.units, close, -position.side)
            account.leave(position, i, position.units, price, close, account.taker, RUIN)
            account.over = True
            return
        self.equity.append(account.equity(close))
        account.guard.closed(i, self.equity[-1])
