"""The bundled sample market as an exchange of its own: generated candles, served on loopback in Binance's format."""

import gzip
import io
import math
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from engine.data.exchanges.loopback import FUTURES_PATH, Listing, LoopbackExchange
from engine.model.filters import Filters
from engine.model.funding import REGULAR, FundingRates
from engine.model.market import HOUR_MS, SAMPLE_NOW_MS, TIMEFRAMES, Candles, Period, Timeframe

_STORED: Final = ("1h", "1m")  # coarse first
_BASE_RATE: Final = 0.0001  # of funding, where prices stand still
_LEAN: Final = 0.005  # of the logarithm of what prices did over the last candles, this many:
_LEANS_ON: Final = 24
_CAP: Final = 0.003
_FILTERS: Final = Filters(tick=0.01, step=0.001, least=0.001, most=20_000.0, notional=5.0)


@cache
def read_sample(timeframe: str) -> Candles:
    """The stored candles of "1h" or "1m"; read once in a process, so the columns are read-only."""
    packed = resources.files("resources").joinpath(f"sample_{timeframe}.csv.gz").read_bytes()
    text = io.BytesIO(gzip.decompress(packed))
    table = np.ascontiguousarray(np.loadtxt(text, delimiter=",", skiprows=1, usecols=range(6)).T)
    times = table[0].astype(np.int64)
    for column in (times, table):
        column.setflags(write=False)
    return Candles(times, *table[1:])


def aggregate(candles: Candles, timeframe: Timeframe) -> Candles:
    """Longer candles made of the shorter ones that are there."""
    grid = timeframe.opens(Period(timeframe.floor(int(candles.timestamp[0])), int(candles.timestamp[-1]) + 1))
    cells = np.searchsorted(grid, candles.timestamp, side="right") - 1
    numbers, first = np.unique(cells, return_index=True)
    last = np.append(first[1:], len(cells)) - 1
    return Candles(
        grid[numbers],
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
        np.add.reduceat(candles.volume, first),
    )


def sample_funding(hours: Candles) -> FundingRates:
    """Three settlements a day, made of the candles alone: 0.01 %, more where prices rose and less where they fell."""
    at = np.flatnonzero(hours.timestamp % (8 * HOUR_MS) == 0)
    before = hours.open[np.maximum(at - _LEANS_ON, 0)]
    rates = np.clip(_BASE_RATE + _LEAN * np.log(hours.open[at] / before), -_CAP, _CAP)
    marks, late = hours.open[at].tolist(), (hours.timestamp[at] // HOUR_MS % 7).tolist()
    rows = zip(hours.timestamp[at].tolist(), np.round(rates, 8).tolist(), marks, late, strict=True)
    return FundingRates.from_rows(
        (ms + ms_late, rate, mark, REGULAR, math.nan) for ms, rate, mark, ms_late in rows
    )


def open_sample_exchange() -> LoopbackExchange:
    """Start serving SAMPLEUSDT: two years of 1h and everything longer, one month of 1m and everything between, and its
    funding rates.
    """
    hours, minutes = (read_sample(name) for name in _STORED)
    series = {"1m": minutes, "1h": hours}
    for name in TIMEFRAMES[TIMEFRAMES.index("1m") + 1 :]:
        if name not in series:
            is_longer = TIMEFRAMES.index(name) > TIMEFRAMES.index("1h")
            series[name] = aggregate(hours if is_longer else minutes, Timeframe(name))
    listing = Listing(
        FUTURES_PATH,
        "SAMPLE",
        "USDT",
        series,
        listed_ms=int(hours.timestamp[0]),
        funding=sample_funding(hours),
        filters=_FILTERS,
    )
    exchange = LoopbackExchange([listing], lambda: SAMPLE_NOW_MS)
    exchange.start()
    return exchange
