"""Builders shared by tests: candles and signals written as tables, random but repeatable markets, the real data."""

import gzip
import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.model.funding import REGULAR, FundingRates
from engine.model.market import HOUR_MS, Candles
from engine.model.orders import ORDER_COLUMNS
from engine.strategy import Signals

START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
PRICE_TABLES = ("stop_loss", "take_profit")


def candles_from(
    rows: Sequence[Sequence[float]], *, start_ms: int = START_MS, step_ms: int = HOUR_MS
) -> Candles:
    """Candles from rows (open, high, low, close[, volume]), one `step_ms` apart."""
    return Candles.from_rows(
        (start_ms + i * step_ms, *map(float, row[:4]), float(row[4]) if len(row) > 4 else 1.0)  # type: ignore[misc]
        for i, row in enumerate(rows)
    )


def flat_candles(prices: Sequence[float], **grid: int) -> Candles:
    """Candles that stand still: open = high = low = close."""
    return candles_from([(price,) * 4 for price in prices], **grid)


def signals_for(candles: Candles, columns: Mapping[str, Mapping[int, Any] | Sequence[int]]) -> Signals:
    """Signals from the positions where a boolean column is true, or {position: price} for the price columns."""
    frame = candles.frame()[[]]
    for name, marks in columns.items():
        if name in PRICE_TABLES or name in ORDER_COLUMNS:
            assert isinstance(marks, Mapping)
            prices = np.full(len(candles), np.nan)
            prices[list(marks)] = list(marks.values())
            frame[name] = prices
        else:
            flags = np.zeros(len(candles), dtype=np.bool_)
            flags[list(marks)] = True
            frame[name] = flags
    return Signals.check(frame, candles.frame())


def random_candles(
    n: int, seed: int = 0, *, step_ms: int = HOUR_MS, start_ms: int = START_MS, volatility: float = 0.01
) -> Candles:
    """A repeatable random walk around 100 whose candles hold together; every tenth candle opens with a gap."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(rng.normal(0, volatility, n).cumsum())
    opened = np.concatenate(([100.0], close[:-1]))
    opened[::10] *= np.exp(rng.normal(0, volatility, len(opened[::10])))
    wick = np.exp(np.abs(rng.normal(0, volatility / 2, (2, n))))
    high, low = np.maximum(opened, close) * wick[0], np.minimum(opened, close) / wick[1]
    timestamp = start_ms + np.arange(n, dtype=np.int64) * step_ms
    return Candles(timestamp, opened, high, low, close, rng.random(n) * 1000)


def real_candles(name: str) -> Candles:
    """The real candles of a file whose name begins so, as "spot-BTCUSDT-1h"; skips the test where there is none."""
    return _read(real_file(name))


def real_file(name: str) -> Path:
    """The file of real data whose name begins so; skips the test where there is none."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    found = sorted(Path(os.environ.get("BACKTEST_TEST_DATA", beside)).glob(f"{name}*.csv.gz"))
    if not found:
        pytest.skip(f"no real data {name} on this machine; set BACKTEST_TEST_DATA to the folder of its file")
    return found[0]


def real_funding(name: str) -> FundingRates:
    """The real funding rates of a file whose name begins so, as "usdm-SOLUSDT-funding-2024"."""
    with gzip.open(real_file(name), "rt") as file:
        lines = [line.split(",") for line in file.read().splitlines()[1:]]
    return FundingRates.from_rows(
        (int(ms), float(rate), math.nan, REGULAR, math.nan) for ms, rate, *_ in lines
    )


@cache
def _read(path: Path) -> Candles:
    """Read once in a process, so the columns are read-only."""
    with gzip.open(path) as file:
        columns = min(file.readline().count(b",") + 1, 6)
        table = np.ascontiguousarray(np.loadtxt(file, delimiter=",", usecols=range(columns)).T)
    if columns < 6:  # mark prices have no volume
        table = np.vstack([table, np.zeros(table.shape[1])])
    times = table[0].astype(np.int64)
    for column in (times, table):
        column.setflags(write=False)
    return Candles(times, *table[1:])


# a strategy file that works
GOOD_STRATEGY = """
from engine.strategy import Param, Strategy
import pandas as pd

class Good(Strategy):
    '''A good one

    With a description.
    '''
    length = Param(5, low=1, high=9)
    mode = Param("calm", choices=("calm", "wild"))

    def signals(self, candles, indicators):
        return pd.DataFrame({"signal_up_buy": candles["close"] > candles["open"]})
"""
