"""Lowest and highest values of any stretch of a long column, without reading the column again.

Chunks are reduced once; a question reads chunks in the middle and raw values only at the two ends. NaN is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Scale = Callable[[Floats], Floats]  # increasing: what is lowest stays lowest
CHUNK: Final = 256
_EARLIEST, _LATEST = -(2**62), 2**62


def plain(values: Floats) -> Floats:
    """Values as they are."""
    return values


class Envelope:
    """Values `low` and `high` over increasing times (ms); for a line both are the same column. Questions are asked, and
    places answered, in seconds: what axes count in. Nothing of the columns' length is made but two reduced columns.
    """

    def __init__(self, time: Times, low: Floats, high: Floats) -> None:
        self.time, self.low, self.high = time, low, high
        starts = np.arange(0, len(time), CHUNK)
        self._low = np.fmin.reduceat(low, starts) if len(time) else low
        self._high = np.fmax.reduceat(high, starts) if len(time) else high

    def __len__(self) -> int:
        return len(self.time)

    def positions(self, start: float, end: float) -> tuple[int, int]:
        """Positions first..last (excluded) that are visible between two x, one more at each side for lines."""
        wanted = np.array([_to_ms(start), _to_ms(end)])  # floats would have the times copied
        first, last = np.searchsorted(self.time, wanted, side="left")
        return max(0, int(first) - 1), min(len(self.time), int(last) + 1)

    def nearest(self, x: float) -> int | None:
        """The position of the time that is nearest to x, or None where there are none."""
        return nearest(self.time, x)

    def at(self, x: float) -> float:
        """The value at the time nearest to x; NaN where there is none."""
        position = self.nearest(x)
        return float("nan") if position is None else float(self.low[position])

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
            return self.time[first:last] / 1000.0, self.low[first:last]
        if size > CHUNK:
            return self._coarse_outline(first, last, size)
        first -= first % size  # buckets keep their place while the view pans
        starts = np.arange(first, last, size)
        low = np.fmin.reduceat(self.low[:last], starts)
        high = np.fmax.reduceat(self.high[:last], starts)
        return self._zigzag(starts, np.minimum(starts + size, last) - 1, low, high)

    def _coarse_outline(self, first: int, last: int, size: int) -> tuple[Floats, Floats]:
        """The same where whole chunks fit into a bucket: the reduced columns are enough."""
        each = -(-size // CHUNK)
        chunk = first // CHUNK
        chunk -= chunk % each
        chunks = np.arange(chunk, -(-last // CHUNK), each)
        low, high = np.fmin.reduceat(self._low, chunks), np.fmax.reduceat(self._high, chunks)
        starts = chunks * CHUNK
        return self._zigzag(starts, np.minimum(starts + each * CHUNK, len(self.time)) - 1, low, high)

    def _zigzag(self, starts: Times, ends: Times, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        falls = self.low[starts] > self.low[ends]
        y = np.empty(2 * len(starts))
        y[0::2], y[1::2] = np.where(falls, high, low), np.where(falls, low, high)
        return np.repeat(self.time[starts] / 1000.0, 2), y


_lines: WeakValueDictionary[int, Envelope] = WeakValueDictionary()


def envelope_of(time: Times, values: Floats) -> Envelope:
    """The envelope of a line: made once per column as long as anything draws it, however often and wherever it is drawn."""
    found = _lines.get(id(values))
    if found is None or found.low is not values or found.time is not time:
        found = _lines[id(values)] = Envelope(time, values, values)
    return found


def nearest(time: Times, x: float) -> int | None:
    """The position of the time (ms) that is nearest to x (seconds), or None where there are none."""
    if not len(time):
        return None
    at = _to_ms(x)
    right = int(np.searchsorted(time, at))
    left = max(0, right - 1)
    right = min(right, len(time) - 1)
    return left if at - int(time[left]) <= int(time[right]) - at else right


def _to_ms(x: float) -> int:
    return int(min(max(x * 1000.0, _EARLIEST), _LATEST))
