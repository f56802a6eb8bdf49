"""How far a Sharpe ratio can be trusted: by its length, its returns' shape, and how many others were tried.

Sharpe ratios are per observation (a day), never annualised, unless a name says so; T observations. After Bailey and López de
Prado: "The Sharpe Ratio Efficient Frontier" (2012), "The Deflated Sharpe Ratio" (2014), "Pseudo-Mathematics" (2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Self

import numpy as np

from engine.model.market import Float64Array

LEAST_DAYS: Final = 30
ALPHA: Final = 0.05
_EULER: Final = 0.5772156649
_STILL: Final = 4 * float(np.finfo(np.float64).eps)
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Sharpe:
    """A Sharpe ratio per observation with what its precision depends on.

    `skew`, `kurtosis`: of the population (moments over 1/T); the kurtosis of a normal distribution is 3 here.
    """

    value: float
    observations: int
    skew: float = 0.0
    kurtosis: float = 3.0

    @classmethod
    def of(cls, returns: Float64Array) -> Self | None:
        """Of daily returns (T,). None where there are too few, or where they differ by rounding only."""
        if len(returns) < LEAST_DAYS or is_constant(returns):
            return None
        mean, days = float(returns.mean()), len(returns)
        centred = returns - mean
        scale = float(np.abs(centred).max())
        centred /= scale  # the powers of small returns would vanish
        squared = centred * centred
        variance = float(squared.mean())
        return cls(
            mean / (scale * math.sqrt(variance * days / (days - 1))),
            days,
            float((squared * centred).mean() / variance**1.5),
            float((squared * squared).mean() / variance**2),
        )

    @property
    def spread(self) -> float:
        """T - 1 times the variance of the estimate."""
        return 1 - self.skew * self.value + (self.kurtosis - 1) / 4 * self.value**2

    def probability_above(self, benchmark: float = 0.0) -> float | None:
        """The probabilistic Sharpe ratio: how likely the true one is above `benchmark`. None without a spread."""
        if not self.spread > 0:
            return None
        score = (self.value - benchmark) * math.sqrt(self.observations - 1) / math.sqrt(self.spread)
        return math.erfc(-score / math.sqrt(2)) / 2

    def least_track(self, benchmark: float = 0.0) -> float | None:
        """The least number of observations by which such a ratio is above `benchmark` at the level of error ALPHA, not
        rounded. None where it is not above, or has no spread.
        """
        if self.value <= benchmark or not self.spread > 0:
            return None
        return 1 + self.spread * (_NORMAL.inv_cdf(1 - ALPHA) / (self.value - benchmark)) ** 2

    def deflated(self, trials: float, variance: float) -> float | None:
        """The deflated Sharpe ratio: the probability that the true ratio is above what the best of `trials` without skill
        shows, whose Sharpe ratios vary by `variance`.
        """
        return self.probability_above(chance_sharpe(trials, variance))


def is_constant(values: Float64Array) -> bool:
    """Whether values (n,) differ by rounding only: a standard deviation above 0 does not tell."""
    return bool(np.ptp(values) <= _STILL * np.abs(values).max())


def expected_maximum(trials: float) -> float:
    """About what the highest of `trials` standard normal numbers is; 0 for one. Not whole where trials are alike."""
    if trials <= 1:
        return 0.0
    first, second = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    # below 1.3 trials the approximation leaves what it approximates
    return max(0.0, (1 - _EULER) * first + _EULER * second)


def chance_sharpe(trials: float, variance: float) -> float:
    """What Sharpe ratio the best of `trials` without skill is expected to show, where they vary by `variance`."""
    return math.sqrt(variance) * expected_maximum(trials)


def assumed_variance(observations: int) -> float:
    """Of Sharpe ratios without skill over so many (2 or more) observations."""
    return 1 / (observations - 1)


def least_backtest_years(trials: float, annual_sharpe: float) -> float | None:
    """The years below which the best of `trials` without skill is expected to show such an annualised Sharpe ratio. None for
    one that is not above 0.
    """
    return (expected_maximum(trials) / annual_sharpe) ** 2 if annual_sharpe > 0 else None


def effective_rank(returns: Float64Array) -> float | None:
    """How many of the trials with these returns (n, T) count as independent: the effective rank of their correlations,
    1..min(n, T - 1). Constant rows are dropped; None where no row is left.
    """
    moving = returns[[not is_constant(row) for row in returns]]
    if not len(moving):
        return None
    standard = moving - moving.mean(axis=1, keepdims=True)
    standard /= np.sqrt((standard * standard).sum(axis=1, keepdims=True))
    # both products have the same eigenvalues but for zeros: take the smaller
    product = standard @ standard.T if len(standard) <= standard.shape[1] else standard.T @ standard
    return rank_of(product)


def rank_of(correlation: Float64Array) -> float:
    """The effective rank (Roy and Vetterli, 2007) of a symmetric matrix; eigenvalues that are not above 0 do not count."""
    values = np.linalg.eigvalsh(correlation)
    shares = values[values > 0] / values[values > 0].sum()
    return float(math.exp(-(shares * np.log(shares)).sum()))
