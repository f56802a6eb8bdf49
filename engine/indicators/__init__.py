"""Indicators for strategies: compiled columns under plain names, equal to pandas-ta-classic's, and a daily VWAP.

Every function takes columns of the candles (float Series on one index) and returns float64 on that same index. Where there
is too little history the value is NaN, never a guess; with too few candles the whole column is NaN. A length that is not a
whole number of at least 1 raises ValueError. Results may lie on shared read-only memory: pandas copies before it changes
them, `.values` cannot be written.

Given numpy arrays, as a strategy with `arrays = True` has them, the functions answer in read-only arrays: a column as one,
several as a dict of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.indicators.memory import Memory, current, remembered
from engine.model.columns import Columns, kind_of

__all__ = [
    "Memory",
    "atr",
    "bollinger",
    "crossed_above",
    "crossed_below",
    "daily_vwap",
    "donchian",
    "ema",
    "macd",
    "once",
    "remembered",
    "rsi",
    "sma",
    "stochastic_rsi",
    "supertrend",
]

Array = npt.NDArray[Any]
# a Series, or an array: what goes in as one comes out as the same
Column = TypeVar("Column", "pd.Series[Any]", Array)


def sma(close: Column, length: int) -> Column:
    """Simple moving average; first value at candle `length` - 1."""
    return _series("sma", (close,), _whole(length))


def ema(close: Column, length: int) -> Column:
    """Exponential moving average, alpha = 2 / (length + 1), seeded with the mean of the first `length` values."""
    return _series("ema", (close,), _whole(length))


def rsi(close: Column, length: int = 14) -> Column:
    """Wilder's relative strength index, 0..100; NaN while nothing has moved."""
    return _series("rsi", (close,), _whole(length))


def macd(close: Column, fast: int = 12, slow: int = 26, signal: int = 9) -> Columns:
    """Columns macd (fast EMA - slow EMA), macd_signal (EMA of it), macd_histogram (their difference)."""
    names = ("macd", "macd_signal", "macd_histogram")
    return _frame("macd", names, (close,), _whole(fast), _whole(slow), _whole(signal))


def bollinger(close: Column, length: int = 20, width: float = 2.0) -> Columns:
    """Columns bb_lower, bb_middle (SMA), bb_upper: `width` population standard deviations around the mean."""
    names = ("bb_lower", "bb_middle", "bb_upper")
    return _frame("bollinger", names, (close,), _whole(length), float(width))


def atr(high: Column, low: Column, close: Column, length: int = 14) -> Column:
    """Wilder's average true range; first value at candle `length`."""
    return _series("atr", (high, low, close), _whole(length))


def supertrend(
    high: Column,
    low: Column,
    close: Column,
    length: int = 12,
    multiplier: float = 3.0,
) -> Columns:
    """Columns supertrend (the line) and supertrend_direction (+1 up, -1 down); both NaN while the ATR is.

    pandas-ta-classic says "up" from the first candle on, before it knows anything: that warm-up is masked here.
    """
    names = ("supertrend", "supertrend_direction")
    return _frame("supertrend", names, (high, low, close), _whole(length), float(multiplier))


def stochastic_rsi(close: Column, rsi_length: int = 14, length: int = 14, k: int = 3, d: int = 3) -> Columns:
    """Columns stoch_k and stoch_d, 0..100: where the RSI lies in its range of the last `length` candles, smoothed.

    0 where the RSI has no range: pandas-ta-classic shows rounding noise, 0 to 100, while a market stands still.
    """
    lengths = map(_whole, (rsi_length, length, k, d))
    return _frame("stochastic_rsi", ("stoch_k", "stoch_d"), (close,), *lengths)


def donchian(high: Column, low: Column, length: int = 20) -> Columns:
    """Columns donchian_lower, donchian_upper: lowest low and highest high of the last `length` candles, this included."""
    return _frame("donchian", ("donchian_lower", "donchian_upper"), (high, low), _whole(length))


def daily_vwap(
    high: Column, low: Column, close: Column, volume: Column, times: pd.Series[Any] | Array | None = None
) -> Column:
    """Volume-weighted mean of (high + low + close) / 3 since 00:00 UTC; NaN until the day has traded.

    The index of Series must be times; arrays need `times`, int64 (n,): `candles["timestamp"]`. A day is a UTC day; one that
    begins in the middle of the data is anchored at its first candle.
    """
    return _series("vwap", (high, low, close, volume), times=_open_times(high, times))


