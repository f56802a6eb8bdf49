"""Resampled positions: the published block length, blocks that hold together, and the variance that theory gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.bootstrap import (
    drawn_positions,
    optimal_block_length,
    shuffled_positions,
    stationary_positions,
)


def autoregressive(share: float, n: int) -> np.ndarray:
    """What arch's own test makes: RandomState(0), of which the first 100 values are left out."""
    noise = np.random.RandomState(0).standard_normal(n + 100)
    values = noise.copy()
    for at in range(1, len(noise)):
        values[at] = share * values[at - 1] + noise[at]
    return values[100:]


def test_the_block_length_is_the_published_one():
    """arch/tests/bootstrap/test_block_length.py."""
    assert optimal_block_length(autoregressive(0.3, 10_000)) == pytest.approx(13.635665, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.sampled_from(("noise", "walk", "flat", "one jump")))
def test_a_block_is_from_1_to_a_third_of_the_series(seed: int, n: int, kind: str):
    noise = np.random.default_rng(seed).standard_normal(n)
    values = {"noise": noise, "walk": noise.cumsum(), "flat": noise * 0, "one jump": np.arange(n) == n // 2}[
        kind
    ]
    assert 1 <= optimal_block_length(np.asarray(values, dtype=np.float64)) <= max(1, n / 3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(1, 60), st.integers(1, 20))
def test_positions_go_on_in_blocks_round_the_end(seed: int, n: int, block: float, paths: int):
    found = stationary_positions(n, block, paths, np.random.default_rng(seed))
    assert found.shape == (paths, n)
    assert ((found >= 0) & (found < n)).all()
    endless = stationary_positions(n, 1e300, paths, np.random.default_rng(seed))
    assert ((np.diff(endless, axis=1) - 1) % n == 0).all()


def test_blocks_are_as_long_as_asked_on_average():
    found = stationary_positions(1_000, 10, 200, np.random.default_rng(1))
    joined = (np.diff(found, axis=1) - 1) % 1_000 == 0
    assert 1 / (1 - joined.mean()) == pytest.approx(10, rel=0.03)


@pytest.mark.parametrize("block", [1.0, 5.0, 20.0])
def test_the_mean_varies_between_paths_as_theory_says(block: float):
    """[gamma0 + 2 sum((1 - i/T)(1-p)^i + (i/T)(1-p)^(T-i)) gamma_i] / T, gamma circular-free with 1/T."""
    values = autoregressive(0.5, 200)
    n, p = len(values), 1 / block
    centred = values - values.mean()
    gamma = np.array([centred[lag:] @ centred[: n - lag] for lag in range(n)]) / n
    lag = np.arange(1, n)
    weights = (1 - lag / n) * (1 - p) ** lag + lag / n * (1 - p) ** (n - lag)
    expected = (gamma[0] + 2 * float(weights @ gamma[1:])) / n
    means = values[stationary_positions(n, block, 10_000, np.random.default_rng(2))].mean(axis=1)
    assert means.var() == pytest.approx(expected, rel=0.06)


@given(st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_a_shuffle_has_each_once_and_a_draw_any(seed: int, n: int):
    rng = np.random.default_rng(seed)
    assert (np.sort(shuffled_positions(n, 5, rng), axis=1) == np.arange(n)).all()
    drawn = drawn_positions(n, 5, rng)
    assert drawn.shape == (5, n)
    assert ((drawn >= 0) & (drawn < n)).all()


def test_every_order_of_three_comes_as_often():
    orders = shuffled_positions(3, 6_000, np.random.default_rng(3))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 900
