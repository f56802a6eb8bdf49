"""What the compiled simulator knows between candles, and how money moves: entries, exits, funding, a liquidation price.

Money and sizes are in units, UNITS times as large. A position's `price` is the mean of its entries; `money` is free cash and
the wallet of the position together, so that the account is worth money + side * units * (close - price).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from engine.backtest.kernel.excursions import AT_CLOSE, AT_OPEN, INSIDE, excursions
from engine.backtest.kernel.filling import (
    FIXED_MODEL,
    clipped,
    on_tick,
    slipped_by,
    taken,
    untraded,
    whole_steps,
)
from engine.backtest.kernel.parts import code, part, step
from engine.backtest.kernel.sizing import affordable, asked, charged_per_coin, order_column, risked, shared
from engine.backtest.rules import (
    ENTRY,
    FILLS,
    LIQUIDATION,
    OPEN,
    REASONS,
    UNITS,
)

# rows of the two tables of fills, a column per fill
FILL_PLACES: Final = ("trade", "candle", "kind", "enters")
FILL_AMOUNTS: Final = ("price", "size", "commission")

_AMOUNTS: Final = "f8"
_NUMBERS: Final = "i8"


def _record(amounts: str, numbers: str) -> np.dtype[Any]:
    names = [(name, _AMOUNTS) for name in amounts.split()] + [(name, _NUMBERS) for name in numbers.split()]
    return np.dtype(names, align=True)


# the terms of a run; `most`: notional that its leverage allows; a protection that is not used is NaN or 0. `tick` counts for
# the spread, and as `tick_above` / `tick_below` for prices where the exchange's filters count (`filtered`); sizes in units;
# `risk`: of entries that ask for none of their own, NaN = none
TERMS: Final = _record(
    "cash fee maker size slippage leverage most daily_loss max_drawdown"
    " tick tick_above tick_below step least_units most_units least_notional risk",
    "margin charged reading detailed finer protected passing timeframe cooldown per_day first_hour end_hour losing pause"
    " model filtered",
)
# `money` to `asked_impact` are the account's, then the position's, then those of protections; numbers likewise. `impact`:
# what a coin is to the market on this candle, `asked_impact`: on the one after the signal of the entry; `doubts`: how often
# a candle could be read two ways so far; `unsure_fills`: fills inside a candle in which something settles (`unsure`)
STATE: Final = _record(
    "money edge nearest edge_here cost_here impact asked_impact"
    " units price wallet level best take aim trail trail_from break_even base began bought sold sold_price"
    " gained fees slipped funding lowest highest liquidation order_price"
    " closing day_start peak",
    "trades fills clipped dropped no_volume below_minimum above_maximum"
    " enter leave adding order limit until trading side entry signal name late moved hit targets adds reason left"
    " ambiguous settled stale doubts unsure unsure_fills walking"
    " day entries_day day_entries last_exit losses paused_until day_lost fallen",
)


_TARGET, _PART = order_column("target_1"), order_column("part_1")
_TRAIL, _TRAIL_FROM = order_column("trail"), order_column("trail_from")
_BREAK_EVEN = order_column("break_even")
_ENTRY: Final = code(FILLS.index(ENTRY))
_LIQUIDATED: Final = code(REASONS.index(LIQUIDATION))
_OPEN: Final = code(REASONS.index(OPEN))


@part
def begin(t: Any, s: Any) -> None:
    """Set what is not 0 at the start."""
    s.money = s.closing = s.day_start = s.peak = t.cash * UNITS
    s.nearest = math.inf
    s.liquidation = s.level = s.take = s.aim = s.trail = s.break_even = math.nan
    s.enter = s.leave = s.until = s.day = -1
    s.last_exit = s.paused_until = -(2**40)


@step
def _note(
    t: Any, s: Any, i: int, units: float, price: float, fee: float, bare: float, kind: int, enters: bool,
    fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """What every fill leaves behind: costs, the prices that were seen, and its row."""
    s.fees += fee
    s.slipped += units * abs(price - bare)
    s.lowest, s.highest = min(s.lowest, price), max(s.highest, price)
    if t.detailed:
        k = s.fills
        fills[0, k], fills[1, k], fills[2, k], fills[3, k] = s.trades, i, kind, enters
        fill_amounts[0, k], fill_amounts[1, k], fill_amounts[2, k] = price, units / UNITS, fee / UNITS
    s.fills += 1


@part
def doubt(s: Any, seen: bool) -> None:
    """The candle can be read two ways where `seen`."""
    s.ambiguous |= seen
    s.doubts += seen


@part
def pay(t: Any, s: Any, amount: float) -> None:
    """Funding: out of the position's wallet, or with margin off out of the free cash."""
    s.money -= amount
    s.funding += amount
    s.stale = 1
    if t.margin:
        s.wallet -= amount


