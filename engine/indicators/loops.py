"""The indicators as compiled loops over float64 columns; `engine.indicators` says what each of them means.

A window's sum, lowest, highest or deviation is put together from two parts, the end of one block of `length` candles and
the beginning of the next: nothing is ever subtracted, so no rounding error of an old candle stays behind. A market that
stands still gives exactly its price, so that averages of it do not cross each other by rounding.
"""

# mypy: disable-error-code="untyped-decorator"
# ruff: noqa: D103

from __future__ import annotations

import sys
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from engine.model.market import DAY_MS, Float64Array, Int64Array

Columns = tuple[Float64Array, ...]

STILL: Final = 1e-9  # a range of the RSI that is only rounding
SMALLEST: Final = sys.float_info.epsilon  # what pandas-ta-classic puts in place of a range of nothing

compiled = numba.njit(cache=True, nogil=True)


@compiled
def _first_valid(values: Float64Array) -> int:
    for i in range(len(values)):
        if values[i] == values[i]:
            return i
    return len(values)


@compiled
def _seed(values: Float64Array, start: int, length: int) -> float:
    """Mean of `length` values from `start` on, NaN skipped; exact where they are all equal."""
    first, total, count = values[start], 0.0, 0
    for i in range(start, start + length):
        if values[i] == values[i]:
            total += values[i] - first
            count += 1
    return float(first + total / count)


@compiled
def _recursive(values: Float64Array, length: int, alpha: float) -> Float64Array:
    """before x (1 - alpha) + new x alpha, seeded with a mean. NaN in between keeps the value and lets its weight decay."""
    n = len(values)
    out = np.full(n, np.nan)
    start = _first_valid(values)
    if start + length > n:
        return out
    value = _seed(values, start, length)
    out[start + length - 1] = value
    keep, weight = 1 - alpha, 1.0
    for i in range(start + length, n):
        new = values[i]
        if new != new:
            weight *= keep
        elif weight == 1.0:
            if new != value:
                value = keep * value + alpha * new
        else:
            weight *= keep
            value = (weight * value + alpha * new) / (weight + alpha)
            weight = 1.0
        out[i] = value
    return out


@compiled
def _lowest(values: Float64Array, length: int) -> Float64Array:
    """Lowest of the last `length` values, NaN where one of them is NaN."""
    n = len(values)
    out = np.full(n, np.nan)
    tail = np.empty(length)
    for block in range(0, n - length + 1, length):
        value = np.inf
        for i in range(length - 1, -1, -1):  # the lowest from each candle to the end of its block
            new = values[block + i]
            value = new if new < value or new != new else value
            tail[i] = value
        out[block + length - 1] = value
        value = np.inf
        for i in range(1, min(length, n - block - length + 1)):
            new = values[block + length - 1 + i]
            value = new if new < value or new != new else value
            out[block + length - 1 + i] = value if value < tail[i] or value != value else tail[i]
    return out


@compiled
def _highest(values: Float64Array, length: int) -> Float64Array:
    return -_lowest(-values, length)


@compiled
def _mean(values: Float64Array, length: int) -> Float64Array:
    """Mean of the last `length` values, NaN where one of them is NaN."""
    n = len(values)
    out = np.full(n, np.nan)
    tail = np.empty(length)
    still = 0  # how many values before this one are equal to it
    for block in range(0, n - length + 1, length):
        value = 0.0
        for i in range(length - 1, -1, -1):
            value += values[block + i]
            tail[i] = value
        out[block + length - 1] = value / length
        value = 0.0
        for i in range(1, min(length, n - block - length + 1)):
            value += values[block + length - 1 + i]
            out[block + length - 1 + i] = (tail[i] + value) / length
    for i in range(1, n):
        still = still + 1 if values[i] == values[i - 1] else 0
        if still >= length - 1 and i >= length - 1:
            out[i] = values[i]
    return out


@compiled
def _deviation(values: Float64Array, length: int) -> Float64Array:
    """Population standard deviation of the last `length` values, of the two parts' by Chan's formula."""
    n = len(values)
    out = np.full(n, np.nan)
    means, squares = np.empty(length), np.empty(length)
    for block in range(0, n - length + 1, length):
        mean, square = 0.0, 0.0
        for i in range(length - 1, -1, -1):
            off = values[block + i] - mean
            mean += off / (length - i)
            square += off * (values[block + i] - mean)
            means[i], squares[i] = mean, square
        out[block + length - 1] = np.sqrt(square / length)
        mean, square = 0.0, 0.0
        for i in range(1, min(length, n - block - length + 1)):
            new = values[block + length - 1 + i]
            off = new - mean
            mean += off / i
            square += off * (new - mean)
            between = (mean - means[i]) ** 2 * i * (length - i) / length
            out[block + length - 1 + i] = np.sqrt((square + squares[i] + between) / length)
    return out


