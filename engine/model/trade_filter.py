"""Which trades of a run are looked at: one filter for its table, its figures and its charts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from engine.model.market import format_time
from engine.model.trade import Trade

WINS: Final = "wins"
LOSSES: Final = "losses"
STILL_OPEN: Final = "open"
BESIDE_A_HOLE: Final = "hole"


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
    """All of it must fit. `side`: long, short or "". `outcome`: one of the above or "". `words`: each must be found.

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
        return not words or all(word in _told(trade) for word in words)

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
    is_open = trade.exit_reason == "open"
    if outcome == STILL_OPEN:
        return is_open
    return not is_open and (trade.pnl > 0) == (outcome == WINS)


def _told(trade: Trade) -> str:
    """What is searched: signal, reason, side, and when it was entered, 2024-01-31 12:00 in UTC."""
    entered = format_time(trade.entry_time)[:16].replace("T", " ")
    return f"{trade.entry_signal} {trade.exit_reason.replace('_', ' ')} {trade.side} {entered}".lower()
