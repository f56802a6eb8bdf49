"""Generates the bundled sample market SAMPLEUSDT: invented candles, the same on every machine. No real coin is behind it.

Run `python -m resources.sample_market` to write `sample_1h.csv.gz` (2023-01-01 to 2025-01-01, UTC, end excluded) and
`sample_1m.csv.gz` (December 2024). How it is made:

- A price moves minute by minute through `REGIMES`: each has a drift and a volatility per day, and ranges swing around
  their level in a slow wave. An hour is the minutes that it is made of, so both files agree where they overlap.
- Randomness comes from the raw integers of numpy's PCG64 with a fixed seed, whose stream numpy guarantees (the normal
  distribution's it does not). A sum of four uniform numbers stands in for a normal one.
- In the minutes of `HOLES` the market is closed for maintenance: no candle at all, as at a real exchange.
- Volume grows with movement and follows the day. Prices are multiples of 0.01, volumes are whole.
"""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

SEED: Final = 20230101
START: Final = datetime(2023, 1, 1, tzinfo=UTC)
END: Final = datetime(2025, 1, 1, tzinfo=UTC)
MINUTES_FROM: Final = datetime(2024, 12, 1, tzinfo=UTC)
FIRST_PRICE: Final = 100.0
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MINUTES: Final = 1_440

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


class Regime(NamedTuple):
    """How the market behaves from `day` (ISO) on: log drift and volatility per day, height of its swings (log)."""

    day: str
    drift: float
    volatility: float
    swing: float = 0.0


REGIMES: Final = (
    Regime("2023-01-01", 0.000, 0.022, swing=0.020),  # range
    Regime("2023-03-01", 0.004, 0.030),  # trend up
    Regime("2023-07-10", -0.060, 0.075),  # crash
    Regime("2023-07-14", 0.000, 0.020, swing=0.020),  # range
    Regime("2023-10-15", 0.0035, 0.032),  # trend up
    Regime("2024-01-10", 0.000, 0.045),  # volatile, no direction
    Regime("2024-04-01", -0.003, 0.028),  # slow decline
    Regime("2024-08-02", -0.140, 0.070),  # crash
    Regime("2024-08-05", 0.0045, 0.036),  # recovery
    Regime("2024-11-01", 0.000, 0.020, swing=0.020),  # range
    Regime("2024-12-16", 0.001, 0.045),  # volatile
)
HOLES: Final = (  # start, end (excluded), UTC
    ("2023-08-16T02:00", "2023-08-16T07:00"),
    ("2024-12-11T09:17", "2024-12-11T09:50"),
)
SWING_MINUTES: Final = 5 * DAY_MINUTES


class Table(NamedTuple):
    """Candles as columns of equal length; `timestamp` = open time, ms, UTC."""

    timestamp: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _utc_ms(text: str) -> int:
    return _ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _bell(source: np.random.PCG64, count: int) -> Float64Array:
    """Nearly normal numbers, mean 0, deviation 1: the four 16-bit parts of a random integer, added."""
    parts = source.random_raw(count).view(np.uint16).reshape(count, 4)
    return np.asarray((parts.sum(axis=1) / 65_536 - 2.0) * np.sqrt(3.0), dtype=np.float64)


def generate_minutes() -> Table:
    """All minutes from START to END, the closed ones of HOLES left out."""
    opened = np.arange(_ms(START), _ms(END), MINUTE_MS, dtype=np.int64)
    regime = np.searchsorted([_utc_ms(regime.day) for regime in REGIMES], opened, side="right") - 1
    drift, volatility, swing = (
        np.array([getattr(regime, name) for regime in REGIMES])[regime]
        for name in ("drift", "volatility", "swing")
    )
    source = np.random.PCG64(SEED)
    count = len(opened)
    deviation = volatility / np.sqrt(DAY_MINUTES)
    wave = swing * np.sin(2 * np.pi * np.arange(count) / SWING_MINUTES)
    moves = drift / DAY_MINUTES + deviation * _bell(source, count) + np.diff(wave, prepend=0.0)
    close = np.round(FIRST_PRICE * np.exp(np.cumsum(moves)), 2)
    open_ = np.concatenate([[FIRST_PRICE], close[:-1]])
    above, below = (close * deviation * np.abs(_bell(source, count)) * 0.6 for _ in range(2))
    high = np.round(np.maximum(open_, close) + above, 2)
    low = np.round(np.minimum(open_, close) - below, 2)
    busy = 1.0 + 0.5 * np.sin(2 * np.pi * (opened // MINUTE_MS % DAY_MINUTES) / DAY_MINUTES)
    volume = np.round(900 * busy * (0.3 + np.abs(moves) / deviation) * np.exp(0.5 * _bell(source, count)))
    table = Table(opened, open_, high, low, close, volume)
    return _keep(table, ~_in_holes(opened))


def _in_holes(opened: Int64Array) -> npt.NDArray[np.bool_]:
    closed = np.zeros(len(opened), dtype=np.bool_)
    for start, end in HOLES:
        closed |= (opened >= _utc_ms(start)) & (opened < _utc_ms(end))
    return closed


def _keep(table: Table, rows: npt.NDArray[np.bool_]) -> Table:
    opened, *numbers = (column[rows] for column in table)
    return Table(opened.astype(np.int64), *(column.astype(np.float64) for column in numbers))


def to_hours(minutes: Table) -> Table:
    """The hours that the minutes make."""
    hours, first = np.unique(minutes.timestamp // HOUR_MS, return_index=True)
    last = np.append(first[1:], len(minutes.timestamp)) - 1
    return Table(
        hours * HOUR_MS,
        minutes.open[first],
        np.maximum.reduceat(minutes.high, first),
        np.minimum.reduceat(minutes.low, first),
        minutes.close[last],
        np.add.reduceat(minutes.volume, first),
    )


def to_csv(table: Table) -> bytes:
    """The table as text with a header."""
    lines = ["timestamp,open,high,low,close,volume"]
    rows = zip(*(column.tolist() for column in table), strict=True)
    lines += [f"{t},{o:.2f},{h:.2f},{low:.2f},{c:.2f},{v:.0f}" for t, o, h, low, c, v in rows]
    return ("\n".join(lines) + "\n").encode()


def generate() -> dict[str, bytes]:
    """Both files' text by timeframe."""
    minutes = generate_minutes()
    december = _keep(minutes, minutes.timestamp >= _ms(MINUTES_FROM))
    return {"1h": to_csv(to_hours(minutes)), "1m": to_csv(december)}


def main() -> None:
    """Write both files beside this one."""
    for timeframe, text in generate().items():
        path = Path(__file__).with_name(f"sample_{timeframe}.csv.gz")
        path.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
