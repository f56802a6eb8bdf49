"""The figures that a sweep keeps of each trial, in one compiled pass; equal to `metrics.py` to 1e-9 (tested).

prepared = Prepared.of(candles, timeframe)                        # once per series
row = np.empty(len(SUMMARY))
run_summary(prepared, signals, costs, strategy.reverse, row)      # once per trial
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numba
import numpy as np
from numba import types

from engine.backtest.compiled import (
    AMOUNTS,
    PLACES,
    Column,
    cost_values,
    price_columns,
    signal_columns,
    simulate,
    trade_space,
)
from engine.backtest.metrics import close_times, day_ends
from engine.backtest.rules import (
    DAYS_PER_YEAR,
    MIN_DAYS,
    OPEN,
    REASONS,
    ROUNDING,
    RUIN,
    STILL,
    UNITS,
    check_stops,
)
from engine.model.account import Costs
from engine.model.market import DAY_MS, Candles, Float64Array, Int64Array, Timeframe
from engine.model.metric_definitions import SUMMARY
from engine.strategy import Signals

__all__ = ["SUMMARY", "Prepared", "run_summary"]

_PNL, _SIZE, _PRICE = AMOUNTS.index("pnl"), AMOUNTS.index("size"), AMOUNTS.index("entry_price")
_COMMISSION, _SLIPPAGE = AMOUNTS.index("commission"), AMOUNTS.index("slippage")
_ENTRY, _EXIT, _REASON = PLACES.index("entry"), PLACES.index("exit"), PLACES.index("reason")
_OPEN, _RUIN = REASONS.index(OPEN), REASONS.index(RUIN)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What all trials over one period share, and room that they use one after another (one thread at a time).

    `prices`: open, high, low, close, each (n,). `times` (n + 1,): the first open, then each close, ms. `day_ends` (days,):
    position of the last candle up to the end of each UTC day.
    """

    candles: Candles
    prices: tuple[Column, Column, Column, Column]
    times: Int64Array
    day_ends: Int64Array
    equity: Float64Array
    places: Int64Array
    amounts: Float64Array

    @classmethod
    def of(cls, candles: Candles, timeframe: Timeframe) -> Self:
        """For the candles of a period (at least one, warm-up cut off)."""
        opens, n = candles.timestamp, len(candles)
        times = np.concatenate((opens[:1], close_times(opens, timeframe)))
        return cls(candles, price_columns(candles), times, day_ends(opens), np.empty(n), *trade_space(n))


def run_summary(prepared: Prepared, signals: Signals, costs: Costs, reverse: bool, row: Float64Array) -> None:
    """Trade `signals` over the candles of `prepared`, write the values of SUMMARY into `row` (len(SUMMARY),), NaN for None.

    Raises RunError where an entry's stop or target lies on the wrong side of its signal candle's close.
    """
    prices, wanted, money = prepared.prices, signal_columns(signals), cost_values(costs)
    equity, places, amounts = prepared.equity, prepared.places, prepared.amounts
    count, _, refused = simulate(*prices, *wanted, *money, reverse, False, equity, places, amounts)
    if refused >= 0:
        check_stops(prepared.candles, signals, refused)
    market = prices[3][-1] / prices[0][0] - 1
    _summarise(money[0], market, equity, prepared.times, prepared.day_ends, count, places, amounts, row)


@numba.njit(cache=True, nogil=True)
def _drawdown(cash: float, equity: Any, times: Any) -> tuple[float, float, int]:
    """(highest value, deepest drawdown as a fraction <= 0, longest in ms), all from the starting cash on."""
    peak, below = cash, cash * (1 - ROUNDING)
    low, deepest = peak, 0.0
    peak_at = longest = 0
    for i in range(len(equity)):
        value = equity[i]
        if value >= below:
            if low < below:
                deepest = min(deepest, (low / UNITS) / (peak / UNITS) - 1)
                longest = max(longest, times[i + 1] - times[peak_at])
            if value > peak:
                peak, below = value, value * (1 - ROUNDING)
            low = peak
            peak_at = i + 1
        elif value < low:
            low = value
    if low < below:
        deepest = min(deepest, (low / UNITS) / (peak / UNITS) - 1)
        longest = max(longest, times[-1] - times[peak_at])
    return peak, deepest, longest


@numba.njit(cache=True, nogil=True)
def _days(cash: float, equity: Any, ends: Any) -> tuple[float, float, float]:
    """(mean, standard deviation, root mean square of the losses) of the daily returns."""
    returns = np.empty(len(ends))
    before = cash / UNITS
    for k in range(len(ends)):
        # rounded as in metrics.py: the returns of a small position are not much more than that
        value = equity[ends[k]] / UNITS
        returns[k] = value / before - 1 if before > 0 else 0.0
        before = value
    mean = returns.mean()
    squares = losses = 0.0
    for k in range(len(ends)):
        squares += (returns[k] - mean) ** 2
        losses += min(returns[k], 0.0) ** 2
    return mean, math.sqrt(squares / max(1, len(ends) - 1)), math.sqrt(losses / len(ends))


@numba.njit(cache=True, nogil=True)
def _account(
    cash: float, market: float, equity: Any, times: Any, ends: Any, exposed: int
) -> tuple[float, ...]:
    """The values of SUMMARY_ACCOUNT."""
    peak, deepest, longest = _drawdown(cash, equity, times)
    mean, deviation, downside = _days(cash, equity, ends)
    days, year = (times[-1] - times[0]) / DAY_MS, math.sqrt(DAYS_PER_YEAR)
    growth = (equity[-1] / UNITS) / (cash / UNITS)
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
        equity[-1] / UNITS, peak / UNITS, (growth - 1) * 100, market * 100, cagr * 100, volatility * 100, sharpe,
        sortino, calmar, deepest * 100, longest / DAY_MS, exposed / len(equity) * 100,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _trades(count: int, places: Any, amounts: Any) -> tuple[float, ...]:
    """The values of SUMMARY_TRADES."""
    closed = count - (1 if count and places[_REASON, count - 1] == _OPEN else 0)
    commission = slippage = total = won = lost = percents = 0.0
    wins = losses = 0
    best, worst = -math.inf, math.inf
    for k in range(count):
        commission += amounts[_COMMISSION, k]
        slippage += amounts[_SLIPPAGE, k]
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
        commission, slippage,
    )  # fmt: skip


@numba.njit(
    (
        *[types.float64] * 2,
        types.float64[::1],
        *[types.int64[::1]] * 2,
        types.int64,
        types.int64[:, ::1],
        types.float64[:, ::1],
        types.float64[::1],
    ),
    cache=True,
    nogil=True,
)
def _summarise(
    cash: float,
    market: float,
    equity: Any,
    times: Any,
    ends: Any,
    count: int,
    places: Any,
    amounts: Any,
    row: Any,
) -> None:
    """Write SUMMARY for what `simulate` left; `market` is what buying and holding returned, as a fraction."""
    exposed = 0
    for k in range(count):
        reason = places[_REASON, k]
        exposed += places[_EXIT, k] - places[_ENTRY, k] + (reason in (_OPEN, _RUIN))
    k = 0
    for value in _account(cash * UNITS, market, equity, times, ends, exposed):
        row[k] = value
        k += 1
    for value in _trades(count, places, amounts):
        row[k] = value
        k += 1
