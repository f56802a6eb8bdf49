"""Looking for the next candle that says something, many at once, for the compiled simulators."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.backtest.kernel.parts import part

_QUIET = 16  # candles at once are looked through for a signal
FEW = 8  # at once are passed by a position on which nothing depends


@part
def _none_of(flags: Any, at: int) -> bool:
    """Whether nothing is said at that candle and the next _QUIET - 1. Without a branch: they are compared at once."""
    said, first = False, np.uint64(at)  # unsigned: numba looks for no negative index
    for k in range(np.uint64(_QUIET)):
        said |= flags[first + k] != 0
    return not said


@part
def _nothing_in(flags: Any, at: int) -> bool:
    """Whether nothing is said at that candle and the next FEW - 1; NaN counts as something."""
    said, first = False, np.uint64(at)
    for k in range(np.uint64(FEW)):
        said |= flags[first + k] != 0
    return not said


@part
def silent(
    ordered: bool, charged: bool, reverse: bool, i: int, entry: Any, exits: Any, add: Any, at_open: Any, inside: Any
) -> bool:  # fmt: skip
    """Whether the FEW candles from i on say nothing to a position, and nothing settles on them."""
    if not _nothing_in(exits, i) or (reverse and not _nothing_in(entry, i)):
        return False
    if ordered and not _nothing_in(add, i):
        return False
    return not charged or (_nothing_in(at_open, i) and _nothing_in(inside, i))


@part
def most_of(prices: Any, at: int, side: float) -> float:
    """The highest of side * price over that candle and the next FEW - 1."""
    first = np.uint64(at)
    most: float = side * prices[first]
    for k in range(np.uint64(1), np.uint64(FEW)):
        one = side * prices[first + k]
        most = one if one > most else most
    return most


@part
def next_entry(entry: Any, first: int, last: int) -> int:
    """The candle of the next entry signal from `first` on, `last` where there is none before."""
    i = first
    while i + _QUIET <= last and _none_of(entry, i):
        i += _QUIET
    while i < last and entry[i] == 0:
        i += 1
    return i


@part
def next_exit(entry: Any, exits: Any, side: int, reverse: bool, first: int, last: int) -> int:
    """The candle at whose close a position without stop and target is told to end, `last` where nothing tells it."""
    i = first
    while i < last:
        if i + _QUIET <= last and _none_of(exits, i) and (not reverse or _none_of(entry, i)):
            i += _QUIET
            continue
        for k in range(i, min(i + _QUIET, last)):
            if exits[k] or (reverse and side * entry[k] < 0):
                return k
        i += _QUIET
    return last