@compiled
def _true_range(high: Float64Array, low: Float64Array, close: Float64Array) -> Float64Array:
    n = len(close)
    out = np.full(n, np.nan)
    for i in range(1, n):
        before = close[i - 1]
        own = high[i] - low[i] if high[i] != low[i] else SMALLEST
        out[i] = max(abs(own), max(abs(high[i] - before), abs(before - low[i])))
    return out


@compiled
def sma(close: Float64Array, length: int) -> Columns:
    return (_mean(close, length),)


@compiled
def ema(close: Float64Array, length: int) -> Columns:
    return (_recursive(close, length, 2.0 / (length + 1)),)


@compiled
def rsi(close: Float64Array, length: int) -> Columns:
    return (_rsi(close, length),)


@compiled
def _rsi(close: Float64Array, length: int) -> Float64Array:
    n = len(close)
    up, down = np.full(n, np.nan), np.full(n, np.nan)
    for i in range(1, n):
        change = close[i] - close[i - 1]
        up[i] = max(change, 0.0) if change == change else np.nan
        down[i] = max(-change, 0.0) if change == change else np.nan
    up, down = _recursive(up, length, 1.0 / length), _recursive(down, length, 1.0 / length)
    for i in range(n):
        moved = up[i] + down[i]
        up[i] = 100.0 * up[i] / moved if moved != 0 else np.nan
    return up


@compiled
def macd(close: Float64Array, fast: int, slow: int, signal: int) -> Columns:
    fast, slow = min(fast, slow), max(fast, slow)
    line = _recursive(close, fast, 2.0 / (fast + 1)) - _recursive(close, slow, 2.0 / (slow + 1))
    smooth = _recursive(line, signal, 2.0 / (signal + 1))
    return line, smooth, line - smooth


@compiled
def bollinger(close: Float64Array, length: int, width: float) -> Columns:
    middle, reach = _mean(close, length), width * _deviation(close, length)
    return middle - reach, middle, middle + reach


@compiled
def atr(high: Float64Array, low: Float64Array, close: Float64Array, length: int) -> Columns:
    return (_recursive(_true_range(high, low, close), length, 1.0 / length),)


@compiled
def supertrend(
    high: Float64Array, low: Float64Array, close: Float64Array, length: int, multiplier: float
) -> Columns:
    """The bands only tighten while the trend holds; a close beyond one turns it."""
    n = len(close)
    reach = _recursive(_true_range(high, low, close), length, 1.0 / length)
    line, direction = np.full(n, np.nan), np.full(n, np.nan)
    upper, lower, way = np.nan, np.nan, 1.0
    for i in range(n):
        if reach[i] != reach[i]:
            continue
        middle = 0.5 * (high[i] + low[i])
        top, bottom = middle + multiplier * reach[i], middle - multiplier * reach[i]
        if close[i] > upper:
            way = 1.0
        elif close[i] < lower:
            way = -1.0
        elif way > 0 and bottom < lower:
            bottom = lower
        elif way < 0 and top > upper:
            top = upper
        upper, lower = top, bottom
        line[i], direction[i] = bottom if way > 0 else top, way
    return line, direction


@compiled
def stochastic_rsi(close: Float64Array, rsi_length: int, length: int, k: int, d: int) -> Columns:
    strength = _rsi(close, rsi_length)
    lowest, highest = _lowest(strength, length), _highest(strength, length)
    for i in range(len(close)):
        reach = highest[i] - lowest[i]
        # a market that stands still keeps its RSI, but for rounding: that is no range to have a place in
        strength[i] = 100.0 * (strength[i] - lowest[i]) / reach if reach > STILL else 0.0 * reach
    smooth = _mean(strength, k)
    return smooth, _mean(smooth, d)


@compiled
def donchian(high: Float64Array, low: Float64Array, length: int) -> Columns:
    return _lowest(low, length), _highest(high, length)


@compiled
def vwap(
    times: Int64Array, high: Float64Array, low: Float64Array, close: Float64Array, volume: Float64Array
) -> Columns:
    n = len(close)
    out = np.full(n, np.nan)
    day, traded, money = -1, 0.0, 0.0
    for i in range(n):
        if i == 0 or times[i] // DAY_MS != day:
            day, traded, money = times[i] // DAY_MS, 0.0, 0.0
        traded += volume[i]
        money += (high[i] + low[i] + close[i]) / 3 * volume[i]
        if traded > 0:
            out[i] = money / traded
    return (out,)


@compiled
def crossed_above(one: Float64Array, other: Float64Array) -> npt.NDArray[np.bool_]:
    n = len(one)
    out = np.zeros(n, dtype=np.bool_)
    for i in range(1, n):
        out[i] = (one[i] > other[i]) & (one[i - 1] <= other[i - 1])
    return out
