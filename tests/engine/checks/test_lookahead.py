"""The look-ahead check catches every known way to peep, passes what is honest, and never fails a run by itself."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import indicators as ta
from engine.data.exchanges.sample import aggregate
from engine.loader import load_strategy
from engine.model.market import Timeframe
from engine.strategy import Strategy
from tests.engine.checks.checking import (
    Column,
    checks_of,
    strategy_of,
)
from tests.support.builders import random_candles, real_candles
from tests.support.examples import examples
from tests.support.longer import READING

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas_ta_classic as library

pytestmark = pytest.mark.usefixtures("all_the_time_in_the_world")
STRATEGIES: Final = Path(__file__).parents[3] / "strategies"


def lookahead_of(column: Column, **changes: Any) -> dict[str, Any]:
    return checks_of(strategy_of(column), path=Path(__file__), **changes)["lookahead"]


# -- the catalogue


def day_of_the_candle(f: pd.DataFrame) -> pd.Series:
    """The whole day's close beside each of its hours: the usual slip of joining a longer timeframe."""
    return f["close"].resample("1D").last().reindex(f.index, method="ffill")


def ichimoku(f: pd.DataFrame) -> pd.DataFrame:
    found: pd.DataFrame = library.ichimoku(f["high"], f["low"], f["close"], as_dataframe=True)
    return found


def trend_line(f: pd.DataFrame) -> Any:
    hours = np.arange(len(f))
    return np.polyval(np.polyfit(hours, f["close"], 2), hours)


def nearest_low_to_come(f: pd.DataFrame) -> pd.Series:
    return f["low"][::-1].rolling(20, min_periods=1).min()[::-1]


def smoothed_by_spectrum(f: pd.DataFrame) -> Any:
    waves = np.fft.rfft(f["close"])
    waves[20:] = 0
    return np.fft.irfft(waves, len(f))


CHEATS: dict[str, Column] = {
    "shift(-1)": lambda f: f["close"].shift(-1),
    "the next open": lambda f: f["open"].shift(-1).fillna(f["close"]),
    "diff(-1)": lambda f: f["close"].diff(-1),
    "pct_change(-3)": lambda f: f["close"].pct_change(-3),
    "a centred mean": lambda f: f["close"].rolling(5, center=True).mean(),
    "a centred maximum": lambda f: f["high"].rolling(21, center=True, min_periods=1).max(),
    "ichimoku's chikou": lambda f: ichimoku(f)["ICS_26"],
    "dpo": lambda f: library.dpo(f["close"], 20),
    "scaled by minimum and maximum": lambda f: (
        (f["close"] - f["close"].min()) / (f["close"].max() - f["close"].min())
    ),
    "z-score of the whole": lambda f: (f["close"] - f["close"].mean()) / f["close"].std(),
    "ranks of the whole": lambda f: f["close"].rank(pct=True),
    "quantile of the whole": lambda f: f["close"] - float(f["close"].quantile(0.9)),
    "bins of the whole": lambda f: pd.qcut(f["close"], 4, labels=False),
    "the unfinished day": day_of_the_candle,
    "the unfinished four hours": lambda f: f["close"].resample("4h").last().reindex(f.index, method="ffill"),
    "the day's high by transform": lambda f: f.groupby(f.index.date)["high"].transform("max"),  # type: ignore[attr-defined]
    "bfill": lambda f: f["close"].where(f["close"] > f["open"]).bfill(),
    "interpolation": lambda f: f["close"].where(f["close"] > f["open"]).interpolate(),
    "a line fitted to all": trend_line,
    "the last price": lambda f: f["close"] / f["close"].iloc[-1],
    "counted from the end": lambda f: np.arange(len(f))[::-1],
    "reversed windows": nearest_low_to_come,
    "convolution around the candle": lambda f: np.convolve(f["close"], np.ones(9) / 9, mode="same"),
    "a filter over the spectrum": smoothed_by_spectrum,
    "sorted": lambda f: np.sort(f["close"]),
    "where the price will be": lambda f: (f["close"].shift(-24) > f["close"]).astype(float),
    "the day of the highest price": lambda f: (f["close"] == f["close"].max()).astype(float).cumsum(),
}


@pytest.mark.long_except(
    "a centred mean",
    "bfill",
    "shift(-1)",
    "z-score of the whole",
    "the unfinished day",
    "ranks of the whole",
    "counted from the end",
    "the last price",
    "the next open",
    "convolution around the candle",
)
@pytest.mark.parametrize("name", CHEATS)
def test_it_catches(name: str) -> None:
    found = lookahead_of(CHEATS[name])
    assert found["status"] == "failed"
    assert "drawn" in found["columns"]
    assert "drawn" in found["note"]
    assert {one["column"] for one in found["first"]} == set(found["columns"])
    assert all(one["candle"] <= one["cut"] for one in found["first"])


def test_it_catches_a_signal_that_peeps_where_the_drawn_columns_do_not() -> None:
    class Mine(Strategy):
        def signals(self, candles: pd.DataFrame, indicators: Any) -> dict[str, Any]:
            rises = candles["close"].shift(-1) > candles["close"]
            return {"signal_a_buy": candles["close"] > candles["open"], "exit_long": ~rises}

    found = checks_of(Mine)["lookahead"]
    assert (found["status"], found["columns"]) == ("failed", ["exit_long"])


