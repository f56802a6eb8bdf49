"""Every indicator against an independent formula in plain numpy, and at its edges."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from engine import indicators as ta
from engine.model.market import DAY_MS, HOUR_MS, Candles
from tests.support.builders import START_MS, random_candles

Floats = npt.NDArray[np.float64]
NAN = math.nan
CANDLES = random_candles(300, 8)
FRAME = CANDLES.frame()
OPEN, HIGH, LOW, CLOSE, VOLUME = (FRAME[name] for name in ("open", "high", "low", "close", "volume"))


def same(found: pd.Series, expected: Any) -> None:
    assert found.index.equals(FRAME.index)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.to_numpy(), np.asarray(expected, dtype=float), rtol=1e-9, atol=1e-9)


# -- the formulas, written down once more


def windows(values: Floats, length: int, of: Callable[[Floats], Any]) -> Floats:
    return np.array(
        [of(values[i + 1 - length : i + 1]) if i + 1 >= length else NAN for i in range(len(values))]
    )


def recursive(values: Floats, length: int, alpha: float) -> Floats:
    """value = alpha x new + (1 - alpha) x before, seeded with the mean of the first `length` numbers."""
    out = np.full(len(values), NAN)
    start = int(np.flatnonzero(~np.isnan(values))[0]) + length - 1
    out[start] = values[start + 1 - length : start + 1].mean()
    for i in range(start + 1, len(values)):
        out[i] = alpha * values[i] + (1 - alpha) * out[i - 1]
    return out


def exponential(values: Floats, length: int) -> Floats:
    return recursive(values, length, 2 / (length + 1))


def wilder(values: Floats, length: int) -> Floats:
    return recursive(values, length, 1 / length)


def true_range() -> Floats:
    before = np.concatenate(([NAN], CANDLES.close[:-1]))
    return np.maximum(CANDLES.high, before) - np.minimum(CANDLES.low, before)


def strength(length: int) -> Floats:
    change = np.concatenate(([NAN], np.diff(CANDLES.close)))
    up, down = wilder(np.maximum(change, 0), length), wilder(np.maximum(-change, 0), length)
    return 100 * up / (up + down)


def bands_and_trend(length: int, multiplier: float) -> tuple[Floats, Floats]:
    """SuperTrend, candle by candle: bands only tighten while the trend holds; a close beyond one turns it."""
    atr = wilder(true_range(), length)
    middle = (CANDLES.high + CANDLES.low) / 2
    upper, lower = middle + multiplier * atr, middle - multiplier * atr
    line, direction = np.full(len(atr), NAN), np.full(len(atr), NAN)
    trend = 1.0
    for i in range(length, len(atr)):
        if i > length:
            if CANDLES.close[i] > upper[i - 1]:
                trend = 1.0
            elif CANDLES.close[i] < lower[i - 1]:
                trend = -1.0
            elif trend > 0:
                lower[i] = max(lower[i], lower[i - 1])
            else:
                upper[i] = min(upper[i], upper[i - 1])
        line[i], direction[i] = (lower[i] if trend > 0 else upper[i]), trend
    return line, direction


# -- golden


@pytest.mark.parametrize("length", [1, 2, 21])
def test_moving_averages(length: int) -> None:
    same(ta.sma(CLOSE, length), windows(CANDLES.close, length, np.mean))
    same(ta.ema(CLOSE, length), exponential(CANDLES.close, length))


def test_atr_is_wilders_average_of_the_true_range() -> None:
    found = ta.atr(HIGH, LOW, CLOSE, 14)
    same(found, wilder(true_range(), 14))
    assert found.first_valid_index() == FRAME.index[14]


def test_rsi() -> None:
    found = ta.rsi(CLOSE, 14)
    same(found, strength(14))
    assert found.first_valid_index() == FRAME.index[14]


def test_macd() -> None:
    found = ta.macd(CLOSE, 12, 26, 9)
    line = exponential(CANDLES.close, 12) - exponential(CANDLES.close, 26)
    signal = exponential(line, 9)
    assert list(found) == ["macd", "macd_signal", "macd_histogram"]
    same(found["macd"], line)
    same(found["macd_signal"], signal)
    same(found["macd_histogram"], line - signal)


def test_bollinger_uses_the_population_deviation() -> None:
    found = ta.bollinger(CLOSE, 20, 2.5)
    middle, deviation = windows(CANDLES.close, 20, np.mean), windows(CANDLES.close, 20, np.std)
    same(found["bb_middle"], middle)
    same(found["bb_lower"], middle - 2.5 * deviation)
    same(found["bb_upper"], middle + 2.5 * deviation)


@pytest.mark.parametrize(("length", "multiplier"), [(12, 3.0), (5, 1.0), (10, 0.5)])
def test_supertrend_line_and_direction_without_the_false_up_of_its_warm_up(
    length: int, multiplier: float
) -> None:
    found = pd.DataFrame(ta.supertrend(HIGH, LOW, CLOSE, length, multiplier))
    line, direction = bands_and_trend(length, multiplier)
    same(found["supertrend"], line)
    same(found["supertrend_direction"], direction)
    assert found.notna().all(axis=1).to_numpy().argmax() == length
    assert set(found["supertrend_direction"].dropna()) == {1.0, -1.0}


def test_stochastic_rsi() -> None:
    found = ta.stochastic_rsi(CLOSE, rsi_length=14, length=10, k=3, d=4)
    rsi = strength(14)
    low, high = windows(rsi, 10, np.min), windows(rsi, 10, np.max)
    k = windows(100 * (rsi - low) / (high - low), 3, np.mean)
    same(found["stoch_k"], k)
    same(found["stoch_d"], windows(k, 4, np.mean))
    assert 0 <= found["stoch_k"].min() < 5
    assert 95 < found["stoch_k"].max() <= 100 + 1e-9


def test_donchian_includes_this_candle() -> None:
    found = ta.donchian(HIGH, LOW, 20)
    same(found["donchian_upper"], windows(CANDLES.high, 20, np.max))
    same(found["donchian_lower"], windows(CANDLES.low, 20, np.min))


def test_daily_vwap_restarts_at_midnight_utc() -> None:
    found = ta.daily_vwap(HIGH, LOW, CLOSE, VOLUME)
    expected, money, traded, day = [], 0.0, 0.0, -1
    for i, time in enumerate(CANDLES.timestamp):
        if time // DAY_MS != day:
            money, traded, day = 0.0, 0.0, time // DAY_MS
        money += (CANDLES.high[i] + CANDLES.low[i] + CANDLES.close[i]) / 3 * CANDLES.volume[i]
        traded += CANDLES.volume[i]
        expected.append(money / traded)
    same(found, expected)


def test_daily_vwap_means_the_utc_day_whatever_the_zone_of_the_index() -> None:
    expected = ta.daily_vwap(HIGH, LOW, CLOSE, VOLUME).to_numpy()
    for frame in (FRAME.tz_localize(None), FRAME.tz_convert("Asia/Tokyo")):
        columns = (frame[name] for name in ("high", "low", "close", "volume"))
        np.testing.assert_array_equal(ta.daily_vwap(*columns).to_numpy(), expected)


def test_daily_vwap_is_unknown_until_the_day_has_traded() -> None:
    rows = [
        (START_MS + i * HOUR_MS, 10.0, 12.0, 8.0, 10.0 + i, volume)
        for i, volume in enumerate((0.0, 0.0, 5.0, 0.0))
    ]
    frame = Candles.from_rows(rows).frame()
    found = ta.daily_vwap(frame["high"], frame["low"], frame["close"], frame["volume"])
    assert found.isna().tolist() == [True, True, False, False]
    assert found.iloc[2] == found.iloc[3] == pytest.approx((12 + 8 + 12) / 3)


# -- edges


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
    "daily_vwap": lambda f: ta.daily_vwap(f["high"], f["low"], f["close"], f["volume"]),
}
every = pytest.mark.parametrize("name", EVERY)


@every
@pytest.mark.parametrize("n", [1, 2, 13, 14, 15])
def test_too_few_candles_give_nothing_but_the_right_shape(name: str, n: int) -> None:
    found = pd.DataFrame(EVERY[name](FRAME.head(n)))
    assert found.index.equals(FRAME.index[:n])
    assert (found.dtypes == np.float64).all()
    assert list(found) == list(pd.DataFrame(EVERY[name](FRAME)))


@every
def test_a_value_never_depends_on_later_candles(name: str) -> None:
    whole = pd.DataFrame(EVERY[name](FRAME))
    for cut in (30, 77, 150, 299):
        part = pd.DataFrame(EVERY[name](FRAME.head(cut)))
        np.testing.assert_array_equal(part.to_numpy(), whole.head(cut).to_numpy())


@every
def test_a_market_that_stands_still_gives_numbers_or_nothing_and_no_warning(name: str) -> None:
    still = FRAME.assign(open=5.0, high=5.0, low=5.0, close=5.0)
    assert not np.isinf(pd.DataFrame(EVERY[name](still)).to_numpy()).any()


@every
def test_the_candles_are_left_as_they_were_and_no_warning_escapes(name: str) -> None:
    frame = FRAME.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also without the exceptions that the test configuration makes
        EVERY[name](frame)
    pd.testing.assert_frame_equal(frame, FRAME)


# -- crossings


def column(*values: float) -> pd.Series:
    return pd.Series(
        values, index=pd.date_range("2024-01-01", periods=len(values), freq="h", tz="UTC"), dtype=float
    )


def test_a_crossing_is_the_candle_that_stands_beyond_after_one_that_did_not() -> None:
    one, other = column(1, 2, 3, 3, 1, 1, NAN, 5, 5), column(2, 2, 2, 3, 3, 1, 1, 1, NAN)
    above, below = ta.crossed_above(one, other), ta.crossed_below(one, other)
    assert np.flatnonzero(above).tolist() == [2]
    assert np.flatnonzero(below).tolist() == [4]
    pd.testing.assert_series_equal(above, (one > other) & (one.shift(1) <= other.shift(1)))
    pd.testing.assert_series_equal(below, (one < other) & (one.shift(1) >= other.shift(1)))


def test_a_number_is_a_level_to_cross_from_either_side() -> None:
    values = column(20, 31, 30, 29, 35)
    assert np.flatnonzero(ta.crossed_above(values, 30)).tolist() == [1, 4]
    assert np.flatnonzero(ta.crossed_below(values, 30)).tolist() == [3]
    assert np.flatnonzero(ta.crossed_above(30, values)).tolist() == [3]
    with pytest.raises(ValueError, match="one of the two must be a column"):
        ta.crossed_above(1, 2)


def test_columns_of_different_candles_are_refused() -> None:
    with pytest.raises(ValueError, match="must share one index"):
        ta.crossed_above(CLOSE, CLOSE.iloc[1:])
    with pytest.raises(ValueError, match="must share one index"):
        ta.atr(HIGH, LOW.iloc[1:], CLOSE)


@pytest.mark.parametrize("length", [0, -1, 2.5, True])
def test_a_length_that_is_none_is_refused_instead_of_replaced_by_a_default(length: Any) -> None:
    with pytest.raises(ValueError, match="a length must be a whole number of at least 1"):
        ta.ema(CLOSE, length)


def test_averages_of_a_market_that_stands_still_are_its_price_to_the_last_bit() -> None:
    for price in (0.1, 1e-6 / 3, 70_000.1):
        still = column(*[price] * 60)
        for average in (ta.sma(still, 7), ta.ema(still, 7), ta.bollinger(still, 7)["bb_lower"]):
            assert set(average.dropna()) == {price}


def test_a_hole_in_a_column_is_bridged_as_pandas_does() -> None:
    holed = CLOSE.copy()
    holed.iloc[40:45] = NAN
    seeded = holed.copy()
    seeded.iloc[:9] = NAN
    seeded.iloc[9] = holed.iloc[:10].mean()
    same(ta.ema(holed, 10), seeded.ewm(span=10, adjust=False).mean())
