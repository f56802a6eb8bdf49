"""The rows of a Parquet file, in batches; only columns whose values have a fixed size are read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from engine.data.files.layout import Layout, find_layout
from engine.data.files.rows import SHOWN_ROWS, Block, FileRows, check_count
from engine.errors import InputError
from engine.model.candle_files import FIELDS, FileFormat

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ModuleNotFoundError:  # the container's image leaves it out
    raise InputError(
        "Parquet files need the package pyarrow, which is not installed here; give a CSV file, or install pyarrow"
    ) from None

_BATCH_ROWS: Final = 20_000


def parquet_rows(file: IO[bytes], name: str, form: FileFormat) -> FileRows:
    """An open Parquet file; raises InputError for a damaged one and for columns that are not numbers or times."""
    try:
        table = pq.ParquetFile(file)
        check_count(table.metadata.num_rows, name)
        schema = table.schema_arrow
        layout = find_layout(tuple(schema.names), (), replace(form, header=True), name)
        for field, column in layout.names().items():
            _check_type(schema.field(layout.positions[field]).type, field, column, name)
        is_time = pa.types.is_timestamp(schema.field(layout.positions["timestamp"]).type)
        blocks = _blocks(table, layout, name, form.zone)
        return FileRows(layout, _first_rows(table, layout), blocks, "row", "us" if is_time else None)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from error


def parquet_names(path: Path) -> tuple[str, ...]:
    """The columns of a Parquet file."""
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path.name, error) from error


def _damaged(name: str, error: Exception) -> InputError:
    first = (str(error).splitlines() or ["unreadable"])[0]
    return InputError(f"{name} cannot be read as Parquet ({first[:120]}); nothing was stored")


def _check_type(kind: Any, field: str, column: str, name: str) -> None:
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not is_number and not (field == "timestamp" and pa.types.is_timestamp(kind)):
        raise InputError(f"{name}: {field} (column {column!r}) is {kind}, a number is needed")


def _first_rows(table: Any, layout: Layout) -> tuple[tuple[str, ...], ...]:
    first = next(table.iter_batches(batch_size=SHOWN_ROWS, columns=list(layout.names().values())), None)
    if first is None:
        return ()
    cells = {name: column.to_pylist() for name, column in zip(first.schema.names, first.columns, strict=True)}
    return tuple(
        tuple(str(cells[title][at]) if title in cells else "" for title in layout.header)
        for at in range(first.num_rows)
    )


def _blocks(table: Any, layout: Layout, name: str, zone: str) -> Iterator[Block]:
    names = layout.names()
    row = 1
    try:
        for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=list(names.values())):
            for field, title in names.items():
                if batch.column(title).null_count:
                    at = pc.index(pc.is_null(batch.column(title)), value=True).as_py()
                    raise InputError(f"{name} row {row + at}: {field} is empty; nothing was stored")
            numbers = tuple(
                np.asarray(batch.column(names[field]).to_numpy(zero_copy_only=False), dtype=np.float64)
                for field in FIELDS[1:]
            )
            lines = range(row, row + batch.num_rows)
            yield Block(lines, _times(batch.column(names["timestamp"]), zone), numbers)
            row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from error


def _times(column: Any, zone: str) -> Any:
    """Integers: as they stand for numbers, microseconds for timestamps."""
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            column = pc.assume_timezone(column, zone)
        column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return column.cast(pa.int64()).to_numpy(zero_copy_only=False)


def parquet_text(file: IO[bytes], name: str, most: int) -> Iterator[tuple[int, list[str]]]:
    """The names of all columns, then each row as text, as a CSV file would have it; raises InputError beyond `most` rows."""
    try:
        table = pq.ParquetFile(file)
        if table.metadata.num_rows > most:
            raise InputError(f"{name} has more than {most:,} rows; split it. Nothing was stored")
        columns = [[_text(value) for value in column.to_pylist()] for column in table.read().columns]
        yield 0, list(table.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from error
    for number, row in enumerate(zip(*columns, strict=True), start=1):
        yield number, list(row)


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
