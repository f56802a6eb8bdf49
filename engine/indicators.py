"""Indicators for strategies: thin wrappers over pandas-ta-classic with our names, and a daily VWAP.

Every function takes columns of the candles (float Series on one index) and returns float64 on that same index. Where there
is too little history the value is NaN, never a guess; with too few candles the whole column is NaN.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd


@contextmanager
def _library() -> Iterator[ModuleType]:
    """pandas-ta-classic, with its own uses of calls that pandas 4 will drop kept quiet (and nothing else)."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=pd.errors.Pandas4Warning, module=r"pandas_ta_classic(\..*)?"
        )
        import pandas_ta_classic

        yield pandas_ta_classic


def _column(values: Any, like: pd.Series[float], name: str) -> pd.Series[float]:
    """`values` (None: too little data) as a named column on the index of `like`."""
    if values is None:
        return pd.Series(np.nan, index=like.index, name=name, dtype=np.float64)
    return pd.Series(values.to_numpy(dtype=np.float64), index=like.index, name=name)


def _columns(table: Any, like: pd.Series[float], picks: Sequence[tuple[str, int]]) -> pd.DataFrame:
    """Our names for the library's columns, picked by position: its own names carry the parameters."""
    return pd.DataFrame(
        {name: _column(None if table is None else table.iloc[:, at], like, name) for name, at in picks}
    )


def sma(close: pd.Series[float], length: int) -> pd.Series[float]:
    """Simple moving average; first value at candle `length` - 1."""
    with _library() as ta:
        return _column(ta.sma(close, length), close, "sma")


def ema(close: pd.Series[float], length: int) -> pd.Series[float]:
    """Exponential moving average, alpha = 2 / (length + 1), seeded with the mean of the first `length` values."""
    with _library() as ta:
        return _column(ta.ema(close, length), close, "ema")


def rsi(close: pd.Series[float], length: int = 14) -> pd.Series[float]:
    """Wilder's relative strength index, 0..100; NaN while nothing has moved."""
    with _library() as ta:
        return _column(ta.rsi(close, length), close, "rsi")


def macd(close: pd.Series[float], fast: int = 12, slow: int = 26, signal: int = 9) -> pd.DataFrame:
    """Columns macd (fast EMA - slow EMA), macd_signal (EMA of it), macd_histogram (their difference)."""
    with _library() as ta:
        table = ta.macd(close, fast, slow, signal)
    return _columns(table, close, (("macd", 0), ("macd_signal", 2), ("macd_histogram", 1)))


def bollinger(close: pd.Series[float], length: int = 20, width: float = 2.0) -> pd.DataFrame:
    """Columns bb_lower, bb_middle (SMA), bb_upper: `width` population standard deviations around the mean."""
    with _library() as ta:
        table = ta.bbands(close, length, width)
    return _columns(table, close, (("bb_lower", 0), ("bb_middle", 1), ("bb_upper", 2)))


def atr(
    high: pd.Series[float], low: pd.Series[float], close: pd.Series[float], length: int = 14
) -> pd.Series[float]:
    """Wilder's average true range; first value at candle `length`."""
    with _library() as ta:
        return _column(ta.atr(high, low, close, length), close, "atr")


def supertrend(
    high: pd.Series[float],
    low: pd.Series[float],
    close: pd.Series[float],
    length: int = 12,
    multiplier: float = 3.0,
) -> pd.DataFrame:
    """Columns supertrend (the line) and supertrend_direction (+1 up, -1 down); both NaN while the ATR is.

    The library says "up" from the first candle on, before it knows anything: that warm-up is masked here.
    """
    with _library() as ta:
        table = ta.supertrend(high, low, close, length, multiplier)
    lines = _columns(table, close, (("supertrend", 0), ("supertrend_direction", 1)))
    return lines.where(atr(high, low, close, length).notna())


def stochastic_rsi(
    close: pd.Series[float], rsi_length: int = 14, length: int = 14, k: int = 3, d: int = 3
) -> pd.DataFrame:
    """Columns stoch_k and stoch_d, 0..100: where the RSI lies in its range of the last `length` candles, smoothed."""
    with _library() as ta:
        table = ta.stochrsi(close, length=length, rsi_length=rsi_length, k=k, d=d)
    return _columns(table, close, (("stoch_k", 0), ("stoch_d", 1)))


def donchian(high: pd.Series[float], low: pd.Series[float], length: int = 20) -> pd.DataFrame:
    """Columns donchian_lower, donchian_upper: lowest low and highest high of the last `length` candles, this included."""
    return pd.DataFrame(
        {
            "donchian_lower": low.rolling(length).min(),
            "donchian_upper": high.rolling(length).max(),
        }
    )


def daily_vwap(
    high: pd.Series[float], low: pd.Series[float], close: pd.Series[float], volume: pd.Series[float]
) -> pd.Series[float]:
    """Volume-weighted mean of (high + low + close) / 3 since 00:00 UTC; NaN until the day has traded.

    The index must be times; a day is a UTC day. A day that begins in the middle of the data is anchored at its first candle.
    """
    times = pd.DatetimeIndex(close.index)
    day = (times if times.tz is None else times.tz_convert("UTC").tz_localize(None)).floor("D")
    traded = volume.groupby(day).cumsum()
    money = ((high + low + close) / 3 * volume).groupby(day).cumsum()
    return (money / traded.where(traded > 0)).rename("vwap")
