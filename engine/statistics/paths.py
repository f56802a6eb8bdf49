"""Many courses that an account could have taken: their figures, and how wide they lie apart.

A path is the account's value at k + 1 moments, the money it began with first. The path as it was goes through the same
functions as every resampled one, so the two can be compared.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from engine.model.market import DAYS_PER_YEAR, STILL, Float64Array, Int64Array

QUANTILES: Final = (5, 25, 50, 75, 95)
_NOTHING: Final = 1e-12  # of the money at the start
_BIN: Final = 5  # of the histogram of drawdowns, in %
_ROWS: Final = 32  # of a table whose quantiles are taken at a time: nobody waits long for the interpreter

Figures = dict[str, Float64Array]


def growth_factors(start: float, values: Float64Array) -> Float64Array:
    """By what each of the values (k,) multiplies the one before, the first `start`; (k,). From nothing nothing grows: 1."""
    values = np.where(values > start * _NOTHING, values, 0)
    before = np.concatenate(([start], values[:-1]))
    return np.divide(values, before, out=np.ones(len(values)), where=before > 0)


def compounded(start: float, factors: Float64Array) -> Float64Array:
    """The paths (m, k + 1) that factors (m, k) make of the money."""
    paths = np.empty((len(factors), factors.shape[1] + 1))
    paths[:, 0] = start
    np.cumprod(factors, axis=1, out=paths[:, 1:])
    paths[:, 1:] *= start
    return paths


def money_figures(paths: Float64Array) -> Figures:
    """Of each path (m, k + 1): `final_equity`, `return_pct`, `max_drawdown_pct` (-100..0), `lowest_pct` (the lowest value in
    % of the money it began with, minus 100: 0 where it never was below); float64 (m,).
    """
    start = paths[:, 0]
    falls = paths / np.maximum.accumulate(paths, axis=1)
    return {
        "final_equity": paths[:, -1],
        "return_pct": (paths[:, -1] / start - 1) * 100,
        "max_drawdown_pct": np.clip(falls.min(axis=1) * 100 - 100, -100, 0),
        "lowest_pct": (paths.min(axis=1) / start - 1) * 100,
    }


def daily_figures(paths: Float64Array) -> Figures:
    """`money_figures` of paths that have a value per day, and `cagr_pct`, `sharpe` (annualised), `calmar`; NaN where one has
    no meaning: for an account that does not move, or never falls.
    """
    found = money_figures(paths)
    days = paths.shape[1] - 1
    returns = growth_rates(paths)
    deviation = returns.std(axis=1, ddof=1) if days > 1 else np.zeros(len(paths))
    cagr = (paths[:, -1] / paths[:, 0]) ** (DAYS_PER_YEAR / days) - 1
    sharpe = _quotient(returns.mean(axis=1) * math.sqrt(DAYS_PER_YEAR), deviation, deviation > STILL)
    depth = -found["max_drawdown_pct"] / 100
    return found | {"cagr_pct": cagr * 100, "sharpe": sharpe, "calmar": _quotient(cagr, depth, depth > 0)}


def growth_rates(paths: Float64Array) -> Float64Array:
    """The returns (m, k) between the values of paths; 0 where nothing is left to lose."""
    before = paths[:, :-1]
    rates: Float64Array = _quotient(paths[:, 1:], before, before > 0) - 1
    rates[~(before > 0)] = 0
    return rates


def _quotient(above: Float64Array, below: Float64Array, where: object) -> Float64Array:
    out = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=out, where=where)  # type: ignore[call-overload]
    return out


def quantiles(table: Float64Array) -> Float64Array:
    """The QUANTILES of each row of a table (k, m) that are numbers; float64 (k, 5), NaN where a row has none."""
    found = np.full((len(table), len(QUANTILES)), np.nan)
    for at in range(0, len(table), _ROWS):
        part = table[at : at + _ROWS]
        if np.isnan(part).any():
            for row, values in enumerate(part, start=at):
                known = values[~np.isnan(values)]
                if len(known):
                    found[row] = np.percentile(known, QUANTILES)
        else:
            found[at : at + _ROWS] = np.percentile(part, QUANTILES, axis=1).T
    return found


def spread_points(steps: int, most: int) -> Int64Array:
    """At most so many of the moments 0..steps, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, steps, min(most, steps + 1)).round().astype(np.int64))


def drawdown_histogram(drawdowns_pct: Float64Array) -> tuple[Float64Array, Int64Array]:
    """(edges in %, from -100 or the deepest whole 5 up to 0; how many drawdowns lie between two of them)."""
    deepest = math.ceil(max(-float(drawdowns_pct.min()), _BIN) / _BIN) * _BIN
    edges = np.arange(-deepest, _BIN, _BIN, dtype=np.float64)
    edges[edges > 0] = 0
    counts, _ = np.histogram(drawdowns_pct, np.unique(edges))
    return np.unique(edges), counts.astype(np.int64)
