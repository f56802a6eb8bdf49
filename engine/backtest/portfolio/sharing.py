"""How the compiled portfolio simulator shares the money that is free at an instant: who asks for what, who gets what."""

from __future__ import annotations

import math
from typing import Any, Final

from engine.backtest.kernel.candle import arrived, enter_asked, fill_order
from engine.backtest.kernel.candle_steps import add_needed, buy_more
from engine.backtest.kernel.excursions import AT_OPEN
from engine.backtest.kernel.filling import slipped_by, whole_steps
from engine.backtest.kernel.parts import code, floor_division, part, step
from engine.backtest.kernel.positions import sell_out
from engine.backtest.kernel.sizing import needed, risked, shared
from engine.backtest.portfolio.book import (
    BELOW_MINIMUM,
    BEYOND_STOP,
    MAX_OPEN,
    NO_CASH,
    NO_STOP,
    NO_VOLATILITY,
    NO_VOLUME,
    SCALED,
    TOO_SMALL,
    WHOLE,
    WHYS,
)
from engine.backtest.portfolio.weights import weight_of
from engine.backtest.rules import REASONS, REBALANCE

# what a leg asks for
NOTHING, MARKET_ENTRY, BY_OPEN, RESTING, MORE, WEIGHT = (code(k) for k in range(6))
# where a leg is: nothing comes; the open of a candle comes; it has opened just now; its close comes; a close with a signal;
# it has not begun. What takes all columns stands in line: a call would put them on the stack one by one
DONE, OPENS, OPENED, CLOSES, DECIDES, STARTS = (code(k) for k in range(6))

_WHOLE, _SCALED, _MAX_OPEN = code(WHYS.index(WHOLE)), code(WHYS.index(SCALED)), code(WHYS.index(MAX_OPEN))
_NO_CASH, _NO_STOP = code(WHYS.index(NO_CASH)), code(WHYS.index(NO_STOP))
_NO_VOLATILITY, _NO_VOLUME = code(WHYS.index(NO_VOLATILITY)), code(WHYS.index(NO_VOLUME))
_BEYOND_STOP, _BELOW_MINIMUM = code(WHYS.index(BEYOND_STOP)), code(WHYS.index(BELOW_MINIMUM))
_TOO_SMALL: Final = code(WHYS.index(TOO_SMALL))
_REBALANCE: Final = code(REASONS.index(REBALANCE))


@part
def open_profit(s: Any, price: float) -> float:
    """Of what a leg holds, at that price."""
    signed = s.side * s.units
    profit: float = price * signed - signed * s.price
    return profit


@part
def look_at(c: Any, leg: Any, now: int) -> None:
    """Go on to the last of its candles that has closed by now."""
    while leg.at < leg.last and c.closes[leg.at + 1] <= now:
        leg.at += 1


@part
def _price_now(c: Any, leg: Any, now: int) -> float:
    """The open of its candle that opens now, else its last close."""
    look_at(c, leg, now)
    following = leg.at + 1
    price: float = c.opened[following] if leg.at < leg.last and c.times[following] == now else c.close[leg.at]
    return price


@part
def _equity_now(c: Any, b: Any, now: int) -> float:
    """The wallet with open profits, at these opens."""
    value: float = b.wallet[0].money
    for k in range(len(b.legs)):
        if b.states[k].units > 0:
            value += open_profit(b.states[k], _price_now(c, b.legs[k], now))
    return value


@part
def is_due(r: Any, c: Any, leg: Any, i: int) -> bool:
    """Whether candle i is its first at or after one of the times at which weights are brought back."""
    if r.every == 0 or i == leg.first:
        return False
    due: bool = (c.times[i] - r.began) // r.every > (c.times[i - 1] - r.began) // r.every
    return due


