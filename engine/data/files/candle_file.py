"""Reads candles from a file with the checks that pages of the exchange get; a row that fails them is named by its line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Generic, TypeVar

import numpy as np

from engine.data.files.opening import open_rows
from engine.data.files.rows import Block, FileRows
from engine.data.files.times import FileTimes
from engine.errors import InputError
from engine.events import CancelToken, ProgressMeter
from engine.model.candle_files import FileFormat
from engine.model.market import PRICE_COLUMNS, Candles, Float64Array, Int64Array, Timeframe, short_time
from engine.model.numerals import is_number, read_numbers

Number = TypeVar("Number", np.int64, np.int32, np.float64)
Int32Array = np.ndarray[tuple[int, ...], np.dtype[np.int32]]
_EARLIEST_MS: Final = 1_230_940_800_000  # 2009-01-03: nothing was traded for bitcoins before the first block
_SPARE_ROWS: Final = 1 << 18


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
    with open_rows(path, form) as rows:
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
    with open_rows(path, form) as rows:
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
        self._layout = rows.layout
        self._unit = rows.time_unit or form.unit
        self._times = FileTimes(self._unit, form.zone, self._fail)
        self._first_line: int | None = None
        self._stamps, self._lines = _Growing[np.int64](np.int64), _Growing[np.int32](np.int32)
        self._columns = tuple(_Growing[np.float64](np.float64) for _ in PRICE_COLUMNS)

    @property
    def unit(self) -> str:
        """The unit of the file's times, or "ISO"; several joined by "+"."""
        return "+".join(sorted(self._times.units)) or self._unit

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
        if self._first_line is None:
            self._first_line = block.lines[0]
        numbers = tuple(
            self._numbers(name, column, block.lines)
            for name, column in zip(PRICE_COLUMNS, block.numbers, strict=True)
        )
        return self._times.in_ms(block.times, block.lines), numbers

    def finish(self, now_ms: int) -> FileCandles:
        """Everything kept, in order, each candle once, without the one that is still open."""
        stamps, lines = self._stamps.take(), self._lines.take()
        columns = tuple(column.take() for column in self._columns)
        if not len(stamps):
            raise InputError(f"{self._name} holds no candles; nothing was stored")
        rows, notices = len(stamps), list(self._layout.notices)
        if len(self._times.units) > 1:
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
        if self._layout.first_is_data and line == self._first_line:
            text += " (--header if this row names the columns)"
        return InputError(f"{self._name} {self._place} {line}: {text}; nothing was stored")

    def _numbers(self, name: str, column: list[str] | Float64Array, lines: Sequence[int]) -> Float64Array:
        if isinstance(column, np.ndarray):
            return column
        point = self._layout.decimal
        try:
            return np.array(read_numbers(column, point), dtype=np.float64)
        except ValueError:
            at = next(i for i, text in enumerate(column) if not _is_decimal(text, point))
            raise self._fail(lines[at], f"{name} is {column[at][:30]!r}{_comma_hint(column[at])}") from None

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


def _is_decimal(text: str, point: str) -> bool:
    return is_number(text) if point == "." else "." not in text and is_number(text.replace(point, "."))


def _comma_hint(text: str) -> str:
    """How to have a comma understood, where one may be the decimal mark."""
    is_likely = text.count(",") == 1 and is_number(text.replace(",", "."))
    return ", which may be a decimal comma or thousands (--decimal comma says the first)" if is_likely else ""


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
