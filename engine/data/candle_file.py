"""Reads candles from a file with the checks that pages of the exchange get; a row that fails them is named by its line."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from engine.data.file_rows import Block, FileRows, is_number, open_rows
from engine.errors import InputError
from engine.events import CancelToken, ProgressMeter
from engine.market import PRICE_COLUMNS, Candles, Float64Array, Int64Array, Timeframe, short_time

Number = TypeVar("Number", np.int64, np.int32, np.float64)
Int32Array = np.ndarray[tuple[int, ...], np.dtype[np.int32]]
UNITS: Final = ("auto", "s", "ms", "us")
_EARLIEST_MS: Final = 1_230_940_800_000  # 2009-01-03: nothing was traded for bitcoins before the first block
_SPARE_ROWS: Final = 1 << 18
# auto: below the first bound seconds, below the second milliseconds, below the third microseconds; all mean 1973 to 5138
_AUTO_BOUNDS: Final = (10**11, 10**14, 10**17)


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file is to be understood. `columns`: field -> column name or number from 1; what is left out is found by name.

    `unit` of numeric times; `zone`: of times that name none.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    unit: str = "auto"
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InputError(f"unknown unit {self.unit!r}; known: {', '.join(UNITS)}")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(
                f"unknown time zone {self.zone!r}; write UTC or a name like Europe/Berlin"
            ) from None


@dataclass(frozen=True, slots=True, eq=False)
class FileCandles:
    """What a file holds: checked candles in order of time, each once. `rows`: of the file; `unit`: of its times."""

    candles: Candles
    rows: int
    unit: str
    notices: tuple[str, ...]


def read_candle_file(
    path: Path,
    timeframe: Timeframe,
    form: FileFormat,
    now_ms: int,
    meter: ProgressMeter | None = None,
    cancel: CancelToken | None = None,
) -> FileCandles:
    """All candles of a file that have closed at `now_ms`; raises InputError for the first row that is not possible."""
    with open_rows(path, form.columns, form.zone) as rows:
        reader = _Reader(path.name, rows, timeframe, form)
        for block in rows.blocks:
            if cancel is not None:
                cancel.raise_if_cancelled()
            reader.add(block)
            if meter is not None:
                meter.add(len(block.lines))
    return reader.finish(now_ms)


def first_candles(path: Path, form: FileFormat) -> tuple[FileRows, list[tuple[int, tuple[float, ...]]], str]:
    """Layout and first rows of a file as text, and the same rows as (open time ms, prices and volume), unit; unchecked."""
    with open_rows(path, form.columns, form.zone) as rows:
        block = next(rows.blocks, None)
        if block is None:
            return rows, [], form.unit
        count = len(rows.first_rows)
        reader = _Reader(path.name, rows, Timeframe("1s"), form)
        head = Block(block.lines[:count], block.times[:count], tuple(part[:count] for part in block.numbers))
        stamps, numbers = reader.understand(head)
        cells = zip(*(column.tolist() for column in numbers), strict=True)
        return rows, list(zip(stamps.tolist(), cells, strict=True)), reader.unit


class _Reader:
    """Collects the blocks of one file."""

    def __init__(self, name: str, rows: FileRows, timeframe: Timeframe, form: FileFormat) -> None:
        self._name, self._place, self._timeframe = name, rows.place, timeframe
        self._unit, self._zone = rows.time_unit or form.unit, ZoneInfo(form.zone)
        self._is_iso: bool | None = None  # of times that are text: the first one tells
        self._units: set[str] = set()
        self._stamps, self._lines = _Growing[np.int64](np.int64), _Growing[np.int32](np.int32)
        self._columns = tuple(_Growing[np.float64](np.float64) for _ in PRICE_COLUMNS)

    @property
    def unit(self) -> str:
        """The unit of the file's times, or "ISO"; several joined by "+"."""
        return "+".join(sorted(self._units)) or self._unit

    def add(self, block: Block) -> None:
        """Check a block and keep it."""
        stamps, numbers = self.understand(block)
        self._check(block, stamps, numbers)
        self._stamps.extend(stamps)
        for kept, column in zip(self._columns, numbers, strict=True):
            kept.extend(column)
        self._lines.extend(np.array(block.lines, dtype=np.int32))

    def understand(self, block: Block) -> tuple[Int64Array, tuple[Float64Array, ...]]:
        """Open times in ms and the five columns as numbers."""
        numbers = tuple(
            self._numbers(name, column, block.lines)
            for name, column in zip(PRICE_COLUMNS, block.numbers, strict=True)
        )
        return self._times(block), numbers

    def finish(self, now_ms: int) -> FileCandles:
        """Everything kept, in order, each candle once, without the one that is still open."""
        stamps, lines = self._stamps.take(), self._lines.take()
        columns = tuple(column.take() for column in self._columns)
        if not len(stamps):
            raise InputError(f"{self._name} holds no candles; nothing was stored")
        rows, notices = len(stamps), []
        if len(self._units) > 1:
            notices.append(f"times in {self.unit}: each row was read in its own unit")
        if not (np.diff(stamps) > 0).all():
            order = np.argsort(stamps, kind="stable")
            stamps, lines = stamps[order], lines[order]
            columns = tuple(column[order] for column in columns)
            keep = self._first_of_each(stamps, lines, columns)
            twice = int((~keep).sum())
            stamps, lines = stamps[keep], lines[keep]
            columns = tuple(column[keep] for column in columns)
            notices.append("rows were not in order of time; they were sorted")
            if twice:
                notices[-1] = f"{twice:,} rows repeat another one exactly; each candle was taken once"
        candles = Candles(stamps, *columns)
        closed = self._closed(candles, lines, now_ms)
        self._check_spacing(stamps)
        if len(closed) < len(candles):
            notices.append(f"the candle at {short_time(int(stamps[-1]))} has not closed yet and was left out")
        return FileCandles(closed, rows, self.unit, tuple(notices))

    # -- one block

    def _fail(self, line: int, text: str) -> InputError:
        return InputError(f"{self._name} {self._place} {line}: {text}; nothing was stored")

    def _numbers(self, name: str, column: list[str] | Float64Array, lines: Sequence[int]) -> Float64Array:
        if isinstance(column, np.ndarray):
            return column
        try:
            return np.array([float(text) for text in column], dtype=np.float64)
        except ValueError:
            at = next(i for i, text in enumerate(column) if not is_number(text))
            raise self._fail(lines[at], f"{name} is {column[at][:30]!r}") from None

    def _check(self, block: Block, stamps: Int64Array, numbers: tuple[Float64Array, ...]) -> None:
        open_, high, low, close, volume = numbers
        finite = np.logical_and.reduce([np.isfinite(column) for column in numbers])
        positive = (low > 0) & (volume >= 0)
        inside = (low <= np.minimum(open_, close)) & (np.maximum(open_, close) <= high)
        grid = self._on_grid(stamps)
        late = stamps < _EARLIEST_MS
        good = finite & positive & inside & grid & ~late
        if good.all():
            return
        at = int(np.argmin(good))
        moment = _moment(int(stamps[at]))
        if late[at]:
            text = f"its time is {moment}, before any market; is the unit or the column right?"
        elif not grid[at]:
            exact = _moment(int(stamps[at]), "milliseconds")
            text = f"its time {exact} does not open a {self._timeframe} candle (time zone? timeframe?)"
        elif not finite[at]:
            bad = next(
                n for n, column in zip(PRICE_COLUMNS, numbers, strict=True) if not math.isfinite(column[at])
            )
            text = f"{bad} of the candle at {moment} is not a finite number"
        elif not positive[at]:
            text = f"a price of the candle at {moment} is not positive or its volume is negative"
        else:
            text = (
                f"open {open_[at]} and close {close[at]} of the candle at {moment} are not inside its low {low[at]} "
                f"and high {high[at]}"
            )
        raise self._fail(block.lines[at], text)

    def _on_grid(self, stamps: Int64Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        timeframe = self._timeframe
        if timeframe.name == "1M":
            months = stamps.astype("datetime64[ms]").astype("datetime64[M]").astype("datetime64[ms]")
            return np.asarray(months.astype(np.int64) == stamps)
        first = timeframe.open_ms(0)
        return np.asarray((stamps - first) % (timeframe.open_ms(1) - first) == 0)

    # -- times

    def _times(self, block: Block) -> Int64Array:
        if isinstance(block.times, np.ndarray):
            return self._to_ms(block.times, block)
        if self._is_iso is None:
            self._is_iso = not is_number(block.times[0])
        if self._is_iso:
            self._units.add("ISO")
            return np.array(list(self._moments(block.times, block.lines)), dtype=np.int64)
        try:
            whole = [int(text) for text in block.times]
        except ValueError:
            whole = [self._whole(text, line) for text, line in zip(block.times, block.lines, strict=True)]
        if max(whole) >= _AUTO_BOUNDS[-1] or min(whole) < 0:
            at = next(i for i, value in enumerate(whole) if not 0 <= value < _AUTO_BOUNDS[-1])
            raise self._fail(
                block.lines[at], f"its time {block.times[at][:30]!r} is not s, ms or us since 1970"
            )
        return self._to_ms(np.array(whole, dtype=np.int64), block)

    def _whole(self, text: str, line: int) -> int:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not value.is_integer():
            raise self._fail(line, f"its time is {text[:30]!r}, a whole number as before was expected")
        return int(value)

    def _to_ms(self, values: Int64Array, block: Block) -> Int64Array:
        seconds, millis, _ = _AUTO_BOUNDS
        is_s = np.full(len(values), self._unit == "s") if self._unit != "auto" else values < seconds
        is_us = np.full(len(values), self._unit == "us") if self._unit != "auto" else values >= millis
        for unit, mask in (("s", is_s), ("us", is_us), ("ms", ~(is_s | is_us))):
            if mask.any():
                self._units.add(unit)
        uneven = is_us & (values % 1000 != 0)
        if uneven.any():
            at = int(np.argmax(uneven))
            raise self._fail(block.lines[at], f"its time {values[at]} us is not a whole millisecond")
        return np.where(is_s, np.minimum(values, 2**43) * 1000, np.where(is_us, values // 1000, values))

    def _moments(self, texts: list[str], lines: Sequence[int]) -> Iterator[int]:
        epoch, one_ms = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
        for text, line in zip(texts, lines, strict=True):
            try:
                moment = datetime.fromisoformat(text.strip())
            except ValueError:
                raise self._fail(line, f"its time is {text[:40]!r}, not ISO-8601 as expected") from None
            if moment.tzinfo is None:
                moment = self._localised(moment, line)
            whole, rest = divmod(moment - epoch, one_ms)
            if rest:
                raise self._fail(line, f"its time {text[:40]!r} is not a whole millisecond")
            yield whole

    def _localised(self, moment: datetime, line: int) -> datetime:
        first, second = (moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            there = f"{moment} in {self._zone.key}"
            raise self._fail(
                line, f"{there} does not name one instant (clocks change); use a file with UTC times"
            )
        return first

    # -- the whole file

    def _first_of_each(
        self, stamps: Int64Array, lines: Int32Array, columns: tuple[Float64Array, ...]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        same_time = np.diff(stamps) == 0
        differs = same_time & np.logical_or.reduce([np.diff(column) != 0 for column in columns])
        if differs.any():
            at = int(np.argmax(differs))
            where = f"also on {self._place} {lines[at]} with other values"
            raise self._fail(
                int(lines[at + 1]), f"the candle at {short_time(int(stamps[at]))} stands {where}"
            )
        return np.concatenate([[True], ~same_time])

    def _check_spacing(self, stamps: Int64Array) -> None:
        """Hourly candles stored as minutes would be wrong in silence: most neighbours must be one cell apart."""
        if len(stamps) < 2:
            return
        distances = np.diff(stamps)
        one = int(self._timeframe.next(int(stamps[0]))) - int(stamps[0])
        if self._timeframe.name == "1M" or 2 * int((distances == one).sum()) > len(distances):
            return
        steps, counts = np.unique(distances, return_counts=True)
        usual = int(steps[np.argmax(counts)])
        if usual != one:
            raise InputError(
                f"{self._name} holds candles {_span(usual)} apart, not {self._timeframe}; nothing was stored"
            )

    def _closed(self, candles: Candles, lines: Int32Array, now_ms: int) -> Candles:
        later = int(np.searchsorted(candles.timestamp, now_ms, side="right"))
        if later < len(candles):
            moment = _moment(int(candles.timestamp[later]))
            raise self._fail(
                int(lines[later]), f"the candle at {moment} lies in the future by the exchange's clock"
            )
        is_open = self._timeframe.next(int(candles.timestamp[-1])) > now_ms
        closed = candles.slice(0, -1) if is_open else candles
        if not len(closed):
            raise InputError(f"{self._name} holds no candle that has closed; nothing was stored")
        return closed


class _Growing(Generic[Number]):
    """A column that grows in place: parts joined at the end would be in memory twice."""

    def __init__(self, kind: type[Number]) -> None:
        self._values: np.ndarray[tuple[int, ...], np.dtype[Number]] = np.empty(0, dtype=kind)
        self._size = 0

    def extend(self, part: np.ndarray[tuple[int, ...], np.dtype[Number]]) -> None:
        """Add values at the end."""
        end = self._size + len(part)
        if end > len(self._values):
            self._values.resize(end + _SPARE_ROWS, refcheck=False)
        self._values[self._size : end] = part
        self._size = end

    def take(self) -> np.ndarray[tuple[int, ...], np.dtype[Number]]:
        """All values; nothing may be added any more."""
        self._values.resize(self._size, refcheck=False)
        return self._values


def _moment(ms: int, precision: str = "minutes") -> str:
    """A time for a message, whatever the number."""
    if not 0 <= ms < 2**43:
        return f"{ms} ms"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return f"{moment.replace(tzinfo=None).isoformat(sep=' ', timespec=precision)} UTC"


def _span(ms: int) -> str:
    for size, unit in ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1000, "seconds")):
        if ms % size == 0:
            return f"{ms // size:,} {unit}"
    return f"{ms:,} ms"
