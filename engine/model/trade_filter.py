"""Which trades of a run are looked at: one filter for its table, its figures and its charts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self

from engine.errors import BacktestError
from engine.model.market import Period, format_time, parse_time
from engine.model.trade import Trade

WINS: Final = "wins"
LOSSES: Final = "losses"
STILL_OPEN: Final = "open"
BESIDE_A_HOLE: Final = "hole"
LIQUIDATED: Final = "liquidated"
AMBIGUOUS: Final = "ambiguous"


@dataclass(frozen=True, slots=True)
class Facet:
    """Trades that a figure stands for: `places` in the run's list. `dimension` is what was grouped by (`title` to people),
    `label` the group.
    """

    dimension: str
    label: str
    places: frozenset[int]
    title: str = ""

    def __str__(self) -> str:
        return f"{self.title} {self.label}".strip()


@dataclass(frozen=True, slots=True)
class TradeFilter:
    """All of it must fit. `side`: long, short or "". `outcome`: one of the above or "". `words`: each must be found; a day
    or a month (2024-05-03, 2024-05) is that of every trade held in it.

    `facets`: at most one of a dimension; they are about the trades of one run.
    """

    side: str = ""
    outcome: str = ""
    words: str = ""
    facets: tuple[Facet, ...] = ()

    def admits(self, place: int, trade: Trade, *, beside_hole: bool = False) -> bool:
        """Whether the trade at that place of the run's list passes."""
        if self.side and trade.side != self.side:
            return False
        if self.outcome and not _ended_so(trade, self.outcome, beside_hole=beside_hole):
            return False
        if any(place not in facet.places for facet in self.facets):
            return False
        words = self.words.lower().split()
        return not words or all(_fits(trade, word) for word in words)

    def facet(self, dimension: str) -> Facet | None:
        """What is chosen of a dimension."""
        return next((facet for facet in self.facets if facet.dimension == dimension), None)

    def without(self, dimension: str) -> Self:
        """The same with all of a dimension."""
        return replace(self, facets=tuple(facet for facet in self.facets if facet.dimension != dimension))

    def toggled(self, facet: Facet) -> Self:
        """With this group of its dimension alone; without it where it was chosen already."""
        others = self.without(facet.dimension)
        held = self.facet(facet.dimension)
        if held is not None and held.label == facet.label:
            return others
        return replace(others, facets=(*others.facets, facet))

    def without_facets(self) -> Self:
        """What is left of it for another run."""
        return replace(self, facets=())


def _ended_so(trade: Trade, outcome: str, *, beside_hole: bool) -> bool:
    """An open trade has neither won nor lost; break-even counts against."""
    if outcome == BESIDE_A_HOLE:
        return beside_hole
    if outcome in (LIQUIDATED, AMBIGUOUS):
        return trade.liquidated if outcome == LIQUIDATED else bool(trade.ambiguous)
    is_open = trade.exit_reason == "open"
    if outcome == STILL_OPEN:
        return is_open
    return not is_open and (trade.pnl > 0) == (outcome == WINS)


def _fits(trade: Trade, word: str) -> bool:
    """Whether a word is found (a digit, as in target 1, by itself: dates are full of them), or the trade was held in the
    time that it names.
    """
    named = _named_time(word)
    if named is None:
        told = _told(trade)
        return word in told.split() if len(word) == 1 and word.isdigit() else word in told
    return trade.entry_time < named.end and named.start <= max(trade.exit_time, trade.entry_time)


@lru_cache(maxsize=64)
def _named_time(word: str) -> Period | None:
    """The UTC day or month that a word names whole."""
    found = re.fullmatch(r"(\d{4})-(\d\d)(-\d\d)?", word)
    if found is None:
        return None
    try:
        if found[3]:
            return Period(parse_time(word), parse_time(word, is_end=True))
        year, month = int(found[1]), int(found[2])
        return Period(parse_time(f"{word}-01"), parse_time(f"{year + month // 12:04}-{month % 12 + 1:02}-01"))
    except BacktestError:
        return None


def _told(trade: Trade) -> str:
    """What is searched: signal, reasons of all exits, side, and when it was entered, 2024-01-31 12:00 in UTC."""
    entered = format_time(trade.entry_time)[:16].replace("T", " ")
    reasons = " ".join([trade.exit_reason, *(fill.reason for fill in trade.fills if fill.size < 0)])
    return f"{trade.entry_signal} {reasons.replace('_', ' ')} {trade.side} {entered}".lower()
