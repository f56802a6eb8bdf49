"""What walk-forward makes of the figures of all combinations: which are chosen, and how telling that was. Numpy alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.model.market import Float64Array
from engine.model.sweep import Column


@dataclass(frozen=True, slots=True)
class Choice:
    """The combination of a window; `kept`: none traded in its training and had a value."""

    number: int
    kept: bool


def choose(values: Float64Array, trades: Float64Array) -> list[Choice]:
    """The best combination of every window, from `values` (n, windows), more is better, NaN: none, and the `trades` of each.

    Those that did not trade in training are not chosen: where none did, the choice before stays, at first the first
    combination. Of equals the first is.
    """
    usable = np.where((trades > 0) & ~np.isnan(values), values, -np.inf)
    found: list[Choice] = []
    for column in usable.T:
        kept = bool((column == -np.inf).all())
        before = found[-1].number if found else 0
        found.append(Choice(before if kept else int(column.argmax()), kept))
    return found


def ranks(values: Float64Array) -> Float64Array:
    """1 for the lowest of n; equals share the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: Float64Array = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return means


def rank_of(values: Float64Array, chosen: int) -> float | None:
    """Where the chosen one stands among all that have a value, (rank - 0.5) / N, near 1 the best; None below two."""
    known = ~np.isnan(values)
    if known.sum() < 2 or not known[chosen]:
        return None
    place = int(known[:chosen].sum())
    return float((ranks(values[known])[place] - 0.5) / known.sum())


def spearman(one: Float64Array, other: Float64Array) -> float | None:
    """The rank correlation over what has both values; None below three, and where a side is constant."""
    known = ~(np.isnan(one) | np.isnan(other))
    if known.sum() < 3:
        return None
    a, b = (ranks(side[known]) - (known.sum() + 1) / 2 for side in (one, other))
    spread = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread else None


def efficiency(test: Sequence[tuple[float, float]], train: Sequence[tuple[float, float]]) -> float | None:
    """Log growth per day of the tests together over the mean of the trainings, from (growth factor, days) of each; None
    where the trainings lost, or something was ruined.
    """
    if not test or min(growth for growth, _ in (*test, *train)) <= 0:
        return None
    below = sum(math.log(growth) / days for growth, days in train) / len(train)
    above = sum(math.log(growth) for growth, _ in test) / sum(days for _, days in test)
    return above / below if below > 0 else None


def steps_of(columns: Mapping[str, Column], numbers: Sequence[int]) -> dict[str, float | None]:
    """How far each parameter moved from window to window on its grid of values, 0..1; None with one value."""
    found: dict[str, float | None] = {}
    for name, column in columns.items():
        levels, at = np.unique(column, return_inverse=True)
        moved = np.abs(np.diff(at[list(numbers)]))
        found[name] = float(moved.mean() / (len(levels) - 1)) if len(levels) > 1 and len(moved) else None
    return found


def mode_shares(columns: Mapping[str, Column], numbers: Sequence[int]) -> dict[str, float]:
    """The share of windows with the commonest value of each parameter."""
    return {
        name: Counter(column[list(numbers)].tolist()).most_common(1)[0][1] / len(numbers)
        for name, column in columns.items()
    }


def largest_share(profits: npt.ArrayLike) -> float | None:
    """The largest of the windows' profits over their sum; None without one."""
    made = np.asarray(profits, dtype=np.float64)
    total = float(made.sum())
    return float(made.max()) / total if total > 0 else None
