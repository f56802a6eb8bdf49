"""Candles that could have been are candles, and the real ones where nothing was changed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.model.market import Candles
from engine.statistics.bootstrap import optimal_block_length, stationary_positions
from engine.statistics.synthetic import candle_block_length, from_blocks, with_noise
from tests.support.builders import random_candles

REAL = random_candles(300, 11)
seeds = st.integers(0, 2**32 - 1)


def assert_candles(found: Candles) -> None:
    assert (found.low <= np.minimum(found.open, found.close)).all()
    assert (found.high >= np.maximum(found.open, found.close)).all()
    assert (found.low > 0).all()
    assert (found.timestamp == REAL.timestamp).all()


@given(seeds, st.floats(0.01, 5))
def test_noise_keeps_candles_and_the_ratio_of_each_open_to_the_close_before(seed: int, noise: float):
    found = with_noise(REAL, noise, np.random.default_rng(seed))
    assert_candles(found)
    np.testing.assert_allclose(found.open[1:] / found.close[:-1], REAL.open[1:] / REAL.close[:-1], rtol=1e-12)
    assert found.sha256() != REAL.sha256()


@given(seeds, st.floats(1, 300))
def test_blocks_keep_candles_and_the_ratio_of_each_open_to_the_close_before(seed: int, block: float):
    (sources,) = stationary_positions(len(REAL), block, 1, np.random.default_rng(seed))
    found = from_blocks(REAL, sources)
    assert_candles(found)
    gap = np.concatenate(([1.0], REAL.open[1:] / REAL.close[:-1]))
    np.testing.assert_allclose(found.open[1:] / found.close[:-1], gap[sources[1:]], rtol=1e-12)
    np.testing.assert_allclose(found.high / found.low, (REAL.high / REAL.low)[sources], rtol=1e-12)


def test_no_noise_and_blocks_in_their_order_are_the_real_candles_to_the_last_bit():
    assert with_noise(REAL, 0, np.random.default_rng(0)).sha256() == REAL.sha256()
    assert from_blocks(REAL, np.arange(len(REAL))).sha256() == REAL.sha256()


def test_noise_is_as_large_as_asked_and_leaves_the_course():
    found = with_noise(REAL, 0.5, np.random.default_rng(1))
    moved = np.log(found.close / REAL.close)
    real = np.diff(np.log(REAL.close)).std()
    assert 0.4 * real < moved.std() < 0.6 * real
    assert abs(moved.mean()) < 0.1 * real


def test_the_length_of_blocks_comes_from_how_calm_and_wild_stretches_follow():
    returns = np.diff(np.log(REAL.close))
    assert candle_block_length(REAL) == optimal_block_length(np.abs(returns))
    assert candle_block_length(REAL) != optimal_block_length(returns)
