"""Judges one page of funding rates: from the rows of an answer to checked settlements, or to a reason to refuse the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.model.funding import HIGHEST_RATE, SNAP_MS, FundingRates, FundingRow, snap
from engine.model.market import Period, short_time


@dataclass(frozen=True, slots=True)
class FundingPage:
    """Checked settlements of one answer. `is_full`: as many rows as were asked for, so that more may follow."""

    rates: FundingRates
    is_full: bool

    @property
    def hours(self) -> list[int]:
        """The hours that the answer has settlements of, ascending, each once."""
        return sorted(set(self.rates.hours.tolist()))


def served_bounds(window: Period) -> tuple[int, int]:
    """From when to before when what belongs to the hours of a window is served: up to a minute early."""
    return max(0, window.start - SNAP_MS), window.end - SNAP_MS


def check_funding(rows: Sequence[FundingRow], window: Period, limit: int, title: str) -> FundingPage:
    """The rows of an answer for the hours of `window`; raises UnexpectedAnswer when any of them cannot be, or when
    they are not in order: nothing of such an answer is believed.
    """
    seen: dict[tuple[int, str], FundingRow] = {}
    last = -1
    for row in rows:
        served, rate, mark, kind, _ = row
        why = _impossible(rate, mark)
        if not window.start <= snap(served) < window.end:
            why = "was not asked for"
        elif served < last:
            why = "comes after a later one"
        elif repr(seen.setdefault((snap(served), kind), row)[1:3]) != repr((rate, mark)):  # NaN is NaN here
            why = "comes twice with different values"
        if why:
            raise UnexpectedAnswer(f"invalid settlement {title} {_moment(served)}: {why}")
        last = served
    return FundingPage(FundingRates.from_rows(seen.values()), len(rows) >= limit)


def _impossible(rate: float, mark: float) -> str:
    if not math.isfinite(rate) or abs(rate) > HIGHEST_RATE:
        return f"its rate is {rate:g}, outside -{HIGHEST_RATE:g} to {HIGHEST_RATE:g}"
    if mark <= 0 or math.isinf(mark):
        return f"its mark price is {mark:g}"
    return ""


def _moment(ms: int) -> str:
    return short_time(ms) if 0 <= ms < 2**43 else f"{ms} ms"
