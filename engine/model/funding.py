"""Funding rates of a perpetual: when they were settled, how much, and where a settlement must be that nobody knows.

Settlements fall on full hours, every 8, 4, 2 or 1 of them, and are served a few milliseconds late. What is proven about them
is proven by hours: of a covered hour every settlement is held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.model.market import HOUR_MS, MINUTE_MS, Float64Array, Int64Array, Period
from engine.model.periods import merge

SNAP_MS: Final = MINUTE_MS  # a settlement this near to an hour is that hour's
LONGEST_INTERVAL_MS: Final = 8 * HOUR_MS
USUAL_HOURS: Final = (1, 2, 4, 8)  # others lie between two settlements only where the interval changes
REGULAR: Final = "Regular"
HIGHEST_RATE: Final = 0.05  # of either sign
HIGHEST_CAP: Final = 0.03  # of an exchange's own, for any market
# as served: time in ms, rate, mark price (NaN: none), rate type, hours since the settlement before (NaN: not told)
FundingRow = tuple[int, float, float, str, float]


def snap(served_ms: int) -> int:
    """The full hour within a minute of a time; the time itself where there is none."""
    hour = (served_ms + HOUR_MS // 2) // HOUR_MS * HOUR_MS
    return hour if abs(served_ms - hour) <= SNAP_MS else served_ms


@dataclass(frozen=True, slots=True, eq=False)
class FundingRates:
    """Settlements as columns of equal length k, ascending by `time`.

    `time`: int64 ms, the full hour where it was served within a minute of one, else as served. `rate`: float64 fraction,
    positive where longs pay. `mark`: float64 mark price at the settlement, NaN where none was served. `interval_hours`:
    float64, hours since the settlement before as the exchange's archive tells, NaN where it did not. `rate_type`: text,
    "Regular", or "Special" for one beside it, which may have the same time: both are charged. `served`: int64 ms.
    """

    time: Int64Array
    rate: Float64Array
    mark: Float64Array
    interval_hours: Float64Array
    rate_type: npt.NDArray[np.str_]
    served: Int64Array

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def empty(cls) -> FundingRates:
        """No settlement."""
        return cls.from_rows(())

    @classmethod
    def from_rows(cls, rows: Iterable[FundingRow]) -> FundingRates:
        """From rows as served, in any order; the first of those with one time and type counts."""
        kept: dict[tuple[int, str], FundingRow] = {}
        for row in rows:
            kept.setdefault((snap(row[0]), row[3]), row)
        keys = sorted(kept)
        served, rate, mark, types, hours = list(zip(*(kept[key] for key in keys), strict=True)) or [()] * 5
        return cls(
            np.asarray([time for time, _ in keys], dtype=np.int64),
            np.asarray(rate, dtype=np.float64),
            np.asarray(mark, dtype=np.float64),
            np.asarray(hours, dtype=np.float64),
            np.asarray(types, dtype=np.str_),
            np.asarray(served, dtype=np.int64),
        )

    def rows(self) -> list[FundingRow]:
        """What `from_rows` makes them of."""
        columns = (self.served, self.rate, self.mark, self.rate_type, self.interval_hours)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def pick(self, chosen: npt.NDArray[np.bool_] | slice) -> FundingRates:
        """The settlements at some positions."""
        return FundingRates(*(getattr(self, one.name)[chosen] for one in fields(self)))

    def slice(self, start: int | None, stop: int | None) -> FundingRates:
        """The settlements at positions start..stop (views, no copy)."""
        return self.pick(slice(start, stop))

    def within(self, period: Period) -> FundingRates:
        """The settlements with `start <= time < end` (views, no copy)."""
        first, last = np.searchsorted(self.time, [period.start, period.end])
        return self.slice(int(first), int(last))

    @property
    def timestamp(self) -> Int64Array:
        """`time`, as candles call it."""
        return self.time

    def columns(self) -> Mapping[str, Float64Array]:
        """Rate and mark price by name."""
        return {"rate": self.rate, "mark": self.mark}

    @property
    def hours(self) -> Int64Array:
        """Start of the hour by which each counts as covered, int64 ms."""
        return self.time // HOUR_MS * HOUR_MS

    @property
    def beside(self) -> int:
        """How many were served more than a minute away from any full hour."""
        return int(np.count_nonzero(self.time % HOUR_MS))

    def sha256(self) -> str:
        """Hash of all that is charged by: times, rates, mark prices, types."""
        digest = hashlib.sha256()
        for column in (self.time, self.rate, self.mark):
            digest.update(np.ascontiguousarray(column).data)
        digest.update("\n".join(self.rate_type.tolist()).encode())
        return digest.hexdigest()


def holes(rates: FundingRates, covered: Period) -> list[Period]:
    """Stretches of a covered period, wholly given in `rates`, in which a settlement must have been that nobody served.

    Two neighbours that are further apart than 8 hours, or than the intervals that the archive tells of both, have one
    between them; so has an end of the period that is further away from the nearest one.
    """
    edge = np.nan  # of an edge no interval is known
    times = np.array([covered.start - HOUR_MS, *rates.hours.tolist(), covered.end], dtype=np.int64)
    told = np.array([edge, *rates.interval_hours.tolist(), edge]) * HOUR_MS
    known = np.fmax(told[:-1], told[1:])  # at a change of interval the longer one may still count
    known[np.isnan(told[:-1]) | np.isnan(told[1:])] = LONGEST_INTERVAL_MS
    wide = np.flatnonzero(np.diff(times) > np.minimum(known, LONGEST_INTERVAL_MS))
    return [Period(int(times[i]) + HOUR_MS, int(times[i + 1])) for i in wide]


def proven_hours(rates: FundingRates) -> list[Period]:
    """The hours that settlements prove by the intervals that are told of them: no more than that, for what a file lacks may
    be there nevertheless. Of one without an interval its own hour.
    """
    found = []
    before: tuple[int, float] | None = None
    for hour, told in zip(rates.hours.tolist(), rates.interval_hours.tolist(), strict=True):
        hours = 1 if np.isnan(told) else int(told)
        start = hour - (hours - 1) * HOUR_MS
        if before is not None and hour - before[0] <= max(told, before[1]) * HOUR_MS:
            start = before[0] + HOUR_MS  # at a change of interval the longer one may still count
        found.append(Period(max(0, start), hour + HOUR_MS))
        before = hour, told
    return merge(found)


def with_intervals(rates: FundingRates, unknown: Sequence[Period]) -> FundingRates:
    """The same settlements, each with the hours since the regular one before, where those were not told but are known:
    none of them lies in `unknown`. What is made of them tells as much as what they were made of.
    """
    hours, told = rates.hours, rates.interval_hours.copy()
    regular = np.flatnonzero(rates.rate_type == REGULAR)
    starts = np.array([part.start for part in unknown], dtype=np.int64)
    ends = np.array([part.end for part in unknown], dtype=np.int64)
    for before, at in pairwise(regular.tolist()):
        apart = int(hours[at] - hours[before])
        is_known = not ((starts < hours[at]) & (ends > hours[before])).any()
        if np.isnan(told[at]) and is_known and 0 < apart <= LONGEST_INTERVAL_MS:
            told[at] = apart // HOUR_MS
    return replace(rates, interval_hours=told)


def expected_times(rates: FundingRates, unknown: Sequence[Period]) -> Int64Array:
    """When settlements are to be expected inside periods of which nothing is known, int64 ms, ascending.

    At the hours of the interval that the nearest settlement before tells, in UTC; without any at 00, 08 and 16 h.
    """
    found = [np.empty(0, dtype=np.int64)]
    for period in unknown:
        step = int(_interval_at(rates, period.start) * HOUR_MS)
        found.append(np.arange(-(-period.start // step) * step, period.end, step, dtype=np.int64))
    return np.unique(np.concatenate(found))


def _interval_at(rates: FundingRates, ms: int) -> int:
    """Hours between settlements before a moment, as told, or as the last two of them lie apart; 8 where nothing says so."""
    before = rates.slice(0, int(np.searchsorted(rates.time, ms)))
    if len(before) and before.interval_hours[-1] in USUAL_HOURS:
        return int(before.interval_hours[-1])
    apart = np.diff(np.unique(before.hours)[-2:]) // HOUR_MS
    return int(apart[0]) if len(apart) and apart[0] in USUAL_HOURS else 8