@step
def buy_in(
    t: Any, s: Any, i: int, units: float, price: float, rate: float, bare: float, kind: int, inside: bool,
    fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """Fill `units` more at `price`."""
    fee = units * price * rate
    held = s.units
    s.price = price if held == 0 else (s.price * held + price * units) / (held + units)
    s.units = held + units
    s.bought += units
    s.money -= fee
    s.wallet += units * price / t.leverage
    s.stale = 1
    if inside:
        s.unsure_fills += s.unsure
    else:
        s.edge += s.side * units * s.edge_here
    _note(t, s, i, units, price, fee, bare, kind, True, fills, fill_amounts)


@part
def _gone(s: Any, units: float, price: float, reason: int, left: int) -> None:
    s.sold_price = price if s.sold == 0 else (s.sold_price * s.sold + price * units) / (s.sold + units)
    s.sold += units
    s.units -= units
    s.stale = 1
    s.reason, s.left = reason, left
    if left == AT_OPEN:
        s.edge -= s.side * units * s.edge_here


@step
def sell_out(
    t: Any, s: Any, i: int, units: float, price: float, rate: float, bare: float, reason: int, left: int,
    fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """Let go of `units` of those held at `price`; `left`: where in the candle."""
    if left == INSIDE:
        pay(t, s, units * s.cost_here)
        s.unsure_fills += s.unsure
    fee = units * price * rate
    gained = s.side * units * (price - s.price)
    s.money += gained - fee
    s.gained += gained
    s.wallet = 0.0 if units == s.units else s.wallet - s.wallet * units / s.units
    _gone(s, units, price, reason, left)
    _note(t, s, i, units, price, fee, bare, reason, False, fills, fill_amounts)


@step
def liquidate(t: Any, s: Any, i: int, left: int, fills: Any, fill_amounts: Any) -> None:
    """The wallet is lost and nothing else: shown as a fill at the price where it is used up."""
    units = s.units
    if left == INSIDE:
        pay(t, s, min(units * s.cost_here, max(0.0, s.wallet)))
        s.unsure_fills += s.unsure
    price = s.price - s.side * s.wallet / units
    s.money -= s.wallet
    s.gained -= s.wallet
    s.wallet = 0.0
    s.nearest = 0.0
    _gone(s, units, price, _LIQUIDATED, left)
    _note(t, s, i, units, price, 0.0, price, _LIQUIDATED, False, fills, fill_amounts)


@part
def find_liquidation(t: Any, s: Any, floor: Any, rate: Any, cum: Any) -> None:
    """Where the mark takes the position, where that has moved: in the bracket that holds the notional at that price; NaN =
    nowhere.
    """
    moved, s.stale = s.stale, 0
    if not (moved and t.margin):
        return
    s.liquidation = math.nan
    for b in range(len(floor)):
        owned = s.wallet + cum[b] * UNITS - s.side * s.units * s.price
        price = owned / (s.units * (rate[b] - s.side))
        if b + 1 == len(floor) or s.units * price < floor[b + 1] * UNITS:
            if price > 0:
                s.liquidation = price
            return


@part
def hold_open(s: Any, price: float) -> None:
    """The position is left open: marked at the last close, not filled."""
    s.gained += s.side * s.units * (price - s.price)
    _gone(s, s.units, price, _OPEN, AT_CLOSE)


@part
def priced(t: Any, s: Any, impact: float, units: float, bare: float) -> float:
    """The fill of an entry that without slippage would be of `units` at `bare`; NaN where nobody traded before."""
    if untraded(t, impact):
        s.no_volume += 1
        return math.nan
    fraction = slipped_by(t, impact, clipped(t, s, units, bare, False), bare)
    price: float = bare * (1 + s.side * fraction)
    return price


@part
def tighten(t: Any, s: Any, level: float) -> None:
    """Move the stop there, unless that would loosen it; NaN = nowhere."""
    level = on_tick(t, -s.side, level)
    if math.isnan(level) or s.side * (level - s.level) <= 0:
        return
    s.level, s.moved = level, 1


@step
def _take_orders(t: Any, s: Any, fixed: Any, columns: Any, rows: Any) -> None:
    """What travels with the position and is looked at on every candle."""
    s.trail = asked(fixed, columns, rows, _TRAIL, s.signal)
    s.trail_from = asked(fixed, columns, rows, _TRAIL_FROM, s.signal)
    s.break_even = asked(fixed, columns, rows, _BREAK_EVEN, s.signal)
    if math.isnan(s.trail_from) and not math.isnan(s.trail):
        tighten(t, s, s.best - s.side * s.trail)
    s.targets = 0
    while s.targets < 3 and not math.isnan(asked(fixed, columns, rows, _TARGET + s.targets, s.signal)):
        s.targets += 1
    s.aim = on_tick(t, s.side, asked(fixed, columns, rows, _TARGET, s.signal))


@step
def enter(
    t: Any, s: Any, ordered: bool, fixed: Any, columns: Any, rows: Any, g: int, i: int, sign: int, bare: float,
    bound: float, market: bool, rate: float, late: int, reference: float, opened: float, stop: float, target: float,
    base: float, most: float, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """Enter on candle i what candle g signalled, unless it is too small or dropped.

    `bare`: the price without slippage; `bound`: the worst that is taken; `reference`: price that it was asked at; `late`:
    how, where inside the candle; `base`: money that size and risk are parts of; `most`: that it may take of it.
    """
    share, risk = t.size, math.nan
    s.side = 1 if sign > 0 else -1
    if ordered:
        share, risk = shared(t, fixed, columns, rows, g), risked(t, fixed, columns, rows, g)
        stop, target = on_tick(t, -s.side, stop), on_tick(t, s.side, target)
        if s.side * (opened - stop) <= 0 and not math.isnan(risk):
            s.dropped += 1
            return
    charge = charged_per_coin(market, share, opened, rate, reference)
    price = bare * (1 + s.side * t.slippage)
    if ordered and t.model != FIXED_MODEL and bare != bound:
        first = affordable(t, ordered, risk, base, most, bare, reference, charge, share, stop)
        price = priced(t, s, s.asked_impact, first, bare)
        if math.isnan(price):
            return
    price = s.side * min(s.side * price, s.side * bound)
    units = affordable(t, ordered, risk, base, most, price, reference, charge, share, stop)
    if units >= 1:
        units = taken(t, s, units, price, bare)
    if units < 1:
        return
    s.entry, s.signal, s.name, s.late = i, g, abs(sign) - 1, late
    s.began, s.trading = base, 1
    s.bought = s.sold = s.gained = s.fees = s.slipped = s.funding = s.base = 0.0
    s.moved = s.hit = s.adds = s.ambiguous = s.settled = 0
    s.lowest = s.highest = s.best = price
    s.level, s.take = stop, target
    buy_in(t, s, i, units, price, rate, bare, _ENTRY, late != 0, fills, fill_amounts)
    if ordered:
        _take_orders(t, s, fixed, columns, rows)


@step
def leave_target(
    t: Any, s: Any, fixed: Any, columns: Any, rows: Any, i: int, bare: float, rate: float, reason: int, left: int,
    fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """The part of the next target leaves, slipped from `bare` but never worse than its price; the one after it is next."""
    if s.base == 0:
        s.base = s.units
    units = s.units
    if s.hit < s.targets - 1:
        part_of_it = asked(fixed, columns, rows, _PART + s.hit, s.signal)
        if math.isnan(part_of_it):
            part_of_it = 1 / s.targets
        units = min(units, whole_steps(t, np.floor(s.base * part_of_it)))
    if units >= 1:
        price = bare * (1 - s.side * slipped_by(t, s.impact, units, bare))
        price = s.side * max(s.side * price, s.side * s.aim)
        sell_out(t, s, i, units, price, rate, bare, reason, left, fills, fill_amounts)
    s.hit += 1
    aim = asked(fixed, columns, rows, _TARGET + s.hit, s.signal) if s.hit < s.targets else math.nan
    s.aim = on_tick(t, s.side, aim)


@step
def close_trade(t: Any, s: Any, i: int, high: Any, low: Any, close: Any, places: Any, amounts: Any) -> None:
    """Write the trade down that was left on candle i (rows of PLACES and AMOUNTS) and forget its position."""
    k = s.trades
    places[0, k], places[1, k], places[2, k], places[3, k], places[4, k] = (
        s.side, s.entry, i, s.name, s.reason,
    )  # fmt: skip
    places[5, k], places[6, k] = s.ambiguous, s.settled and not s.ambiguous
    amounts[0, k], amounts[1, k], amounts[2, k] = s.bought / UNITS, s.price, s.sold_price
    pnl = s.gained - s.fees - s.funding
    amounts[3, k], amounts[4, k], amounts[5, k] = pnl / UNITS, s.fees / UNITS, s.slipped / UNITS
    amounts[8, k] = s.funding / UNITS
    if t.detailed:
        amounts[6, k], amounts[7, k] = excursions(s, i, high, low, close)
    s.trades += 1
    s.last_exit = i
    s.trading = 0
    s.units = s.wallet = 0.0
    s.level = s.take = s.aim = s.trail = s.break_even = s.liquidation = math.nan
    s.losses = s.losses + 1 if pnl < 0 else 0
    if t.losing > 0 and s.losses >= t.losing:
        s.losses, s.paused_until = 0, i + t.pause
