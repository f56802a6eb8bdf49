"""The figures that a sweep keeps of each trial, in one compiled pass; equal to `metrics.py` to 1e-9 (tested).

prepared = Prepared.of(candles, timeframe)                        # once per series
row = np.empty(len(SUMMARY))
run_summary(prepared, signals, costs, strategy.reverse, row)      # once per trial
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numba
import numpy as np
from numba import types

from engine.backtest.kernel.compiled import cost_values, price_columns, signal_columns, simulate
from engine.backtest.kernel.parts import AMOUNTS, PLACES, PRICES, TERM_AMOUNTS, WORTHS, Column, part
from engine.backtest.kernel.terms import Room, kernel_for, simulate_terms
from engine.backtest.kernel.worth import HELD, block_extremes, course_of_column, course_of_trades
from engine.backtest.metrics import close_times, day_ends
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import (
    LIQUIDATION,
    OPEN,
    REASONS,
    RUIN,
    UNITS,
    check_stops,
)
from engine.model.account import Costs
from engine.model.market import (
    DAY_MS,
    DAYS_PER_YEAR,
    MIN_DAYS,
    STILL,
    Candles,
    Float64Array,
    Int64Array,
    Timeframe,
)
from engine.model.metric_definitions import SUMMARY
from engine.strategy import Signals

__all__ = ["SUMMARY", "Prepared", "run_summary", "summarise_trades"]

_PNL, _SIZE, _PRICE = AMOUNTS.index("pnl"), AMOUNTS.index("size"), AMOUNTS.index("entry_price")
_COMMISSION, _SLIPPAGE = AMOUNTS.index("commission"), AMOUNTS.index("slippage")
_ENTRY, _EXIT, _REASON = PLACES.index("entry"), PLACES.index("exit"), PLACES.index("reason")
_OPEN, _RUIN = REASONS.index(OPEN), REASONS.index(RUIN)
_FUNDING, _LIQUIDATED = TERM_AMOUNTS.index("funding"), REASONS.index(LIQUIDATION)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What all trials over one period share, and room that they use one after another (one thread at a time).

    `prices`: open, high, low, close, each (n,). `times` (n + 1,): the first open, then each close, ms. `day_ends` (days,):
    position of the last candle up to the end of each UTC day. `extremes`: `worth.block_extremes`; `held`: room for HELD.
    """

    candles: Candles
    prices: tuple[Column, Column, Column, Column]
    times: Int64Array
    day_ends: Int64Array
    extremes: Float64Array
    equity: Float64Array
    returns: Float64Array
    room: Room
    held: Float64Array

    @classmethod
    def of(cls, candles: Candles, timeframe: Timeframe) -> Self:
        """For the candles of a period (at least one, warm-up cut off)."""
        opens, n = candles.timestamp, len(candles)
        times = np.concatenate((opens[:1], close_times(opens, timeframe)))
        ends, prices = day_ends(opens), price_columns(candles)
        return cls(
            candles, prices, times, ends, block_extremes(prices[3]), np.empty(n), np.empty(len(ends)), Room.of(n),
            np.empty((len(HELD), n)),
        )  # fmt: skip


def run_summary(
    prepared: Prepared,
    signals: Signals,
    costs: Costs,
    reverse: bool,
    row: Float64Array,
    perpetual: Perpetual | None = None,
    returns: Float64Array | None = None,
) -> None:
    """Trade `signals` over the candles of `prepared`, write the values of SUMMARY into `row` (len(SUMMARY),), NaN for None,
    and the returns of each UTC day into `returns` (days,), where that is given.

    Raises RunError where an entry asks for what cannot be: a stop or target on the wrong side of its price, and the like.
    """
    signals = signals.only(costs.side, reverse)
    prices, wanted, money = prepared.prices, signal_columns(signals), cost_values(costs)
    equity, room, held = prepared.equity, prepared.room, prepared.held
    market = prices[3][-1] / prices[0][0] - 1
    returns = prepared.returns if returns is None else returns
    shared = money[0], market, prepared.times, prepared.day_ends
    kernel = kernel_for(signals, costs, perpetual)
    if kernel is None:
        count, _, refused = simulate(
            *prices,
            *wanted,
            *money,
            reverse,
            False,
            equity,
            room.places,
            room.amounts,
            prepared.extremes,
            held,
        )
        summarise_trades(
            *shared, prices[3], prepared.extremes, count, room.places, room.amounts, held, row, returns
        )
    else:
        step = int(prepared.times[1] - prepared.times[0])
        _, refused = simulate_terms(
            kernel, prices, wanted, prepared.candles, signals, costs, perpetual, reverse, equity, room,
            timeframe_ms=step,
        )  # fmt: skip
        count, charged = int(room.state[0]["trades"]), perpetual is not None and perpetual.funding is not None
        summarise_column(*shared, equity, charged, count, room.places, room.amounts, row, returns)
    if refused >= 0:
        check_stops(prepared.candles, signals, refused)


@numba.njit(cache=True, nogil=True)
def _days(cash: float, returns: Any) -> tuple[float, float, float]:
    """(mean, standard deviation, root mean square of the losses) of daily returns, which take the place of the values."""
    before = cash / UNITS
    for k in range(len(returns)):
        # rounded as in metrics.py: the returns of a small position are not much more than that
        value = returns[k] / UNITS
        returns[k] = value / before - 1 if before > 0 else 0.0
        before = value
    mean = returns.mean()
    squares = losses = 0.0
    for k in range(len(returns)):
        squares += (returns[k] - mean) ** 2
        losses += min(returns[k], 0.0) ** 2
    return mean, math.sqrt(squares / max(1, len(returns) - 1)), math.sqrt(losses / len(returns))


