"""Which observations a resampled path is made of: positions drawn at random, in blocks where neighbours belong together."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from engine.model.market import Float64Array, Int64Array
from engine.statistics.sharpe import is_constant

_SHORTEST: Final = 9


def optimal_block_length(values: Float64Array) -> float:
    """Mean block length for the stationary bootstrap of a series (n,) by Politis and White (2004), corrected by Patton,
    Politis and White (2009), clipped to 1..n/3. 1 where the series is too short or does not move.
    """
    n = len(values)
    if n < _SHORTEST or is_constant(values):
        return 1.0
    from arch.bootstrap import optimal_block_length as politis_white  # loads statsmodels: a second or two

    with np.errstate(divide="ignore", invalid="ignore"):  # where nothing moves at the ends of the series
        length = float(politis_white(values)["stationary"].iloc[0])
    return min(max(1.0, length), n / 3) if math.isfinite(length) else 1.0


def stationary_positions(n: int, block: float, paths: int, rng: np.random.Generator) -> Int64Array:
    """Positions 0..n-1 of `paths` stationary bootstraps (Politis and Romano 1994), int64 (paths, n): a new block begins with
    probability 1 / block, else the next position follows, after the last one the first.
    """
    begins = rng.random((paths, n)) < 1 / block
    begins[:, 0] = True
    starts = rng.integers(0, n, (paths, n))
    here = np.arange(n)
    begun = np.maximum.accumulate(np.where(begins, here, 0), axis=1)
    positions: Int64Array = (np.take_along_axis(starts, begun, axis=1) + here - begun) % n
    return positions


def drawn_positions(n: int, paths: int, rng: np.random.Generator) -> Int64Array:
    """Positions 0..n-1 drawn with replacement, int64 (paths, n)."""
    return rng.integers(0, n, (paths, n))


def shuffled_positions(n: int, paths: int, rng: np.random.Generator) -> Int64Array:
    """Positions 0..n-1 in random order, each once, int64 (paths, n)."""
    return rng.permuted(np.tile(np.arange(n, dtype=np.int64), (paths, 1)), axis=1)
