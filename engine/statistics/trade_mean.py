"""Whether trades earn something on average."""

from __future__ import annotations

import math
from typing import Final

from engine.model.market import Float64Array
from engine.statistics.sharpe import is_constant

LEAST_TRADES: Final = 20


def trade_mean(returns: Float64Array) -> tuple[float, float] | None:
    """t and two-sided p of the mean return of trades (n,), by exit. None below 20 trades and where all are equal."""
    if len(returns) < LEAST_TRADES or is_constant(returns):
        return None
    return mean_test(returns, default_lags(len(returns)))


def default_lags(n: int) -> int:
    """How far back values are taken to depend on each other: Newey and West's rule."""
    return int(4 * (n / 100) ** (2 / 9))


def mean_test(values: Float64Array, lags: int) -> tuple[float, float] | None:
    """t of the mean of values (n,) that may depend on the `lags` before them (Newey and West, 1987), and its two-sided p by
    the normal distribution. None without a variance.
    """
    n, centred = len(values), values - values.mean()
    variance = float(centred @ centred) / n
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag]) / n
    if not variance > 0:
        return None
    t = float(values.mean()) / math.sqrt(variance / n)
    return t, math.erfc(abs(t) / math.sqrt(2))
