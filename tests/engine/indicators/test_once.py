"""`once`: what no parameter moves is computed once while many are tried, and is never another column's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.backtest.frame import CandleFrame
from engine.indicators import Memory, ema, once, remembered
from tests.support.builders import random_candles

FRAME = CandleFrame(random_candles(400, 5))
CALLS: list[str] = []


@pytest.fixture
def memory() -> Iterator[Memory]:
    CALLS.clear()
    with remembered(FRAME.table) as memory:
        yield memory


def rises(opened: Any, close: Any) -> Any:
    CALLS.append("rises")
    return close > opened


def shares(close: Any, of: Any) -> dict[str, Any]:
    CALLS.append("shares")
    return {"above": close > of, "gap": close - of}


def times(close: Any, number: Any) -> Any:
    CALLS.append(f"{number!r}")
    return close * number


def arrays() -> dict[str, Any]:
    return dict(FRAME.given(arrays=True))


def test_it_is_computed_once_for_the_same_columns(memory: Memory) -> None:
    given, table = arrays(), FRAME.copy()
    first, second = (once(rises, given["open"], given["close"]) for _ in range(2))
    assert first is second
    assert first.tolist() == (FRAME.candles.close > FRAME.candles.open).tolist()
    one, other = (once(rises, table["open"], table["close"]) for _ in range(2))
    pd.testing.assert_series_equal(one, other)
    assert one.tolist() == first.tolist()
    assert CALLS == ["rises"] * 2
    once(rises, given["close"], given["open"])
    assert CALLS == ["rises"] * 3


def test_what_was_computed_once_serves_the_next(memory: Memory) -> None:
    given = arrays()
    for length in (5, 9, 5, 9):
        found = once(shares, given["close"], ema(given["close"], length))
        np.testing.assert_array_equal(once(times, found["gap"], 2.0), 2.0 * found["gap"])
    assert CALLS == ["shares", "2.0"] * 2


def test_each_number_and_kind_of_number_is_another(memory: Memory) -> None:
    close = arrays()["close"]
    for number in (1, 1.0, True, 2, 1):
        once(times, close, number)
    assert CALLS == ["1", "1.0", "True", "2"]


def test_a_column_that_was_changed_is_computed_anew(memory: Memory) -> None:
    given = arrays()
    twice = [once(rises, given["open"], given["close"] * factor) for factor in (1.0, 0.5)]
    assert twice[0].tolist() == (given["close"] > given["open"]).tolist()
    assert not twice[1].any()
    still = np.broadcast_to(given["close"][:1], given["close"].shape)  # begins where the column does
    once(times, given["close"], 3.0)
    assert once(times, still, 3.0).tolist() == [3.0 * given["close"][0]] * 400


def test_nobody_can_write_into_what_is_shared(memory: Memory) -> None:
    given, table = arrays(), FRAME.copy()
    found = once(shares, given["close"], given["open"])
    with pytest.raises(ValueError, match="read-only"):
        found["gap"][0] = 1.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        found["gap"].flags.writeable = True
    del found["gap"]
    series = once(shares, table["close"], table["open"])["gap"]
    before = series.tolist()
    series.iloc[0] = 1e9  # pandas changes a copy
    assert once(shares, table["close"], table["open"])["gap"].tolist() == before
    assert "gap" in once(shares, given["close"], given["open"])


def test_without_a_memory_it_is_the_function() -> None:
    CALLS.clear()
    given, table = arrays(), FRAME.copy()
    for _ in range(2):
        assert (
            once(rises, given["open"], given["close"]).tolist() == (given["close"] > given["open"]).tolist()
        )
        pd.testing.assert_series_equal(
            once(rises, table["open"], table["close"]), table["close"] > table["open"]
        )
    assert CALLS == ["rises"] * 4


class Holder:
    def method(self, close: Any) -> Any:
        return close


def test_a_function_that_holds_more_than_its_arguments_is_refused() -> None:
    close, factor = arrays()["close"], 2.0

    def defaulted(column: Any, by: float = factor) -> Any:
        return column * by

    for compute in (lambda column: column * factor, defaulted, Holder().method, np.negative):
        with pytest.raises(ValueError, match=r"once\(\) takes a plain function"):
            once(compute, close)
    with pytest.raises(ValueError, match="columns that it is to be given"):
        once(rises, 1, 2)


@pytest.mark.parametrize("answer", ["None", "column[1:]", "[1, 2]", "column.astype(str)", "{'a': 1}"])
def test_an_answer_that_is_no_column_is_refused(answer: str) -> None:
    names: dict[str, Any] = {}
    exec(f"def compute(column): return {answer}", names)
    with pytest.raises(ValueError, match="of 400 numbers or flags, or a dict of such, not "):
        once(names["compute"], arrays()["close"])
