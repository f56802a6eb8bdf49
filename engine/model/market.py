"""Values of the market: timeframes and their grids, markets, half-open UTC periods, candles as named columns.

Times are integers, milliseconds since 1970-01-01 UTC, and always a candle's open time.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.model.exchanges import EXCHANGES, describe
from engine.model.filters import Filters
from engine.model.kinds import Kind
from engine.syntax import mapped_array

if TYPE_CHECKING:
    import pandas as pd

# "sample" is the bundled, generated market: served on loopback, works with no network
SAMPLE_EXCHANGE: Final = "sample"
SAMPLE_NOW_MS: Final = 1_735_689_600_000  # 2025-01-01: its clock stands still where its candles end
DEFAULT_EXCHANGE: Final = "binanceusdm"

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
FIRST_MONDAY_MS: Final = 4 * DAY_MS  # 1970-01-05: weekly candles open on Monday
DAYS_PER_YEAR: Final = 365
MIN_DAYS: Final = 30  # below that nothing is annualised
# a standard deviation so small, of returns or beside the mean of amounts, is only rounding
STILL: Final = 1e-14
_STEP_MS: Final = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": None,
}
TIMEFRAMES: Final = tuple(_STEP_MS)


def timeframes_of(exchange: str) -> tuple[str, ...]:
    """The timeframes that an exchange has candles of, the shortest first."""
    lacks = describe(exchange).lacks
    return tuple(name for name in TIMEFRAMES if name not in lacks)


Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


def check_exchange(name: str) -> str:
    """Return `name` when it is an exchange we know; raise InputError with the list otherwise."""
    if name not in EXCHANGES:
        raise InputError(f"unknown exchange {name!r}; known: {', '.join(EXCHANGES)}")
    return name


@dataclass(frozen=True, slots=True)
class Timeframe:
    """A candle length in Binance's notation ("1m" is a minute, "1M" a month) and the grid of its open times.

    Cells are numbered: `index(open_ms)` and `open_ms(index)` are the only two places that know months from minutes.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in _STEP_MS:
            hint = ' ("1m" is a minute, "1M" a month)' if str(self.name).lower() in ("1m", "1mo") else ""
            raise InputError(f"unknown timeframe {self.name!r}{hint}; known: {', '.join(TIMEFRAMES)}")

    def __str__(self) -> str:
        return self.name

    @property
    def file_name(self) -> str:
        """The name for files, distinct on file systems that ignore case."""
        return "1mo" if self.name == "1M" else self.name

    @property
    def _anchor_ms(self) -> int:
        return FIRST_MONDAY_MS if self.name == "1w" else 0

    def index(self, ms: int) -> int:
        """Number of the cell that holds the instant `ms`."""
        step = _STEP_MS[self.name]
        if step is None:
            return int(np.datetime64(ms, "ms").astype("datetime64[M]").astype(np.int64))
        return (ms - self._anchor_ms) // step

    def open_ms(self, index: int) -> int:
        """Open time of cell number `index`."""
        step = _STEP_MS[self.name]
        if step is None:
            return int(np.datetime64(index, "M").astype("datetime64[ms]").astype(np.int64))
        return self._anchor_ms + index * step

    def floor(self, ms: int) -> int:
        """Open time of the cell that holds `ms`."""
        return self.open_ms(self.index(ms))

    def ceil(self, ms: int) -> int:
        """The first open time at or after `ms`."""
        opened = self.floor(ms)
        return opened if opened == ms else self.next(ms)

    def next(self, ms: int) -> int:
        """Open time of the cell after the one that holds `ms`; the close of a candle that opened at `ms`."""
        return self.open_ms(self.index(ms) + 1)

    def shift(self, ms: int, cells: int) -> int:
        """Open time `cells` cells after (before, if negative) the one that holds `ms`."""
        return self.open_ms(self.index(ms) + cells)

    def count(self, period: Period) -> int:
        """How many cells open inside the period."""
        return max(0, self.index(self.ceil(period.end)) - self.index(self.ceil(period.start)))

    def opens(self, period: Period) -> Int64Array:
        """Open times of all cells of the period, shape (count,), int64 ms."""
        first = self.index(self.ceil(period.start))
        numbers = np.arange(first, first + self.count(period), dtype=np.int64)
        step = _STEP_MS[self.name]
        if step is None:
            return numbers.astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64)
        return self._anchor_ms + numbers * step

    def divides(self, other: Timeframe) -> bool:
        """Whether every cell of the other is made of whole ones of this, of two or more."""
        own, whole = _STEP_MS[self.name], _STEP_MS[other.name] or DAY_MS  # months are whole days
        return own is not None and self.name != other.name and own <= whole and whole % own == 0

    def align(self, period: Period) -> Period:
        """The same cells with bounds on the grid: both bounds are rounded up."""
        return Period(self.ceil(period.start), self.ceil(period.end))


