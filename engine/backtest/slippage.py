"""What an order means to its market: how much of what is traded there it is, known before the candle that it fills on."""

from __future__ import annotations

import functools
import math

import numpy as np

from engine.model.market import DAY_MS, Candles, Float64Array
from engine.model.slippage import (
    HALF_SPREAD,
    MARKET_DAYS,
    MOST_SHARE,
    MOST_SLIPPAGE,
    MOST_SPREAD,
    SQUARE_ROOT,
    VOLUME_SHARE,
    SlippageModel,
)


@functools.lru_cache(maxsize=1)  # the trials of a sweep share one
def impact_column(candles: Candles, model: SlippageModel) -> Float64Array:
    """What one coin of an order on each candle is to the market, (n,): of VOLUME_SHARE its share of the volume of the candle
    before; of SQUARE_ROOT the square of the slippage of one coin, from the candles of up to MARKET_DAYS before it. Infinite
    where nothing was traded, and on the first candle.
    """
    impact = np.full(len(candles), np.inf)
    if model.kind == VOLUME_SHARE:
        np.divide(1.0, candles.volume[:-1], out=impact[1:], where=candles.volume[:-1] > 0)
    elif model.kind == SQUARE_ROOT:
        variance, volume = _per_day(candles)
        np.divide(model.value**2 * variance, volume, out=impact[1:], where=volume > 0)
    return impact


def _per_day(candles: Candles) -> tuple[Float64Array, Float64Array]:
    """Realised variance and volume per day before each candle but the first, (n - 1,): over those that opened in the
    MARKET_DAYS before it, at least the last.
    """
    opens, last = candles.timestamp, np.arange(1, len(candles))
    first = np.minimum(np.searchsorted(opens, opens[1:] - MARKET_DAYS * DAY_MS), last - 1)
    before = np.concatenate((candles.open[:1], candles.close[:-1]))
    days = (opens[1:] - opens[first]) / DAY_MS
    sums = [
        np.concatenate(([0.0], np.cumsum(column)))
        for column in (np.log(candles.close / before) ** 2, candles.volume)
    ]
    variance, volume = (np.maximum(total[last] - total[first], 0.0) / days for total in sums)
    return variance, volume


def slipped_fraction(model: SlippageModel, coins: float, price: float, impact: float, tick: float) -> float:
    """By which fraction of `price` so many coins fill worse. `impact` of `impact_column`; `tick`: of prices, 0 = unknown."""
    if model.kind == HALF_SPREAD:
        return min(max(model.value, tick / (2 * price)), MOST_SPREAD)
    if model.kind == VOLUME_SHARE:
        return model.value * min(coins * impact, MOST_SHARE) ** 2
    return min(math.sqrt(coins * impact), MOST_SLIPPAGE) if model.kind == SQUARE_ROOT else model.value
