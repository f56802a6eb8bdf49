"""The rows of a candle file as columns, whatever kind of file it is, and how many are taken at most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.data.files.layout import Layout
from engine.errors import InputError
from engine.model.market import Int64Array

MAX_ROWS: Final = 6_000_000  # 11 years of minutes
SHOWN_ROWS: Final = 5


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


def check_count(rows: int, name: str) -> None:
    """Raise InputError for more rows than are taken at once."""
    if rows > MAX_ROWS:
        raise InputError(f"{name} has more than {MAX_ROWS:,} rows; split it. Nothing was stored")
