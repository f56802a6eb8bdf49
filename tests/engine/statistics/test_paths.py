"""Figures of paths, by small cases counted out and by laws that every path keeps."""

import math
from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.paths import (
    compounded,
    daily_figures,
    drawdown_histogram,
    growth_factors,
    money_figures,
    quantiles,
    spread_points,
)
from engine.statistics.ruin import LEVELS_PCT, loss_shares

FACTORS = (1.10, 0.90, 1.05, 0.80)
factors = st.lists(st.floats(0, 3), min_size=1, max_size=40)


def test_all_orders_of_four_trades_end_alike_and_fall_differently():
    orders = np.array(list(permutations(FACTORS)))
    found = money_figures(compounded(1.0, orders))
    np.testing.assert_allclose(found["final_equity"], 0.8316, rtol=1e-12)
    depths = Counter(np.round(found["max_drawdown_pct"], 9).tolist())
    assert depths == {-28.0: 12, -24.4: 4, -20.8: 4, -20.0: 4}


@given(factors, st.randoms(use_true_random=False))
def test_a_shuffle_keeps_the_product_and_drawdowns_stay_between_minus_100_and_0(
    values: list[float], random: Any
):
    shuffled = random.sample(values, len(values))
    found = daily_figures(compounded(1_000.0, np.array([values, shuffled])))
    final = found["final_equity"]
    assert final[0] == pytest.approx(final[1], rel=1e-12, abs=1e-300)
    assert ((found["max_drawdown_pct"] >= -100) & (found["max_drawdown_pct"] <= 0)).all()
    assert (found["lowest_pct"] >= found["max_drawdown_pct"] - 1e-9).all()
    assert not np.isinf(np.array(list(found.values()))).any()


@given(factors)
def test_the_path_as_it_was_has_its_own_figures_to_the_last_bit(values: list[float]):
    as_it_was = compounded(10_000.0, np.array([values]))
    among_others = compounded(10_000.0, np.array([values[::-1], values, values]))
    single, several = daily_figures(as_it_was), daily_figures(among_others)
    for name, value in single.items():
        np.testing.assert_array_equal(several[name][1], value[0], err_msg=name)


@given(st.lists(st.floats(-50, 2_000).map(lambda money: round(money, 2)), min_size=1, max_size=30))
def test_factors_lead_from_value_to_value_and_nothing_grows_from_nothing(values: list[float]):
    paths = compounded(100.0, growth_factors(100.0, np.array(values))[None])
    kept = np.maximum(values, 0)
    if (kept == 0).any():  # a ruin is the end
        kept[np.argmax(kept == 0) :] = 0
    np.testing.assert_allclose(paths[0, 1:], kept, rtol=1e-9, atol=1e-9)


def test_daily_figures_are_those_of_a_run():
    returns = np.random.default_rng(0).normal(0.001, 0.02, 365)
    found = daily_figures(compounded(1.0, 1 + returns[None]))
    total = float(np.prod(1 + returns))
    assert found["sharpe"][0] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(365))
    assert found["cagr_pct"][0] == pytest.approx((total - 1) * 100)
    assert found["calmar"][0] == pytest.approx(-found["cagr_pct"][0] / found["max_drawdown_pct"][0])


def test_an_account_that_stands_still_has_no_sharpe_ratio():
    found = daily_figures(np.full((2, 40), 500.0))
    assert np.isnan(found["sharpe"]).all()
    assert np.isnan(found["calmar"]).all()
    assert found["max_drawdown_pct"].tolist() == [0, 0]


def test_even_bets_ruin_as_often_as_the_closed_form_says():
    """10 units against a house of endless means, won with probability 0.55: (0.45 / 0.55)^10."""
    steps = np.where(np.random.default_rng(4).random((3_000, 800)) < 0.55, 1.0, -1.0)
    lowest = np.minimum(steps.cumsum(axis=1).min(axis=1), 0)
    shares = loss_shares(lowest * 10)  # in % of the ten units
    assert shares[LEVELS_PCT.index(100)] == pytest.approx(0.134431, abs=0.015)


def test_a_driftless_walk_falls_as_far_as_brownian_motion():
    """E[max drawdown] = sqrt(pi / 2) sigma sqrt(T) = 1.2533 sigma sqrt(T), 1.231 with 2,000 steps."""
    sigma, steps = 1e-6, 2_000  # so small that compounding adds
    returns = np.random.default_rng(5).normal(0, sigma, (800, steps))
    falls = -money_figures(compounded(1.0, 1 + returns))["max_drawdown_pct"] / 100
    assert falls.mean() / (sigma * math.sqrt(steps)) == pytest.approx(1.231, abs=0.05)


def test_ruin_and_drawdown_are_counted_to_the_very_level():
    paths = np.array([[100, 80, 200], [100, 160, 80], [100, 120, 110], [100, 0, 0]], dtype=np.float64)
    found = money_figures(paths)
    at_20, at_50, at_100 = (LEVELS_PCT.index(level) for level in (20, 50, 100))
    ruin, fall = loss_shares(found["lowest_pct"]), loss_shares(found["max_drawdown_pct"])
    assert [ruin[at_20], ruin[at_50], ruin[at_100]] == [0.75, 0.25, 0.25]
    assert [fall[at_20], fall[at_50], fall[at_100]] == [0.75, 0.5, 0.25]


@given(st.lists(st.floats(-100, 0), min_size=1, max_size=200))
def test_a_histogram_counts_every_drawdown(drawdowns: list[float]):
    edges, counts = drawdown_histogram(np.array(drawdowns))
    assert counts.sum() == len(drawdowns)
    assert edges[-1] == 0
    assert (np.diff(edges) == 5).all()
    assert -100 <= edges[0] <= min(drawdowns)


def test_quantiles_leave_out_what_has_no_meaning():
    rows = np.array([[1.0, 2, 3, 4, 5], [np.nan, 7, np.nan, 7, 7], [np.nan] * 5])
    found = quantiles(np.repeat(rows, 20, axis=0))
    np.testing.assert_allclose(found[0], [1.2, 2, 3, 4, 4.8])
    assert found[20].tolist() == [7] * 5
    assert np.isnan(found[40]).all()


@given(st.integers(0, 3_000), st.integers(2, 400))
def test_points_along_a_band_begin_and_end_where_it_does(steps: int, most: int):
    points = spread_points(steps, most)
    assert points[0] == 0
    assert points[-1] == steps or steps == 0
    assert len(points) == min(most, steps + 1)
    assert (np.diff(points) > 0).all()
