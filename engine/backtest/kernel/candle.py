"""One candle of the state machine, part by part: its open, what arrives there, its inside, its close, what is decided then.

A run plays them one after the other; a portfolio plays the opens and the closes of many legs by time.
"""

from __future__ import annotations

import math
from typing import Any, Final

from engine.backtest.kernel.candle_steps import (
    add_more,
    come_near,
    enter_by_order,
    go_inside,
    leave_in_time,
    leave_passed,
    leave_whole,
    raise_stop,
)
from engine.backtest.kernel.decisions import blocked_by, count_entry, sound, take_order, watch
from engine.backtest.kernel.excursions import AT_CLOSE, AT_OPEN, NOT_LATE
from engine.backtest.kernel.parts import code, part
from engine.backtest.kernel.positions import (
    close_trade,
    enter,
    find_liquidation,
    hold_open,
    liquidate,
    pay,
)
from engine.backtest.kernel.seeking import next_entry
from engine.backtest.rules import EXIT_LONG, EXIT_SHORT, REASONS, REVERSE, RUIN

_EXIT_LONG, _EXIT_SHORT = code(REASONS.index(EXIT_LONG)), code(REASONS.index(EXIT_SHORT))
_REVERSE: Final = code(REASONS.index(REVERSE))
RUINED: Final = code(REASONS.index(RUIN))
_NONE: Final = code(-1)


@part
def settle_here(s: Any, charged: bool, i: int, edge: Any, inside: Any, inside_paid: Any) -> None:
    """What settles at the very open of candle i, and whether anything does inside it."""
    s.edge_here = edge[i] if charged else 0.0
    s.unsure = charged and (inside[i] != 0 or inside_paid[i] != 0)


