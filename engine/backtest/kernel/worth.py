"""What an account is worth at the closes, told by its trades alone: no column of it is written.

Between trades it does not change; while one is held it follows the close. A higher close never lowers what a long is worth
(nor raises what a short is), not even in the last bit: product, difference and sum of floats keep the order. So the lowest
and highest close of a block of candles tell the lowest and highest worth in it, and blocks that change nothing are passed
over.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.backtest.kernel.parts import AMOUNTS, PLACES, Column, part
from engine.backtest.rules import OPEN, REASONS, ROUNDING, UNITS
from engine.model.market import Float64Array

BLOCK: Final = 8  # candles: trades that last days of hours hold several
# of each trade that a kernel made, in units: the money beside the position while it is held, the signed size, and what the
# account is worth afterwards
HELD: Final = ("money", "signed", "after")
MONEY, SIGNED, AFTER = range(len(HELD))

_ENTRY, _EXIT, _REASON = PLACES.index("entry"), PLACES.index("exit"), PLACES.index("reason")
_PRICE, _OPEN = AMOUNTS.index("entry_price"), REASONS.index(OPEN)


def block_extremes(close: Column) -> Float64Array:
    """Lowest and highest close of each whole block, float64 (len(close) // BLOCK, 2)."""
    blocks = close[: len(close) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return np.stack((blocks.min(axis=1), blocks.max(axis=1)), axis=1)


@part
def worth(close: float, money: float, signed: float, basis: float) -> float:
    """Of an account that holds `signed` units bought for `basis`, beside that money."""
    return money + (close * signed - basis)


@part
def ruined_at(
    close: Any, extremes: Any, first: int, stop: int, money: float, signed: float, basis: float
) -> int:
    """The first candle of first..stop at whose close nothing is left, -1 where there is none."""
    i, worst = first, 0 if signed > 0 else 1
    while i < stop:
        if (
            i % BLOCK == 0
            and i + BLOCK <= stop
            and worth(extremes[i // BLOCK, worst], money, signed, basis) > 0
        ):
            i += BLOCK
            continue
        if worth(close[i], money, signed, basis) <= 0:
            return i
        i += 1
    return -1


@part
def seen(
    value: float, at: int, times: Any, peak: float, below: float, low: float, deepest: float, peak_at: int,
    longest: int,
) -> tuple[float, float, float, float, int, int]:  # fmt: skip
    """Peak and falls of an account, one close later: highest value, what counts as below it, lowest since, deepest fall as a
    fraction <= 0, which of `times` the peak stands at, longest fall in ms.
    """
    if value >= below:
        if low < below:
            deepest = min(deepest, (low / UNITS) / (peak / UNITS) - 1)
            longest = max(longest, times[at + 1] - times[peak_at])
        if value > peak:
            peak, below = value, value * (1 - ROUNDING)
        low, peak_at = peak, at + 1
    elif value < low:
        low = value
    return peak, below, low, deepest, peak_at, longest


@part
def course_of_column(
    cash: float, equity: Any, times: Any, ends: Any, returns: Any
) -> tuple[float, float, float, int]:
    """(last value, highest, deepest fall, longest in ms) of a column of values, from the starting cash on. Writes the values
    at the ends of days into `returns`.
    """
    peak, below, low, deepest, peak_at, longest = cash, cash * (1 - ROUNDING), cash, 0.0, 0, 0
    for i in range(len(equity)):
        peak, below, low, deepest, peak_at, longest = seen(
            equity[i], i, times, peak, below, low, deepest, peak_at, longest
        )
    if low < below:
        deepest = min(deepest, (low / UNITS) / (peak / UNITS) - 1)
        longest = max(longest, times[-1] - times[peak_at])
    for k in range(len(ends)):
        returns[k] = equity[ends[k]]
    return equity[-1], peak, deepest, longest


@part
def course_of_trades(
    cash: float, close: Any, extremes: Any, times: Any, ends: Any, count: int, places: Any, amounts: Any, held: Any,
    returns: Any,
) -> tuple[float, float, float, int]:  # fmt: skip
    """As `course_of_column`, of an account that made `count` trades."""
    peak, below, low, deepest, peak_at, longest = cash, cash * (1 - ROUNDING), cash, 0.0, 0, 0
    value, i, day = cash, 0, 0
    for k in range(count + 1):
        first = places[_ENTRY, k] if k < count else len(close)
        if i < first:  # flat: one value at all these closes
            peak, below, low, deepest, peak_at, longest = seen(
                value, i, times, peak, below, low, deepest, peak_at, longest
            )
            if value >= below:
                peak_at = first
            while day < len(ends) and ends[day] < first:
                returns[day] = value
                day += 1
        if k == count:
            break
        money, signed, i = held[MONEY, k], held[SIGNED, k], first
        basis = signed * amounts[_PRICE, k]
        stop = places[_EXIT, k] + (places[_REASON, k] == _OPEN)
        best = 1 if signed > 0 else 0
        while i < stop:
            if i % BLOCK == 0 and i + BLOCK <= stop:
                block = i // BLOCK
                if worth(extremes[block, best], money, signed, basis) < below:
                    value = worth(extremes[block, 1 - best], money, signed, basis)
                    low = min(low, value)
                    i += BLOCK
                    continue
            value = worth(close[i], money, signed, basis)
            peak, below, low, deepest, peak_at, longest = seen(
                value, i, times, peak, below, low, deepest, peak_at, longest
            )
            i += 1
        while day < len(ends) and ends[day] < stop:
            returns[day] = worth(close[ends[day]], money, signed, basis)
            day += 1
        value = held[AFTER, k]
    if low < below:
        deepest = min(deepest, (low / UNITS) / (peak / UNITS) - 1)
        longest = max(longest, times[-1] - times[peak_at])
    return value, peak, deepest, longest
