"""Candles of a series as a column file that is mapped, not read: the second load costs next to nothing.

A file is named by its series and by the version of the series in the database. Any change of the series gives it
another version, so a file is either right or not found. The folder may be deleted at any time, several programs may
use it at once, and a damaged file is noticed and written again.
"""

import contextlib
import os
import struct
import time
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

import numpy as np

from engine.database.store import Store
from engine.model.kinds import Kind
from engine.model.market import Candles, Market, Period, Timeframe

LIMIT_BYTES: Final = 4 * 2**30
_LEFTOVER_S: Final = 3600  # a file still being written after an hour has no writer any more
_SUFFIX: Final = ".npy"
_MAGIC: Final = b"candles1"
# after the array: magic, version, start and end of what is inside, number of candles, one sum per column
_TRAILER: Final = struct.Struct("<8sqqqq6Q")
_CHECK: Final = struct.Struct("<I")  # of the trailer itself


@dataclass(frozen=True, slots=True)
class LoadedCandles:
    """Candles at positions `first` .. `first + len(candles)` of the file `path`; no file where none could be kept.

    `version` is that of the series, 0 where it has none.
    """

    candles: Candles
    version: int
    path: Path | None = None
    first: int = 0


class CandleCache:
    """The column files of one folder. Thread-safe."""

    def __init__(self, store: Store, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._store, self._folder, self._limit_bytes = store, folder, limit_bytes
        self._sound: set[tuple[int, ...]] = set()  # files whose sums were compared by this object

    def load(self, market: Market, timeframe: Timeframe, period: Period) -> LoadedCandles:
        """The held candles of a period: mapped when they were loaded before and nothing changed since."""
        version = self._store.verification.version(market, timeframe)
        path = self._path(market, timeframe, version)
        return self._map(path, version, period) or self._read(market, timeframe, period, _inside(path))

    def _read(
        self, market: Market, timeframe: Timeframe, period: Period, inside: Period | None
    ) -> LoadedCandles:
        """From the database into a new file; one that is there, but too short, is made longer."""
        parts = [period] if inside is None else [period, inside]
        whole = Period(min(part.start for part in parts), max(part.end for part in parts))
        candles, version = self._store.candles.read_versioned(market, timeframe, whole)
        if version and len(candles):
            path = self._path(market, timeframe, version)
            with contextlib.suppress(
                OSError
            ):  # a full disk, a folder deleted this moment: the candles are here
                self._write(path, candles, version, whole)
                self._prune(path)
                if (found := self._map(path, version, period)) is not None:
                    return found
        return LoadedCandles(candles.within(period), version)

    def _path(self, market: Market, timeframe: Timeframe, version: int) -> Path:
        return self._folder / f"{_series_name(market, timeframe)}.{version:x}{_SUFFIX}"

    def _map(self, path: Path, version: int, period: Period) -> LoadedCandles | None:
        """The candles of a period inside a file, None when it is damaged or gone."""
        try:
            with path.open("rb") as file:
                state = os.fstat(file.fileno())
                written, start, end, count, *sums = _read_trailer(file)
                header = Candles.file_header(count)
                file.seek(0)
                is_whole = file.read(len(header)) == header
            if not is_whole or written != version or period.clip(Period(start, end)) != period:
                return None
            candles = Candles.load(path)
            key = (state.st_ino, state.st_size, state.st_mtime_ns)
            if key not in self._sound:
                if _sums(candles) != sums:
                    return None
                self._sound.add(key)
            os.utime(path, ns=(time.time_ns(), state.st_mtime_ns))  # used now: pruned last
        except (OSError, ValueError):
            return None
        first, last = np.searchsorted(candles.timestamp, [period.start, period.end]).tolist()
        return LoadedCandles(candles.slice(first, last), version, path, first)

    def _write(self, path: Path, candles: Candles, version: int, period: Period) -> None:
        """The whole file, or none of it: other programs never see a part."""
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{uuid.uuid4().hex}.part")
        try:
            with draft.open("xb") as file:
                candles.write(file)
                facts = (version, period.start, period.end, len(candles), *_sums(candles))
                trailer = _TRAILER.pack(_MAGIC, *facts)
                file.write(trailer + _CHECK.pack(zlib.crc32(trailer)))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _prune(self, kept: Path) -> None:
        """Delete other versions of the same series, files nobody finished, and, past the limit, those unused longest."""
        series = _series_of(kept)
        left: list[tuple[int, int, Path]] = []
        for path, state in self._files():
            is_old = path.suffix == _SUFFIX and _series_of(path) == series
            is_leftover = path.suffix == ".part" and state.st_mtime < time.time() - _LEFTOVER_S
            if path != kept and (is_old or is_leftover):
                _delete(path)
            elif path.suffix == _SUFFIX:
                left.append((state.st_atime_ns, state.st_size, path))
        total = sum(size for _, size, _ in left)
        for _, size, path in sorted(left):
            if total <= self._limit_bytes:
                break
            if path != kept:
                _delete(path)
                total -= size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()


def _series_name(market: Market, timeframe: Timeframe) -> str:
    """A name for files: ASCII, and 1m and 1M apart also where case is ignored."""
    kind = "" if market.kind is Kind.TRADED else f"-{market.kind}"
    return f"{market.exchange}-{quote(market.name, safe='')}-{timeframe.file_name}{kind}"


def _series_of(path: Path) -> str:
    """The name of the series in a file's name: what comes before version and suffix."""
    return path.name.rsplit(".", 2)[0]


def _sums(candles: Candles) -> list[int]:
    """One wrapping sum of 64-bit words per column: tells changed, missing and zeroed bytes from the right ones."""
    columns = (candles.timestamp, *candles.columns().values())
    return [int(column.view(np.uint64).sum()) for column in columns]


def _inside(path: Path) -> Period | None:
    """What a file says it holds; None for no file and for a damaged one."""
    try:
        with path.open("rb") as file:
            _, start, end, *_ = _read_trailer(file)
    except (OSError, ValueError):
        return None
    return Period(start, end)


def _read_trailer(file: BinaryIO) -> tuple[int, ...]:
    """Version, start, end, count and six sums; raises OSError or ValueError for a file that does not end properly."""
    file.seek(-_TRAILER.size - _CHECK.size, os.SEEK_END)
    trailer, check = file.read(_TRAILER.size), file.read(_CHECK.size)
    magic, *facts = _TRAILER.unpack(trailer)
    if magic != _MAGIC or _CHECK.pack(zlib.crc32(trailer)) != check:
        raise ValueError("not the end of a column file")
    return tuple(facts)


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # gone already, or mapped on a system that then refuses
        path.unlink()
