"""Candles of longer timeframes made of shorter ones, for the eye: a run keeps the candles that it saw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from desktop.charts.items.envelope import Times
from engine.model.market import TIMEFRAMES, Candles, Period, Timeframe

_TRIED: Final = 60  # cells that tell whether one grid lies on another, leap years included


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Candles of a timeframe; `parts`: of how many shorter ones each is made, `whole`: of how many if none is missing."""

    candles: Candles
    timeframe: Timeframe
    parts: Times
    whole: Times


def step_s_of(timeframe: Timeframe, candles: Candles) -> float:
    """Seconds from the first candle to the next."""
    first = int(candles.timestamp[0])
    return (timeframe.next(first) - first) / 1000


def longer_than(base: Timeframe) -> list[str]:
    """The timeframes whose candles are made of whole candles of `base`, the shortest first."""
    begin = TIMEFRAMES.index(base.name) + 1
    return [name for name in TIMEFRAMES[begin:] if _lies_on(base, Timeframe(name))]


@cache
def _lies_on(base: Timeframe, longer: Timeframe) -> bool:
    tried = longer.opens(Period(0, longer.shift(0, _TRIED)))
    return all(base.floor(opened) == opened for opened in tried.tolist())


def joined(candles: Candles, base: Timeframe, longer: Timeframe) -> Joined:
    """First open, highest high, lowest low, last close and the sum of volumes of every cell of `longer` that holds a candle;
    cells begin as the exchange's do, in UTC. Cells at the ends, or with a hole, hold fewer candles than they could.
    """
    if not len(candles):
        return Joined(candles, longer, candles.timestamp, candles.timestamp)
    time = candles.timestamp
    opens = longer.opens(Period(longer.floor(int(time[0])), int(time[-1]) + 1))
    edges = np.append(np.searchsorted(time, opens), len(time))
    parts = np.diff(edges)
    held = parts > 0
    starts, opens, parts = edges[:-1][held], opens[held], parts[held]
    whole = [base.count(Period(opened, longer.next(opened))) for opened in (int(opens[0]), int(opens[-1]))]
    expected = np.full(len(opens), whole[0])
    if whole[0] != whole[1] or longer.name == "1M":
        expected = np.array([base.count(Period(opened, longer.next(opened))) for opened in opens.tolist()])
    bars = Candles(
        opens,
        candles.open[starts],
        np.maximum.reduceat(candles.high, starts),
        np.minimum.reduceat(candles.low, starts),
        candles.close[starts + parts - 1],
        np.add.reduceat(candles.volume, starts),
    )
    return Joined(bars, longer, parts, expected)
