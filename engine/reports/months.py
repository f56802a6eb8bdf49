"""Returns by calendar month, of an equity curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.model.run import Series


@dataclass(frozen=True, slots=True)
class Year:
    """A year's returns in percent: `months` from January on, None where the run had no candle; `total` of those it had."""

    year: int
    months: Sequence[float | None]
    total: float


def returns_by_month(equity: Series, cash: float) -> list[Year]:
    """Each month from the last close before it (the cash, at the beginning) to its last close; months by UTC."""
    values = equity.columns["equity"]
    if not len(values):
        return []
    months = equity.time.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    lasts = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    ends = dict(zip(months[lasts].tolist(), values[lasts].tolist(), strict=True))
    found: list[Year] = []
    before = cash
    for year in range(1970 + min(ends) // 12, 1970 + max(ends) // 12 + 1):
        began, row = before, [ends.get((year - 1970) * 12 + month) for month in range(12)]
        cells: list[float | None] = []
        for end in row:
            cells.append(None if end is None else _return_pct(before, end))
            before = before if end is None else end
        found.append(Year(year, cells, _return_pct(began, before)))
    return found


def _return_pct(before: float, after: float) -> float:
    return (after / before - 1) * 100 if before else 0.0