@step
def _excess(c: Any, b: Any, k: int, equity: float) -> float:
    """Margin at this open beyond that of its weight; 0 where it is not to be brought back now."""
    r, t, s, leg = b.rules[0], b.terms[k], b.states[k], b.legs[k]
    i = leg.next
    due = is_due(r, c, leg, i)
    risk = risked(t, c.fixed[k], c.columns, c.rows[k], s.signal)
    if not math.isnan(risk) or equity <= 0 or not (due or r.band > 0):
        return 0.0
    weight = weight_of(c, b, k, i, c.times[i]) * shared(t, c.fixed[k], c.columns, c.rows[k], s.signal)
    held = s.units * c.opened[i] / t.leverage
    if math.isnan(weight) or not (due or abs(held / equity - weight) > r.band):
        return 0.0
    excess: float = held - weight * equity
    return excess


@step
def _reduce(c: Any, b: Any, k: int, equity: float) -> None:
    """Let go of what leg k holds beyond its weight."""
    t, s, leg = b.terms[k], b.states[k], b.legs[k]
    opened = c.opened[leg.next]
    units = floor_division(max(0.0, _excess(c, b, k, equity)), opened / t.leverage)
    units = min(s.units, whole_steps(t, units))
    if units < 1:
        return
    wallet = b.wallet[0]
    s.money = wallet.money
    price = opened * (1 - s.side * slipped_by(t, s.impact, units, opened))
    sell_out(t, s, leg.next, units, price, t.fee, opened, _REBALANCE, AT_OPEN, b.fills, b.fill_amounts)
    leg.reduced = leg.next
    leg.made += s.money - wallet.money
    wallet.money = s.money


@part
def _ask_entry(c: Any, b: Any, k: int, equity: float) -> None:
    """What leg k, which is flat, asks for."""
    t, s, leg = b.terms[k], b.states[k], b.legs[k]
    i = leg.next
    opened = c.opened[i]
    g = s.enter if s.enter >= 0 else s.order
    side = 1 if c.entry[g] > 0 else -1
    leg.asks = MARKET_ENTRY
    bare, bound, rate, reference = opened, side * math.inf, t.fee, c.close[g]
    if s.enter < 0:
        reference = s.order_price
        by_open = side * (opened - reference) <= 0 if s.limit else side * (opened - reference) >= 0
        leg.asks = BY_OPEN if by_open else RESTING
        if not by_open:
            bare, rate = reference, (t.maker if s.limit else t.fee)
        if s.limit:
            bound = reference
    leg.rank = c.rank[g] if len(c.rank) else 0.0
    weight = weight_of(c, b, k, g, c.closes[g])
    if len(c.risks):
        t.risk = c.risks[g]
    leg.base = weight * equity
    if math.isnan(weight):
        leg.why = _NO_VOLATILITY
    elif math.isnan(c.stop_loss[g]) and not math.isnan(t.risk):
        leg.why = _NO_STOP
    else:
        s.side = side
        leg.requested = needed(
            t, s, c.fixed[k], c.columns, c.rows[k], g, bare, bound, s.enter >= 0, rate, reference, opened,
            c.stop_loss[g], leg.base,
        )  # fmt: skip


@part
def _ask_more(c: Any, b: Any, k: int, equity: float) -> None:
    """What leg k asks for, to add to what it holds."""
    t, s, leg = b.terms[k], b.states[k], b.legs[k]
    i = leg.next
    leg.rank = c.rank[i - 1] if len(c.rank) else 0.0
    if s.adding:
        leg.requested = add_needed(s, c.fixed[k], c.columns, c.rows[k])
        leg.asks = MORE if leg.requested > 0 else NOTHING
        return
    if leg.reduced == i:
        return  # it has its weight: what it seems to lack is rounding
    lacks, opened = -_excess(c, b, k, equity), c.opened[i]
    units = floor_division(max(0.0, lacks), opened / t.leverage + opened * t.fee)
    if s.hit == 0 and whole_steps(t, units) >= 1:
        leg.requested, leg.asks = lacks, WEIGHT


