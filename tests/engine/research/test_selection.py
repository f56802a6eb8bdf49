"""What is chosen from the figures of a walk-forward, and what its measures say: small cases by hand, and what must hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.research.selection import (
    Choice,
    choose,
    efficiency,
    largest_share,
    mode_shares,
    rank_of,
    ranks,
    spearman,
    steps_of,
)

NAN = math.nan
VALUES = arrays(np.float64, st.integers(3, 12), elements=st.integers(-3, 3).map(float))


def test_the_best_is_chosen_the_first_of_equals_and_none_that_did_not_trade():
    values = np.array([[1.0, 2.0, NAN], [3.0, 2.0, 5.0], [3.0, 9.0, 4.0]])
    trades = np.array([[4, 4, 4], [4, 4, 0], [4, 0, 1]])
    assert choose(values, trades) == [Choice(1, kept=False), Choice(0, kept=False), Choice(2, kept=False)]


def test_where_none_traded_the_choice_before_stays_and_at_first_it_is_the_first():
    values = np.array([[1.0, 1.0, NAN], [1.0, 2.0, 1.0]])
    trades = np.array([[0, 1, 5], [0, 1, 0]])
    assert choose(values, trades) == [Choice(0, kept=True), Choice(1, kept=False), Choice(1, kept=True)]


def test_ranks_begin_at_one_and_equals_share_theirs():
    assert ranks(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [2.5, 1.0, 2.5, 4.0]


def test_the_chosen_is_ranked_among_those_with_a_value():
    values = np.array([1.0, NAN, 3.0, 2.0])
    assert rank_of(values, 2) == pytest.approx((3 - 0.5) / 3)
    assert rank_of(values, 0) == pytest.approx(0.5 / 3)
    assert rank_of(values, 1) is None
    assert rank_of(np.array([1.0]), 0) is None


def test_ranks_of_all_choices_together_are_a_half():
    values = np.random.default_rng(1).normal(size=50)
    assert np.mean([rank_of(values, at) for at in range(50)]) == pytest.approx(0.5)


@given(VALUES)
def test_a_rank_correlation_is_one_with_itself_and_less_one_with_its_opposite(values: np.ndarray):
    found = spearman(values, values)
    if len(set(values.tolist())) == 1:
        assert found is None
    else:
        assert found == pytest.approx(1)
        assert spearman(values, -values) == pytest.approx(-1)
        assert spearman(values, np.exp(values)) == pytest.approx(1)


def test_a_rank_correlation_needs_three_pairs():
    assert spearman(np.array([1.0, 2.0, NAN]), np.array([1.0, 2.0, 3.0])) is None
    # 1 - 6 * sum(d^2) / (n * (n^2 - 1)) without equals
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3])) == pytest.approx(1 - 6 * 4 / 60)


def test_efficiency_compares_growth_per_day():
    doubled = (2.0, 100.0)
    assert efficiency([doubled], [doubled]) == pytest.approx(1)
    assert efficiency([(2.0, 200.0)], [doubled]) == pytest.approx(0.5)
    assert efficiency([(2.0, 100.0), (0.5, 100.0)], [doubled]) == pytest.approx(0, abs=1e-12)
    assert efficiency([doubled], [(0.9, 100.0)]) is None
    assert efficiency([(0.0, 10.0)], [doubled]) is None
    assert efficiency([], []) is None


def test_steps_count_places_on_the_grid_not_values():
    columns = {"fast": np.array([5, 5, 50, 50]), "slow": np.array([7, 7, 7, 7]), "k": np.array([1, 2, 3, 3])}
    numbers = [0, 1, 2, 2]
    assert steps_of(columns, numbers) == {
        "fast": pytest.approx(1 / 3), "slow": None, "k": pytest.approx((1 + 1 + 0) / 3 / 2)
    }  # fmt: skip
    assert mode_shares(columns, numbers) == {"fast": 0.5, "slow": 1.0, "k": 0.5}


def test_the_largest_share_is_of_the_sum_and_unknown_without_a_profit():
    assert largest_share([10.0, 30.0, -20.0]) == pytest.approx(1.5)
    assert largest_share([10.0, -10.0]) is None