def test_it_catches_a_stop_that_knows_the_low_to_come() -> None:
    class Mine(Strategy):
        def signals(self, candles: pd.DataFrame, indicators: Any) -> dict[str, Any]:
            stop = nearest_low_to_come(candles).where(lambda low: low < candles["close"])
            return {"signal_a_buy": candles["close"] > candles["open"], "stop_loss": stop}

    assert checks_of(Mine)["lookahead"]["columns"] == ["stop_loss"]


def test_it_catches_a_rare_peep_by_cutting_where_entries_fire() -> None:
    """On one candle of 100 the entry needs tomorrow's close; evenly spaced cuts would hardly meet one of those."""

    class Mine(Strategy):
        def signals(self, candles: pd.DataFrame, indicators: Any) -> dict[str, Any]:
            hours = np.arange(len(candles))
            rare = (hours % 97 == 13) & (candles["close"].shift(-1) > candles["close"])
            return {"signal_a_buy": rare}

    assert checks_of(Mine)["lookahead"]["status"] == "failed"


@pytest.mark.parametrize("side", ["exit_long", "exit_short"])
def test_it_catches_an_exit_that_knows_when_it_is_time_to_leave(side: str) -> None:
    """Most candles without an entry, and most of those with one, are left alone by this peep."""

    class Mine(Strategy):
        def signals(self, candles: pd.DataFrame, indicators: Any) -> dict[str, Any]:
            hours, close = np.arange(len(candles)), candles["close"]
            leaves = (hours % 96 == 13) & (close.shift(-1) < close)
            return {"signal_a_buy": pd.Series(hours % 6 == 0, index=candles.index), side: leaves}

    found = checks_of(Mine)["lookahead"]
    assert (found["status"], found["columns"]) == ("failed", [side])
    assert found["cuts"] <= 132


def test_it_compares_all_candles_up_to_a_cut_and_not_only_the_last() -> None:
    class Mine(Strategy):
        def indicators(self, candles: pd.DataFrame) -> dict[str, Any]:
            rare = np.arange(len(candles)) == 13
            return {"drawn": candles["close"].where(~rare, candles["close"].iloc[-1])}

        def signals(self, candles: pd.DataFrame, indicators: Any) -> dict[str, Any]:
            return {"signal_a_buy": candles["close"] > candles["open"]}

    found = checks_of(Mine)["lookahead"]
    assert (found["status"], found["columns"]) == ("failed", ["drawn"])


def test_a_column_that_only_exists_with_enough_candles_is_named() -> None:
    class Mine(Strategy):
        def signals(self, candles: pd.DataFrame, indicators: Any) -> dict[str, Any]:
            late = (
                {"exit_long": candles["close"] < 0}
                if len(candles) > 1400
                else {"exit_short": candles["close"] < 0}
            )
            return {"signal_a_buy": candles["close"] > 0, **late}

    assert set(checks_of(Mine)["lookahead"]["columns"]) == {"exit_long", "exit_short"}


def averaged_by_spectrum(f: pd.DataFrame) -> Any:
    """The mean of the past nine closes; its rounding depends on how many candles there are."""
    waves = np.fft.rfft(f["close"], 2 * len(f)) * np.fft.rfft(np.ones(9) / 9, 2 * len(f))
    mean = np.fft.irfft(waves, 2 * len(f))[: len(f)]
    return np.where(np.arange(len(f)) < 8, np.nan, mean)


HONEST: dict[str, Column] = {
    "ema": lambda f: ta.ema(f["close"], 21),
    "pandas ewm": lambda f: f["close"].ewm(span=21).mean(),
    "rolling deviation": lambda f: f["close"].rolling(20).std(),
    "expanding": lambda f: f["close"].expanding().max(),
    "cumulative": lambda f: (f["close"] * f["volume"]).cumsum() / f["volume"].cumsum(),
    "shift(1)": lambda f: f["close"].shift(1),
    "ffill": lambda f: f["close"].where(f["close"] > f["open"]).ffill(),
    "the day before": lambda f: f["close"].resample("1D").last().shift(1).reindex(f.index, method="ffill"),
    "the day so far": lambda f: f.groupby(f.index.date)["high"].cummax(),  # type: ignore[attr-defined]
    "dpo uncentred": lambda f: library.dpo(f["close"], 20, centered=False),
    "ichimoku's conversion": lambda f: ichimoku(f)["ITS_9"],
    "constant": lambda f: np.ones(len(f)),
    "never known": lambda f: np.full(len(f), np.nan),
    "convolution of the past": lambda f: np.convolve(f["close"], np.ones(9) / 9)[: len(f)],
    "convolution by way of the spectrum": averaged_by_spectrum,
    "the hour": lambda f: f.index.hour,  # type: ignore[attr-defined]
    "chance from the seed": lambda f: np.random.random(len(f)),  # noqa: NPY002
    "infinite": lambda f: f["close"] / (f["close"] - f["close"]),
}


