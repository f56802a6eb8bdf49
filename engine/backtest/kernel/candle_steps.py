"""What happens to a position or a waiting order on one candle, step by step, for the compiled simulators."""

from __future__ import annotations

import math
from typing import Any

from engine.backtest.kernel.excursions import AT_OPEN, BY_LIMIT, BY_STOP, INSIDE, NOT_LATE
from engine.backtest.kernel.filling import FIXED_MODEL, on_tick, slipped_by, taken
from engine.backtest.kernel.parts import code, floor_division, part, step
from engine.backtest.kernel.positions import (
    buy_in,
    doubt,
    leave_target,
    liquidate,
    priced,
    sell_out,
    tighten,
)
from engine.backtest.kernel.positions import enter as enter_position
from engine.backtest.kernel.seeking import FEW, most_of, silent
from engine.backtest.kernel.sizing import asked, order_column
from engine.backtest.rules import (
    ADD,
    AGAINST,
    FILLS,
    IN_FAVOUR,
    REASONS,
    STOP_LOSS,
    TAKE_PROFIT,
    TIME,
    TRAILING_STOP,
)

_STOP, _TRAILING = code(REASONS.index(STOP_LOSS)), code(REASONS.index(TRAILING_STOP))
_TAKE, _TIME = code(REASONS.index(TAKE_PROFIT)), code(REASONS.index(TIME))
_TARGET_1 = code(REASONS.index("target_1"))
_ADD = code(FILLS.index(ADD))

_STOP_NOW, _MAX_CANDLES = order_column("stop_now"), order_column("max_candles")
_ADD_SIZE, _MAX_ADDS = order_column("add_size"), order_column("max_adds")


@part
def _tighter(side: float, level: float, other: float) -> float:
    """The tighter of two stops; NaN = none."""
    return level if math.isnan(other) or side * (other - level) <= 0 else other


@part
def raised(s: Any, side: float, level: float, best: float, now: float) -> float:
    """The stop of the next candle, from what the candles before it did and what the last close said (`now`)."""
    if side * best >= side * s.price + s.trail_from or math.isnan(s.trail_from):
        level = _tighter(side, level, best - side * s.trail)
    if side * best >= side * s.price + s.break_even:
        level = _tighter(side, level, s.price)
    return _tighter(side, level, now)


@part
def raise_stop(t: Any, s: Any, fixed: Any, columns: Any, rows: Any, i: int) -> None:
    """Before candle i: the stop follows."""
    tighten(t, s, raised(s, s.side, s.level, s.best, asked(fixed, columns, rows, _STOP_NOW, i - 1)))


@part
def _trailed_within(s: Any, side: float, best: float, favour: float) -> float:
    """Where the trail would be, had this candle's own extreme come first; NaN = nowhere."""
    best = side * max(side * best, side * favour)
    waits = side * best < side * s.price + s.trail_from
    level: float = math.nan if waits else best - side * s.trail
    return level


@part
def _follows(side: float, level: float, within: float, adverse: float) -> bool:
    """Whether a stop moved `within` the candle is tighter than its level, and touched there."""
    return not side * (within - level) <= 0 and side * (adverse - within) <= 0


@part
def _falls(
    market: bool,
    margin: bool,
    alone: bool,
    side: float,
    fall: float,
    value: float,
    mark: float,
    mark_open: float,
) -> bool:
    """Whether this candle ruins the account, or liquidates its position."""
    if not margin:
        return alone and value <= 0
    return market and (side * (mark - fall) <= 0 or side * (mark_open - fall) <= 0)


@part
def come_near(s: Any, side: float, mark: float) -> None:
    """The mark was there while the position was held: how near, in % of itself, is that to its liquidation?"""
    distance = side * (mark - s.liquidation) / mark * 100
    if distance < s.nearest:
        s.nearest = max(0.0, distance)


@part
def _time_up(s: Any, fixed: Any, columns: Any, rows: Any, never: int) -> int:
    """The candle at whose open the position has been held for as long as it may."""
    most = asked(fixed, columns, rows, _MAX_CANDLES, s.signal)
    return never if math.isnan(most) else s.entry + int(most)


