"""The compiled portfolio simulator: the instants at which something may happen to any leg, and the wallet between them.

A leg is a candle's open or close away from its next event; what does nothing to it is passed at once (`plan`). At an instant
what closes comes first, then the wallet's equity, the decisions, and what opens; entries share what is free (`sharing.py`).
"""

from __future__ import annotations

from typing import Any, Final

import numba
from numba import types

from engine.backtest.kernel.candle import (
    RUINED,
    act,
    book,
    carry,
    fill_order,
    hold,
    leave_open,
    look_around,
    rests,
    settle_here,
)
from engine.backtest.kernel.candle_steps import is_free, leave_whole, stay
from engine.backtest.kernel.decisions import count_entry
from engine.backtest.kernel.excursions import AT_CLOSE, WALKED
from engine.backtest.kernel.parts import FLAGS, OPTIONS, PRICES, SIGNS, WORTHS, code, part, step
from engine.backtest.kernel.positions import STATE, TERMS, begin, find_liquidation
from engine.backtest.kernel.seeking import next_entry, next_exit
from engine.backtest.portfolio.layout import LEG, RULES, WALLET, Books, Columns
from engine.backtest.portfolio.sharing import (
    CLOSES,
    DECIDES,
    DONE,
    OPENED,
    OPENS,
    STARTS,
    left_out,
    note,
    share_out,
)

_NEVER: Final = code(2**62)


@part
def _money_of(b: Any, k: int) -> None:
    """Leg k has the wallet in hand."""
    b.states[k].money = b.wallet[0].money


@part
def _money_back(b: Any, k: int) -> None:
    s, wallet = b.states[k], b.wallet[0]
    b.legs[k].made += s.money - wallet.money
    wallet.money = s.money


