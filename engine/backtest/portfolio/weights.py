"""Which part of the equity a leg is allocated, for the compiled portfolio simulator."""

from __future__ import annotations

import math
from typing import Any

from engine.backtest.kernel.parts import part, step


@part
def _volatility(c: Any, leg: Any, by: int, lookback: int) -> float:
    """Per root of a millisecond, of the last closes by then; NaN where nothing moved, or too few have closed."""
    low, high = leg.first, leg.last + 1
    while low < high:
        middle = (low + high) // 2
        if c.closes[middle] <= by:
            low = middle + 1
        else:
            high = middle
    first = max(leg.first, low - lookback) + 1  # of the changes
    count = low - first
    if count < 2:
        return math.nan
    mean = squares = 0.0
    for i in range(first, low):
        mean += c.changes[i]
    mean /= count
    for i in range(first, low):
        squares += (c.changes[i] - mean) ** 2
    deviation = math.sqrt(squares / (count - 1) / leg.timeframe)
    return deviation if deviation > 0 else math.nan


@step
def weight_of(c: Any, b: Any, k: int, i: int, by: int) -> float:
    """Of leg k on its candle i, by what had closed by then; NaN = not known."""
    if not b.rules[0].steady:
        own: float = c.weights[i] if len(c.weights) else b.legs[k].weight
        return own
    total, steady = 0.0, math.nan
    for j in range(len(b.legs)):
        volatility = _volatility(c, b.legs[j], by, b.rules[0].lookback)
        if not math.isnan(volatility):
            total += 1 / volatility
            if j == k:
                steady = 1 / volatility
    return steady / total if total > 0 else math.nan
