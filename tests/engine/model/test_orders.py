"""What a strategy may ask of its orders: read, checked, cut, and carried to another process."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import RunError
from engine.model.orders import Orders
from engine.strategy import Signals
from tests.support.builders import flat_candles, signals_for

N = 4


def checked(**given: Any) -> Orders:
    orders = Orders.check(given, N)
    assert orders is not None
    return orders


def test_columns_and_numbers_are_read_alike() -> None:
    orders = checked(trail=5, entry_limit=pd.Series([np.nan, 9.0, 8.0, np.nan]))
    assert [orders.value("trail", i) for i in range(N)] == [5.0] * N
    assert orders.value("entry_limit", 1) == 9.0
    assert np.isnan(orders.value("entry_limit", 0))
    assert np.isnan(orders.value("risk", 0))


def test_without_any_there_are_none() -> None:
    assert Orders.check({}, N) is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("trail", 0, "distances of prices above 0, or NaN for none, not 0"),
        ("risk", 1.5, "fractions above 0 and at most 1"),
        (
            "entry_limit",
            np.array([1.0, -2.0, 1.0, 1.0]),
            "prices above 0, or NaN for none, not -2 as in row 1",
        ),
        ("max_candles", 2.5, "whole numbers from 1 on"),
        ("entry_expiry", 1e19, "whole numbers from 1 on"),
        ("size", np.array([True] * N), "must hold numbers, not bool"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_its_row(name: str, value: Any, words: str) -> None:
    with pytest.raises(RunError, match=words) as raised:
        Orders.check({name: value}, N)
    assert name in str(raised.value)


def test_an_add_without_its_size_is_refused_and_earlier_columns_win() -> None:
    fires = np.array([True, False, True, False])
    with pytest.raises(RunError, match="add_size"):
        Orders.check({"add_dip_buy": fires}, N)
    orders = checked(add_dip_buy=fires, add_top_sell=~fires | fires, add_size=0.1)
    assert orders.add.tolist() == [1, -2, 1, -2]


def test_a_cut_and_a_journey_to_another_process_change_nothing() -> None:
    orders = checked(trail=np.arange(1.0, 5.0), add_dip_buy=np.ones(N, dtype=bool), add_size=0.1)
    cut = orders.slice(1, None)
    assert [cut.value("trail", i) for i in range(3)] == [2.0, 3.0, 4.0]
    back = Orders.of_plain(orders.plain(), N)
    assert {name: column.tolist() for name, column in back.named().items()} == {
        name: column.tolist() for name, column in orders.named().items()
    }
    with pytest.raises(RunError, match="other lengths"):
        Orders.of_plain(orders.plain(), N + 1)


def test_signals_take_them_among_their_columns() -> None:
    candles = flat_candles([10.0] * N)
    orders = signals_for(candles, {"signal_a_buy": [1], "trail": {1: 2.0}}).orders
    assert orders is not None
    assert orders.value("trail", 1) == 2.0
    said = {"signal_a_buy": np.ones(N, dtype=bool), "trail": 3}
    assert Signals.check(said, candles.frame()).orders is not None
    with pytest.raises(RunError, match="trale"):
        Signals.check(said | {"trale": np.ones(N)}, candles.frame())


def test_a_number_for_adding_is_no_column_of_it() -> None:
    said = {"signal_a_buy": np.ones(N, dtype=bool), "add_a_buy": 1, "add_size": 0.1}
    with pytest.raises(RunError, match="add_a_buy"):
        Signals.check(said, flat_candles([10.0] * N).frame())