@numba.njit(cache=True, nogil=True)
def _account(
    cash: float,
    market: float,
    course: tuple[float, float, float, int],
    times: Any,
    exposed: int,
    returns: Any,
) -> tuple[float, ...]:
    """The values of SUMMARY_ACCOUNT. `course`: as `worth.course_of_column` tells it, who left values in `returns`."""
    final, peak, deepest, longest = course
    mean, deviation, downside = _days(cash, returns)
    days, year = (times[-1] - times[0]) / DAY_MS, math.sqrt(DAYS_PER_YEAR)
    growth = (final / UNITS) / (cash / UNITS)
    cagr = volatility = sharpe = sortino = calmar = math.nan
    if days >= MIN_DAYS and deviation > STILL:
        cagr = growth ** (DAYS_PER_YEAR / days) - 1
        volatility = deviation * year
        sharpe = mean / deviation * year
        if downside > STILL:
            sortino = mean / downside * year
        if deepest < 0:
            calmar = cagr / -deepest
    return (
        final / UNITS, peak / UNITS, (growth - 1) * 100, market * 100, cagr * 100, volatility * 100, sharpe,
        sortino, calmar, deepest * 100, longest / DAY_MS, exposed / (len(times) - 1) * 100,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _trades(charged: bool, count: int, places: Any, amounts: Any) -> tuple[float, ...]:
    """The values of SUMMARY_TRADES."""
    closed = count - (1 if count and places[_REASON, count - 1] == _OPEN else 0)
    commission = slippage = total = won = lost = percents = 0.0
    funding = 0.0 if charged else math.nan
    wins = losses = liquidations = 0
    best, worst = -math.inf, math.inf
    for k in range(count):
        commission += amounts[_COMMISSION, k]
        slippage += amounts[_SLIPPAGE, k]
        liquidations += places[_REASON, k] == _LIQUIDATED
        if charged:
            funding += amounts[_FUNDING, k]
    for k in range(closed):
        pnl = amounts[_PNL, k]
        percent = pnl / (amounts[_SIZE, k] * amounts[_PRICE, k]) * 100
        total, percents = total + pnl, percents + percent
        best, worst = max(best, percent), min(worst, percent)
        if pnl > 0:
            wins, won = wins + 1, won + pnl
        elif pnl < 0:
            losses, lost = losses + 1, lost - pnl
    rate = factor = average = sqn = kelly = math.nan
    if closed:
        rate, average, mean = wins / closed, percents / closed, total / closed
        squares = 0.0
        for k in range(closed):
            squares += (amounts[_PNL, k] - mean) ** 2
        deviation = math.sqrt(squares / max(1, closed - 1))
        if deviation > STILL * abs(mean):
            sqn = math.sqrt(closed) * mean / deviation
    else:
        best = worst = math.nan
    if losses:
        factor = won / lost
    if wins and losses:
        kelly = rate - (1 - rate) / (won / wins / (lost / losses))
    return (
        float(count), float(count - closed), rate * 100, factor, average, average, best, worst, sqn, kelly,
        commission, slippage, funding, float(liquidations),
    )  # fmt: skip


@part
def _write(
    cash: float, market: float, course: tuple[float, float, float, int], times: Any, charged: bool, count: int,
    places: Any, amounts: Any, row: Any, returns: Any,
) -> None:  # fmt: skip
    """Write SUMMARY and daily returns."""
    exposed = 0
    for k in range(count):
        reason = places[_REASON, k]
        exposed += places[_EXIT, k] - places[_ENTRY, k] + (reason in (_OPEN, _RUIN))
    k = 0
    for value in _account(cash, market, course, times, exposed, returns):
        row[k] = value
        k += 1
    for value in _trades(charged, count, places, amounts):
        row[k] = value
        k += 1


_SHARED: Final = (*[types.float64] * 2, *[types.int64[::1]] * 2)
_TRADES: Final = (types.int64, types.int64[:, ::1], types.float64[:, ::1])
_WRITTEN: Final = (types.float64[::1],) * 2


@numba.njit((*_SHARED, types.float64[::1], types.boolean, *_TRADES, *_WRITTEN), cache=True, nogil=True)
def summarise_column(
    cash: float, market: float, times: Any, ends: Any, equity: Any, charged: bool, count: int, places: Any,
    amounts: Any, row: Any, returns: Any,
) -> None:  # fmt: skip
    """Write SUMMARY and daily returns of what `simulate_terms` left; `market`: what buying and holding returned, as a
    fraction.
    """
    course = course_of_column(cash * UNITS, equity, times, ends, returns)
    _write(cash * UNITS, market, course, times, charged, count, places, amounts, row, returns)


@numba.njit((*_SHARED, PRICES, WORTHS, *_TRADES, WORTHS, *_WRITTEN), cache=True, nogil=True)
def summarise_trades(
    cash: float, market: float, times: Any, ends: Any, close: Any, extremes: Any, count: int, places: Any,
    amounts: Any, held: Any, row: Any, returns: Any,
) -> None:  # fmt: skip
    """As `summarise_column`, of what `simulate` left of a trial."""
    course = course_of_trades(
        cash * UNITS, close, extremes, times, ends, count, places, amounts, held, returns
    )
    _write(cash * UNITS, market, course, times, False, count, places, amounts, row, returns)
