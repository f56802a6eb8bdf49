"""What the author of a strategy relies on: typed and bounded parameters, and signals that are checked before they count."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError, RunError
from engine.strategy import Param, Signals, Strategy
from tests.support.builders import random_candles

CANDLES = random_candles(6).frame()


class Base(Strategy):
    """Base title

    More about it.
    """

    length = Param(20, low=2, high=200, help="candles")
    factor = Param(1.5, low=0.5)
    strict = Param(True)
    kind = Param("fast", choices=("fast", "slow"))

    def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"signal_x_buy": candles["close"] > self.factor}, index=candles.index)


class Derived(Base):
    """Derived"""

    length = Param(30, low=2, high=300)
    extra = Param(1, high=5)


# -- parameters


def test_on_an_instance_a_parameter_is_its_plain_value_and_on_the_class_its_declaration() -> None:
    assert Base().length == 20
    assert Base({"length": 50}).length == 50
    assert isinstance(Base.length, Param)
    assert Base.length.name == "length"


def test_values_are_complete_and_in_the_order_written_with_a_base_classs_first() -> None:
    assert Base({"factor": 2}).values() == {"length": 20, "factor": 2.0, "strict": True, "kind": "fast"}
    assert list(Derived.params()) == ["length", "factor", "strict", "kind", "extra"]
    assert Derived().length == 30


def test_two_instances_do_not_share_values() -> None:
    one, other = Base({"length": 5}), Base()
    assert (one.length, other.length) == (5, 20)


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("length", "21", 21),
        ("length", 21, 21),
        ("factor", "2", 2.0),
        ("factor", 2, 2.0),
        ("factor", "1e3", 1000.0),
        ("strict", "false", False),
        ("strict", " Yes ", True),
        ("strict", "0", False),
        ("kind", "slow", "slow"),
    ],
)
def test_what_a_user_types_becomes_the_parameters_type(name: str, typed: Any, value: Any) -> None:
    found = Base({name: typed}).values()[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("length", "2.5", "length must be a whole number from 2 to 200, not '2.5'"),
        ("length", 2.0, "length must be a whole number from 2 to 200, not 2.0"),
        ("length", True, "length must be a whole number from 2 to 200, not True"),
        ("length", 1, "length must be a whole number from 2 to 200, not 1"),
        ("length", 201, "length must be a whole number from 2 to 200, not 201"),
        ("length", None, "length must be a whole number from 2 to 200, not None"),
        ("factor", "0.4", "factor must be a number of at least 0.5, not '0.4'"),
        ("factor", "nan", "factor must be a number of at least 0.5, not 'nan'"),
        ("factor", "inf", "factor must be a number of at least 0.5, not 'inf'"),
        ("factor", float("nan"), "factor must be a number of at least 0.5, not nan"),
        ("factor", "1_00.0", "factor must be a number of at least 0.5, not '1_00.0'"),
        ("factor", "\u0663", "factor must be a number of at least 0.5, not '\u0663'"),
        ("length", "1_0", "length must be a whole number from 2 to 200, not '1_0'"),
        ("factor", "x", "factor must be a number of at least 0.5, not 'x'"),
        ("strict", "maybe", "strict must be true or false, not 'maybe'"),
        ("strict", 1, "strict must be true or false, not 1"),
        ("kind", "medium", "kind must be one of fast, slow, not 'medium'"),
    ],
)
def test_a_wrong_value_is_refused_in_words(name: str, typed: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Base({name: typed})
    assert str(caught.value) == words


def test_an_upper_bound_alone_is_said_as_such() -> None:
    with pytest.raises(InputError, match="extra must be a whole number of at most 5, not 6"):
        Derived({"extra": 6})


def test_an_unknown_parameter_names_the_nearest_or_all() -> None:
    with pytest.raises(InputError, match="no parameter 'lenght'; did you mean length"):
        Base({"lenght": 5})
    with pytest.raises(InputError, match="no parameter 'zzz'; it has: length, factor, strict, kind"):
        Base({"zzz": 5})


def test_a_default_outside_its_own_bounds_is_refused_where_it_is_written() -> None:
    with pytest.raises(InputError, match="the default must be a whole number of at least 5, not 3"):
        Param(3, low=5)
    with pytest.raises(InputError, match="a parameter is an int, float, bool or text, not list"):
        Param([1, 2])  # type: ignore[arg-type]


def test_declarations_as_json() -> None:
    assert Base.params()["length"].to_json() == {
        "name": "length", "type": "int", "default": 20, "low": 2, "high": 200, "choices": None, "help": "candles",
    }  # fmt: skip
    kind = Base.params()["kind"].to_json()
    assert (kind["type"], kind["choices"]) == ("choice", ["fast", "slow"])


@given(st.integers(2, 200))
def test_a_value_survives_being_written_and_read_as_text(value: int) -> None:
    assert Base({"length": str(value)}).length == value


def test_a_strategy_that_only_gives_signals_is_whole() -> None:
    strategy = Base()
    assert (strategy.warmup(), strategy.reverse) == (0, False)
    assert dict(strategy.indicators(CANDLES)) == {}


# -- signals


def check(**columns: Any) -> Signals:
    return Signals.check(pd.DataFrame(columns, index=CANDLES.index), CANDLES)


def flags(*at: int) -> list[bool]:
    return [i in at for i in range(6)]


def test_the_earlier_column_wins_where_several_fire() -> None:
    signals = check(signal_a_sell=flags(0, 1), signal_b_buy=flags(1, 2), signal_c_buy=flags(2, 3))
    assert signals.names == ("signal_a_sell", "signal_b_buy", "signal_c_buy")
    assert signals.entry.tolist() == [-1, -1, 2, 3, 0, 0]


def test_every_boolean_column_is_kept_raw() -> None:
    signals = check(signal_a_buy=flags(0, 1), signal_b_buy=flags(1), exit_long=flags(3), stop_loss=[1.0] * 6)
    assert {name: int(column.sum()) for name, column in signals.raw.items()} == {
        "signal_a_buy": 2,
        "signal_b_buy": 1,
        "exit_long": 1,
    }


def test_columns_that_are_left_out_never_fire() -> None:
    signals = check(signal_a_buy=flags(0))
    assert not signals.exit_long.any()
    assert not signals.exit_short.any()
    assert np.isnan(signals.stop_loss).all()
    assert np.isnan(signals.take_profit).all()


def test_a_slice_cuts_every_column_alike() -> None:
    signals = check(signal_a_buy=flags(0, 4), exit_long=flags(5), stop_loss=range(1, 7)).slice(3, None)
    assert signals.entry.tolist() == [0, 1, 0]
    assert signals.exit_long.tolist() == [False, False, True]
    assert signals.stop_loss.tolist() == [4, 5, 6]
    assert signals.raw["signal_a_buy"].tolist() == [False, True, False]
    assert signals.take_profit.shape == signals.exit_short.shape == (3,)


def test_the_signals_are_a_copy_of_what_the_strategy_returned() -> None:
    frame = pd.DataFrame({"signal_a_buy": flags(0), "stop_loss": 1.0}, index=CANDLES.index)
    signals = Signals.check(frame, CANDLES)
    frame.iloc[:, 0] = False
    frame["stop_loss"] = 9.0
    assert signals.raw["signal_a_buy"].tolist() == flags(0)
    assert signals.stop_loss.tolist() == [1.0] * 6


def test_nullable_booleans_count_when_none_is_missing() -> None:
    assert check(signal_a_buy=pd.array(flags(2), dtype="boolean")).entry.tolist() == [0, 0, 1, 0, 0, 0]
    with pytest.raises(RunError, match="must be boolean, but 1 of its values are empty, the first in row 0"):
        check(signal_a_buy=pd.array([None, *flags(2)[1:]], dtype="boolean"))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"signal_a_buy": [1, 0, 1, 0, 1, 0]},
            "'signal_a_buy' must be boolean, not int64; a comparison gives one",
        ),
        (
            {"signal_a_buy": [True, None] * 3},
            "'signal_a_buy' must be boolean, but 3 of its values are empty, the first in row 1",
        ),
        ({"signal_buy": flags(0)}, "returned the column 'signal_buy'; allowed are signal_<name>_buy"),
        ({"Signal_a_buy": flags(0)}, "returned the column 'Signal_a_buy'"),
        ({"exit_long": flags(0)}, "no column named signal_<name>_buy"),
        ({"signal_a_buy": flags(0), "stop_loss": ["x"] * 6}, "'stop_loss' must hold numbers, not"),
        ({"signal_a_buy": flags(0), "stop_loss": [0.0] * 6}, "'stop_loss' must hold prices above 0"),
        ({"signal_a_buy": flags(0), "take_profit": [np.inf] * 6}, "'take_profit' must hold prices above 0"),
    ],
)
def test_a_column_that_cannot_be_used_is_named(columns: Mapping[str, Any], words: str) -> None:
    with pytest.raises(RunError, match=words):
        check(**columns)


def test_an_answer_of_another_shape_is_refused() -> None:
    good = pd.DataFrame({"signal_a_buy": flags(0)}, index=CANDLES.index)
    with pytest.raises(RunError, match="must return a DataFrame or a mapping of columns, not Series"):
        Signals.check(good["signal_a_buy"], CANDLES)
    with pytest.raises(RunError, match="returned 5 rows with another index than the 6 candles"):
        Signals.check(good.head(5), CANDLES)
    with pytest.raises(RunError, match="returned 6 rows with another index"):
        Signals.check(good.reset_index(drop=True), CANDLES)
    with pytest.raises(RunError, match="the column 'signal_a_buy' twice"):
        Signals.check(pd.concat([good, good], axis=1), CANDLES)


@pytest.mark.parametrize("columns", [2, 127, 128, 300])
def test_any_number_of_entry_columns_keeps_its_order(columns: int) -> None:
    rng = np.random.default_rng(columns)
    names = [f"signal_s{k}_{'buy' if k % 3 else 'sell'}" for k in range(columns)]
    frame = pd.DataFrame({name: rng.random(len(CANDLES)) < 0.01 for name in names}, index=CANDLES.index)
    frame[names[-1]] = True
    entry = Signals.check(frame, CANDLES).entry
    for i in range(len(CANDLES)):
        k = next(k for k in range(columns) if frame.iloc[i, k])
        assert entry[i] == (k + 1 if names[k].endswith("_buy") else -(k + 1))


class Foreign:
    """A Series of another library."""

    __module__, __qualname__ = "polars.series", "Series"


Foreign.__name__ = "Series"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (Foreign(), "must be a Series or a one-dimensional array, not polars's Series"),
        (pd.Series(flags(0), CANDLES.index).shift(1), "must be boolean, but 1 of its values are empty, the first in row 0"),
        (pd.Series(flags(0), CANDLES.index, dtype=object), r"must be boolean, not objects that are; .astype\(bool\)"),
        (np.ma.masked_array(flags(0), mask=flags(2)), "must be boolean, but 1 of its values are empty, the first in row 2"),
        (pd.Series(["True"] * 6, CANDLES.index), r"must be boolean, not 'True' \(str\) as in row 0"),
        (pd.array([1.0] * 6, dtype="Float64").to_numpy(), "must be boolean, not float64; a comparison gives one"),
    ],
    ids=["another library", "shifted", "objects", "masked", "text", "numbers"],
)  # fmt: skip
def test_what_is_no_column_of_booleans_is_told_apart_from_what_is_wanted(column: Any, words: str) -> None:
    with pytest.raises(RunError, match=words):
        Signals.check({"signal_a_buy": column}, CANDLES)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(flags(0), CANDLES.index).astype("boolean"),
        np.ma.masked_array(flags(0), mask=[False] * 6),
        pd.Series(flags(0), CANDLES.index).astype("bool[pyarrow]"),
    ],
    ids=["nullable", "masked nowhere", "arrow"],
)
def test_booleans_of_any_kind_count_when_none_is_empty(column: Any) -> None:
    assert Signals.check({"signal_a_buy": column}, CANDLES).raw["signal_a_buy"].tolist() == flags(0)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (np.array(["101.5"] * 6, dtype=object), r"must hold numbers, not '101.5' \(str\) as in row 0"),
        (np.array([1 + 2j] * 6), "must hold numbers, not complex128"),
        (np.array(["2024-01-01"] * 6, dtype="datetime64[D]"), r"must hold numbers, not datetime64\[D\]"),
        (np.array(flags(0)), "must hold prices, not bool"),
    ],
    ids=["text in objects", "complex", "times", "booleans"],
)
def test_what_is_no_price_is_refused_and_never_converted(column: Any, words: str) -> None:
    with pytest.raises(RunError, match=words):
        Signals.check({"signal_a_buy": np.array(flags(0)), "stop_loss": column}, CANDLES)


def test_an_empty_price_is_none_in_whatever_way_it_is_empty() -> None:
    for column in (
        pd.Series([1.0, None, 3.0, 4.0, 5.0, 6.0], CANDLES.index, dtype="Float64"),
        np.ma.masked_array([1.0, 9.0, 3.0, 4.0, 5.0, 6.0], mask=[False, True] + [False] * 4),
        np.array([1.0, None, 3, 4.0, 5.0, 6.0], dtype=object),
    ):
        found = Signals.check({"signal_a_buy": np.array(flags(0)), "stop_loss": column}, CANDLES)
        np.testing.assert_array_equal(found.stop_loss, [1.0, np.nan, 3.0, 4.0, 5.0, 6.0])