@part
def carry(
    t: Any, s: Any, ordered: bool, market: bool, i: int, opened: float, fixed: Any, columns: Any, rows: Any,
    settled: float, mark: float, floor: Any, rate: Any, cum: Any, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """The open of candle i, of a position carried into it: funding, liquidation, what was signalled, what was passed."""
    if ordered:
        raise_stop(t, s, fixed, columns, rows, i)
    if market:
        if settled != 0:
            pay(t, s, s.side * s.units * settled)
        find_liquidation(t, s, floor, rate, cum)
        if s.side * (mark - s.liquidation) <= 0:
            liquidate(t, s, i, AT_OPEN, fills, fill_amounts)
            return
    if s.leave >= 0:
        leave_whole(t, s, i, opened, s.leave, AT_OPEN, fills, fill_amounts)
        return
    leave_passed(t, s, ordered, fixed, columns, rows, i, opened, fills, fill_amounts)
    if ordered:
        leave_in_time(t, s, fixed, columns, rows, i, opened, fills, fill_amounts)


@part
def enter_asked(
    t: Any, s: Any, ordered: bool, i: int, opened: float, entry: Any, close: Any, stop_loss: Any, take_profit: Any,
    fixed: Any, columns: Any, rows: Any, base: float, most: float, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """The market entry that was asked for, at the open of candle i. `base`, `most`: as `enter` takes them."""
    g, s.enter = s.enter, -1
    sign = entry[g]
    enter(
        t, s, ordered, fixed, columns, rows, g, i, sign, opened, sign * math.inf, True, t.fee, NOT_LATE, close[g],
        opened, stop_loss[g], take_profit[g], base, most, fills, fill_amounts,
    )  # fmt: skip


@part
def fill_order(
    t: Any, s: Any, i: int, opened: float, high: float, low: float, entry: Any, stop_loss: Any, take_profit: Any,
    fixed: Any, columns: Any, rows: Any, base: float, most: float, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """The order that waits, on candle i as far as `high` and `low` tell it."""
    g = s.order
    enter_by_order(
        t, s, fixed, columns, rows, i, entry[g], opened, high, low, stop_loss[g], take_profit[g], base, most, fills,
        fill_amounts,
    )  # fmt: skip


@part
def arrive(
    t: Any, s: Any, ordered: bool, i: int, opened: float, high: float, low: float, entry: Any, close: Any,
    stop_loss: Any, take_profit: Any, fixed: Any, columns: Any, rows: Any, times: Any, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """What is entered or added at the open of candle i, or by an order; what the open has passed leaves at once."""
    if s.enter >= 0:
        if s.money > 0:
            enter_asked(
                t, s, ordered, i, opened, entry, close, stop_loss, take_profit, fixed, columns, rows, s.money, math.inf,
                fills, fill_amounts,
            )  # fmt: skip
        s.enter = -1
    if ordered:
        if s.adding and s.units > 0:
            add_more(t, s, fixed, columns, rows, i, opened, s.money - s.wallet, fills, fill_amounts)
        if s.units == 0 and s.until >= i and s.money > 0:
            fill_order(
                t, s, i, opened, high, low, entry, stop_loss, take_profit, fixed, columns, rows, s.money, math.inf,
                fills, fill_amounts,
            )  # fmt: skip
    if s.units > 0 and s.entry == i:
        arrived(t, s, ordered, i, opened, fixed, columns, rows, times, fills, fill_amounts)


@part
def arrived(
    t: Any, s: Any, ordered: bool, i: int, opened: float, fixed: Any, columns: Any, rows: Any, times: Any, fills: Any,
    fill_amounts: Any,
) -> None:  # fmt: skip
    """A position was entered on candle i: it counts; what the open has passed leaves at once."""
    if ordered:
        count_entry(s, i, times)
    if not ordered or s.late == 0:
        leave_passed(t, s, ordered, fixed, columns, rows, i, opened, fills, fill_amounts)


@part
def outlast(
    t: Any, s: Any, ordered: bool, market: bool, i: int, close: float, favour: float, mark: float, settled: float
) -> None:  # fmt: skip
    """What has happened by the close of candle i to a position that is held there."""
    if market:
        come_near(s, s.side, mark)
        if settled != 0:
            pay(t, s, s.side * s.units * settled)
    if ordered:
        seen = close if s.entry == i and s.late != 0 else favour
        s.best = s.side * max(s.side * s.best, s.side * seen)


@part
def value_at_close(
    t: Any, s: Any, market: bool, i: int, close: float, fills: Any, fill_amounts: Any
) -> float:  # fmt: skip
    """The close of candle i: the account's value; a position that it ruins leaves."""
    value: float = s.money
    if s.units == 0:
        return value
    signed = s.side * s.units
    value = s.money + (close * signed - signed * s.price)
    if value <= 0 and not (market and t.margin):
        leave_whole(t, s, i, close, RUINED, AT_CLOSE, fills, fill_amounts)
        value = s.money
    return value


@part
def hold(
    t: Any, s: Any, ordered: bool, market: bool, i: int, high: Any, low: Any, close: Any, fixed: Any, columns: Any,
    rows: Any, inside: Any, inside_paid: Any, mark_high: Any, mark_low: Any, floor: Any, rate: Any, cum: Any,
    fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """Candle i from after its open to before its close, where something is held."""
    if s.units == 0:
        return
    charged, long = market and t.charged, s.side > 0
    if market:
        find_liquidation(t, s, floor, rate, cum)
    if charged:
        s.cost_here = inside_paid[i] if long else inside_paid[i] - inside[i]
    go_inside(
        t, s, ordered, market, fixed, columns, rows, i, high[i], low[i], mark_high[i], mark_low[i],
        ordered and s.late != 0 and s.entry == i, fills, fill_amounts,
    )  # fmt: skip
    if s.units > 0:
        favour, mark = (high[i], mark_low[i]) if long else (low[i], mark_high[i])
        outlast(t, s, ordered, market, i, close[i], favour, mark, inside[i] if charged else 0.0)


@part
def decide(s: Any, ordered: bool, sign: int, leaves: bool, add: int, reverse: bool) -> bool:
    """At a close: what happens to a position at the next open; whether the entry signalled there is to be acted on."""
    s.leave, s.adding = _NONE, 0
    if s.units == 0:
        return sign != 0
    if reverse and s.side * sign < 0:
        s.leave = _REVERSE
        return True
    if leaves:
        s.leave = _EXIT_LONG if s.side > 0 else _EXIT_SHORT
    elif ordered and s.side * add > 0:
        s.adding = 1
    return False


@part
def act(
    t: Any, s: Any, ordered: bool, i: int, value: float, close: Any, entry: Any, exit_long: Any, exit_short: Any,
    stop_loss: Any, take_profit: Any, fixed: Any, columns: Any, rows: Any, add: Any, impact: Any, times: Any,
    reverse: bool, blocked: Any,
) -> bool:  # fmt: skip
    """The decisions at the close of candle i; False where the entry signalled there asks for what cannot be."""
    if ordered and t.protected:
        watch(t, s, i, value, times)
    leaves = exit_long[i] if s.side > 0 else exit_short[i]
    if not decide(s, ordered, entry[i], leaves, add[i] if ordered else 0, reverse):
        return True
    if ordered and t.protected:
        by = blocked_by(t, s, i, times)
        if by >= 0:
            blocked[by] += 1
            return True
    if not sound(ordered, fixed, columns, rows, i, entry[i], close[i], stop_loss[i], take_profit[i]):
        return False
    if ordered:
        take_order(t, s, fixed, columns, rows, i, entry[i], impact)
    else:
        s.enter = i
    return True


@part
def rests(s: Any, ordered: bool, i: int) -> bool:
    """Nothing is held, and nothing waits for candle i."""
    return s.units == 0 and s.enter < 0 and not (ordered and s.until >= i)


@part
def rest(s: Any, i: int, entry: Any, equity: Any) -> int:
    """Flat from candle i on, to the next with an entry signal or the last; writes the equity up to there."""
    found = next_entry(entry, i, len(entry) - 1)
    equity[i : found + 1] = s.money
    return found


@part
def book(t: Any, s: Any, i: int, high: Any, low: Any, close: Any, places: Any, amounts: Any) -> None:
    """Write the trade down that has just ended, if one has."""
    if s.trading and s.units == 0:
        close_trade(t, s, i, high, low, close, places, amounts)


@part
def look_around(s: Any, ordered: bool, i: int, impact: Any) -> None:
    """What an order on candle i is to its market, where that counts."""
    if ordered and len(impact):
        s.impact = impact[i]


@part
def leave_open(t: Any, s: Any, i: int, high: Any, low: Any, close: Any, places: Any, amounts: Any) -> None:
    """What is held on the last candle is marked at its close."""
    if s.units > 0:
        hold_open(s, close[i])
        close_trade(t, s, i, high, low, close, places, amounts)
