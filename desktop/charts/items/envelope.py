"""Lowest and highest values of any stretch of a long column, without reading the column again.

Chunks are reduced once; a question reads chunks in the middle and raw values only at the two ends. NaN is ignored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CHUNK = 256


class Envelope:
    """Values `low` and `high` over sorted `x`; for a line both are the same column."""

    def __init__(self, x: Floats, low: Floats, high: Floats) -> None:
        self.x, self.low, self.high = x, low, high
        starts = np.arange(0, len(x), CHUNK)
        self._low = np.fmin.reduceat(low, starts) if len(x) else low
        self._high = np.fmax.reduceat(high, starts) if len(x) else high

    def positions(self, start: float, end: float) -> tuple[int, int]:
        """Positions first..last (excluded) that are visible between two x, one more at each side for lines."""
        first, last = np.searchsorted(self.x, (start, end), side="left")
        return max(0, int(first) - 1), min(len(self.x), int(last) + 1)

    def within(self, start: float, end: float) -> tuple[float, float] | None:
        """Lowest and highest value between two x, or None where there is nothing."""
        first, last = self.positions(start, end)
        if first >= last:
            return None
        left, right = -(-first // CHUNK), last // CHUNK
        if right <= left:
            parts = [(self.low[first:last], self.high[first:last])]
        else:
            parts = [
                (self.low[first : left * CHUNK], self.high[first : left * CHUNK]),
                (self._low[left:right], self._high[left:right]),
                (self.low[right * CHUNK : last], self.high[right * CHUNK : last]),
            ]
        low = np.fmin.reduce([np.fmin.reduce(part, initial=np.nan) for part, _ in parts])
        high = np.fmax.reduce([np.fmax.reduce(part, initial=np.nan) for _, part in parts])
        return (float(low), float(high)) if np.isfinite(low) and np.isfinite(high) else None

    def outline(self, start: float, end: float, most: int) -> tuple[Floats, Floats]:
        """x and y of a line between two x in at most about `most` points: each bucket gives its lowest and highest."""
        first, last = self.positions(start, end)
        size = max(1, -(-2 * (last - first) // most))
        if size <= 2:
            return self.x[first:last], self.low[first:last]
        first -= first % size  # buckets keep their place while the view pans
        starts = np.arange(first, last, size)
        low = np.fmin.reduceat(self.low[:last], starts)
        high = np.fmax.reduceat(self.high[:last], starts)
        falls = self.low[starts] > self.low[np.minimum(starts + size, last) - 1]
        y = np.empty(2 * len(starts))
        y[0::2], y[1::2] = np.where(falls, high, low), np.where(falls, low, high)
        return np.repeat(self.x[starts], 2), y
