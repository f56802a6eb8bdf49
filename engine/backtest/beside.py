"""Which candle of another series is known at the close of each candle, and longer candles made of shorter ones.

A candle that opened at H and lasts F may be seen by one that opened at t and lasts f if and only if H + F <= t + f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.backtest.metrics import close_times
from engine.model.market import CandleFile, Candles, Float64Array, Int64Array, Period, SideFile, Timeframe
from engine.model.reads import OWN, latest_closed, warmup_start


def closes_of(opens: Int64Array, timeframe: Timeframe) -> Int64Array:
    """When candles of these open times close, ms; of none, none."""
    return close_times(opens, timeframe) if len(opens) else opens


def latest_seen(closes: Int64Array, base_closes: Int64Array) -> Int64Array:
    """Position (n,) of the last candle that has closed at each of the `base_closes`, -1 where none has."""
    return np.searchsorted(closes, base_closes, side="right") - 1


def ages(closes: Int64Array, base_closes: Int64Array, seen: Int64Array, base: Timeframe) -> Float64Array:
    """Whole candles of `base` since that candle closed (n,): 0 where they close together, NaN where there is none."""
    found = np.full(len(seen), np.nan)
    has = seen >= 0
    if has.any():
        then, now = closes[seen[has]], base_closes[has]
        grid = base.opens(Period(int(then[0]), int(now[-1]) + 1))
        found[has] = np.searchsorted(grid, now) - np.searchsorted(grid, then)
    return found


def built(candles: Candles, base: Timeframe, longer: Timeframe) -> Candles:
    """The candles of `longer` that are made of whole ones of `base`: where one of those is missing there is none."""
    if not len(candles):
        return candles
    times = candles.timestamp
    opens = longer.opens(Period(longer.floor(int(times[0])), int(times[-1]) + 1))
    starts = np.searchsorted(times, opens)
    stops = np.append(starts[1:], len(times))
    grid = base.opens(Period(int(opens[0]), longer.next(int(opens[-1]))))
    cells = np.diff(np.searchsorted(grid, np.append(opens, longer.next(int(opens[-1])))))
    whole = stops - starts == cells
    first, last = starts[whole], stops[whole] - 1
    if not len(first):
        return candles.slice(0, 0)
    # reduceat goes from each place to the next one: places between whole candles are left out again
    places = np.column_stack((first, last + 1)).ravel()
    padded = {name: np.append(column, column[-1]) for name, column in candles.columns().items()}
    return Candles(
        opens[whole],
        candles.open[first],
        np.maximum.reduceat(padded["high"], places)[::2],
        np.minimum.reduceat(padded["low"], places)[::2],
        candles.close[last],
        np.add.reduceat(padded["volume"], places)[::2],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Another series by the names that a strategy has for it. `candle`: how long its candles are."""

    symbol: str
    timeframe: str
    candle: Timeframe
    wanted: int
    candles: Candles
    is_built: bool = False

    def known_by(self, instant: int, *, begins: bool) -> Side:
        """What of it had closed at that instant; `begins`: and what of that a run that begins there has loaded."""
        times, first = self.candles.timestamp, 0
        stop = int(np.searchsorted(closes_of(times, self.candle), instant, side="right"))
        if begins:
            seen = latest_closed(self.candle, instant)
            first = int(np.searchsorted(times, warmup_start(self.candle, seen, self.wanted)))
        return replace(self, candles=self.candles.slice(min(first, stop), stop))


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """All series that are read beside candles of `base`."""

    base: Timeframe
    sides: Sequence[Side]

    @classmethod
    def of_file(cls, file: CandleFile) -> Beside | None:
        """Those of a task, mapped; None where there are none."""
        if not file.beside:
            return None
        base = Timeframe(file.timeframe)
        return cls(base, [_side(one, base) for one in file.beside])

    def known_by(self, candles: Candles, *, begins: bool = False) -> Beside:
        """What of them is known at the close of the last of these candles of the run; what is built is built of no more."""
        if not len(candles):
            return replace(self, sides=[replace(side, candles=Candles.empty()) for side in self.sides])
        instant = int(closes_of(candles.timestamp[-1:], self.base)[0])
        whole = {OWN: candles}
        sides = []
        for side in self.sides:
            if side.is_built:
                made = built(whole[side.symbol], self.base, side.candle)
                sides.append(replace(side, candles=made))
            else:
                sides.append(side.known_by(instant, begins=begins))
            if side.timeframe == OWN:
                whole[side.symbol] = sides[-1].candles
        return replace(self, sides=sides)


def _side(file: SideFile, base: Timeframe) -> Side:
    candle = base if file.timeframe == OWN else Timeframe(file.timeframe)
    candles = Candles.empty() if file.candles is None else file.candles.load()
    return Side(file.symbol, file.timeframe, candle, file.wanted, candles, file.candles is None)
