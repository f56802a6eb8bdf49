"""Candles that could have been: the real ones with noise on them, or put together anew from blocks of them.

low <= open, close <= high holds for each, and each open keeps the ratio to the close before that it really had. Without
noise, and with the blocks in their old order, the candles are the real ones to the last bit.
"""

from __future__ import annotations

import numpy as np

from engine.model.market import Candles, Float64Array, Int64Array
from engine.statistics.bootstrap import optimal_block_length


def with_noise(candles: Candles, noise: float, rng: np.random.Generator) -> Candles:
    """The candles with each close moved by a normal fraction that has `noise` times the standard deviation of their returns
    from close to close. The noise of one candle is not that of the next: the course of the period stays.
    """
    deviation = float(close_returns(candles).std()) if len(candles) > 1 else 0.0
    moved = np.exp(rng.normal(0, 1, len(candles)) * (noise * deviation))
    close = candles.close * moved
    open_ = candles.open * np.concatenate(([1.0], moved[:-1]))
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    high = candles.high * (top / np.maximum(candles.open, candles.close))
    low = candles.low * (bottom / np.minimum(candles.open, candles.close))
    return Candles(
        candles.timestamp, open_, np.maximum(high, top), np.minimum(low, bottom), close, candles.volume
    )


def from_blocks(candles: Candles, sources: Int64Array) -> Candles:
    """The candles at positions `sources` (n,) after one another at the times of the real ones, which they are as long as;
    where a block ends, the next one goes on from its close as it went on from the close before it.
    """
    scale = _scales(candles, sources)
    open_, high, low, close = (
        column[sources] * scale for column in (candles.open, candles.high, candles.low, candles.close)
    )
    return Candles(candles.timestamp, open_, high, low, close, candles.volume[sources])


def _scales(candles: Candles, sources: Int64Array) -> Float64Array:
    """By what each source candle is multiplied. Inside a block the factor is 1.0 exactly."""
    before = np.concatenate((candles.open[:1], candles.close[:-1]))  # the first opens where nothing was
    steps = candles.close[sources[:-1]] / before[sources[1:]]
    first = candles.open[0] / candles.open[sources[0]]
    return np.cumprod(np.concatenate(([first], steps)), dtype=np.float64)


def close_returns(candles: Candles) -> Float64Array:
    """Logarithmic returns from close to close, (n - 1,)."""
    returns: Float64Array = np.diff(np.log(candles.close))
    return returns


def candle_block_length(candles: Candles) -> float:
    """A mean length of blocks that keeps how calm and wild stretches follow one another: that of the absolute returns."""
    return optimal_block_length(np.abs(close_returns(candles)))
