"""Bytes between numpy and PostgreSQL: COPY BINARY of candles, arrays of a result row, stored series of a run."""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from engine.model.market import PRICE_COLUMNS, Candles
from engine.model.run import Series

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_POSTGRES_EPOCH_MS: Final = 946_684_800_000  # 2000-01-01: PostgreSQL sends µs since then

_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_COPY_ROWS: Final = 1 << 16  # in one piece
_COPY_TRAILER: Final = struct.pack(">h", -1)
_ARRAY_HEADER_BYTES: Final = 20  # dimensions, flags, element type, length, lower bound: int32 each
FLOAT8_ARRAY_OID: Final = 1022
TIMESTAMPTZ_ARRAY_OID: Final = 1185


def to_time(ms: int) -> datetime:
    """The instant `ms` for a TIMESTAMPTZ parameter."""
    return EPOCH + ms * _MILLISECOND


def to_ms(time: datetime) -> int:
    """Milliseconds of a TIMESTAMPTZ value."""
    return (time - EPOCH) // _MILLISECOND


def optional_ms(time: datetime | None) -> int | None:
    """Milliseconds of a TIMESTAMPTZ value that may be null."""
    return None if time is None else to_ms(time)


def copy_stream(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Rows in PostgreSQL's binary format, any number in a piece, as a whole COPY BINARY stream in pieces."""
    yield _COPY_HEADER
    yield from rows
    yield _COPY_TRAILER


def copy_binary(candles: Candles, series: tuple[int, str] | None = None) -> Iterator[bytes]:
    """The candles as one COPY BINARY stream of (timestamptz, 5 x float8), with `series` (id of the symbol, timeframe)
    of (integer, varchar) in front of them; in pieces, as a million of them are 90 MB.
    """
    starts = range(0, len(candles), _COPY_ROWS)
    return copy_stream(_binary_rows(candles.slice(start, start + _COPY_ROWS), series) for start in starts)


def _binary_rows(candles: Candles, series: tuple[int, str] | None) -> bytes:
    types = {"timestamp": ">i8"} | dict.fromkeys(PRICE_COLUMNS, ">f8")
    if series is not None:
        types = {"symbol_id": ">i4", "timeframe": f"S{len(series[1])}"} | types
    row = [(f"{name}_size", ">i4", name, kind) for name, kind in types.items()]
    rows = np.empty(
        len(candles),
        [("count", ">i2"), *(pair for s, i4, name, kind in row for pair in ((s, i4), (name, kind)))],
    )
    rows["count"] = len(types)
    for name in types:
        rows[f"{name}_size"] = rows.dtype[name].itemsize
    if series is not None:
        rows["symbol_id"], rows["timeframe"] = series
    rows["timestamp"] = (candles.timestamp - _POSTGRES_EPOCH_MS) * 1000
    for name, column in candles.columns().items():
        rows[name] = column
    return rows.tobytes()


def _elements(data: Buffer, dtype: str) -> npt.NDArray[Any]:
    element = np.dtype([("size", ">i4"), ("value", dtype)])
    return np.frombuffer(data, dtype=element, offset=_ARRAY_HEADER_BYTES)["value"]


class Float8ArrayLoader(Loader):
    """A one-dimensional float8[] without nulls, straight into numpy."""

    format = Format.BINARY

    def load(self, data: Buffer) -> npt.NDArray[np.float64]:
        """Shape (n,), float64."""
        return _elements(data, ">f8").astype(np.float64)


class TimestamptzArrayLoader(Loader):
    """A one-dimensional timestamptz[] without nulls, as milliseconds."""

    format = Format.BINARY

    def load(self, data: Buffer) -> npt.NDArray[np.int64]:
        """Shape (n,), int64 ms since 1970."""
        return _elements(data, ">i8").astype(np.int64) // 1000 + _POSTGRES_EPOCH_MS


def pack_series(series: Series | None) -> bytes | None:
    """A series as bytes: zlib of a JSON line (names, length), then int64 times and float64 columns, little-endian.

    The eight bytes of the numbers are stored plane by plane, which halves what zlib makes of prices.
    """
    if series is None:
        return None
    names = list(series.columns)
    header = json.dumps({"names": names, "length": len(series.time)}).encode() + b"\n"
    table = np.empty((len(names) + 1, len(series.time)), dtype="<f8")
    table[0] = series.time.astype("<i8").view("<f8")
    for row, name in enumerate(names, start=1):
        table[row] = series.columns[name]
    planes = table.view(np.uint8).reshape(-1, 8).T
    return zlib.compress(header + planes.tobytes(), level=1)


def unpack_series(data: bytes | None) -> Series | None:
    """What `pack_series` packed, bit for bit."""
    if data is None:
        return None
    header, _, body = zlib.decompress(data).partition(b"\n")
    shape = json.loads(header)
    rows = len(shape["names"]) + 1
    numbers = np.ascontiguousarray(np.frombuffer(body, dtype=np.uint8).reshape(8, -1).T).view("<f8")
    table = numbers.reshape(rows, shape["length"]).astype(np.float64)
    return Series(table[0].view(np.int64), dict(zip(shape["names"], table[1:], strict=True)))