@part
def is_free(t: Any, s: Any, fixed: Any, columns: Any, rows: Any) -> bool:
    """Whether a position that is held has nothing that a candle could touch, or a close move: only signals end it."""
    guarded = s.level == s.level or s.take == s.take or s.aim == s.aim or s.liquidation == s.liquidation
    moving = s.trail == s.trail or s.break_even == s.break_even or rows[_STOP_NOW] >= 0
    if guarded or moving or t.charged or not math.isnan(fixed[_STOP_NOW]):
        return False
    timed = not math.isnan(asked(fixed, columns, rows, _MAX_CANDLES, s.signal))
    return not timed and math.isnan(asked(fixed, columns, rows, _ADD_SIZE, s.signal))


@part
def _untouched(
    s: Any, ordered: bool, side: float, level: float, best: float, now: float, take: float, aim: float, top: float,
    bottom: float,
) -> bool:  # fmt: skip
    """Whether candles between `bottom` and `top` (side * price) touch nothing, in whatever order they came, nor the stop
    where their best price leaves it.
    """
    if ordered:
        if top >= side * aim:
            return False
        level = raised(s, side, level, side * max(side * best, top), now)
    return not (bottom <= side * level or top >= side * take)


@part
def _pass_few(
    s: Any, ordered: bool, market: bool, alone: bool, margin: bool, charged: bool, reverse: bool, side: float, i: int,
    level: float, best: float, worst: float, now: float, take: float, aim: float, fall: float, money: float,
    signed: float, basis: float, high: Any, low: Any, close: Any, mark_open: Any, mark_high: Any, mark_low: Any,
    entry: Any, exits: Any, add: Any, at_open: Any, inside: Any, equity: Any,
) -> tuple[bool, float, float]:  # fmt: skip
    """Whether the FEW candles from i on surely do nothing, and what they leave of `best` and `worst`. For `stay`."""
    if not silent(ordered, charged, reverse, i, entry, exits, add, at_open, inside):
        return False, best, worst
    long, near = side > 0, side * worst
    top, bottom = most_of(high if long else low, i, side), -most_of(low if long else high, i, -side)
    if not _untouched(s, ordered, side, level, best, now, take, aim, top, bottom):
        return False, best, worst
    if market:
        near = -most_of(mark_low if long else mark_high, i, -side)
        if margin and min(near, -most_of(mark_open, i, -side)) <= side * fall:
            return False, best, worst
    if alone:
        gone = False
        for k in range(i, i + FEW):
            equity[k] = money + (close[k] * signed - basis)
            gone |= equity[k] <= 0
        if gone and not margin:
            return False, best, worst
    return True, side * max(side * best, top) if ordered else best, side * min(side * worst, near)


@part
def stay(
    t: Any, s: Any, ordered: bool, market: bool, alone: bool, i: int, end: int, high: Any, low: Any, close: Any, entry: Any,
    exits: Any, fixed: Any, columns: Any, rows: Any, add: Any, at_open: Any, inside: Any, mark_open: Any, mark_high: Any,
    mark_low: Any, reverse: bool, equity: Any,
) -> int:  # fmt: skip
    """From candle i on pass those that do nothing to a position carried in but move its stop.

    Returns the first that may do something, at most `end`. For speed only: the steps would do the same with each. `alone`:
    the account is its own: it writes the equity meanwhile, and stops where that is gone.
    """
    side, price, money = float(s.side), s.price, s.money
    level, best, take, aim = s.level, s.best, s.take, s.aim
    fall, margin, charged = s.liquidation, market and t.margin, market and t.charged
    signed = side * s.units
    basis, long = signed * price, s.side > 0
    trails = ordered and not s.ambiguous and not math.isnan(s.trail)
    worst = side * math.inf
    # without a better price or a word of the strategy the stop stays where it is
    told, stale = ordered and rows[_STOP_NOW] >= 0, ordered
    if ordered:
        end = min(end, _time_up(s, fixed, columns, rows, end))
    now, singly = fixed[_STOP_NOW], i
    while i < end:
        if i >= singly and i + FEW <= end and not told:
            singly = i + FEW  # where not all can be passed, each of them is looked at
            passed, reached, worst = _pass_few(
                s, ordered, market, alone, margin, charged, reverse, side, i, level, best, worst, now, take, aim, fall,
                money, signed, basis, high, low, close, mark_open, mark_high, mark_low, entry, exits, add, at_open,
                inside, equity,
            )  # fmt: skip
            stale |= reached != best
            best = reached
            if passed:
                i = singly
                continue
        asks = exits[i] or (reverse and side * entry[i] < 0) or (ordered and add[i] != 0)
        if asks or (charged and (at_open[i] != 0 or inside[i] != 0)):
            break
        adverse, favour = (low[i], high[i]) if long else (high[i], low[i])
        better = ordered and side * (favour - best) > 0
        if ordered and (stale or told):
            level = raised(s, side, level, best, asked(fixed, columns, rows, _STOP_NOW, i - 1))
        within = _trailed_within(s, side, best, favour) if trails and better else math.nan
        touched = ordered and (side * (favour - aim) >= 0 or _follows(side, level, within, adverse))
        touched |= side * (adverse - level) <= 0 or side * (favour - take) >= 0
        value, mark = money + (close[i] * signed - basis), (mark_low[i] if long else mark_high[i])
        if touched or _falls(market, margin, alone, side, fall, value, mark, mark_open[i]):
            break
        worst = side * min(side * worst, side * mark)
        if alone:
            equity[i] = value
        stale = better
        if better:
            best = favour
        i += 1
    if ordered:
        tighten(t, s, level)
        s.best = best
    if market and not math.isinf(worst):
        come_near(s, side, worst)
    return i