FUNDING_GRID: Final = Timeframe(
    "1h"
)  # settlements fall on full hours: what is known of them is known by these cells


@dataclass(frozen=True, slots=True)
class Market:
    """One symbol on one exchange. `name` is shown ("SOLUSDT"), `unified` is ccxt's ("SOL/USDT:USDT").

    `kind`: which of its series is meant, where one is. `filters`: as listed last, None where the exchange told none.
    """

    exchange: str
    name: str
    unified: str = field(compare=False)
    is_trading: bool = field(default=True, compare=False)
    listed_ms: int | None = field(default=None, compare=False)  # the exchange's hint, not a proof
    kind: Kind = Kind.TRADED
    filters: Filters | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.name} on {self.exchange}"

    def of(self, kind: Kind) -> Market:
        """The same market, meant for another kind of series."""
        return self if kind is self.kind else replace(self, kind=kind)

    def title(self, timeframe: Timeframe) -> str:
        """For sentences: "SOLUSDT 1h", "SOLUSDT 1h mark", "SOLUSDT funding"."""
        return f"{self.name} {series_name(self.kind, timeframe)}"


def series_name(kind: Kind, timeframe: Timeframe) -> str:
    """Names a series within its market: "1h" of traded prices, "1h mark", "funding"."""
    if kind is Kind.FUNDING:
        return kind.value
    return timeframe.name if kind is Kind.TRADED else f"{timeframe} {kind}"


def read_series_name(text: str) -> tuple[Kind, Timeframe]:
    """What `series_name` made; of funding the timeframe is that by whose cells coverage is kept."""
    if text == Kind.FUNDING:
        return Kind.FUNDING, FUNDING_GRID
    name, _, kind = text.partition(" ")
    return Kind(kind or Kind.TRADED), Timeframe(name)


