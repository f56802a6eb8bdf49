"""The rows of a CSV file: plain ones in bulk by pyarrow, from the first odd one on line by line.

Both ways take the same text for the same numbers. What pyarrow refuses is left to the slow way, which knows every line by
its number: so a message never depends on how a row was read.
"""

import csv
import importlib.util
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Final

import numpy as np

from engine.data.files import rows as file_rows
from engine.data.files.layout import Layout, find_layout
from engine.data.files.rows import SHOWN_ROWS, Block, FileRows, check_count
from engine.errors import InputError
from engine.model.candle_files import FIELDS, FileFormat
from engine.model.market import PRICE_COLUMNS
from engine.model.numerals import is_number

MAX_BYTES: Final = 1 << 30  # unpacked
MAX_LINE: Final = 10_000  # bytes
CHUNK_BYTES: Final = 1 << 21  # read in bulk; a file of less is not worth the import of pyarrow
HAS_ARROW: Final = importlib.util.find_spec("pyarrow") is not None  # the container's image leaves it out
_SLOW_ROWS: Final = 20_000
_PREAMBLE_LINES: Final = 20
_DELIMITERS: Final = "\t;,"  # a comma may also stand inside the numbers of the others
_LAST_TIME: Final = 10**17  # later than what any unit makes of it
Row = tuple[int, list[str]]  # the number of its last line, its cells


class _Text:
    """The text of a file, line by line or in chunks of whole lines; `lines` and `size` count what was taken of it."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.name, self.lines, self.size = name, 0, 0
        self._streams = [stream]

    def __iter__(self) -> Iterator[str]:
        while line := self._readline():
            self.lines, self.size = self.lines + 1, self.size + len(line)
            if self.lines > 2 * file_rows.MAX_ROWS:
                raise self._refused(
                    f"has more than {2 * file_rows.MAX_ROWS:,} lines; split it. Nothing was stored"
                )
            if len(line) > MAX_LINE:
                raise self._refused(f"line {self.lines} is longer than {MAX_LINE:,} bytes: not a candle file")
            if self.size > MAX_BYTES:
                raise self._refused(
                    f"unpacks to more than {MAX_BYTES >> 20:,} MB; split it. Nothing was stored"
                )
            try:
                yield line.decode("utf-8-sig" if self.lines == 1 else "utf-8")
            except UnicodeDecodeError:
                raise self._refused(f"line {self.lines} is not UTF-8 text; nothing was stored") from None

    def plain_chunk(self) -> tuple[bytes, int] | None:
        """About CHUNK_BYTES of whole lines, and how many, not yet taken: nothing quoted, nothing blank, ASCII, within the
        limits. None where less is left, or a line is not like that: then they are there for who goes on line by line.
        """
        chunk = self._streams[-1].read(CHUNK_BYTES)
        is_long = len(chunk) == CHUNK_BYTES
        chunk += self._streams[-1].readline(MAX_LINE + 1)
        is_plain = is_long and chunk.isascii() and b'"' not in chunk and b"\n\n" not in chunk
        if is_plain and chunk[:1] != b"\n" and chunk.endswith(b"\n"):
            ends = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == ord("\n"))
            is_small = (
                self.size + len(chunk) <= MAX_BYTES and self.lines + len(ends) <= 2 * file_rows.MAX_ROWS
            )
            if is_small and np.diff(ends, prepend=-1).max() <= MAX_LINE:
                return chunk, len(ends)
        self.put_back(chunk)
        return None

    def take(self, chunk: bytes, lines: int) -> None:
        """Count a plain chunk as taken."""
        self.lines, self.size = self.lines + lines, self.size + len(chunk)

    def put_back(self, chunk: bytes) -> None:
        """Leave a chunk for who goes on line by line."""
        self._streams.insert(0, io.BytesIO(chunk))

    def _readline(self) -> bytes:
        line = self._streams[0].readline(MAX_LINE + 1)
        while not line and len(self._streams) > 1:
            del self._streams[0]
            line = self._streams[0].readline(MAX_LINE + 1)
        return line

    def _refused(self, text: str) -> InputError:
        return InputError(f"{self.name} {text}")


def csv_rows(stream: IO[bytes], name: str, form: FileFormat) -> FileRows:
    """An open CSV file; raises InputError, also while its blocks are read."""
    text = _Text(stream, name)
    begin, rows, delimiter = _table(text, FIELDS)
    shown = list(itertools.islice(rows, SHOWN_ROWS))
    layout = find_layout(begin[1], [row for _, row in shown], form, name)
    if layout.first_is_data:
        shown.insert(0, begin)
    blocks = _blocks(text, shown, rows, layout, delimiter)
    return FileRows(layout, tuple(tuple(row) for _, row in shown), blocks)


def table_rows(stream: IO[bytes], name: str, fields: Sequence[str]) -> Iterator[Row]:
    """All rows of a small table as text, from its first on, which may name the columns; raises InputError, also later."""
    begin, rows, _ = _table(_Text(stream, name), fields)
    return itertools.chain([begin], rows)


def _table(text: _Text, fields: Sequence[str]) -> tuple[Row, Iterator[Row], str]:
    """The first row that may belong to a table with so many columns, those after it, and what parts their cells."""
    head, least = list(itertools.islice(text, _PREAMBLE_LINES)), len(fields)
    delimiter = max(_DELIMITERS, key=lambda mark: sum(line.count(mark) >= least - 1 for line in head))
    rows = _numbered(itertools.chain(head, text), delimiter, text.name, 0)
    # addresses and comments may stand above the table
    above = itertools.islice(rows, _PREAMBLE_LINES)
    begin = next((one for one in above if len(one[1]) >= least and not one[1][0].startswith("#")), None)
    if begin is None:
        raise InputError(f"{text.name} holds no table with {', '.join(fields)}; nothing was stored")
    return begin, rows, delimiter


def _blocks(
    text: _Text, shown: Sequence[Row], rest: Iterator[Row], layout: Layout, delimiter: str
) -> Iterator[Block]:
    begun = list(shown)
    if not begun or begun[-1][0] < text.lines:  # some of the lines that were taken are not rows yet
        for line, row in rest:
            begun.append((line, row))
            if line >= text.lines:
                break
    if not begun:
        return
    yield _block(begun, layout, text.name)
    count = len(begun)
    has_numbers = layout.clock is None and is_number(begun[0][1][layout.positions["timestamp"]])
    while (found := text.plain_chunk()) is not None:
        chunk, lines = found
        block = _plain_block(
            chunk, range(text.lines + 1, text.lines + lines + 1), layout, delimiter, has_numbers
        )
        if block is None:
            text.put_back(chunk)
            break
        text.take(chunk, lines)
        count += lines
        check_count(count, text.name)
        yield block
    rows = _numbered(text, delimiter, text.name, text.lines)
    while slow := list(itertools.islice(rows, _SLOW_ROWS)):
        count += len(slow)
        check_count(count, text.name)
        yield _block(slow, layout, text.name)


def _numbered(lines: Iterable[str], delimiter: str, name: str, before: int) -> Iterator[Row]:
    """Rows that are not blank, each with the number of its line; `before`: lines that precede these."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = before + reader.line_num
            raise InputError(f"{name} line {line}: {error}; nothing was stored") from error
        if any(map(str.strip, row)):
            yield before + reader.line_num, row