@step
def leave_whole(
    t: Any, s: Any, i: int, bare: float, reason: int, left: int, fills: Any, fill_amounts: Any
) -> None:
    """All of it leaves at that price, worsened by slippage."""
    price = bare * (1 - s.side * slipped_by(t, s.impact, s.units, bare))
    sell_out(t, s, i, s.units, price, t.fee, bare, reason, left, fills, fill_amounts)


@part
def leave_in_time(
    t: Any, s: Any, fixed: Any, columns: Any, rows: Any, i: int, opened: float, fills: Any, fill_amounts: Any
) -> None:
    """At the open: what has been held for as many candles as it may."""
    if s.units > 0 and i == _time_up(s, fixed, columns, rows, -1):
        leave_whole(t, s, i, opened, _TIME, AT_OPEN, fills, fill_amounts)


@part
def leave_passed(
    t: Any, s: Any, ordered: bool, fixed: Any, columns: Any, rows: Any, i: int, opened: float, fills: Any,
    fill_amounts: Any,
) -> None:  # fmt: skip
    """At the open: the stop, or the targets, that it has passed."""
    if s.side * (opened - s.level) <= 0:
        leave_whole(t, s, i, opened, _TRAILING if s.moved else _STOP, AT_OPEN, fills, fill_amounts)
        return
    if ordered:
        while s.units > 0 and s.side * (opened - s.aim) >= 0:
            leave_target(
                t, s, fixed, columns, rows, i, opened, t.fee, _TARGET_1 + s.hit, AT_OPEN, fills, fill_amounts
            )  # fmt: skip
    if s.units > 0 and s.side * (opened - s.take) >= 0:
        leave_whole(t, s, i, opened, _TAKE, AT_OPEN, fills, fill_amounts)


@step
def add_more(
    t: Any, s: Any, fixed: Any, columns: Any, rows: Any, i: int, opened: float, free: float, fills: Any,
    fill_amounts: Any,
) -> None:  # fmt: skip
    """At the open: more of the same position, of the equity that it was entered with, and of money that is `free`."""
    wanted = add_needed(s, fixed, columns, rows)
    if wanted > 0 and buy_more(
        t, s, i, opened, min(wanted, max(0.0, free)), opened * t.fee, fills, fill_amounts
    ):
        s.adds += 1


@part
def add_needed(s: Any, fixed: Any, columns: Any, rows: Any) -> float:
    """Money that an add asks for; 0 where the position takes none any more."""
    most, size = (
        asked(fixed, columns, rows, _MAX_ADDS, s.signal),
        asked(fixed, columns, rows, _ADD_SIZE, s.signal),
    )
    if s.hit > 0 or math.isnan(size) or s.adds >= (1 if math.isnan(most) else most):
        return 0.0
    wanted: float = size * s.began
    return wanted


@step
def buy_more(
    t: Any, s: Any, i: int, opened: float, spent: float, charge: float, fills: Any, fill_amounts: Any
) -> bool:
    """Buy more at the open for the money `spent`; whether that was a unit at least."""
    price = opened * (1 + s.side * t.slippage)
    if t.model != FIXED_MODEL:
        price = priced(t, s, s.impact, floor_division(spent, opened / t.leverage + charge), opened)
        if math.isnan(price):
            return False
    units = floor_division(spent, price / t.leverage + charge)
    if units >= 1:
        units = taken(t, s, units, price, opened)
    if units < 1:
        return False
    buy_in(t, s, i, units, price, t.fee, opened, _ADD, False, fills, fill_amounts)
    return True


