"""Remembered indicators are the same indicators, whatever a strategy does to them, and take bounded memory."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import indicators as ta
from engine.backtest.frame import CandleFrame
from engine.indicators import Memory, remembered
from engine.model.market import HOUR_MS
from tests.support.builders import random_candles

FRAME = CandleFrame(random_candles(400, 5))


@pytest.fixture
def memory() -> Iterator[Memory]:
    with remembered(FRAME.table) as memory:
        yield memory


def times_of(candles: Any) -> Any:
    """Which arrays need beside their prices."""
    return candles["timestamp"] if isinstance(candles, dict) else None


EVERY: dict[str, Callable[[pd.DataFrame], Any]] = {
    "sma": lambda f: ta.sma(f["close"], 20),
    "ema": lambda f: ta.ema(f["close"], 20),
    "rsi": lambda f: ta.rsi(f["close"], 14),
    "macd": lambda f: ta.macd(f["close"]),
    "bollinger": lambda f: ta.bollinger(f["close"], 20),
    "atr": lambda f: ta.atr(f["high"], f["low"], f["close"], 14),
    "supertrend": lambda f: ta.supertrend(f["high"], f["low"], f["close"], 12),
    "stochastic_rsi": lambda f: ta.stochastic_rsi(f["close"]),
    "donchian": lambda f: ta.donchian(f["high"], f["low"], 20),
    "daily_vwap": lambda f: ta.daily_vwap(f["high"], f["low"], f["close"], f["volume"], times_of(f)),
    "chained": lambda f: ta.ema(ta.rsi(f["close"], 14), 5),
}
every = pytest.mark.parametrize("name", EVERY)


def lies_at(column: pd.Series) -> int:
    return int(column.to_numpy().__array_interface__["data"][0])


def table(answer: Any) -> pd.DataFrame:
    return pd.DataFrame(answer)


@every
def test_asked_twice_an_indicator_is_computed_once_and_equal(name: str) -> None:
    expected = table(EVERY[name](FRAME.copy()))
    with remembered(FRAME.table):
        one, two = (EVERY[name](FRAME.copy()) for _ in range(2))
    for found in (table(one), table(two)):
        pd.testing.assert_frame_equal(found, expected)
    first, second = (x if isinstance(x, pd.Series) else x.iloc[:, 0] for x in (one, two))
    assert lies_at(first) == lies_at(second)


def spoil_value(column: pd.Series) -> None:
    column.iloc[3:300] = 7.0


def spoil_in_place(column: pd.Series) -> None:
    column += 1
    column[column > 0] = -1.0
    np.add(column, 5.0, out=column)  # type: ignore[call-overload]


def spoil_index(column: pd.Series) -> None:
    column.index = pd.RangeIndex(len(column))


def spoil_name(column: pd.Series) -> None:
    column.name = "other"


@every
@pytest.mark.parametrize("spoil", [spoil_value, spoil_in_place, spoil_index, spoil_name])
def test_whoever_changes_a_remembered_result_changes_only_his_own(
    name: str, spoil: Callable[[pd.Series], None]
) -> None:
    expected = table(EVERY[name](FRAME.copy()))
    with remembered(FRAME.table):
        for _ in range(3):
            answer = EVERY[name](FRAME.copy())
            pd.testing.assert_frame_equal(table(answer), expected)
            if isinstance(answer, pd.DataFrame):
                answer.iloc[:, 0] = 3.0
                del answer[answer.columns[-1]]
            else:
                spoil(answer)


def test_a_changed_column_is_another_input(memory: Memory) -> None:
    candles = FRAME.copy()
    before = ta.ema(candles["close"], 5)
    candles.loc[candles.index[10], "close"] = 1.0
    changed = ta.ema(candles["close"], 5)
    assert changed.iloc[11] != before.iloc[11]
    result = ta.ema(before, 3)
    before.iloc[50] = 1e6
    assert ta.ema(before, 3).iloc[50] != result.iloc[50]


def test_what_is_shared_cannot_be_written_nor_made_writable(memory: Memory) -> None:
    average = ta.ema(FRAME.copy()["close"], 5)
    for array in (average.to_numpy(), average.array.to_numpy(), FRAME.copy()["close"].to_numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_the_same_values_under_other_times_are_another_input(memory: Memory) -> None:
    candles = FRAME.copy()
    ta.daily_vwap(candles["high"], candles["low"], candles["close"], candles["volume"])
    later = candles.set_axis(candles.index + pd.Timedelta(hours=5))
    found = ta.daily_vwap(later["high"], later["low"], later["close"], later["volume"])
    assert found.index.equals(later.index)
    pd.testing.assert_series_equal(found, outside(later))


def outside(candles: pd.DataFrame) -> pd.Series:
    """The same on a table that nothing is remembered of."""
    free = candles.copy()
    return ta.daily_vwap(free["high"], free["low"], free["close"], free["volume"])


def test_numbers_and_columns_are_told_apart(memory: Memory) -> None:
    candles = FRAME.copy()
    distinct = [ta.ema(candles["close"], 5), ta.ema(candles["close"], 6), ta.ema(candles["open"], 5)]
    distinct += [ta.sma(candles["close"], 5), ta.ema(candles["close"].iloc[:200], 5)]
    assert len({tuple(column.tail(100)) for column in distinct}) == 5
    assert distinct[-1].index.equals(candles.index[:200])


def test_a_table_that_can_be_written_is_not_remembered() -> None:
    mutable = random_candles(50, 1).frame()
    with remembered(mutable):
        one = ta.ema(mutable["close"], 5)
        assert lies_at(one) != lies_at(ta.ema(mutable["close"], 5))


def test_the_least_recently_used_is_forgotten_when_memory_is_full() -> None:
    column = len(FRAME) * 8
    close = FRAME.copy()["close"]
    with remembered(FRAME.table, max_bytes=3 * column) as memory:
        places = {n: lies_at(ta.ema(close, n)) for n in (2, 3, 4)}
        ta.ema(close, 2)  # used again, so 3 is the oldest
        kept = [ta.ema(close, n) for n in range(5, 7)]
        assert lies_at(ta.ema(close, 2)) == places[2]
        assert memory.bytes <= 3 * column
        assert kept[0].notna().any()


def test_what_was_forgotten_is_an_unknown_input_even_where_a_strategy_still_holds_it() -> None:
    close = FRAME.copy()["close"]
    with remembered(FRAME.table, max_bytes=2 * 8 * len(FRAME)):
        held = ta.ema(close, 2)
        for length in range(3, 9):
            ta.ema(close, length)
        one, two = ta.sma(held, 3), ta.sma(held, 3)
        assert lies_at(one) != lies_at(two), "its memory may be another's by now"


def test_results_of_a_forgotten_column_are_not_those_of_its_successor_in_memory() -> None:
    frame = CandleFrame(random_candles(40_000, 3))  # so long that a freed column's memory is the next one's
    close, rng = frame.copy()["close"], random.Random(1)

    def chained(wide: bool, length: int) -> Any:
        line = ta.macd(close, length, length + 9, 5)["macd"] if wide else ta.ema(close, length)
        return ta.rsi(line, 14)

    asked = [(rng.random() < 0.5, rng.randrange(2, 12)) for _ in range(200)]
    expected = {one: chained(*one) for one in asked}
    with remembered(frame.table, max_bytes=7 * 8 * len(frame)):
        for one in asked:
            np.testing.assert_array_equal(chained(*one).to_numpy(), expected[one].to_numpy())


@given(st.lists(st.tuples(st.sampled_from(sorted(EVERY)), st.booleans()), max_size=30))
def test_any_order_of_asking_spoiling_and_forgetting_gives_the_figures_of_no_memory(
    asked: list[tuple[str, bool]],
) -> None:
    with remembered(FRAME.table, max_bytes=6 * 8 * len(FRAME)):
        candles = FRAME.copy()
        for name, spoiled in asked:
            found = table(EVERY[name](candles))
            np.testing.assert_array_equal(found.to_numpy(), EXPECTED[name], err_msg=name)
            if spoiled:
                found.iloc[:, 0] = 0.0


EXPECTED = {name: table(of(FRAME.copy())).to_numpy() for name, of in EVERY.items()}


def test_outside_of_a_scope_nothing_is_remembered() -> None:
    with remembered(FRAME.table):
        pass
    close = FRAME.copy()["close"]
    one = ta.ema(close, 5)
    assert lies_at(one) != lies_at(ta.ema(close, 5))


ARRAYS: dict[str, Any] = dict(FRAME.arrays)
TIMED = ("high", "low", "close", "volume", "timestamp")


def of_arrays() -> Any:
    return dict(ARRAYS)


def as_table(answer: Any) -> np.ndarray:
    """The answer for arrays, columns side by side."""
    columns = answer.values() if isinstance(answer, dict) else [answer]
    return np.column_stack(list(columns))


@pytest.mark.parametrize("name", sorted(EVERY))
def test_arrays_give_the_figures_of_series_remembered_or_not(name: str) -> None:
    np.testing.assert_array_equal(as_table(EVERY[name](of_arrays())), EXPECTED[name])
    with remembered(FRAME.table):
        EVERY[name](FRAME.copy())  # what is remembered for Series is not handed to arrays
        for _ in range(2):
            found = EVERY[name](of_arrays())
            np.testing.assert_array_equal(as_table(found), EXPECTED[name])
            for column in found.values() if isinstance(found, dict) else [found]:
                with pytest.raises(ValueError, match="read-only"):
                    column[0] = 1


def test_indicators_of_arrays_are_remembered(memory: Memory) -> None:
    one, two = ta.ema(ARRAYS["close"], 5), ta.ema(ARRAYS["close"], 5)
    assert one is two
    assert ta.ema(one, 3) is ta.ema(two, 3)
    own = np.array(ARRAYS["close"])
    before = ta.ema(own, 5)
    own[7] = 1.0
    assert ta.ema(own, 5)[8] != before[8]
    assert own.flags.writeable


def test_arrays_and_series_do_not_mix() -> None:
    close = FRAME.copy()["close"]
    for mixed in ((ARRAYS["close"], close), (close, ARRAYS["close"]), (ARRAYS["close"], ARRAYS["open"][1:])):
        with pytest.raises(ValueError, match="arrays of one length, or Series all of them"):
            ta.crossed_above(*mixed)


def test_a_vwap_of_arrays_needs_their_times_and_one_of_series_has_them() -> None:
    high, low, close, volume, times = (ARRAYS[name] for name in TIMED)
    for wrong in (None, times[1:], times.astype(np.float64), times.astype("datetime64[ms]")):
        with pytest.raises(ValueError, match="needs their times"):
            ta.daily_vwap(high, low, close, volume, wrong)
    series = FRAME.copy()
    with pytest.raises(ValueError, match="those of their index"):
        ta.daily_vwap(series["high"], series["low"], series["close"], series["volume"], times)
    own = np.array(times)
    ta.daily_vwap(high, low, close, volume, own)
    assert own.flags.writeable


def test_a_vwap_of_arrays_is_remembered_for_its_times() -> None:
    high, low, close, volume, times = (ARRAYS[name] for name in TIMED)
    with FRAME.memory(2**20).used():
        one = ta.daily_vwap(high, low, close, volume, times)
        assert ta.daily_vwap(high, low, close, volume, times) is one
        later = ta.daily_vwap(high, low, close, volume, times + 7 * HOUR_MS)
        assert not np.array_equal(later, one, equal_nan=True)
