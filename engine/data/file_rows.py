"""The rows of a candle file as text columns: CSV, plain or packed (gzip, zip with one member), and Parquet.

A file is never trusted: what it unpacks to, its lines and its rows are capped, so that memory stays bounded.
"""

import csv
import gzip
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.market import PRICE_COLUMNS, Int64Array

FIELDS: Final = ("timestamp", *PRICE_COLUMNS)
MAX_BYTES: Final = 1 << 30  # unpacked
MAX_ROWS: Final = 6_000_000  # 11 years of minutes
MAX_LINE: Final = 10_000  # bytes
BLOCK_ROWS: Final = 20_000
SHOWN_ROWS: Final = 5
_PREAMBLE_LINES: Final = 20
# what the column of a field is called elsewhere, by preference
_KNOWN_NAMES: Final = {
    "timestamp": ("timestamp", "open time", "opentime", "unix", "time", "datetime", "date", "open timestamp", "ts"),
    "open": ("open", "o", "open price"),
    "high": ("high", "h", "high price"),
    "low": ("low", "l", "low price"),
    "close": ("close", "c", "close price"),
    "volume": ("volume", "v", "vol", "base volume", "volume base"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a file holds what. `header` is empty for a file without one; positions count from 0."""

    header: tuple[str, ...]
    positions: Mapping[str, int]

    def names(self) -> dict[str, str]:
        """Field -> the column's name, or its number from 1 where the file names none."""
        return {
            field: self.header[at] if at < len(self.header) else str(at + 1)
            for field, at in self.positions.items()
        }


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows as columns. `lines` say where each stands in the file. Times are text, or integers of a known unit."""

    lines: Int64Array
    times: list[str] | Int64Array
    numbers: tuple[list[str] | npt.NDArray[np.float64], ...]  # open, high, low, close, volume


@dataclass(frozen=True, slots=True)
class FileRows:
    """An open file: its layout, its first rows as they stand there, and blocks to read once.

    `time_unit`: of integer times whose type says so (Parquet timestamps); None: to be found out.
    """

    layout: Layout
    first_rows: tuple[tuple[str, ...], ...]
    blocks: Iterator[Block]
    place: str = "line"
    time_unit: str | None = None


def parse_columns(text: str) -> dict[str, str]:
    """`timestamp=Date,open=O` as {field: column name or number from 1}; raises InputError."""
    chosen: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if field not in FIELDS or not equals or not column:
            raise InputError(f"--columns {part!r} must read FIELD=COLUMN with a field of {', '.join(FIELDS)}")
        chosen[field] = column
    return chosen


@contextmanager
def open_rows(path: Path, columns: Mapping[str, str], zone: str) -> Iterator[FileRows]:
    """Open a candle file, whatever its suffix says. `zone`: of Parquet timestamps that name none.

    Raises InputError for what cannot be read, also while the blocks are read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == b"PAR1":
                from engine.data.parquet_rows import parquet_rows

                yield parquet_rows(file, path.name, columns, zone)
            else:
                with _unpacked(file, start, path.name) as stream:
                    yield _csv_rows(stream, path.name, columns)
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name a file") from None
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(f"{path.name} is damaged or cut off ({error}); nothing was stored") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def _unpacked(file: IO[bytes], start: bytes, name: str) -> Iterator[IO[bytes]]:
    if start[:2] == b"\x1f\x8b":
        with gzip.open(file) as stream:
            yield stream  # type: ignore[misc]
    elif start == b"PK\x03\x04":
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1 or members[0].flag_bits & 1:
                raise InputError(f"{name} must hold exactly one file, without a password")
            with archive.open(members[0]) as stream:
                yield io.BufferedReader(stream)  # type: ignore[type-var]
    else:
        yield file


def find_layout(
    first: tuple[str, ...], columns: Mapping[str, str], name: str, *, has_header: bool | None = None
) -> Layout:
    """The layout of a file whose first row is `first`: a header, unless any of its cells is a number."""
    if has_header is None:
        has_header = not any(is_number(cell) for cell in first)
    header = tuple(cell.strip() for cell in first) if has_header else ()
    positions = {field: _position(field, columns.get(field), header, len(first), name) for field in FIELDS}
    taken: dict[int, str] = {}
    for field, at in positions.items():
        if at in taken:
            raise InputError(f"{name}: {taken[at]} and {field} cannot be the same column; set --columns")
        taken[at] = field
    return Layout(header, positions)


def _position(field: str, wanted: str | None, header: tuple[str, ...], count: int, name: str) -> int:
    plain = [re.sub(r"[\s_]+", " ", title.casefold()) for title in header]
    if wanted is None:
        if not header:
            at = FIELDS.index(field)  # the exchange's order
        else:
            at = next((plain.index(known) for known in _KNOWN_NAMES[field] if known in plain), count)
        if at < count:
            return at
        shown = f"columns {', '.join(map(repr, header))}" if header else f"{count} columns"
        raise InputError(f"{name}: which column is {field}? It has {shown}; say --columns {field}=NAME")
    for names, text in ((header, wanted), (plain, re.sub(r"[\s_]+", " ", wanted.casefold()))):
        if text in names:
            return list(names).index(text)
    if wanted.isdecimal() and 1 <= int(wanted) <= count:
        return int(wanted) - 1
    shown = f"it has {', '.join(map(repr, header))}" if header else f"it has {count} columns without names"
    raise InputError(f"{name} has no column {wanted!r} for {field}; {shown}")


def column_names(path: Path) -> tuple[str, ...]:
    """The columns of a file, whether or not they can be recognized: names, or numbers from 1 where it names none."""
    by_place = {field: str(place) for place, field in enumerate(FIELDS, start=1)}
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if is_parquet:
        from engine.data.parquet_rows import parquet_names

        return parquet_names(path)
    with open_rows(path, by_place, "UTC") as rows:
        count = len(rows.layout.header) or max(map(len, rows.first_rows), default=len(FIELDS))
        return rows.layout.header or tuple(str(number) for number in range(1, count + 1))


def is_number(text: str) -> bool:
    """Whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


# -- CSV


def _lines(stream: IO[bytes], name: str) -> Iterator[str]:
    total = 0
    for number in itertools.count(1):
        line = stream.readline(MAX_LINE + 1)
        if not line:
            return
        total += len(line)
        if number > 2 * MAX_ROWS:
            raise InputError(f"{name} has more than {2 * MAX_ROWS:,} lines; split it. Nothing was stored")
        if len(line) > MAX_LINE:
            raise InputError(f"{name} line {number} is longer than {MAX_LINE:,} bytes: not a candle file")
        if total > MAX_BYTES:
            raise InputError(
                f"{name} unpacks to more than {MAX_BYTES >> 20:,} MB; split it. Nothing was stored"
            )
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{name} line {number} is not UTF-8 text; nothing was stored") from None


def _csv_rows(stream: IO[bytes], name: str, columns: Mapping[str, str]) -> FileRows:
    lines = _lines(stream, name)
    head = list(itertools.islice(lines, _PREAMBLE_LINES))
    delimiter = max(",;\t", key=lambda mark: max((line.count(mark) for line in head), default=0))
    numbered = _numbered_rows(
        csv.reader(itertools.chain(head, lines), delimiter=delimiter, strict=True), name
    )
    skipped = 0
    first: tuple[str, ...] | None = None
    for _, row in numbered:  # addresses and comments above the table
        if len(row) >= len(FIELDS) and not row[0].startswith("#"):
            first = tuple(row)
            break
        skipped += 1
        if skipped >= _PREAMBLE_LINES:
            break
    if first is None:
        raise InputError(f"{name} holds no table with {', '.join(FIELDS)}; nothing was stored")
    layout = find_layout(first, columns, name)
    shown = list(itertools.islice(numbered, SHOWN_ROWS))
    if not layout.header:
        shown.insert(0, (skipped + 1, list(first)))
    rows = itertools.chain(shown, numbered)
    return FileRows(layout, tuple(tuple(row) for _, row in shown), _csv_blocks(rows, layout, name))


def _numbered_rows(reader: Any, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its line."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{name} line {reader.line_num}: {error}; nothing was stored") from error
        if row:
            yield reader.line_num, row


def _csv_blocks(rows: Iterable[tuple[int, list[str]]], layout: Layout, name: str) -> Iterator[Block]:
    wanted = [layout.positions[field] for field in FIELDS]
    source, count = iter(rows), 0
    while block := list(itertools.islice(source, BLOCK_ROWS)):
        count += len(block)
        check_count(count, name)
        for line, row in block:
            if len(row) <= max(wanted):
                raise InputError(
                    f"{name} line {line} has {len(row)} columns, at least {max(wanted) + 1} are needed; "
                    "nothing was stored"
                )
        lines = np.array([line for line, _ in block], dtype=np.int64)
        texts = [[row[at] for _, row in block] for at in wanted]
        yield Block(lines, texts[0], tuple(texts[1:]))


def check_count(rows: int, name: str) -> None:
    """Raise InputError for more rows than are taken at once."""
    if rows > MAX_ROWS:
        raise InputError(f"{name} has more than {MAX_ROWS:,} rows; split it. Nothing was stored")