@part
def _before(b: Any, j: int, k: int) -> bool:
    """Whether leg j is served before leg k: by rank, then by name; NaN is last."""
    one, other = b.legs[j].rank, b.legs[k].rank
    if one > other or (math.isnan(other) and not math.isnan(one)):
        return True
    return (one == other or (math.isnan(one) and math.isnan(other))) and j < k


@part
def _put_in_order(b: Any) -> int:
    """The legs that ask and are not refused, in the order in which they are served; how many."""
    count = 0
    for n in range(b.wallet[0].here):
        k = b.here[n]
        leg = b.legs[k]
        if leg.phase != OPENED or leg.asks == NOTHING or leg.why != _WHOLE:
            continue
        at = count
        while at > 0 and _before(b, k, b.order[at - 1]):
            b.order[at] = b.order[at - 1]
            at -= 1
        b.order[at] = k
        count += 1
    return count


@step
def _refuse_beyond_places(b: Any, count: int) -> None:
    """At most so many legs hold something, or have an order waiting."""
    left = b.rules[0].places
    for k in range(len(b.legs)):
        left -= b.states[k].units > 0 or b.legs[k].reserved > 0
    for n in range(count):
        leg = b.legs[b.order[n]]
        if leg.asks in (MARKET_ENTRY, BY_OPEN, RESTING):
            if left <= 0:
                leg.why = _MAX_OPEN
            left -= 1


@part
def _grant(b: Any, count: int) -> None:
    """What each gets of the money that is free: all of it where that suffices, else by the rule of contention."""
    free, total = b.wallet[0].money, 0.0
    bound = 0.0
    for k in range(len(b.legs)):
        leg = b.legs[k]
        bound += leg.reserved + b.states[k].wallet
    for n in range(b.wallet[0].here):
        leg = b.legs[b.here[n]]
        if leg.phase == OPENED and leg.asks != NOTHING and leg.why == _WHOLE:
            total += leg.requested
    free -= bound
    scarce = total > free
    for n in range(count):
        leg = b.legs[b.order[n]]
        if leg.why != _WHOLE:
            continue
        leg.granted = leg.requested
        if scarce and b.rules[0].ranked:
            leg.granted = min(leg.requested, free)
            free -= leg.granted
        elif scarce:
            leg.granted = free * (leg.requested / total) if total > 0 else 0.0
        leg.most = math.inf
        if leg.granted < leg.requested:
            leg.why, leg.most = _SCALED, leg.granted
        if leg.granted <= 0:
            leg.why = _NO_CASH


@part
def left_out(s: Any) -> int:
    """How many entries and adds were left out for a reason that is counted, packed so that one number tells which."""
    packed: int = s.no_volume + (s.dropped << 20) + (s.below_minimum << 40)
    return packed


@step
def note(b: Any, k: int, time: int, filled: float, before: int) -> None:
    """Write a request down that was met, or came to nothing; `before`: what `left_out` said then. What would bring a weight
    back and finds nothing is no request.
    """
    s, leg, wallet = b.states[k], b.legs[k], b.wallet[0]
    if filled == 0 and leg.asks == WEIGHT:
        return
    if filled == 0 and leg.why in (_WHOLE, _SCALED):
        grown = left_out(s) - before
        leg.why = _TOO_SMALL
        if grown >= 1 << 40:
            leg.why = _BELOW_MINIMUM
        elif grown >= 1 << 20:
            leg.why = _BEYOND_STOP
        elif grown > 0:
            leg.why = _NO_VOLUME
    if b.rules[0].detailed:
        at = wallet.asked
        b.asks[0, at], b.asks[1, at], b.asks[2, at] = time, k, leg.why
        b.ask_amounts[0, at], b.ask_amounts[1, at] = leg.requested, filled
        wallet.asked += 1