def crossed_above(one: Column | float, other: Column | float) -> Column:
    """True on the candles where `one` is above `other` and was not on the candle before. A number is a level.

    False on the first candle and where a value is NaN.
    """
    columns = [side for side in (one, other) if isinstance(side, pd.Series | np.ndarray)]
    if not columns:
        raise ValueError("one of the two must be a column")
    index = _common_index(columns)
    sides = [
        _floats(side) if isinstance(side, pd.Series | np.ndarray) else np.full(len(columns[0]), float(side))
        for side in (one, other)
    ]
    from engine.indicators import loops

    found: Any = loops.crossed_above(*sides)
    if index is not None:
        found = pd.Series(found, index=index, copy=False)
    answer: Column = found
    return answer


def crossed_below(one: Column | float, other: Column | float) -> Column:
    """True on the candles where `one` is below `other` and was not on the candle before; see `crossed_above`."""
    return crossed_above(other, one)


def once(compute: Callable[..., Any], *inputs: Any) -> Any:
    """What `compute` makes of columns and numbers, a column or a dict of columns; while many parameters are tried, it is
    computed once for each set of inputs: `rises = once(_rises, candles["open"], candles["close"])`.

    Nothing but the inputs may decide, chance neither. The answer is shared and read-only. Raises ValueError for a function
    that holds more than its arguments (a method, variables of another function, defaults), and for an answer of other kinds.
    """
    columns = [given for given in inputs if isinstance(given, pd.Series | np.ndarray)]
    if not columns:
        raise ValueError("once() takes a function, and the columns that it is to be given")
    index, memory, own = _common_index(columns), current(), _own_code(compute)
    key = _once_key(memory, own, inputs, index) if memory else None
    if memory and key and (found := memory.recall(key)) is not None:
        return found
    answer = compute(*inputs)
    shared = {
        name: _shared(column, len(columns[0]), index)
        for name, column in (answer if isinstance(answer, dict) else {"": answer}).items()
    }
    result = shared if isinstance(answer, dict) else shared[""]
    if not memory or not key:
        return result
    return memory.keep(key, result, [np.asarray(column) for column in shared.values()])


# -- from columns to arrays and back


def _own_code(compute: Callable[..., Any]) -> tuple[Any, ...]:
    """What stands for a function of which nothing but its arguments decides what it answers."""
    code = getattr(compute, "__code__", None)
    bound = ("__self__", "__closure__", "__defaults__", "__kwdefaults__")
    if code is None or any(getattr(compute, name, None) is not None for name in bound):
        raise ValueError(
            "once() takes a plain function, without variables of another function and without defaults: "
            "give it what it needs as arguments"
        )
    return code, id(getattr(compute, "__globals__", None))


def _once_key(memory: Memory, own: Any, inputs: Sequence[Any], index: pd.Index[Any] | None) -> Any:
    """Under what the answer is remembered; None where a column is not known to be what it was."""
    arrays, kinds = list[Array](), list[Any]()
    for given in inputs:
        if isinstance(given, pd.Series | np.ndarray):
            arrays.append(given if isinstance(given, np.ndarray) else given.to_numpy())
            if not arrays[-1].flags.c_contiguous:
                return None
            kinds.append(arrays[-1].dtype)
        elif isinstance(given, int | float | str):
            kinds.append((type(given), given))
        else:
            return None
    return memory.key((own, tuple(kinds)), arrays, (), index)


def _shared(column: Any, length: int, index: pd.Index[Any] | None) -> Any:
    """A column of an answer on read-only memory of its own; raises ValueError for what is none."""
    wanted: Any = np.ndarray if index is None else pd.Series
    is_column = (
        isinstance(column, wanted) and column.shape == (length,) and isinstance(column.dtype, np.dtype)
    )
    if not is_column or column.dtype.kind not in "biuf":
        kind = "an array" if index is None else "a Series"
        raise ValueError(
            f"once() takes {kind} of {length:,} numbers or flags, or a dict of such, not {kind_of(column)}"
        )
    values = _frozen(np.array(column))
    return values if index is None else pd.Series(values, index=index, name=column.name, copy=False)