@pytest.mark.long_except(
    "shift(1)",
    "cumulative",
    "the day so far",
    "rolling deviation",
    "constant",
    "the hour",
    "chance from the seed",
    "expanding",
)
@pytest.mark.parametrize("name", HONEST)
def test_it_passes(name: str) -> None:
    found = lookahead_of(HONEST[name])
    assert (found["status"], found["columns"], found["first"]) == ("passed", [], [])
    assert found["note"] == f"passed on {found['cuts']} cuts"
    assert found["cuts"] >= 32


def test_rounding_around_zero_is_no_peep() -> None:
    class Mine(Strategy):
        def indicators(self, candles: pd.DataFrame) -> dict[str, Any]:
            noise = (
                averaged_by_spectrum(candles) - candles["close"].rolling(9).mean()
            )  # 1e-14, another each time
            return {"drawn": noise.where(np.arange(len(candles)) % 2 == 0, candles["close"])}

        def signals(self, candles: pd.DataFrame, indicators: Any) -> dict[str, Any]:
            return {"signal_a_buy": candles["close"] > candles["open"]}

    assert checks_of(Mine)["lookahead"]["status"] == "passed"


REAL: Final = {
    "1h": ("usdm-SOLUSDT-1h-20231201-20241204", "1h"),
    "4h": ("usdm-BTCUSDT-1h-20231201-20241204", "4h"),
    "1m": ("usdm-SOLUSDT-1m-20250504-20250603", "1m"),
    "15m": ("usdm-SOLUSDT-1m-20250504-20250603", "15m"),
}


@pytest.mark.long_except("bollinger_reversion-1h", "ema_cross-1m", "macd_trend-4h", "vwap_supertrend_ema-1h")
@pytest.mark.parametrize("timeframe", REAL)
@pytest.mark.parametrize("name", sorted({path.stem for path in STRATEGIES.glob("[a-z]*.py")} - set(READING)))
def test_every_bundled_strategy_passes_on_real_markets(name: str, timeframe: str) -> None:
    file, wanted = REAL[timeframe]
    candles = real_candles(file)
    if not file.endswith(f"-{wanted}-") and wanted not in file:
        candles = aggregate(candles, Timeframe(wanted))
    path = STRATEGIES / f"{name}.py"
    found = checks_of(load_strategy(path), candles.slice(0, 2800), 1200, path)
    assert (found["lookahead"]["status"], found["warmup"]["status"]) == ("passed", "passed"), found


# -- any combination of what is safe, and one peep among it

SAFE: Final[dict[str, Callable[[pd.Series, int], pd.Series]]] = {
    "shift": lambda c, n: c.shift(n),
    "mean": lambda c, n: c.rolling(n + 1).mean(),
    "max": lambda c, n: c.rolling(n + 1, min_periods=1).max(),
    "ewm": lambda c, n: c.ewm(span=n + 1).mean(),
    "ema": lambda c, n: ta.ema(c, n),
    "rsi": lambda c, n: ta.rsi(c, n + 1),
    "diff": lambda c, n: c.diff(n),
    "cummax": lambda c, n: c.cummax(),
    "positive": lambda c, n: c.where(c > c.shift(n)),
    "ffill": lambda c, n: c.ffill(),
    "rank": lambda c, n: c.rolling(n + 2).rank(),
}  # fmt: skip
PEEPS: Final[dict[str, Callable[[pd.Series, int], pd.Series]]] = {
    "shift": lambda c, n: c.shift(-n),
    "centre": lambda c, n: c.rolling(2 * n + 1, center=True).mean(),
    "scale": lambda c, n: c - c.max(),
    "mean": lambda c, n: c - c.mean(),
    "last": lambda c, n: c - c.iloc[-1],
}
steps = st.lists(st.tuples(st.sampled_from(sorted(SAFE)), st.integers(1, 12)), max_size=4)


def chained(*operations: tuple[Callable[[pd.Series, int], pd.Series], int]) -> Column:
    def column(f: pd.DataFrame) -> pd.Series:
        values: pd.Series = f["close"]
        for operation, n in operations:
            values = operation(values, n)
        return values

    return column


SHORT: Final = random_candles(300, 11)


@settings(max_examples=examples(12))
@given(steps)
def test_any_chain_of_safe_operations_passes(safe: list[tuple[str, int]]) -> None:
    found = lookahead_of(chained(*((SAFE[name], n) for name, n in safe)), candles=SHORT, held=100)
    assert found["status"] == "passed", found["note"]


@pytest.mark.long
@settings(max_examples=examples(12))
@given(st.sampled_from(sorted(PEEPS)), st.integers(1, 10), steps)
def test_one_peep_among_any_safe_operations_is_caught(peep: str, n: int, safe: list[tuple[str, int]]) -> None:
    honest = chained(*((SAFE[name], k) for name, k in safe))
    found = lookahead_of(lambda f: honest(f).fillna(0) + PEEPS[peep](f["close"], n), candles=SHORT, held=100)
    assert found["status"] == "failed"
