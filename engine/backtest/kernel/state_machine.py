"""The state machine that plays orders, protections, margin and funding candle by candle.

It is compiled in three variants, beside the plain kernel: what a run does not use is not in the machine code that it runs.
"""

from __future__ import annotations

from typing import Any, Final

import numba
from numba import types

from engine.backtest.kernel.candle import (
    RUINED,
    act,
    arrive,
    book,
    carry,
    hold,
    leave_open,
    look_around,
    rest,
    rests,
    settle_here,
    value_at_close,
)
from engine.backtest.kernel.candle_steps import stay
from engine.backtest.kernel.fine_candles import walk
from engine.backtest.kernel.parts import FLAGS, OPTIONS, PRICES, SIGNS, code, part
from engine.backtest.kernel.positions import STATE, TERMS, begin, find_liquidation

# of a candle in doubt: it has no finer ones, or was played by them
DOUBTED, LOOKED_INTO = code(1), code(2)
# why it is walked through
BY_SETTLEMENTS, BY_READINGS = code(1), code(2)

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
    settle_here(s, charged, i, edge, inside, inside_paid)
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
            if rests(s, ordered, i):
                i = rest(s, i, entry, equity)
            else:
                if _passes(t, s):
                    if market:
                        find_liquidation(t, s, floor, rate, cum)
                    i = stay(
                        t, s, ordered, market, True, i, last, high, low, close, entry,
                        exit_long if s.side > 0 else exit_short, fixed, columns, rows, add, at_open, inside,
                        mark_open, mark_high, mark_low, reverse, equity,
                    )  # fmt: skip
                _begin(states, ordered and t.finer, charged, i, edge, inside, inside_paid)
                look_around(s, ordered, i, impact)
                if s.units > 0:
                    carry(
                        t, s, ordered, market, i, opened[i], fixed, columns, rows, at_open[i] if charged else 0.0,
                        mark_open[i], floor, rate, cum, fills, fill_amounts,
                    )  # fmt: skip
                book(t, s, i, high, low, close, places, amounts)
                upper, lower = (high[i], low[i]) if s.walking == 0 else (opened[i], opened[i])
                arrive(
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
                    hold(
                        t, s, ordered, market, i, high, low, close, fixed, columns, rows, inside, inside_paid,
                        mark_high, mark_low, floor, rate, cum, fills, fill_amounts,
                    )  # fmt: skip
                value = value_at_close(t, s, market, i, close[i], fills, fill_amounts)
                book(t, s, i, high, low, close, places, amounts)
                if ordered and t.finer and _again(states, i, finer, doubts):
                    continue
                if s.units == 0 and (
                    value <= 0 or s.reason == RUINED
                ):  # final, also where rounding leaves something
                    equity[i:] = 0.0
                    return 0.0 - value, -1
                equity[i] = value
            if i == last:
                leave_open(t, s, i, high, low, close, places, amounts)
                return 0.0, -1
            if not act(
                t, s, ordered, i, equity[i], close, entry, exit_long, exit_short, stop_loss, take_profit, fixed,
                columns, rows, add, impact, times, reverse, blocked,
            ):  # fmt: skip
                return 0.0, i
            i += 1

    return play


ORDERED, MARKET, ALL = _variant(True, False), _variant(False, True), _variant(True, True)
