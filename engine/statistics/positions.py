"""Whether an account was in the market at better moments than chance would choose: its positions against shuffled ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from engine.model.market import Float64Array, Int64Array

_ROUNDING: Final = 1e-12


def mean_return(positions: Int64Array, returns: Float64Array) -> float:
    """What positions (n,) of +1, 0 and -1 earned of returns (n,) on average, idle moments included."""
    return float(positions @ returns) / len(returns)


def shuffled_means(
    positions: Int64Array, returns: Float64Array, paths: int, rng: np.random.Generator
) -> Float64Array:
    """`mean_return` of as many long, short and idle moments, placed at random; float64 (paths,)."""
    return np.fromiter(_means(positions, returns, paths, rng), np.float64, paths)


def _means(
    positions: Int64Array, returns: Float64Array, paths: int, rng: np.random.Generator
) -> Iterator[float]:
    n, longs = len(returns), int((positions > 0).sum())
    held = longs + int((positions < 0).sum())
    for _ in range(paths):
        chosen = returns[rng.choice(n, held, replace=False)]
        yield (float(chosen[:longs].sum()) - float(chosen[longs:].sum())) / n


def reached(means: Float64Array, observed: float, returns: Float64Array) -> int:
    """How many means are as large as the observed one; sums in another order differ by rounding."""
    return int((means >= observed - _ROUNDING * float(np.abs(returns).mean())).sum())


def permutation_p(reached: int, paths: int) -> float:
    """The chance of doing as well without skill. What was observed counts as one of the arrangements: never 0."""
    return (1 + reached) / (1 + paths)
