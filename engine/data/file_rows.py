"""The rows of a candle file as text columns: CSV, plain or packed (gzip, zip with one member), and Parquet.

A file is never trusted: what it unpacks to, its lines and its rows are capped, so that memory stays bounded.
"""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.market import PRICE_COLUMNS, Int64Array

FIELDS: Final = ("timestamp", *PRICE_COLUMNS)
MAX_ROWS: Final = 6_000_000  # 11 years of minutes
SHOWN_ROWS: Final = 5
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
    """Some rows as columns. `lines` say where each stands in the file. Times are text, or integers."""

    lines: Sequence[int]
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
                    from engine.data.csv_rows import csv_rows

                    yield csv_rows(stream, path.name, columns)
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
            raise InputError(
                f"{name}: {taken[at]} and {field} cannot be the same column; choose another (--columns)"
            )
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
        raise InputError(
            f"{name}: which column is {field}? It has {shown}; choose it (--columns {field}=NAME)"
        )
    for names, text in ((header, wanted), (plain, re.sub(r"[\s_]+", " ", wanted.casefold()))):
        if text in names:
            return list(names).index(text)
    if wanted.isdecimal() and 1 <= int(wanted) <= count:
        return int(wanted) - 1
    shown = f"it has {', '.join(map(repr, header))}" if header else f"it has {count} columns without names"
    raise InputError(f"{name} has no column {wanted!r} for {field}; {shown}")


def file_head(path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The columns of a file, whether or not they can be recognized: names, or numbers from 1 where it names none; and
    the first rows of a CSV file.
    """
    by_place = {field: str(place) for place, field in enumerate(FIELDS, start=1)}
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if is_parquet:
        from engine.data.parquet_rows import parquet_names

        return parquet_names(path), ()
    with open_rows(path, by_place, "UTC") as rows:
        count = len(rows.layout.header) or max(map(len, rows.first_rows), default=len(FIELDS))
        return rows.layout.header or tuple(str(number) for number in range(1, count + 1)), rows.first_rows


def is_number(text: str) -> bool:
    """Whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_count(rows: int, name: str) -> None:
    """Raise InputError for more rows than are taken at once."""
    if rows > MAX_ROWS:
        raise InputError(f"{name} has more than {MAX_ROWS:,} rows; split it. Nothing was stored")