@part
def _before_due(r: Any, c: Any, leg: Any, i: int) -> int:
    """The candle from i on at whose open the weight is next brought back, the last where none is."""
    if r.every == 0 or i == leg.first:
        return int(leg.last)
    wanted = r.began + ((c.times[i - 1] - r.began) // r.every + 1) * r.every
    low, high = i, leg.last
    while low < high:
        middle = (low + high) // 2
        if c.times[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    found: int = low
    return found


@part
def _plan(c: Any, b: Any, k: int, i: int) -> None:
    """What happens next to leg k, all before candle i having happened."""
    r, t, s, leg = b.rules[0], b.terms[k], b.states[k], b.legs[k]
    if rests(s, True, i):
        i = i if leg.watched else next_entry(c.entry, i, leg.last)
        leg.next, leg.phase, b.due[k] = i, DECIDES, c.closes[i]
        if i == leg.last:
            leg.phase, b.due[k] = DONE, _NEVER
        return
    if s.units > 0 and s.leave < 0 and not s.adding and t.passing and r.band == 0:
        find_liquidation(
            t, s, c.floor[leg.floor : leg.ceiling], c.rate[leg.floor : leg.ceiling], c.cum[leg.floor : leg.ceiling]
        )  # fmt: skip
        exits, end = c.exit_long if s.side > 0 else c.exit_short, _before_due(r, c, leg, i)
        if is_free(t, s, c.fixed[k], c.columns, c.rows[k]):
            i = next_exit(c.entry, exits, s.side, leg.reverse != 0, i, end)
        else:
            i = stay(
                t, s, True, True, False, i, end, c.high, c.low, c.close, c.entry, exits, c.fixed[k], c.columns,
                c.rows[k], c.add, c.at_open, c.inside, c.mark_open, c.mark_high, c.mark_low, leg.reverse != 0, b.equity,
            )  # fmt: skip
    leg.next, leg.phase, b.due[k] = i, OPENS, c.times[i]


@part
def _open_candle(c: Any, b: Any, k: int) -> None:
    """Steps 0 to 3 of leg k at the open of its next candle."""
    t, s, leg = b.terms[k], b.states[k], b.legs[k]
    i = leg.next
    leg.phase, leg.at = OPENED, i - 1
    settle_here(s, t.charged != 0, i, c.edge, c.inside, c.inside_paid)
    look_around(s, True, i, c.impact)
    if s.units > 0:
        _money_of(b, k)
        carry(
            t, s, True, True, i, c.opened[i], c.fixed[k], c.columns, c.rows[k], c.at_open[i] if t.charged else 0.0,
            c.mark_open[i], c.floor[leg.floor : leg.ceiling], c.rate[leg.floor : leg.ceiling],
            c.cum[leg.floor : leg.ceiling], b.fills, b.fill_amounts,
        )  # fmt: skip
        book(t, s, i, c.high, c.low, c.close, b.places, b.amounts)
        _money_back(b, k)


@part
def _close_candle(c: Any, b: Any, k: int) -> None:
    """Steps 5 and 6 of leg k on its candle that closes now."""
    t, s, leg = b.terms[k], b.states[k], b.legs[k]
    i = leg.next
    leg.at = i
    _money_of(b, k)
    if s.units == 0 and leg.reserved > 0 and s.until >= i:
        before = left_out(s)
        fill_order(
            t, s, i, c.opened[i], c.high[i], c.low[i], c.entry, c.stop_loss, c.take_profit, c.fixed[k], c.columns,
            c.rows[k], leg.base, leg.most, b.fills, b.fill_amounts,
        )  # fmt: skip
        if s.until < 0:  # it was reached
            note(b, k, c.times[i], s.wallet + s.fees if s.units > 0 else 0.0, before)
        if s.units > 0:
            count_entry(s, i, c.times)
    leg.reserved = 0.0
    hold(
        t, s, True, True, i, c.high, c.low, c.close, c.fixed[k], c.columns, c.rows[k], c.inside, c.inside_paid,
        c.mark_high, c.mark_low, c.floor[leg.floor : leg.ceiling], c.rate[leg.floor : leg.ceiling],
        c.cum[leg.floor : leg.ceiling], b.fills, b.fill_amounts,
    )  # fmt: skip
    book(t, s, i, c.high, c.low, c.close, b.places, b.amounts)
    _money_back(b, k)


@part
def _mark_leg(c: Any, b: Any, k: int, first: int, end: int) -> None:
    """Add what leg k holds to the wallet at closes `first` to before `end`, and write its profit down."""
    s, leg, detailed = b.states[k], b.legs[k], b.rules[0].detailed
    at, last, made = leg.at, leg.last, leg.made
    if s.units == 0:
        if detailed:
            for j in range(first, end):
                b.pnl[k, j] = made
        return
    signed = s.side * s.units
    basis = signed * s.price
    for j in range(first, end):
        while at < last and c.closes[at + 1] <= c.ends[j]:
            at += 1
        profit = c.close[at] * signed - basis
        b.equity[j] += profit
        if detailed:
            b.pnl[k, j] = made + profit
            b.margin[j] += s.wallet
            b.exposure[j] += s.units * c.close[at]
    leg.at = at


@step
def _ruin(c: Any, b: Any, j: int) -> None:
    """Everything that is held at close j leaves there; nothing is left."""
    wallet, detailed = b.wallet[0], b.rules[0].detailed
    for k in range(len(b.legs)):
        t, s, leg = b.terms[k], b.states[k], b.legs[k]
        if s.units > 0:
            while c.closes[leg.at] > c.ends[j]:  # it was marked beyond
                leg.at -= 1
            close = c.close[leg.at]
            inside = leg.at < leg.last and c.times[leg.at + 1] < c.ends[j]
            i = leg.at + 1 if inside else leg.at
            look_around(s, True, i, c.impact)
            _money_of(b, k)
            leave_whole(t, s, i, close, RUINED, WALKED if inside else AT_CLOSE, b.fills, b.fill_amounts)
            book(t, s, i, c.high, c.low, c.close, b.places, b.amounts)
            _money_back(b, k)
    wallet.over, wallet.shortfall = 1, 0.0 - wallet.money
    for n in range(j, len(c.ends)):
        b.equity[n] = 0.0
        if detailed:
            b.margin[n] = b.exposure[n] = 0.0
            for k in range(len(b.legs)):
                b.pnl[k, n] = b.legs[k].made


@part
def _mark_until(c: Any, b: Any, now: int) -> bool:
    """All closes before now, between which nothing happens; whether one of them ruins the wallet."""
    wallet, first, held = b.wallet[0], b.wallet[0].close, False
    end = first
    while end < len(c.ends) and c.ends[end] < now:
        b.equity[end] = wallet.money
        if b.rules[0].detailed:
            b.margin[end] = b.exposure[end] = 0.0
        end += 1
    if end == first:
        return False
    for k in range(len(b.legs)):
        _mark_leg(c, b, k, first, end)
        held |= b.states[k].units > 0
    wallet.value, wallet.close = b.equity[end - 1], end
    if b.rules[0].margined and held:
        return False
    for j in range(first, end):
        if b.equity[j] <= 0:
            _ruin(c, b, j)
            return True
    return False


@part
def _close_all(c: Any, b: Any, now: int) -> bool:
    """Every candle that closes now, then the equity; whether it ruins the wallet."""
    for n in range(b.wallet[0].here):
        if b.legs[b.here[n]].phase == CLOSES:
            _close_candle(c, b, b.here[n])
    return _mark_until(c, b, now + 1)


@part
def _decide_all(c: Any, b: Any) -> bool:
    """What is decided at closes; False where an entry asks for what cannot be."""
    wallet = b.wallet[0]
    for n in range(wallet.here):
        k = b.here[n]
        t, s, leg = b.terms[k], b.states[k], b.legs[k]
        i = leg.next
        if leg.phase == OPENS:
            continue
        if leg.phase != STARTS and i == leg.last:
            leg.phase, b.due[k] = DONE, _NEVER
            continue
        if leg.phase != STARTS and not act(
            t, s, True, i, wallet.value, c.close, c.entry, c.exit_long, c.exit_short, c.stop_loss, c.take_profit,
            c.fixed[k], c.columns, c.rows[k], c.add, c.impact, c.times, leg.reverse != 0, b.blocked[k],
        ):  # fmt: skip
            wallet.refused, wallet.by = i, k
            return False
        _plan(c, b, k, i + 1)
    return True


@part
def _open_all(c: Any, b: Any, now: int) -> None:
    """Every candle that opens now: exits, then entries."""
    opening = False
    for n in range(b.wallet[0].here):
        k = b.here[n]
        if b.due[k] == now and b.legs[k].phase == OPENS:
            _open_candle(c, b, k)
            opening = True
    if not opening:
        return
    share_out(c, b, now)
    for n in range(b.wallet[0].here):
        k = b.here[n]
        leg = b.legs[k]
        if leg.phase == OPENED:
            book(b.terms[k], b.states[k], leg.next, c.high, c.low, c.close, b.places, b.amounts)
            leg.phase, b.due[k] = CLOSES, c.closes[leg.next]


@part
def _go_on(b: Any) -> int:
    """The next instant, and whom it is about."""
    now, here = _NEVER, 0
    for k in range(len(b.due)):
        now = min(now, b.due[k])
    for k in range(len(b.due)):
        if b.due[k] == now:
            b.here[here] = k
            here += 1
    b.wallet[0].here = here
    return now


_named: Final[Any] = types.NamedTuple
_TIMES: Final = types.Array(types.int64, 1, "C", readonly=True)
_BY_LEG: Final = types.Array(types.int64, 2, "C", readonly=True)
_COLUMNS: Final = _named(
    (
        *[PRICES] * 4, SIGNS, *[FLAGS] * 2, *[PRICES] * 2, SIGNS, *[WORTHS] * 2, _BY_LEG, *[PRICES] * 11, *[_TIMES] * 2,
        *[PRICES] * 4, _TIMES,
    ),
    Columns,
)  # fmt: skip
_BOOKS: Final = _named(
    (
        *(numba.from_dtype(record)[::1] for record in (RULES, TERMS, STATE, LEG, WALLET)),
        *[types.int64[::1]] * 3,
        types.float64[::1], types.float64[:, ::1], *[types.float64[::1]] * 2,
        types.int64[:, ::1], types.float64[:, ::1], types.int64[:, ::1], types.float64[:, ::1], types.int64[:, ::1],
        types.int64[:, ::1], types.float64[:, ::1],
    ),
    Books,
)  # fmt: skip


@numba.njit(types.void(_COLUMNS, _BOOKS), **OPTIONS)
def play(c: Any, b: Any) -> None:
    """Play all legs on the wallet: `b` is filled. `b.wallet` says what is owed, and which entry was refused."""
    wallet = b.wallet[0]
    wallet.refused = -1
    wallet.money = b.terms[0].cash * 1e8
    for k in range(len(b.legs)):
        s = b.states[k]
        trades, fills = s.trades, s.fills
        begin(b.terms[k], s)
        s.trades, s.fills = trades, fills
        b.legs[k].phase, b.legs[k].next, b.due[k] = STARTS, b.legs[k].first - 1, -1
    while True:
        now = _go_on(b)
        if _mark_until(c, b, now) or now == _NEVER:
            break
        if _close_all(c, b, now):
            break
        if not _decide_all(c, b):
            return
        _open_all(c, b, now)
    for k in range(len(b.legs)):
        last = b.legs[k].last
        leave_open(b.terms[k], b.states[k], last, c.high, c.low, c.close, b.places, b.amounts)
