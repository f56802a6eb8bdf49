"""Opens a candle file: CSV, plain or packed (gzip, zip with one member), and Parquet.

A file is never trusted: what it unpacks to, its lines and its rows are capped, so that memory stays bounded.
"""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from engine.data.files.csv_rows import csv_rows
from engine.data.files.rows import FileRows
from engine.errors import InputError
from engine.model.candle_files import FIELDS, FileFormat

# what a packing program adds of its own: a Mac's attributes and folder views, a Windows folder's pictures and settings
_CLUTTER: Final = re.compile(r"(?:^|/)(?:__MACOSX/.*|\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini)$")


@contextmanager
def open_rows(path: Path, form: FileFormat) -> Iterator[FileRows]:
    """Open a candle file, whatever its suffix says.

    Raises InputError for what cannot be read, also while the blocks are read.
    """
    with opened(path) as (stream, is_parquet):
        if is_parquet:
            from engine.data.files.parquet_rows import parquet_rows

            yield parquet_rows(stream, path.name, form)
        else:
            yield csv_rows(stream, path.name, form)


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """The bytes of a file, unpacked, and whether they are Parquet; raises InputError, also while they are read."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == b"PAR1":
                yield file, True
            else:
                with _unpacked(file, start, path.name) as stream:
                    yield stream, False
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
            members = [
                one for one in archive.infolist() if not one.is_dir() and not _CLUTTER.search(one.filename)
            ]
            if len(members) != 1 or members[0].flag_bits & 1:
                held = f"holds {len(members)}" if len(members) != 1 else "has one"
                raise InputError(f"{name} must hold exactly one file, without a password; it {held}")
            with archive.open(members[0]) as stream:
                yield io.BufferedReader(stream)  # type: ignore[type-var]
    else:
        yield file


def file_head(path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The columns of a file, whether or not they can be recognized: names, or numbers from 1 where it names none (or
    several the same); and the first rows of a CSV file.
    """
    by_place = {field: str(place) for place, field in enumerate(FIELDS, start=1)}
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if is_parquet:
        from engine.data.files.parquet_rows import parquet_names

        return parquet_names(path), ()
    with open_rows(path, FileFormat(by_place)) as rows:
        header = rows.layout.header or ("",) * max(map(len, rows.first_rows), default=len(FIELDS))
        names = (
            name if header.count(name) == 1 and name else str(at) for at, name in enumerate(header, start=1)
        )
        return tuple(names), rows.first_rows
