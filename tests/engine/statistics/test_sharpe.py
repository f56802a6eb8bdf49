"""Published figures of the probabilistic and the deflated Sharpe ratio, and what must hold of any."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.sharpe import (
    Sharpe,
    assumed_variance,
    chance_sharpe,
    effective_rank,
    expected_maximum,
    is_constant,
    least_backtest_years,
    rank_of,
)

RATIOS = st.floats(-2, 2)
SKEWS = st.floats(-3, 3)
TRIALS = st.floats(1, 1e6)
VARIANCES = st.floats(1e-6, 1)


def ratio(*args):
    return Sharpe(*args)


def measured(returns):
    return Sharpe.of(returns)


def years_of(trials, annual):
    return least_backtest_years(trials, annual)


def rank(returns):
    return effective_rank(returns)


def a_sharpe(value, observations, skew=0.0, extra=0.0):
    """The kurtosis is never below skew² + 1."""
    return ratio(value, observations, skew, skew**2 + 1 + extra)


def test_probability_of_the_paper_with_and_without_its_moments():
    paper = ratio(1.585 / math.sqrt(12), 24, -2.448, 10.164)
    assert paper.probability_above() == pytest.approx(0.913234, abs=1e-6)
    assert ratio(paper.value, 24).probability_above() == pytest.approx(0.981591, abs=1e-6)


def test_probability_above_another_ratio_keeps_the_spread_of_the_own():
    assert ratio(0.036 / 0.079, 24, -2.448, 10.164).probability_above() == pytest.approx(0.912709, abs=1e-6)


@pytest.mark.parametrize(
    ("high", "low", "a_year", "skew", "kurtosis", "years"),
    [
        (2, 1, 250, 0, 3, 2.7312),
        (2, 1, 52, 0, 3, 2.8288),
        (2, 1, 12, 0, 3, 3.2398),
        (2, 1, 12, -0.72, 5.78, 4.9913),
        (3, 2.5, 12, -0.72, 5.78, 27.3529),
    ],
)
def test_least_track_record_of_the_papers(high, low, a_year, skew, kurtosis, years):
    root = math.sqrt(a_year)
    least = ratio(high / root, 10, skew, kurtosis).least_track(low / root)
    assert least / a_year == pytest.approx(years, abs=5e-5)


def test_a_track_record_of_the_least_length_is_just_certain_enough():
    least = ratio(0.1, 10, -1, 6).least_track()
    assert ratio(0.1, math.floor(least), -1, 6).probability_above() < 0.95
    assert ratio(0.1, math.ceil(least), -1, 6).probability_above() >= 0.95


def test_no_length_makes_a_ratio_that_is_not_above_certain():
    assert ratio(0.0, 100).least_track() is None
    assert ratio(0.1, 100).least_track(0.1) is None


@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "found"),
    [(100, -3, 10, 0.900397), (46, -3, 10, 0.950502), (88, 0, 3, 0.950491)],
)
def test_deflated_ratio_of_the_paper(trials, skew, kurtosis, found):
    sharpe = ratio(2.5 / math.sqrt(250), 1250, skew, kurtosis)
    assert sharpe.deflated(trials, 0.5 / 250) == pytest.approx(found, abs=1e-6)


def test_what_chance_shows_in_the_paper():
    assert expected_maximum(100) == pytest.approx(2.530603, abs=1e-6)
    assert chance_sharpe(100, 0.5 / 250) == pytest.approx(0.113172, abs=1e-6)


@pytest.mark.parametrize(
    ("trials", "found", "exact"), [(2, 0.5198, 0.5642), (10, 1.5746, 1.5388), (200, 2.7655, 2.7460)]
)
def test_expected_maximum_is_near_the_exact_one(trials, found, exact):
    assert expected_maximum(trials) == pytest.approx(found, abs=5e-5)
    assert expected_maximum(trials) == pytest.approx(exact, abs=0.05)


def test_expected_maximum_of_one_trial_or_little_more_is_nothing():
    assert [expected_maximum(trials) for trials in (0.5, 1, 1 + 1e-12, 1.2)] == [0, 0, 0, 0]


def test_best_of_trials_without_skill_over_a_year():
    """2.77 in a program that measured it."""
    daily = chance_sharpe(200, assumed_variance(365))
    assert daily * math.sqrt(365) == pytest.approx(2.77, abs=0.005)


def test_least_backtest_of_45_trials_is_five_years():
    assert years_of(45, 1) == pytest.approx(4.998087, abs=1e-6)
    assert years_of(1, 1) == 0
    assert years_of(45, 0) is None
    assert years_of(45, -1) is None


def test_moments_are_those_of_the_population():
    returns = np.arange(30.0) ** 2
    found = measured(returns)
    z = (returns - returns.mean()) / returns.std()
    assert found.value == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert (found.skew, found.kurtosis) == pytest.approx(((z**3).mean(), (z**4).mean()))
    assert found.observations == 30


def test_nothing_is_said_of_few_days_or_of_days_that_differ_by_rounding():
    rng = np.random.default_rng(0)
    assert measured(rng.normal(size=29)) is None
    assert measured(np.zeros(50)) is None
    still = 0.1 + np.tile([0.0, 2e-17], 25)  # its standard deviation is above 0
    assert still.std() > 0
    assert measured(still) is None
    assert is_constant(still)


def test_two_values_of_which_one_dominates_have_no_spread_to_judge_by():
    """v = 0 where skew and ratio meet: g4 = g3² + 1 and SR = 2 / g3."""
    edge = ratio(1.0, 100, 2.0, 5.0)
    assert edge.spread == 0
    assert edge.probability_above() is None
    assert edge.least_track() is None
    assert edge.deflated(10, 0.1) is None


@given(returns=st.lists(st.floats(-0.9, 5), min_size=2, max_size=10))
def test_spread_of_any_returns_is_never_negative(returns):
    found = measured(np.resize(np.array(returns), 31))
    assert found is None or found.spread >= -1e-9 * max(1, found.value**2) * max(1, found.kurtosis)


@given(RATIOS, st.integers(30, 4000), SKEWS, st.floats(0.01, 10), TRIALS, TRIALS, VARIANCES)
def test_deflated_ratio_falls_in_trials(value, observations, skew, extra, one, other, variance):
    sharpe = a_sharpe(value, observations, skew, extra)
    few, many = sorted((one, other))
    assert sharpe.deflated(many, variance) <= sharpe.deflated(few, variance) <= sharpe.probability_above()


@given(RATIOS, st.integers(30, 4000), SKEWS, st.floats(0.01, 10), TRIALS, VARIANCES, VARIANCES)
def test_deflated_ratio_falls_in_the_variance_of_trials(value, days, skew, extra, trials, one, other):
    sharpe = a_sharpe(value, days, skew, extra)
    narrow, wide = sorted((one, other))
    assert sharpe.deflated(trials, wide) <= sharpe.deflated(trials, narrow)


@given(RATIOS, st.integers(30, 4000), SKEWS, st.floats(0.01, 10), VARIANCES)
def test_deflated_ratio_of_one_trial_is_the_probability_above_nothing(value, days, skew, extra, variance):
    sharpe = a_sharpe(value, days, skew, extra)
    assert sharpe.deflated(1, variance) == sharpe.probability_above(0.0)


@given(RATIOS, RATIOS, st.integers(30, 4000), st.floats(0.01, 10), TRIALS, VARIANCES)
def test_deflated_ratio_rises_in_the_ratio_without_skew(one, other, days, extra, trials, variance):
    """The benchmark fixed: above it the spread grows slower than the distance, as (1 + a·SR·SR0) > 0 shows for SR >= 0."""
    low, high = sorted(map(abs, (one, other)))
    found = [ratio(value, days, 0.0, 1 + extra).deflated(trials, variance) for value in (low, high)]
    assert found[0] <= found[1] + 1e-15


def test_effective_rank_of_known_correlations():
    assert rank_of(np.eye(3)) == pytest.approx(3)
    for r, found in ((0.5, 5.349), (0.9, 1.649), (1.0, 1.0)):
        assert rank_of(np.full((10, 10), r) + np.eye(10) * (1 - r)) == pytest.approx(found, abs=5e-4)
    assert rank_of(np.array([[10, 1, 7], [1, 10, 8], [7, 8, 10]]) / 10) == pytest.approx(1.84, abs=5e-3)


@pytest.mark.long
def test_effective_rank_of_a_thousand_trials_saturates_below_their_days():
    noise = np.random.default_rng(0).standard_normal((1000, 365))
    assert rank(noise) == pytest.approx(304, abs=2)


def test_effective_rank_counts_neither_copies_nor_scale_nor_what_does_not_move():
    noise = np.random.default_rng(1).standard_normal((4, 60))
    more = np.concatenate([noise, np.zeros((3, 60)), np.full((2, 60), 0.1)])
    assert rank(more) == pytest.approx(rank(noise))
    assert rank(noise * [[1], [5], [0.1], [20]]) == pytest.approx(rank(noise))
    assert rank(np.concatenate([noise[:1], noise[:1] * 3, noise[:1] * -2])) == pytest.approx(1)
    assert rank(np.zeros((3, 60))) is None


def test_effective_rank_is_the_same_by_either_product():
    noise = np.random.default_rng(2).standard_normal((40, 50))
    assert rank(noise) == pytest.approx(rank_of(np.atleast_2d(np.corrcoef(noise))))
    assert rank(noise[:, :35]) == pytest.approx(rank_of(np.atleast_2d(np.corrcoef(noise[:, :35]))), rel=1e-6)
