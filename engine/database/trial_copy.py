"""Writes the trials of a sweep by PostgreSQL's COPY: one binary stream, a row each."""

import json
import struct
import uuid
from collections.abc import Sequence
from itertools import repeat
from typing import Final

import numpy as np
from sqlalchemy import Connection

from engine.database.codec import copy_stream
from engine.database.run_store import storable
from engine.database.series_rows import copy_into
from engine.model.market import Float64Array
from engine.model.sweep import SweepPart, SweepResult

_COPY_TRIALS: Final = """
    COPY trials (sweep_id, number, strategy_name, identity, params, metrics, error, candles_id) FROM STDIN (FORMAT BINARY)
"""
_FLOAT8_OID: Final = 701
_NULL: Final = struct.pack(">i", -1)


def copy_trials(connection: Connection, result: SweepResult, part: SweepPart, candles: int | None) -> None:
    """Add the trials of a part, tried on the period of a series that has the number `candles`; None: on several."""
    copy_into(connection, _COPY_TRIALS, _trial_stream(result, part, candles))


def _trial_stream(result: SweepResult, part: SweepPart, candles: int | None) -> list[bytes]:
    name = str(storable(result.spec.strategy)).encode()
    head = struct.pack(">hi", 8, 16) + uuid.UUID(result.id).bytes + struct.pack(">i", 4)
    middle = struct.pack(">i", len(name)) + name
    tail = _NULL if candles is None else struct.pack(">ii", 4, candles)
    chosen = part.positions
    numbers = result.numbers[chosen].astype(">i4").tobytes()
    arrays, size = _float8_arrays([column[chosen] for column in result.metrics.values()], len(chosen))
    lists = [storable(column[chosen].tolist()) for column in result.params.values()]
    rows: list[bytes] = []
    for at, values in enumerate(zip(*lists, strict=True) if lists else repeat((), len(chosen))):
        params = b"\x01" + json.dumps(dict(zip(result.params, values, strict=True))).encode()
        error = result.errors.get(int(chosen[at])) if result.errors else None
        rows += (
            head, numbers[4 * at : 4 * at + 4], middle, _sized(part.identities[at]), _sized(params),
            arrays[size * at : size * at + size], _sized(None if error is None else str(storable(error)).encode()),
            tail,
        )  # fmt: skip
    return list(copy_stream([b"".join(rows)]))


def _sized(value: bytes | None) -> bytes:
    return _NULL if value is None else struct.pack(">i", len(value)) + value


def _float8_arrays(columns: Sequence[Float64Array], n: int) -> tuple[bytes, int]:
    """Per trial a float8[] with its length in front: all of them, and how many bytes each takes."""
    k = len(columns)
    element = [("size", ">i4"), ("value", ">f8")]
    table = np.empty(n, [("head", f"V{24}"), ("items", element, (k,))])
    header = struct.pack(">iiiiii", 20 + 12 * k, 1, 0, _FLOAT8_OID, k, 1)
    table["head"] = np.frombuffer(header, dtype="V24")[0]
    table["items"]["size"] = 8
    for at, column in enumerate(columns):
        table["items"]["value"][:, at] = column
    return table.tobytes(), table.dtype.itemsize
