"""The state machine that plays orders, protections, margin and funding candle by candle.

It is compiled in three variants, beside the plain kernel: what a run does not use is not in the machine code that it runs.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from numba import types

from engine.backtest.kernel.candle_steps import (
    add_more,
    come_near,
    enter_by_order,
    go_inside,
    leave_in_time,
    leave_passed,
    leave_whole,
    raise_stop,
    stay,
)
from engine.backtest.kernel.decisions import blocked_by, count_entry, sound, take_order, watch
from engine.backtest.kernel.excursions import AT_CLOSE, AT_OPEN, NOT_LATE
from engine.backtest.kernel.fine_candles import walk
from engine.backtest.kernel.parts import FLAGS, OPTIONS, PRICES, SIGNS, code, part
from engine.backtest.kernel.positions import (
    STATE,
    TERMS,
    begin,
    close_trade,
    enter,
    find_liquidation,
    hold_open,
    liquidate,
    pay,
)
from engine.backtest.rules import EXIT_LONG, EXIT_SHORT, REASONS, REVERSE, RUIN

_EXIT_LONG, _EXIT_SHORT = code(REASONS.index(EXIT_LONG)), code(REASONS.index(EXIT_SHORT))
_REVERSE, _RUIN = code(REASONS.index(REVERSE)), code(REASONS.index(RUIN))

# of a candle in doubt: it has no finer ones, or was played by them
DOUBTED, LOOKED_INTO = code(1), code(2)
# why it is walked through
BY_SETTLEMENTS, BY_READINGS = code(1), code(2)

_NONE: Final = code(-1)
_FIRST: Final = code(0)

_TIMES: Final = types.Array(types.int64, 1, "C", readonly=True)
_SIGNATURE: Final = (
    *[PRICES] * 4,
    SIGNS,
    *[FLAGS] * 2,
    *[PRICES] * 3,
    types.Array(types.float64, 2, "C", readonly=True),
    _TIMES,
    SIGNS,
    *[PRICES] * 11,
    _TIMES,
    _TIMES,
    types.Array(types.float64, 2, "C", readonly=True),
    types.boolean,
    numba.from_dtype(TERMS)[::1],
    numba.from_dtype(STATE)[::1],
    types.float64[::1],
    types.int64[:, ::1],
    types.float64[:, ::1],
    types.int64[:, ::1],
    types.float64[:, ::1],
    types.int64[::1],
    types.int64[::1],
)  # fmt: skip


@part
def _carry(
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
def _arrive(
    t: Any, s: Any, ordered: bool, i: int, opened: float, high: float, low: float, entry: Any, close: Any,
    stop_loss: Any, take_profit: Any, fixed: Any, columns: Any, rows: Any, times: Any, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """What is entered or added at the open of candle i, or by an order; what the open has passed leaves at once."""
    if s.enter >= 0:
        g, s.enter = s.enter, -1
        sign = entry[g]
        if s.money > 0:
            enter(
                t, s, ordered, fixed, columns, rows, g, i, sign, opened, sign * math.inf, True, t.fee, NOT_LATE, close[g],
                opened, stop_loss[g], take_profit[g], fills, fill_amounts,
            )  # fmt: skip
    if ordered:
        if s.adding and s.units > 0:
            add_more(t, s, fixed, columns, rows, i, opened, fills, fill_amounts)
        if s.units == 0 and s.until >= i and s.money > 0:
            g = s.order
            enter_by_order(
                t, s, fixed, columns, rows, i, entry[g], opened, high, low, stop_loss[g], take_profit[g], fills,
                fill_amounts,
            )  # fmt: skip
    if s.units > 0 and s.entry == i:
        if ordered:
            count_entry(s, i, times)
        if not ordered or s.late == 0:
            leave_passed(t, s, ordered, fixed, columns, rows, i, opened, fills, fill_amounts)


@part
def _outlast(
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
def _close(
    t: Any, s: Any, market: bool, i: int, close: float, fills: Any, fill_amounts: Any
) -> float:  # fmt: skip
    """The close of candle i: the account's value; a position that it ruins leaves."""
    value: float = s.money
    if s.units == 0:
        return value
    signed = s.side * s.units
    value = s.money + (close * signed - signed * s.price)
    if value <= 0 and not (market and t.margin):
        leave_whole(t, s, i, close, _RUIN, AT_CLOSE, fills, fill_amounts)
        value = s.money
    return value


