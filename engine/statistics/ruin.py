"""How often a path loses a share of what it began with, or of its peak."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.model.market import Float64Array

LEVELS_PCT: Final = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
_ROUNDING: Final = 1e-9  # in %: a loss of exactly 20 % is one of 20 %


def loss_shares(losses_pct: Float64Array) -> Float64Array:
    """The share of paths that lose d or more, for each d of LEVELS_PCT; `losses_pct` (n,), negative: the lowest of each path
    or its deepest fall, as in `paths.money_figures`.
    """
    levels = np.array(LEVELS_PCT, dtype=np.float64)
    shares: Float64Array = (losses_pct[:, None] <= -levels + _ROUNDING).mean(axis=0)
    return shares
