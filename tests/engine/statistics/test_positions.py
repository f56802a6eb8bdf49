"""The published case of a permutation of positions, all of whose arrangements can be counted."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.positions import mean_return, permutation_p, reached, shuffled_means

# automated-trading-system.com/monte-carlo-permutation, lost minus signs restored
RETURNS = np.array([0.54, -0.32, 1.54, 0.69, -1.02, -0.68, 1.20, -2.50])
POSITIONS = np.array([1, 1, 1, 0, 0, -1, -1, -1])


def test_80_of_560_arrangements_earn_as_much():
    observed = mean_return(POSITIONS, RETURNS)
    assert observed == pytest.approx(0.4675, abs=1e-12)
    arrangements = sorted(set(permutations(POSITIONS.tolist())))
    means = np.array([mean_return(np.array(one), RETURNS) for one in arrangements])
    assert (len(means), reached(means, observed, RETURNS)) == (560, 80)


def test_drawn_arrangements_come_to_the_same_seventh():
    means = shuffled_means(POSITIONS, RETURNS, 5_000, np.random.default_rng(0))
    count = reached(means, mean_return(POSITIONS, RETURNS), RETURNS)
    assert permutation_p(count, 5_000) == pytest.approx(1 / 7, abs=0.012)


@given(st.integers(0, 99), st.lists(st.sampled_from((-1, 0, 1)), min_size=1, max_size=30))
def test_p_is_never_0_and_what_was_seen_is_among_what_can_be(seed: int, held: list[int]):
    rng = np.random.default_rng(seed)
    positions, returns = np.array(held), rng.normal(0, 1, len(held))
    observed, means = mean_return(positions, returns), shuffled_means(positions, returns, 50, rng)
    best = np.sort(positions) @ np.sort(returns) / len(returns)
    assert means.max() <= best + 1e-12
    p = permutation_p(reached(means, observed, returns), 50)
    assert 0 < p <= 1
    if len(set(held)) == 1:  # one arrangement, whatever the order of its sum
        assert p == 1
