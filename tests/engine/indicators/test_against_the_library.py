"""The compiled indicators give pandas-ta-classic's values: on real markets, and on whatever Hypothesis thinks of."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine import indicators as ours
from engine.model.market import Candles
from tests.support.builders import START_MS, real_candles

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas_ta_classic as theirs

FILES = (
    pytest.param("spot-BTCUSDT-1h-20180101-20260516", marks=pytest.mark.long),
    "spot-SHIBUSDT-1h-20210510-20210630",
    "usdm-BTCUSDT-1h-20231201-20241204",
    "usdm-SOLUSDT-1h-20231201-20241204",
    pytest.param("usdm-SOLUSDT-1m-20250504-20250603", marks=pytest.mark.long),
)
Pair = tuple[Callable[..., Any], Callable[..., Any]]


def picked(table: pd.DataFrame | None, places: tuple[int, ...], like: pd.DataFrame) -> pd.DataFrame:
    """The library's columns at these places; None is its answer to too few candles."""
    return pd.DataFrame(index=like.index, columns=places) if table is None else table.iloc[:, list(places)]


def masked(table: pd.DataFrame, f: pd.DataFrame, length: int) -> pd.DataFrame:
    """Without the "up" that the library says before its average true range knows anything."""
    average = theirs.atr(f.high, f.low, f.close, length)
    return table.where(average.notna(), np.nan) if average is not None else table * np.nan


def same_window(f: pd.DataFrame, length: int) -> pd.DataFrame:
    return pd.DataFrame({"low": f.low.rolling(length).min(), "high": f.high.rolling(length).max()})


PAIRS: dict[str, Pair] = {
    "sma": (lambda f, n: ours.sma(f.close, n), lambda f, n: theirs.sma(f.close, n)),
    "ema": (lambda f, n: ours.ema(f.close, n), lambda f, n: theirs.ema(f.close, n)),
    "rsi": (lambda f, n: ours.rsi(f.close, n), lambda f, n: theirs.rsi(f.close, n)),
    "atr": (
        lambda f, n: ours.atr(f.high, f.low, f.close, n),
        lambda f, n: theirs.atr(f.high, f.low, f.close, n),
    ),
    "macd": (
        lambda f, n: ours.macd(f.close, n, 2 * n, n // 2 + 1),
        lambda f, n: picked(theirs.macd(f.close, n, 2 * n, n // 2 + 1), (0, 2, 1), f),
    ),
    "bollinger": (
        lambda f, n: ours.bollinger(f.close, n + 1, 2.5),
        lambda f, n: picked(theirs.bbands(f.close, n + 1, 2.5), (0, 1, 2), f),
    ),
    "supertrend": (
        lambda f, n: ours.supertrend(f.high, f.low, f.close, n, 1 + n / 10),
        lambda f, n: masked(picked(theirs.supertrend(f.high, f.low, f.close, n, 1 + n / 10), (0, 1), f), f, n),
    ),
    "stochastic_rsi": (
        lambda f, n: ours.stochastic_rsi(f.close, n, n + 1, n // 4 + 1, 3),
        lambda f, n: picked(theirs.stochrsi(f.close, n + 1, n, n // 4 + 1, 3), (0, 1), f),
    ),
    "donchian": (lambda f, n: ours.donchian(f.high, f.low, n), same_window),
}  # fmt: skip
every = pytest.mark.parametrize("name", PAIRS)


def assert_same(name: str, pair: Pair, frame: pd.DataFrame, length: int, scale: float) -> None:
    """Equal within 1e-9 of the value; what is a difference of prices, within 1e-9 of the price, for it may be nearly 0."""
    mine, other = pair
    found, expected = pd.DataFrame(mine(frame, length)), other(frame, length)
    expected = pd.DataFrame(np.nan, frame.index, list(found)) if expected is None else pd.DataFrame(expected)
    np.testing.assert_allclose(
        found.to_numpy(),
        expected.to_numpy(dtype=float),
        rtol=1e-9,
        atol=1e-9 * scale,
        err_msg=f"{name} {length}",
    )


@every
@pytest.mark.parametrize("file", FILES)
def test_on_real_markets(name: str, file: str) -> None:
    frame = real_candles(file).frame()
    near_zero = {"macd": float(frame["close"].median()), "stochastic_rsi": 1.0}
    for length in (2, 5, 14, 21, 100):
        assert_same(name, PAIRS[name], frame, length, near_zero.get(name, 0.0))


@st.composite
def markets(draw: st.DrawFn) -> pd.DataFrame:
    """Up to 120 candles with jumps, flat stretches and candles without range, at prices from 1e-6 to 1e6."""
    n = draw(st.integers(1, 120))
    steps = st.sampled_from([0.0, 0.0, 0.0, 0.01, -0.01, 0.002, -0.03, 0.3, -0.2])
    moves = draw(arrays.arrays(np.float64, n, elements=steps))
    wicks = draw(arrays.arrays(np.float64, (2, n), elements=st.sampled_from([0.0, 0.0, 0.001, 0.05])))
    close = draw(st.sampled_from([1e-6, 0.1, 100.0, 3e5])) * np.exp(moves.cumsum())
    opened = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opened, close) * (1 + wicks[0]), np.minimum(opened, close) * (1 - wicks[1])
    timestamp = START_MS + np.arange(n, dtype=np.int64) * 3_600_000
    return Candles(timestamp, opened, high, low, close, np.ones(n)).frame()


def place_in_range(f: pd.DataFrame, n: int) -> pd.DataFrame | None:
    """The library's Stochastic RSI, but 0 where its RSI only moves by rounding: there the library shows noise."""
    rsi = theirs.rsi(f.close, n)
    if rsi is None or len(f) < n + 1:
        return None
    low, high = rsi.rolling(n + 1).min(), rsi.rolling(n + 1).max()
    place = (100 * (rsi - low) / (high - low)).where(high - low > 1e-9, 0.0 * (high - low))
    k = place.rolling(n // 4 + 1).mean()
    return pd.DataFrame({"k": k, "d": k.rolling(3).mean()})


@pytest.mark.long_except("ema", "bollinger", "supertrend")
@every
@given(frame=markets(), length=st.integers(1, 40))
def test_on_any_market(name: str, frame: pd.DataFrame, length: int) -> None:
    scale = 100.0 if name in ("rsi", "stochastic_rsi") else float(frame["close"].max())
    mine, other = PAIRS[name]
    assert_same(name, (mine, place_in_range if name == "stochastic_rsi" else other), frame, length, scale)