@part
def _hold(
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
        _outlast(t, s, ordered, market, i, close[i], favour, mark, inside[i] if charged else 0.0)


@part
def _decide(s: Any, ordered: bool, sign: int, leaves: bool, add: int, reverse: bool) -> bool:
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
def _act(
    t: Any, s: Any, ordered: bool, i: int, value: float, close: Any, entry: Any, exit_long: Any, exit_short: Any,
    stop_loss: Any, take_profit: Any, fixed: Any, columns: Any, rows: Any, add: Any, impact: Any, times: Any,
    reverse: bool, blocked: Any,
) -> bool:  # fmt: skip
    """The decisions at the close of candle i; False where the entry signalled there asks for what cannot be."""
    if ordered and t.protected:
        watch(t, s, i, value, times)
    leaves = exit_long[i] if s.side > 0 else exit_short[i]
    if not _decide(s, ordered, entry[i], leaves, add[i] if ordered else 0, reverse):
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
def _rests(s: Any, ordered: bool, i: int) -> bool:
    """Nothing is held, and nothing waits for candle i."""
    return s.units == 0 and s.enter < 0 and not (ordered and s.until >= i)


@part
def _rest(s: Any, i: int, entry: Any, equity: Any) -> int:
    """Flat from candle i on, to the next with an entry signal or the last; writes the equity up to there."""
    first, last = i, len(entry) - 1
    while i < last and entry[i] == 0:
        i += 1
    equity[first : i + 1] = s.money
    return i


@part
def _book(t: Any, s: Any, i: int, high: Any, low: Any, close: Any, places: Any, amounts: Any) -> None:
    """Write the trade down that has just ended, if one has."""
    if s.trading and s.units == 0:
        close_trade(t, s, i, high, low, close, places, amounts)


@part
def _look_around(s: Any, ordered: bool, i: int, impact: Any) -> None:
    """What an order on candle i is to its market, where that counts."""
    if ordered and len(impact):
        s.impact = impact[i]


@part
def _leave_open(t: Any, s: Any, i: int, high: Any, low: Any, close: Any, places: Any, amounts: Any) -> None:
    """What is held on the last candle is marked at its close."""
    if s.units > 0:
        hold_open(s, close[i])
        close_trade(t, s, i, high, low, close, places, amounts)


@part
def _again(states: Any, i: int, finer: Any, doubts: Any) -> bool:
    """Whether candle i, just played, is to be played once more, by its finer candles: what it did hangs on what came first
    inside it, as it could be read two ways or something settles beside a fill. Then the state is what it was before it.
    """
    s, before = states[0], states[1]
    two_ways = s.doubts != before.doubts
    if s.walking != 0 or not (two_ways or s.unsure_fills != before.unsure_fills):
        s.walking = 0
        return False
    again: bool = finer[i] < finer[i + 1]
    doubts[i] = LOOKED_INTO if again else DOUBTED
    if again:
        states[0] = before
        states[0].walking = BY_READINGS if two_ways else BY_SETTLEMENTS
    return again


@part
def _begin(states: Any, finer: bool, charged: bool, i: int, edge: Any, inside: Any, inside_paid: Any) -> None:
    """Before candle i: what settles at its very open, whether anything does inside it; the state, to come back to it."""
    s = states[0]
    s.edge_here = edge[i] if charged else 0.0
    s.unsure = charged and (inside[i] != 0 or inside_paid[i] != 0)
    if finer and s.walking == 0:
        states[1] = s


@part
def _passes(t: Any, s: Any) -> bool:
    """A position is held that has nothing to do at the next open; readings and protections look at every candle."""
    return s.units > 0 and s.leave < 0 and not s.adding and t.passing


def _variant(ordered: bool, market: bool) -> Any:
    """The kernel with orders and protections, with margin and funding, or with both."""

    @numba.njit(_SIGNATURE, **OPTIONS)
    def play(
        opened: Any, high: Any, low: Any, close: Any, entry: Any, exit_long: Any, exit_short: Any, stop_loss: Any,
        take_profit: Any, fixed: Any, columns: Any, rows: Any, add: Any, at_open: Any, edge: Any, inside: Any,
        inside_paid: Any, mark_open: Any, mark_high: Any, mark_low: Any, floor: Any, rate: Any, cum: Any, impact: Any,
        times: Any, finer: Any, fine: Any, reverse: bool, terms: Any, states: Any, equity: Any, places: Any,
        amounts: Any, fills: Any, fill_amounts: Any, blocked: Any, doubts: Any,
    ) -> tuple[float, int]:  # fmt: skip
        """As `simulate`; returns (shortfall, refused), the rest is in `states`."""
        t, s = terms[0], states[0]
        begin(t, s)
        last, i = len(close) - 1, _FIRST
        charged = market and t.charged
        while True:
            if _rests(s, ordered, i):
                i = _rest(s, i, entry, equity)
            else:
                if _passes(t, s):
                    if market:
                        find_liquidation(t, s, floor, rate, cum)
                    i = stay(
                        t, s, ordered, market, i, high, low, close, entry, exit_long if s.side > 0 else exit_short,
                        fixed, columns, rows, add, at_open, inside, mark_open, mark_high, mark_low, reverse, equity,
                    )  # fmt: skip
                _begin(states, ordered and t.finer, charged, i, edge, inside, inside_paid)
                _look_around(s, ordered, i, impact)
                if s.units > 0:
                    _carry(
                        t, s, ordered, market, i, opened[i], fixed, columns, rows, at_open[i] if charged else 0.0,
                        mark_open[i], floor, rate, cum, fills, fill_amounts,
                    )  # fmt: skip
                _book(t, s, i, high, low, close, places, amounts)
                upper, lower = (high[i], low[i]) if s.walking == 0 else (opened[i], opened[i])
                _arrive(
                    t, s, ordered, i, opened[i], upper, lower, entry, close, stop_loss, take_profit, fixed, columns,
                    rows, times, fills, fill_amounts,
                )  # fmt: skip
                if ordered and s.walking != 0:
                    g = s.order
                    walk(
                        t, s, market, fixed, columns, rows, i, entry[g], stop_loss[g], take_profit[g], finer[i],
                        finer[i + 1], fine, floor, rate, cum, times, s.walking == BY_READINGS, fills, fill_amounts,
                    )  # fmt: skip
                else:
                    _hold(
                        t, s, ordered, market, i, high, low, close, fixed, columns, rows, inside, inside_paid,
                        mark_high, mark_low, floor, rate, cum, fills, fill_amounts,
                    )  # fmt: skip
                value = _close(t, s, market, i, close[i], fills, fill_amounts)
                _book(t, s, i, high, low, close, places, amounts)
                if ordered and t.finer and _again(states, i, finer, doubts):
                    continue
                if s.units == 0 and (
                    value <= 0 or s.reason == _RUIN
                ):  # final, also where rounding leaves something
                    equity[i:] = 0.0
                    return 0.0 - value, -1
                equity[i] = value
            if i == last:
                _leave_open(t, s, i, high, low, close, places, amounts)
                return 0.0, -1
            if not _act(
                t, s, ordered, i, equity[i], close, entry, exit_long, exit_short, stop_loss, take_profit, fixed,
                columns, rows, add, impact, times, reverse, blocked,
            ):  # fmt: skip
                return 0.0, i
            i += 1

    return play


ORDERED, MARKET, ALL = _variant(True, False), _variant(False, True), _variant(True, True)
