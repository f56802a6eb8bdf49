"""What the market of a perpetual does to a position: funding at its settlements, mark prices, leverage brackets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from engine.model.brackets import Brackets
from engine.model.filters import Filters
from engine.model.market import Candles, Float64Array, Int64Array
from engine.model.perpetual import PerpetualFile

# where the mark price of a settlement is from, the best first: served with it; the open of the mark's or of the traded
# candle that opens then; the last traded close before it
MARK_SOURCES: Final = ("served", "mark_candle", "candle", "stale")


@dataclass(frozen=True, slots=True, eq=False)
class Funding:
    """Funding over n candles, as what a long of one coin pays (negative: receives); all float64 (n,).

    `at_open`: at settlements in a hole before the candle and at its very open; `edge`: of those the ones at its very open;
    `inside`: after its open and before its close; `inside_paid`: of those the sum of the positive ones.
    """

    at_open: Float64Array
    edge: Float64Array
    inside: Float64Array
    inside_paid: Float64Array

    @classmethod
    def laid(cls, opens: Int64Array, closes: Int64Array, times: Int64Array, paid: Float64Array) -> Self:
        """Settlements (k,), at which a long of one coin pays so much, over n candles of these opens and closes (ms); all lie
        between the first open and the last close. A candle owns those from its open to before its close; one in a hole is
        the next candle's.
        """
        n = len(opens)
        owner = np.searchsorted(opens, times, side="right") - 1
        in_hole, at_open = times >= closes[owner], times == opens[owner]
        inside = ~in_hole & ~at_open

        def summed(chosen: npt.NDArray[np.bool_], place: Int64Array) -> Float64Array:
            return np.bincount(place[chosen], weights=paid[chosen], minlength=n).astype(np.float64)

        return cls(
            at_open=summed(~inside, owner + in_hole),
            edge=summed(at_open, owner),
            inside=summed(inside, owner),
            inside_paid=summed(inside & (paid > 0), owner),
        )


def settlements(
    candles: Candles,
    closes: Int64Array,
    times: Int64Array,
    rates: Float64Array,
    marks: Float64Array,
    mark_candles: Candles | None = None,
) -> tuple[Int64Array, Float64Array, dict[str, int]]:
    """Of settlements (k,) at `times` (ms), with mark prices where served, else NaN: (when, what a long of one coin pays) of
    those that count, and how many have their mark prices from where, by MARK_SOURCES. `closes`: of the candles, ms, (n,).
    None counts that lies before the first candle or after the last.
    """
    counts = (times >= candles.timestamp[0]) & (times < closes[-1])
    times, rates, marks = times[counts], rates[counts], marks[counts]
    prices, sources = _mark_prices(candles, closes, times, marks, mark_candles)
    found = np.bincount(sources, minlength=len(MARK_SOURCES)).tolist()
    return times, rates * prices, dict(zip(MARK_SOURCES, found, strict=True))


def _mark_prices(
    candles: Candles,
    closes: Int64Array,
    times: Int64Array,
    served: Float64Array,
    mark_candles: Candles | None,
) -> tuple[Float64Array, Int64Array]:
    """The mark price of each settlement, and where it is from, counted into MARK_SOURCES. None lies before the candles."""
    last = np.searchsorted(closes, times, side="right") - 1  # closed by then
    # inside the very first candle nothing has closed yet
    stale = np.where(last < 0, candles.open[0], candles.close[np.maximum(last, 0)])
    opened = _opens_at(candles, times)
    marked = np.full(len(times), np.nan) if mark_candles is None else _opens_at(mark_candles, times)
    ranked = np.stack([served, marked, opened, stale])
    sources = np.argmax(~np.isnan(ranked), axis=0)
    return ranked[sources, np.arange(len(times))], sources


def _opens_at(candles: Candles, times: Int64Array) -> Float64Array:
    """The open of the candle that opens at each of these times, NaN where none does."""
    if len(candles) == 0:
        return np.full(len(times), np.nan)
    place = np.minimum(np.searchsorted(candles.timestamp, times), len(candles) - 1)
    return np.where(candles.timestamp[place] == times, candles.open[place], np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """Mark prices of n candles, float64 (n,); where the exchange has none the last price's."""

    open: Float64Array
    high: Float64Array
    low: Float64Array

    @classmethod
    def of(cls, candles: Candles, marks: Candles | None) -> tuple[Self, int]:
        """(mark prices of the candles, how many of them had one) from held mark price candles of the same timeframe."""
        columns = [candles.open.copy(), candles.high.copy(), candles.low.copy()]
        if marks is None or not len(marks):
            return cls(*columns), 0
        at = np.minimum(np.searchsorted(marks.timestamp, candles.timestamp), len(marks) - 1)
        known = marks.timestamp[at] == candles.timestamp
        for column, name in zip(columns, ("open", "high", "low"), strict=True):
            column[known] = getattr(marks, name)[at[known]]
        return cls(*columns), int(known.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Perpetual:
    """Over the n candles of a run. `funding` None: not charged; `mark` None: last prices; `brackets` None: no leverage.

    `filters`: of the exchange, spot too, None = not known; `filtered`: whether orders are held to them, else they only tell
    what a tick is.
    """

    funding: Funding | None = None
    mark: Mark | None = None
    brackets: Brackets | None = None
    filters: Filters | None = None
    filtered: bool = False

    @classmethod
    def of_file(cls, file: PerpetualFile | None) -> Perpetual | None:
        """What `columns` wrote of one, with the file's brackets; None where there is no file."""
        if file is None:
            return None
        return cls._of(file.load(), cls(None, None, file.load_brackets(), file.filters, file.filtered))

    @classmethod
    def _of(cls, columns: Mapping[str, Float64Array], beside: Perpetual) -> Perpetual:
        funding, mark = _FUNDING[0] in columns, _MARK[0] in columns
        return replace(
            beside,
            funding=Funding(*(columns[name] for name in _FUNDING)) if funding else None,
            mark=Mark(*(columns[name] for name in _MARK)) if mark else None,
        )

    def slice(self, start: int | None, stop: int | None) -> Perpetual:
        """That of the candles at positions start..stop (views, no copy)."""
        columns = {name: column[start:stop] for name, column in self.columns().items()}
        return self._of(columns, self)

    def columns(self) -> dict[str, Float64Array]:
        """All columns (n,) by name."""
        found: dict[str, Float64Array] = {}
        for part, names in ((self.funding, _FUNDING), (self.mark, _MARK)):
            if part is not None:
                found |= dict(zip(names, (getattr(part, field.name) for field in fields(part)), strict=True))
        return found


_FUNDING: Final = ("funding_at_open", "funding_edge", "funding_inside", "funding_inside_paid")
_MARK: Final = ("mark_open", "mark_high", "mark_low")