def _series(loop: str, inputs: Sequence[Column], *numbers: float, times: Array | None = None) -> Column:
    def build(columns: Sequence[Array], index: pd.Index[Any] | None) -> Any:
        return columns[0] if index is None else pd.Series(columns[0], index=index, name=loop, copy=False)

    column: Column = _computed(loop, build, inputs, numbers, times)
    return column


def _frame(loop: str, names: Sequence[str], inputs: Sequence[Any], *numbers: float) -> Columns:
    def build(columns: Sequence[Array], index: pd.Index[Any] | None) -> Any:
        named = dict(zip(names, columns, strict=True))
        return named if index is None else pd.DataFrame(named, index=index, copy=False)

    table: Columns = _computed(loop, build, inputs, numbers)
    return table


def _computed(
    loop: str,
    build: Callable[[Sequence[Array], pd.Index[Any] | None], Any],
    inputs: Sequence[Any],
    numbers: tuple[float, ...],
    times: Array | None = None,
) -> Any:
    """What the loop of that name makes of the columns and numbers, where it asks for them after the open times of candles;
    remembered where the caller asked for that. Series have their times with their index.
    """
    index = _common_index(inputs)
    arrays = [_floats(column) for column in inputs]
    timed = arrays if times is None else [times, *arrays]
    memory = current()
    key = memory.key(loop, arrays if index is not None else timed, numbers, index) if memory else None
    if memory and key and (found := memory.recall(key)) is not None:
        return found
    from engine.indicators import loops  # numba takes half a second to import: only who computes pays

    columns = list(getattr(loops, loop)(*timed, *numbers))
    if not memory or not key:
        return build(columns if index is not None else [_frozen(column) for column in columns], index)
    # numpy lets anybody lift the protection of numba's memory, of its own it does not
    columns = [_frozen(column.copy()) for column in columns]
    return memory.keep(key, build(columns, index), columns)


def _common_index(inputs: Sequence[Any]) -> pd.Index[Any] | None:
    """The index of Series; None for arrays, which have none but must be of one length."""
    first = inputs[0]
    if len(inputs) == 1 and isinstance(first, np.ndarray) and first.ndim == 1:
        return None
    if any(isinstance(column, np.ndarray) for column in inputs):
        if any(not isinstance(column, np.ndarray) or column.shape != (len(first),) for column in inputs):
            raise ValueError(
                "the columns of an indicator must be arrays of one length, or Series all of them"
            )
        return None
    for column in inputs[1:]:
        if not column.index.is_(first.index) and not column.index.equals(first.index):
            raise ValueError("the columns of an indicator must share one index")
    index: pd.Index[Any] = first.index
    return index


def _floats(column: pd.Series[Any] | Array) -> Array:
    """The column as read-only, contiguous float64, without copying where it is that already."""
    if isinstance(column, np.ndarray):  # a view: the strategy's own array stays as it is
        return _frozen(np.ascontiguousarray(column, dtype=np.float64).view())
    return _frozen(np.ascontiguousarray(column.to_numpy(dtype=np.float64, na_value=np.nan)))


def _frozen(array: Array) -> Array:
    """The array, read-only for good: numba compiles a loop once for each kind of memory."""
    if not array.flags.writeable:
        return array
    array.flags.writeable = False
    return array.view()


def _open_times(column: Any, times: Any) -> Array:
    """Open times of candles (ms), read-only: those given beside arrays, of Series those of their index."""
    if not isinstance(column, np.ndarray):
        if times is not None:
            raise ValueError("the times of Series are those of their index: leave them out")
        return _frozen(pd.DatetimeIndex(column.index).as_unit("ms").asi8.view())
    if not isinstance(times, np.ndarray) or times.dtype != np.int64 or times.shape != column.shape:
        raise ValueError(
            'a daily VWAP of arrays needs their times: daily_vwap(high, low, close, volume, candles["timestamp"])'
        )
    return _frozen(np.ascontiguousarray(times).view())


def _whole(length: float) -> int:
    if isinstance(length, bool) or length != int(length) or length < 1:
        raise ValueError(f"a length must be a whole number of at least 1, not {length!r}")
    return int(length)
