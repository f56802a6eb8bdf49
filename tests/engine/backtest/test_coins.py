"""A size in coins stays one while it is a size, and lies on the grid of 1e-8 coin."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backtest.library.coins import Coins, on_grid, traded
from engine.backtest.rules import UNITS

HELD = Coins(0.21)


@pytest.mark.parametrize(
    "size",
    [
        -HELD, abs(-HELD), +HELD, HELD * 2, 2 * HELD, HELD / 2, HELD * 0.5, round(HELD, 3), HELD + HELD, HELD - 0.1,
        1 + HELD, sum([HELD, HELD]), min(HELD, 1.0), max(0.0, HELD), HELD + np.float64(0.1),
    ],
)  # fmt: skip
def test_what_is_done_to_a_size_keeps_it_a_size(size: float) -> None:
    assert isinstance(size, Coins)


@pytest.mark.parametrize(
    "value",
    [
        HELD * np.float64(60_000), np.float64(60_000) * HELD, HELD / np.float64(60_000), HELD / HELD, 1 / HELD, HELD // 0.1,
        float(HELD), int(HELD), round(HELD), HELD**2,
    ],
)  # fmt: skip
def test_money_ratios_and_whole_numbers_are_no_sizes(value: float) -> None:
    assert not isinstance(value, Coins)


def test_a_size_is_a_float_everywhere_else() -> None:
    assert (HELD == 0.21, hash(HELD) == hash(0.21), f"{HELD:.3f}", str(HELD)) == (True, True, "0.210", "0.21")
    assert json.loads(json.dumps(HELD)) == 0.21
    assert pickle.loads(pickle.dumps(HELD)) == 0.21
    assert np.array([HELD]).dtype == np.float64
    assert (HELD * np.ones(2)).tolist() == [0.21, 0.21]


def test_sums_do_not_drift() -> None:
    left: float = Coins(0.3)
    for _ in range(3):
        left = left - 0.1
    assert left == 0
    assert Coins(0.1) + Coins(0.2) == 0.3


@given(st.integers(-(10**20), 10**20))
def test_the_grid_is_where_it_was_found(units: int) -> None:
    once = on_grid(units / UNITS)
    assert on_grid(once) == once
    assert abs(once * UNITS - units) <= max(0.5, 1e-15 * abs(units))


def test_whole_coins_are_ints_as_the_library_has_them() -> None:
    assert [type(traded(size)) for size in (5.0, -3, 0.5)] == [int, int, Coins]