def _block(rows: Sequence[Row], layout: Layout, name: str) -> Block:
    for line, row in rows:
        if not layout.least <= len(row) <= layout.most:
            _check_width(line, row, layout, name)
    times, *numbers = ([row[at] for _, row in rows] for at in map(layout.positions.__getitem__, FIELDS))
    if layout.clock is not None:
        times = [f"{day} {row[layout.clock]}" for day, (_, row) in zip(times, rows, strict=True)]
    return Block([line for line, _ in rows], times, tuple(numbers))


def _check_width(line: int, row: Sequence[str], layout: Layout, name: str) -> None:
    """A cell too many or too few means that those after it stand under the wrong names."""
    count = len(row)
    model = "header" if layout.header else "first row"
    if count < layout.least:
        raise InputError(
            f"{name} line {line} has {count} columns, the {model} has {layout.least}; nothing was stored"
        )
    if any(cell.strip() for cell in row[layout.most :]):
        why = "is a comma inside a number?"
        raise InputError(
            f"{name} line {line} has {count} columns, the {model} has {layout.most}: {why} Nothing was stored"
        )


def _plain_block(
    chunk: bytes, lines: range, layout: Layout, delimiter: str, has_numbers: bool
) -> Block | None:
    """Lines without quotes as columns; None where any cell that is wanted is not what it should be."""
    if not HAS_ARROW or b"0x" in chunk or b"0X" in chunk:  # numbers to pyarrow only
        return None
    width = chunk[: chunk.index(b"\n")].count(delimiter.encode()) + 1
    if width < layout.least:
        return None
    spare = [str(at) for at in range(layout.most, width)]
    table = _arrow_table(chunk, width, spare, layout, delimiter, has_numbers)
    if table is None or table.num_rows != len(lines):
        return None
    if any(cell for name in spare for cell in table.column(name).unique().to_pylist()):
        return None
    numbers = tuple(np.array(table.column(str(layout.positions[field]))) for field in PRICE_COLUMNS)
    if not all(np.isfinite(column).all() for column in numbers):  # "nan" and "inf" are words
        return None
    times = table.column(str(layout.positions["timestamp"]))
    if layout.clock is not None:
        clocks = table.column(str(layout.clock)).to_pylist()
        return Block(
            lines,
            [f"{day} {clock}" for day, clock in zip(times.to_pylist(), clocks, strict=True)],
            numbers,
        )
    if not has_numbers:
        return Block(lines, times.to_pylist(), numbers)
    stamps = np.array(times)
    return Block(lines, stamps, numbers) if stamps.min() >= 0 and stamps.max() < _LAST_TIME else None


def _arrow_table(
    chunk: bytes, width: int, spare: Sequence[str], layout: Layout, delimiter: str, has_numbers: bool
) -> Any:
    """The wanted columns and the spare ones under the numbers of their places; None where pyarrow refuses a cell."""
    import pyarrow as pa
    import pyarrow.csv as arrow

    types: dict[str, Any] = {str(layout.positions[field]): pa.float64() for field in PRICE_COLUMNS}
    types[str(layout.positions["timestamp"])] = pa.int64() if has_numbers else pa.string()
    texts = [*spare] if layout.clock is None else [*spare, str(layout.clock)]
    types |= dict.fromkeys(texts, pa.string())
    try:
        return arrow.read_csv(
            pa.BufferReader(chunk),
            arrow.ReadOptions(
                use_threads=False, block_size=2 * len(chunk), column_names=list(map(str, range(width)))
            ),
            arrow.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            arrow.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=[],
                check_utf8=False,
                decimal_point=layout.decimal,
            ),
        )
    except (pa.ArrowException, KeyError):  # a column that these lines do not have is a KeyError
        return None