@part
def _serve(c: Any, b: Any, k: int) -> None:
    """Do what leg k asked for, with the money that it got; for an order that waits it is reserved."""
    t, s, leg, wallet = b.terms[k], b.states[k], b.legs[k], b.wallet[0]
    i, time = leg.next, c.times[leg.next]
    if leg.why not in (_WHOLE, _SCALED):
        s.enter, s.until, s.adding = -1, -1, 0
        note(b, k, time, 0.0, 0)
        return
    if leg.asks == RESTING:
        leg.reserved = leg.granted
        return
    before, bound, fees, opened = left_out(s), s.wallet, s.fees, c.opened[i]
    s.money = wallet.money
    if leg.asks == MARKET_ENTRY:
        enter_asked(
            t, s, True, i, opened, c.entry, c.close, c.stop_loss, c.take_profit, c.fixed[k], c.columns, c.rows[k],
            leg.base, leg.most, b.fills, b.fill_amounts,
        )  # fmt: skip
    elif leg.asks == BY_OPEN:
        fill_order(
            t, s, i, opened, opened, opened, c.entry, c.stop_loss, c.take_profit, c.fixed[k], c.columns, c.rows[k],
            leg.base, leg.most, b.fills, b.fill_amounts,
        )  # fmt: skip
    elif buy_more(t, s, i, opened, leg.granted, opened * t.fee, b.fills, b.fill_amounts) and leg.asks == MORE:
        s.adds += 1
    if leg.asks in (MARKET_ENTRY, BY_OPEN):
        filled = s.wallet + s.fees if s.units > 0 else 0.0
    else:
        filled = s.wallet - bound + s.fees - fees
    if s.units > 0 and s.entry == i:
        arrived(t, s, True, i, opened, c.fixed[k], c.columns, c.rows[k], c.times, b.fills, b.fill_amounts)
    leg.made += s.money - wallet.money
    wallet.money = s.money
    note(b, k, time, filled, before)


@part
def _may_ask(s: Any, leg: Any, weighs: bool) -> bool:
    """Whether a leg whose candle has just opened may want money, or has to let go of some."""
    if leg.phase != OPENED:
        return False
    wants: bool = s.adding or weighs if s.units > 0 else s.enter >= 0 or s.until >= leg.next
    return wants


@part
def _ask(c: Any, b: Any, equity: float, weighs: bool) -> None:
    """What the legs that have just opened ask for."""
    for n in range(b.wallet[0].here):
        k = b.here[n]
        s, leg = b.states[k], b.legs[k]
        if not _may_ask(s, leg, weighs):
            continue
        if s.units > 0:
            _ask_more(c, b, k, equity)
        else:
            _ask_entry(c, b, k, equity)


@step
def _reduce_all(c: Any, b: Any, equity: float) -> None:
    """Legs that have just opened and hold too much let go of it."""
    for n in range(b.wallet[0].here):
        k = b.here[n]
        if b.legs[k].phase == OPENED and b.states[k].units > 0 and not b.states[k].adding:
            _reduce(c, b, k, equity)


@part
def share_out(c: Any, b: Any, now: int) -> None:
    """The legs whose candles have just opened enter, add and are brought back to their weights."""
    r, asks = b.rules[0], False
    weighs = r.every > 0 or r.band > 0
    for n in range(b.wallet[0].here):
        k = b.here[n]
        leg = b.legs[k]
        if leg.phase == OPENED:
            leg.asks, leg.why, leg.requested = NOTHING, _WHOLE, 0.0
        asks |= _may_ask(b.states[k], leg, weighs)
    if not asks:
        return
    equity = _equity_now(c, b, now)
    if weighs:
        _reduce_all(c, b, equity)
    _ask(c, b, equity, weighs)
    count = _put_in_order(b)
    if r.places > 0:
        _refuse_beyond_places(b, count)
    _grant(b, count)
    for n in range(b.wallet[0].here):
        k = b.here[n]
        if b.legs[k].phase == OPENED and b.legs[k].asks != NOTHING:
            _serve(c, b, k)
