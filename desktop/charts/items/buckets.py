"""What of a million candles a screen can show: the visible range, gathered into at most as many buckets as columns fit.

A bucket keeps the first open, the highest high, the lowest low and the last close, so that no extreme disappears.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.model.market import Candles

Floats = npt.NDArray[np.float64]
MOST_BUCKETS = 1500


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars to draw, all arrays of one length: x is the middle in seconds, width one bar's distance in seconds."""

    x: Floats
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    width: float

    def __len__(self) -> int:
        return len(self.x)


def visible_bars(
    candles: Candles, step_s: float, start_s: float, end_s: float, most: int = MOST_BUCKETS
) -> Bars:
    """The bars between two times. Up to `most` candles are kept as they are; more are gathered evenly by position."""
    first, last = np.searchsorted(
        candles.timestamp, (start_s * 1000 - step_s * 1000, end_s * 1000 + step_s * 1000)
    )
    first, last = int(first), int(last)
    count = last - first
    size = max(1, -(-count // most))
    if size > 1:  # buckets keep their place while the view pans, so nothing flickers
        first -= first % size
        last = min(len(candles), last + (-last % size))
    cut = candles.slice(first, last)
    if size == 1 or not len(cut):
        x = cut.timestamp / 1000.0
        return Bars(x, cut.open, cut.high, cut.low, cut.close, cut.volume, step_s)
    starts = np.arange(0, len(cut), size)
    ends = np.minimum(starts + size, len(cut)) - 1
    return Bars(
        (cut.timestamp[starts] + cut.timestamp[ends]) / 2000.0,
        cut.open[starts],
        np.maximum.reduceat(cut.high, starts),
        np.minimum.reduceat(cut.low, starts),
        cut.close[ends],
        np.add.reduceat(cut.volume, starts),
        step_s * size,
    )
