"""Which of our trades and theirs are the same one: in order of time, side by side, at the least cost.

A pair costs the candles between its entries, and those between its exits up to one more than `within`; what stays alone
costs one more than `within`. Entries further apart than that are never a pair. Cost and order decide alone: the answer is
the same every time. Of k pairs that may be, it takes k x log k steps.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import InputError

MOST_PAIRS: Final = 3_000_000  # that may be: some ten seconds
Cells = tuple[int, int]  # numbers of the candles of entry and exit


@dataclass(frozen=True, slots=True)
class _Chain:
    """The pairs chosen so far, the last one first; `gain`: what they spare against staying alone."""

    gain: int
    pair: tuple[int, int] | None = None
    before: _Chain | None = None


class _BestBefore:
    """The best chain whose last trade of theirs stands before a place (a Fenwick tree of maxima)."""

    def __init__(self, size: int) -> None:
        self._best: list[_Chain] = [_Chain(0)] * (size + 1)

    def before(self, place: int) -> _Chain:
        """Among the first `place`."""
        best = self._best[0]
        while place > 0:
            if self._best[place].gain > best.gain:
                best = self._best[place]
            place &= place - 1
        return best

    def put(self, place: int, chain: _Chain) -> None:
        """A chain that ends at `place`."""
        place += 1
        while place < len(self._best):
            if chain.gain > self._best[place].gain:
                self._best[place] = chain
            place += place & -place


def pair_cost(ours: Cells, theirs: Cells, within: int) -> int | None:
    """What a pair costs; None where the entries are too far apart."""
    apart = abs(ours[0] - theirs[0])
    if apart > within:
        return None
    return apart + min(abs(ours[1] - theirs[1]), within + 1)


def matched(
    ours: Sequence[Cells], theirs: Sequence[Cells], within: int, go_on: Callable[[], object] | None = None
) -> list[tuple[int, int]]:
    """Places in `ours` and `theirs`, both sorted by entry: pairs of which none crosses another, of the least cost in all.

    Raises InputError where more than MOST_PAIRS may be, and whatever `go_on` raises to stop; it is asked for each of
    ours.
    """
    best = _BestBefore(len(theirs))
    for place, (mine, (first, last)) in enumerate(zip(ours, _near(ours, theirs, within), strict=True)):
        if go_on is not None:
            go_on()
        found = []
        for other in range(first, last):
            cost = pair_cost(mine, theirs[other], within)
            assert cost is not None
            chain = best.before(other)
            found.append((other, _Chain(chain.gain + 2 * (within + 1) - cost, (place, other), chain)))
        for other, chain in found:  # after all were asked: each of ours is in one pair
            best.put(other, chain)
    chosen: list[tuple[int, int]] = []
    end: _Chain | None = best.before(len(theirs))
    while end is not None and end.pair is not None:
        chosen.append(end.pair)
        end = end.before
    return chosen[::-1]


def _near(ours: Sequence[Cells], theirs: Sequence[Cells], within: int) -> list[tuple[int, int]]:
    """Of each of ours the places in theirs, first and end, whose entries are near enough."""
    starts = [entry for entry, _ in theirs]
    near = [(bisect_left(starts, entry - within), bisect_right(starts, entry + within)) for entry, _ in ours]
    count = sum(last - first for first, last in near)
    if count > MOST_PAIRS:
        raise InputError(
            f"{count:,} pairs of a trade of ours and one of theirs lie within {within} candles, more than {MOST_PAIRS:,}; "
            f"use a smaller distance (--within)"
        )
    return near