@step
def enter_by_order(
    t: Any, s: Any, fixed: Any, columns: Any, rows: Any, i: int, sign: int, opened: float, high: float, low: float,
    stop: float, target: float, base: float, most: float, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """The waiting order on candle i: filled by the open, inside, or not."""
    side = 1 if sign > 0 else -1
    wanted = s.order_price
    touching = (low if side > 0 else high) if s.limit else (high if side > 0 else low)
    distance = side * (touching - wanted)
    bare, bound, rate, late = wanted, side * math.inf, t.fee, BY_STOP
    if s.limit:
        by_open = side * (opened - wanted) <= 0
        inside = distance < 0 or (distance == 0 and t.reading != AGAINST)
        bound, rate, late = wanted, t.maker, BY_LIMIT
    else:
        by_open, inside = side * (opened - wanted) >= 0, distance >= 0
    if by_open:
        bare, rate, late = opened, t.fee, NOT_LATE
    elif not inside:
        return
    s.until = -1
    enter_position(
        t, s, True, fixed, columns, rows, s.order, i, sign, bare, bound, False, rate, late, wanted, opened, stop,
        target, base, most, fills, fill_amounts,
    )  # fmt: skip
    if s.units > 0 and late == BY_LIMIT:
        doubt(s, distance == 0)


@step
def leave_touched(
    t: Any, s: Any, ordered: bool, fixed: Any, columns: Any, rows: Any, i: int, favour: float, fills: Any,
    fill_amounts: Any,
) -> None:  # fmt: skip
    """Inside: the targets that were touched, the nearest first."""
    if ordered:
        while s.units > 0:
            reach = s.side * (favour - s.aim)
            if not reach >= 0:
                break
            if s.side * (s.take - s.aim) < 0:  # and so it was touched
                break
            doubt(s, reach == 0)
            if reach == 0 and t.reading == AGAINST:
                break
            leave_target(
                t, s, fixed, columns, rows, i, s.aim, t.maker, _TARGET_1 + s.hit, INSIDE, fills, fill_amounts
            )  # fmt: skip
    if s.units > 0 and s.side * (favour - s.take) >= 0:
        leave_whole(t, s, i, s.take, _TAKE, INSIDE, fills, fill_amounts)


@part
def go_inside(
    t: Any, s: Any, ordered: bool, market: bool, fixed: Any, columns: Any, rows: Any, i: int, high: float, low: float,
    mark_high: float, mark_low: float, late: bool, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """Inside the candle, in position: stop against liquidation, targets last (first, where that is the reading).

    `late`: it was entered inside this very candle.
    """
    adverse, favour = (low, high) if s.side > 0 else (high, low)
    if ordered and not late and not math.isnan(s.trail):
        level = on_tick(t, -s.side, _trailed_within(s, s.side, s.best, favour))
        doubt(s, _follows(s.side, s.level, level, adverse))
        if t.reading == IN_FAVOUR:
            tighten(t, s, level)
    touched = s.side * (adverse - s.level) <= 0
    liquidated = market and s.side * ((mark_low if s.side > 0 else mark_high) - s.liquidation) <= 0
    aimed = s.side * (favour - s.take) >= 0 or (ordered and s.side * (favour - s.aim) >= 0)
    if not (touched or liquidated or aimed):
        return
    doubt(s, ((touched or liquidated) and aimed) or (late and (touched or aimed)))
    if late and t.reading == IN_FAVOUR:
        touched = False
    if aimed and t.reading == IN_FAVOUR:
        leave_touched(t, s, ordered, fixed, columns, rows, i, favour, fills, fill_amounts)
    if s.units > 0 and (touched or liquidated):
        if touched and not (liquidated and s.side * (s.level - s.liquidation) <= 0):
            leave_whole(t, s, i, s.level, _TRAILING if s.moved else _STOP, INSIDE, fills, fill_amounts)
        else:
            liquidate(t, s, i, INSIDE, fills, fill_amounts)
    elif s.units > 0 and aimed and not late:
        leave_touched(t, s, ordered, fixed, columns, rows, i, favour, fills, fill_amounts)