# what of ISO-8601 is understood: `datetime` alone takes the offset of "2024-01-31+05:00" for a time of day
_DATE_OR_TIME: Final = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}(?P<clock>[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR: Final = 2199


def parse_time(value: str | date | datetime, *, is_end: bool = False) -> int:
    """Milliseconds of a date or time; naive means UTC. As an end, a bare date includes that whole day."""
    bare_date = False
    if isinstance(value, str):
        match = _DATE_OR_TIME.fullmatch(value.strip())
        bare_date = match is not None and not match["clock"]
        try:
            moment = datetime.fromisoformat(match.group() if match else "")
        except ValueError:
            raise InputError(
                f"{value!r} is not a date or time; write 2024-01-31 or 2024-01-31T12:00 (UTC)"
            ) from None
    elif isinstance(value, datetime):
        moment = value
    else:
        bare_date, moment = True, datetime.combine(value, time())
    if not _EPOCH.year <= moment.year <= _LAST_YEAR:
        raise InputError(f"{value} is outside the years {_EPOCH.year} to {_LAST_YEAR}")
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if is_end and bare_date:
        moment += timedelta(days=1)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def format_time(ms: int) -> str:
    """ISO-8601 with Z: 2024-01-31T12:00:00Z."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{moment.microsecond // 1000:03d}Z" if moment.microsecond else f"{text}Z"


def short_time(ms: int) -> str:
    """For sentences: 2024-01-31 12:00 UTC."""
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The instants `start <= t < end`, in ms. May be empty only as a result of arithmetic, never by parsing."""

    start: int
    end: int

    @classmethod
    def parse(cls, start: str | date | datetime, end: str | date | datetime) -> Period:
        """From what a user typed; raises InputError when start is not before end."""
        period = cls(parse_time(start), parse_time(end, is_end=True))
        if period.start >= period.end:
            raise InputError(
                f"start ({short_time(period.start)}) must be before end ({short_time(period.end)})"
            )
        return period

    def __str__(self) -> str:
        return f"{short_time(self.start)} to {short_time(self.end)}"

    def clip(self, other: Period) -> Period:
        """The part of this period inside `other` (empty: start == end)."""
        start = max(self.start, other.start)
        return Period(start, max(start, min(self.end, other.end)))

    def to_json(self) -> dict[str, str]:
        """`{start, end}` as ISO times."""
        return {"start": format_time(self.start), "end": format_time(self.end)}


PRICE_COLUMNS: Final = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Columns of equal length n: `timestamp` int64 ms (open times, strictly increasing), the others float64."""

    timestamp: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array

    def __len__(self) -> int:
        return len(self.timestamp)

    @classmethod
    def empty(cls) -> Candles:
        """No candles."""
        return cls.from_rows(())

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[int, float, float, float, float, float]]) -> Candles:
        """From rows (open time ms, open, high, low, close, volume)."""
        columns = list(zip(*rows, strict=True)) or [()] * 6
        prices = [np.asarray(column, dtype=np.float64) for column in columns[1:]]
        return cls(np.asarray(columns[0], dtype=np.int64), *prices)

    @classmethod
    def joined(cls, parts: Sequence[Candles]) -> Candles:
        """All candles of the parts, sorted; the parts share no open time."""
        stamps = np.concatenate([part.timestamp for part in parts]) if parts else np.empty(0, dtype=np.int64)
        order = np.argsort(stamps, kind="stable")
        columns = (np.concatenate([part.columns()[name] for part in parts])[order] for name in PRICE_COLUMNS)
        return cls(stamps[order], *columns) if parts else cls.empty()

    def columns(self) -> Mapping[str, Float64Array]:
        """The five price and volume columns by name."""
        return {name: getattr(self, name) for name in PRICE_COLUMNS}

    def slice(self, start: int | None, stop: int | None) -> Candles:
        """The candles at positions start..stop (views, no copy)."""
        cut = slice(start, stop)
        return Candles(self.timestamp[cut], *(column[cut] for column in self.columns().values()))

    def within(self, period: Period) -> Candles:
        """The candles of a period (views, no copy)."""
        start, stop = np.searchsorted(self.timestamp, [period.start, period.end])
        return self.slice(int(start), int(stop))

    def sha256(self) -> str:
        """Hash of all columns, times first, to the last bit."""
        digest = hashlib.sha256()
        for column in (self.timestamp, *self.columns().values()):
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    def frame(self) -> pd.DataFrame:
        """A DataFrame with columns open, high, low, close, volume and a UTC DatetimeIndex named `timestamp` (ms unit)."""
        import pandas as pd

        index = pd.DatetimeIndex(self.timestamp.astype("datetime64[ms]"), tz="UTC", name="timestamp")
        return pd.DataFrame({name: np.array(column) for name, column in self.columns().items()}, index=index)

    def save(self, path: Path) -> None:
        """Write one .npy file, shape (6, n), that `load` maps without reading. Times are stored bit for bit."""
        with path.open("wb") as file:
            self.write(file)

    def write(self, file: BinaryIO) -> None:
        """Write what `save` writes into an open file."""
        file.write(self.file_header(len(self)))
        for column in (self.timestamp.astype("<i8"), *self.columns().values()):
            file.write(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).data)

    @staticmethod
    def file_header(count: int) -> bytes:
        """How a file of `count` candles begins."""
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 + len(PRICE_COLUMNS), count)}
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        return buffer.getvalue()

    @classmethod
    def load(cls, path: Path) -> Candles:
        """Map a file written by `save`; the columns are read-only."""
        table = mapped_array(path)
        return cls(table[0].view(np.int64), *table[1:])


@dataclass(frozen=True, slots=True)
class CandleFile:
    """Candles as workers map them: a file of Candles.save, of which positions first..last count (last exclusive; None: all).
    The first `warmup` of those precede the period. `beside`: other series that the strategy reads beside these, which then
    say their `timeframe`.
    """

    path: Path
    warmup: int
    first: int | None = None
    last: int | None = None
    timeframe: str = ""
    beside: tuple[SideFile, ...] = ()

    def load(self) -> Candles:
        """The candles, warm-up in front."""
        return Candles.load(self.path).slice(self.first, self.last)


@dataclass(frozen=True, slots=True)
class SideFile:
    """A series beside another, by the names that a strategy has for it: "" is the symbol, and the timeframe, of the run.
    `wanted`: how many of its candles are to lie before the period. No `candles`: they are built of those of its symbol.
    """

    symbol: str
    timeframe: str
    wanted: int
    candles: CandleFile | None
