"""Longer candles for strategies that tests ask themselves: built of those that they are asked about."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from engine.backtest.beside import Beside, Side
from engine.backtest.frame import CandleFrame
from engine.model.market import PRICE_COLUMNS, CandleFile, Candles, SideFile, Timeframe
from engine.model.reads import Reads, Warmup
from engine.strategy import Strategy, reading

HOUR = Timeframe("1h")
# bundled strategies that read longer candles, of which many a market of a test has too few: asked in tests/strategies
READING = ("daily_trend_cross",)


@contextmanager
def longer_built(strategy: Strategy, hours: Candles) -> Iterator[None]:
    """While this lasts a strategy reads the longer candles that it declares, built of these hours."""
    reads = Reads.declared(type(strategy))
    if not reads:
        yield
        return
    sides = [Side("", name, Timeframe(name), 0, Candles.empty(), is_built=True) for name in reads.timeframes]
    frame = CandleFrame(hours, beside=Beside(HOUR, sides))
    assert frame.reading is not None
    with reading(frame.reading):
        yield


def hours_wanted(strategy: Strategy) -> int:
    """The warm-up of a strategy whose longer candles are built of hours."""
    reads = Reads.declared(type(strategy))
    built = Reads(reads.timeframes, reads.symbols, build=True)
    return Warmup.read(strategy.warmup(), reads).building(built, HOUR)


def file_with_longer(strategy: Strategy, file: CandleFile) -> CandleFile:
    """The hours of a task, with what a strategy reads built of them."""
    reads = Reads.declared(type(strategy))
    warmup = Warmup.read(strategy.warmup(), reads)
    sides = tuple(SideFile("", name, warmup.of(name), None) for name in reads.timeframes)
    return CandleFile(file.path, file.warmup, file.first, file.last, HOUR.name if sides else "", sides)


def candles_of(frame: pd.DataFrame) -> Candles:
    """The candles of a table as strategies get it."""
    times = pd.DatetimeIndex(frame.index).as_unit("ms").asi8
    return Candles(times, *(np.array(frame[name], dtype=np.float64) for name in PRICE_COLUMNS))
