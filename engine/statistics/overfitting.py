"""Whether the best of many trials is better than chance: the probability of backtest overfitting, and a test of the best.

Both take returns (T, N): a row a day, a column a trial, the earliest day first.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.model.market import Float64Array
from engine.statistics.bootstrap import stationary_positions
from engine.statistics.sharpe import LEAST_DAYS, is_constant

LEAST_TRIALS: Final = 10  # ranks among fewer are too coarse
_SPLITS_AT_ONCE: Final = 512
_BINS: Final = 4_096  # over twice the range of the first figures
_EQUAL: Final = 1e-12
_STILL: Final = 1e-12  # share of the squares that is left of them by rounding where all values are equal


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """What choosing the best trial on one half of the days is worth on the other half, over all k ways to halve.

    `logits` (k,): ln(w / (1 - w)) of the rank w that the best of one half has in the other; `chosen`, `achieved` (k,): its
    Sharpe ratio in the half it was chosen by and in the other. `pbo`: share of logits <= 0; `loss`: of `achieved` < 0;
    `slope`, `intercept`: of the line by which `achieved` follows `chosen`, None where `chosen` is always the same.
    `dominance`: of `achieved` over what all columns achieve in all halves, 1 (never more of it below any ratio), 2 (never
    more in sum), 0 (neither).
    """

    logits: Float64Array
    chosen: Float64Array
    achieved: Float64Array
    pbo: float
    loss: float
    slope: float | None
    intercept: float | None
    dominance: int


def blocks_for(days: int) -> int | None:
    """In how many blocks so many days are cut; None for too few."""
    return 16 if days >= 320 else 8 if days >= 160 else None


def distinct(returns: Float64Array) -> tuple[Float64Array, int, int]:
    """The columns that move, each once; how many were constant, and how many equal to another."""
    moves = [not is_constant(column) for column in returns.T]
    moving = returns[:, moves]
    first = {column.tobytes(): at for at, column in reversed(list(enumerate(moving.T.copy())))}
    kept = moving[:, sorted(first.values())]
    return kept, returns.shape[1] - moving.shape[1], moving.shape[1] - kept.shape[1]


def overfitting(returns: Float64Array, blocks: int) -> Overfitting:
    """Combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado and Zhu, 2015) of returns (T, N): the
    days in `blocks` (even) equal parts, the earliest that are left over dropped, half of the parts against the others.

    The columns are `distinct` ones, at least LEAST_TRIALS.
    """
    halves = _Halves(returns, blocks)
    logits, chosen, achieved = halves.compared()
    slope, intercept = _line(chosen, achieved)
    return Overfitting(
        logits, chosen, achieved, float((logits <= 0).mean()), float((achieved < 0).mean()), slope, intercept,
        halves.everything.dominated_by(achieved),
    )  # fmt: skip


class _Halves:
    """The Sharpe ratios of all columns in any half of the blocks, from sums over each block."""

    def __init__(self, returns: Float64Array, blocks: int) -> None:
        days = len(returns) // blocks * blocks
        returns = returns[len(returns) - days :]
        self._means = returns.mean(axis=0)
        parts = (returns - self._means).reshape(blocks, days // blocks, -1)
        self._sums, self._squares = parts.sum(axis=1), (parts * parts).sum(axis=1)
        self._blocks, self._half = blocks, days // 2
        self.everything = _Spread()

    def compared(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Logits, chosen and achieved figures of every way to halve, as `itertools.combinations` orders them: from the back
        come the other halves of those from the front.
        """
        splits = math.comb(self._blocks, self._blocks // 2)
        inside = np.zeros((splits // 2, self._blocks))
        ways = itertools.combinations(range(self._blocks), self._blocks // 2)
        np.put_along_axis(inside, np.array(list(itertools.islice(ways, splits // 2))), 1.0, axis=1)
        found = np.empty((3, splits))
        for at in range(0, splits // 2, _SPLITS_AT_ONCE):
            some = inside[at : at + _SPLITS_AT_ONCE]
            first, second = self._figures(some), self._figures(1 - some)
            self.everything.add(first)
            self.everything.add(second)
            found[:, at : at + len(some)] = _chosen(first, second)
            found[:, splits - at - len(some) : splits - at] = _chosen(second, first)[:, ::-1]
        return found[0], found[1], found[2]

    def _figures(self, inside: Float64Array) -> Float64Array:
        """Of every column (k, N) in the halves that `inside` (k, blocks) marks by 1."""
        sums = inside @ self._sums
        means: Float64Array = sums / self._half + self._means
        squares = inside @ self._squares
        variance = squares - sums * sums / self._half
        still = variance <= _STILL * squares
        variance[still] = 1.0
        means[still] = 0.0
        means /= np.sqrt(variance / (self._half - 1))
        return means


def _chosen(inside: Float64Array, outside: Float64Array) -> Float64Array:
    """(3, k): the logit of the rank that the best of `inside` (k, N) has in `outside`, and its figure in both."""
    rows, best = np.arange(len(inside)), inside.argmax(axis=1)
    achieved = outside[rows, best]
    below = (outside < achieved[:, None]).sum(axis=1)
    equal = (outside == achieved[:, None]).sum(axis=1)
    rank = below + (equal + 1) / 2
    return np.array([np.log(rank / (inside.shape[1] + 1 - rank)), inside[rows, best], achieved])


class _Spread:
    """How many of very many figures lie below each of some bounds, and their sum, counted as they come in. The first ones
    tell where the bounds are, or another spread does.
    """

    def __init__(self, like: _Spread | None = None) -> None:
        self.low: float = 0.0 if like is None else like.low
        self.width: float = 0.0 if like is None else like.width
        self._counts, self._sums = np.zeros(_BINS), np.zeros(_BINS)

    def add(self, figures: Float64Array) -> None:
        """Count some more, of any shape."""
        values = figures.ravel()
        if self.width == 0.0:
            low, high = float(values.min()), float(values.max())
            self.low, self.width = low - (high - low) / 2, 2 * (high - low) / _BINS
        places = np.clip((values - self.low) / (self.width or 1.0), 0, _BINS - 1).astype(np.int64)
        self._counts += np.bincount(places, minlength=_BINS)
        self._sums += np.bincount(places, weights=values, minlength=_BINS)

    def dominated_by(self, figures: Float64Array) -> int:
        """Of which order the dominance of `figures` is, looked at at every bound."""
        theirs = _Spread(self)
        theirs.add(figures)
        first, second = (
            float((mine - other).min()) for mine, other in zip(self.below(), theirs.below(), strict=True)
        )
        return 1 if first >= -_EQUAL else 2 if second >= -_EQUAL else 0

    def below(self) -> tuple[Float64Array, Float64Array]:
        """At each bound: the share below it, and by how much a figure falls short of it on average."""
        bounds = self.low + self.width * np.arange(1, _BINS)
        number, total, all_of_them = self._counts.cumsum()[:-1], self._sums.cumsum()[:-1], self._counts.sum()
        return number / all_of_them, (bounds * number - total) / all_of_them


def _line(x: Float64Array, y: Float64Array) -> tuple[float | None, float | None]:
    if is_constant(x):
        return None, None
    centred = x - x.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    return slope, float(y.mean() - slope * x.mean())


@dataclass(frozen=True, slots=True)
class Superiority:
    """p values of "no trial is better than nothing": three ways to judge trials worse than nothing, lower <= consistent <=
    upper; `consistent` is the one to read.
    """

    lower: float
    consistent: float
    upper: float


def superiority(returns: Float64Array, paths: int = 1_000, seed: int = 0) -> Superiority | None:
    """Hansen's test for superior predictive ability (2005) of returns (T, N) over what they are to beat, each column judged
    by its own long-run deviation; stationary bootstrap with blocks of sqrt(T) days on average. Never 0: the sample counts
    as one path. None below 30 days and where no column moves.
    """
    if len(returns) < LEAST_DAYS:
        return None
    moving = returns[:, [not is_constant(column) for column in returns.T]]
    days, trials = moving.shape
    if not trials:
        return None
    renewal = 1 / math.sqrt(days)
    means = moving.mean(axis=0)
    errors = np.sqrt(long_run_variance(moving, renewal) / days)  # of the means
    statistic = max(0.0, float((means / errors).max()))
    moved = (bootstrap_weights(days, paths, renewal, seed) @ moving - means) / errors
    scaled, doubt = means / errors, math.sqrt(2 * math.log(math.log(days)))
    # what a column is taken to be worth in truth, of what it showed
    shifts = (np.minimum(scaled, 0), np.where(scaled < -doubt, scaled, 0), np.zeros(trials))
    lower, consistent, upper = (
        (1 + int(((moved + shift).max(axis=1) >= statistic).sum() if statistic > 0 else paths)) / (1 + paths)
        for shift in shifts
    )
    return Superiority(lower, consistent, upper)


def long_run_variance(returns: Float64Array, renewal: float) -> Float64Array:
    """T times the variance (N,) of the mean of returns (T, N) under the stationary bootstrap whose blocks end with the
    probability `renewal`, in closed form.
    """
    days = len(returns)
    centred = returns - returns.mean(axis=0)
    spectrum = np.fft.rfft(centred, n=2 * days, axis=0)
    covariances = np.fft.irfft((spectrum * spectrum.conj()).real, axis=0)[:days] / days
    lags = np.arange(1, days)
    weights = (1 - lags / days) * (1 - renewal) ** lags + lags / days * (1 - renewal) ** (days - lags)
    variance: Float64Array = covariances[0] + 2 * weights @ covariances[1:]
    return variance


def bootstrap_weights(days: int, paths: int, renewal: float, seed: int) -> Float64Array:
    """How much of each day (paths, days) is in each path of a stationary bootstrap, as a share of its days."""
    drawn = stationary_positions(days, 1 / renewal, paths, np.random.default_rng(seed))
    drawn += np.arange(paths)[:, None] * days
    return np.bincount(drawn.ravel(), minlength=paths * days).reshape(paths, days) / days
