"""What of a million candles a screen can show: the visible range, gathered into at most as many buckets as columns fit.

A bucket keeps the first open, the highest high, the lowest low and the last close, so that no extreme disappears.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from desktop.charts.items.envelope import Floats, Times, nearest
from engine.model.market import Candles

MOST_BUCKETS: Final = 1500
_STEP: Final = 16  # of the coarser copies: each gathers so many bars of the one before


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


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Candles gathered by `size`; `last`: the open time of the last candle of each bar."""

    size: int
    bars: Candles
    last: Times

    def gathered(self, first: int, stop: int, by: int) -> _Level:
        """The bars at positions first..stop, so many of them in one."""
        cut, last = self.bars.slice(first, stop), self.last[first:stop]
        if by == 1 or not len(cut):
            return _Level(self.size * by, cut, last)
        starts = np.arange(0, len(cut), by)
        ends = np.minimum(starts + by, len(cut)) - 1
        return _Level(
            self.size * by,
            Candles(
                cut.timestamp[starts],
                cut.open[starts],
                np.maximum.reduceat(cut.high, starts),
                np.minimum.reduceat(cut.low, starts),
                cut.close[ends],
                np.add.reduceat(cut.volume, starts),
            ),
            last[ends],
        )


class Gathered:
    """Candles as bars of the visible times, gathered once per view. `step_s`: seconds from one candle to the next; `part_s`:
    the same of the candles that they were made of, which are drawn around their open time.
    """

    def __init__(self, candles: Candles, step_s: float, part_s: float | None = None) -> None:
        self.candles, self.step_s = candles, step_s
        self.shift = (step_s - (step_s if part_s is None else part_s)) / 2
        self._levels = [_Level(1, candles, candles.timestamp)]
        self._key: tuple[float, float, int] | None = None
        self._bars: Bars | None = None

    def bars(self, start_s: float, end_s: float, most: int = MOST_BUCKETS) -> Bars:
        """The bars between two times. Up to `most` candles are kept as they are; more are gathered evenly by position."""
        key = start_s, end_s, most
        if self._bars is None or self._key != key:
            self._key, self._bars = key, self._gather(start_s, end_s, most)
        return self._bars

    def _gather(self, start_s: float, end_s: float, most: int) -> Bars:
        step_ms = self.step_s * 1000
        wanted = np.array([int(start_s * 1000 - step_ms), int(end_s * 1000 + step_ms)])
        first, last = (int(place) for place in np.searchsorted(self.candles.timestamp, wanted))
        level = self._level(max(1, -(-(last - first) // most)))
        by = max(1, -(-(last - first) // (most * level.size)))
        first, stop = first // level.size, min(len(level.bars), -(-last // level.size))
        if by > 1:  # buckets keep their place while the view pans, so nothing flickers
            first, stop = first - first % by, min(len(level.bars), stop + (-stop % by))
        found = level.gathered(first, stop, by)
        bars, width = found.bars, self.step_s * found.size
        x = (bars.timestamp + found.last) / 2000.0 + self.shift
        return Bars(x, bars.open, bars.high, bars.low, bars.close, bars.volume, width)

    def _level(self, size: int) -> _Level:
        """The coarsest copy that buckets of `size` candles can be made of; copies are made when first needed."""
        while self._levels[-1].size * _STEP <= size:
            finest = self._levels[-1]
            self._levels.append(finest.gathered(0, len(finest.bars), _STEP))
        return next(level for level in reversed(self._levels) if level.size <= size)

    def nearest(self, x: float) -> int | None:
        """The position of the candle that is drawn at or next to x, or None where there are none."""
        return nearest(self.candles.timestamp, x - self.shift)
