"""How an order fills in the compiled simulator: how much worse than its price, and what of it the exchange takes.

Everything is looked up in the terms; `impact` is what a coin is to its market.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from engine.backtest.kernel.parts import code, floor_division, part
from engine.backtest.rules import UNITS
from engine.model.slippage import (
    FIXED,
    HALF_SPREAD,
    MODELS,
    MOST_SHARE,
    MOST_SLIPPAGE,
    MOST_SPREAD,
    SQUARE_ROOT,
    VOLUME_SHARE,
)

FIXED_MODEL: Final = code(MODELS.index(FIXED))
_HALF_SPREAD, _VOLUME_SHARE = code(MODELS.index(HALF_SPREAD)), code(MODELS.index(VOLUME_SHARE))
_SQUARE_ROOT: Final = code(MODELS.index(SQUARE_ROOT))
# of a tick: prices that were reckoned miss one by rounding; and of a step, as the exchanges' own clients do
_ROUNDED_PRICE: Final = 1e-6
_ROUNDED_SIZE: Final = 1e-9


@part
def slipped_by(t: Any, impact: float, units: float, bare: float) -> float:
    """The fraction by which an order of so many units fills worse than `bare`."""
    fraction: float = t.slippage
    if t.model == FIXED_MODEL:
        return fraction
    if t.model == _HALF_SPREAD:
        return min(max(fraction, float(t.tick) / (2 * bare)), MOST_SPREAD)
    coins = units / UNITS
    if t.model == _VOLUME_SHARE:
        # also of an order that the leverage cut to nothing, where nothing was traded
        share = MOST_SHARE if math.isinf(impact) else min(coins * impact, MOST_SHARE)
        return fraction * share**2
    return min(math.sqrt(coins * impact), MOST_SLIPPAGE)


@part
def untraded(t: Any, impact: float) -> bool:
    """Whether nothing can be entered, as what that would cost follows from a volume that is 0."""
    return t.model == _SQUARE_ROOT and math.isinf(impact)


@part
def on_tick(t: Any, direction: int, price: float) -> float:
    """The price at which the exchange takes an order: on its grid, up or down (`direction`); NaN stays NaN."""
    if not t.filtered or t.tick_above == 0:
        return price
    ticks = price * t.tick_below / t.tick_above
    whole = np.ceil(ticks - _ROUNDED_PRICE) if direction > 0 else np.floor(ticks + _ROUNDED_PRICE)
    rounded: float = whole * t.tick_above / t.tick_below
    return rounded


@part
def whole_steps(t: Any, units: float) -> float:
    """Of `units` what the exchange sells at once: whole steps."""
    if not t.filtered or t.step == 0:
        return units
    steps: float = np.floor(units / t.step + _ROUNDED_SIZE) * t.step
    return steps


@part
def clipped(t: Any, s: Any, units: float, price: float, counted: bool) -> float:
    """Of `units` more at that price what the leverage allows, and the exchange at most takes."""
    if (s.units + units) * price > t.most:
        s.clipped += counted
        units = max(0.0, floor_division(t.most, price) - s.units)
    if t.filtered and units > t.most_units:
        s.above_maximum += counted
        units = t.most_units
    return units


@part
def taken(t: Any, s: Any, units: float, price: float, bare: float) -> float:
    """What is bought of `units` at `price`, unslipped `bare`: as `clipped`, in whole steps; nothing below the least."""
    units = clipped(t, s, units, price, True)
    if t.filtered and units >= 1:
        units = whole_steps(t, units)
        if units < t.least_units or units * bare < t.least_notional or units < 1:
            s.below_minimum += 1
            return 0.0
    return units
