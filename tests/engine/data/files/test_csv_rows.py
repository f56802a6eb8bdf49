"""Rows read in bulk are those that are read line by line: the same candles, the same refusals with the same lines."""

import gzip
import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.data.files import csv_rows
from engine.data.files.candle_file import read_candle_file
from engine.data.files.rows import Block
from engine.errors import InputError
from engine.model.candle_files import FileFormat
from engine.model.market import Period, Timeframe, format_time, parse_time
from tests.support.examples import examples
from tests.support.fake_exchange import grid_candles

HOUR = Timeframe("1h")
NOW = parse_time("2025-01-15T00:30")
WEEK = grid_candles("1h", Period.parse("2024-01-01", "2024-01-07"))
HEADER = "timestamp,open,high,low,close,volume,more"
SMALL = 700  # bytes of a chunk: nine lines or so


def lines_of(time: Callable[[int], object] = str) -> list[str]:
    columns = [column.tolist() for column in WEEK.columns().values()]
    rows = zip(WEEK.timestamp.tolist(), *columns, strict=True)
    return [",".join([str(time(row[0])), *map(repr, row[1:]), "x"]) for row in rows]


def outcome(path: Path, chunk_bytes: int) -> tuple[object, ...]:
    """All that comes of a file: its candles and notices, or the refusal."""
    with mock.patch.object(csv_rows, "CHUNK_BYTES", chunk_bytes):
        try:
            found = read_candle_file(path, HOUR, FileFormat(), NOW)
        except InputError as error:
            return (str(error),)
    return found.candles.sha256(), found.rows, found.unit, found.notices


CELLS = st.sampled_from(
    ["", " ", "nan", "inf", "1e3", " 101.5 ", "1_000", "+5", "-5", "0", '"101.5"', '"1', "?", "1.5\r", "\u0663", "0x10",
     "1704067200000", "1704067200000000", "1704067200.0", "2024-01-01T00:00Z", "99999999999999999999", "NULL", "\0",
     '"', "x\r1,2,3,4,5,6,7"]
)  # fmt: skip
ODD_LINES = st.sampled_from(
    ["", " ", "# comment", "1,2,3", "\r", '"', "\u5e01", "1" * 10_001, ",,,,,,", "\x0b"]
)


@pytest.mark.long
@settings(max_examples=examples(250), deadline=None)
@given(
    time=st.sampled_from([str, format_time, lambda ms: ms * 1000, lambda ms: f"{ms // 1000}.0"]),
    header=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
    at=st.integers(0, len(WEEK) - 2),
    column=st.integers(0, 6),
    cell=st.none() | CELLS,
    twice=st.booleans(),
    odd=st.none() | ODD_LINES,
    end=st.sampled_from(["\n", "", "\n\n"]),
)
@example(str, True, "\n", 100, 4, "?", False, "", "\n")  # blank lines count
@example(str, True, "\n", 60, 6, '"a\nb"', False, None, "\n")  # a cell of two lines
@example(str, True, "\n", 60, 6, '"', True, None, "\n")  # the same, where each line looks whole
@example(str, True, "\n", 60, 6, "x\r1,2,3,4,5,6,7", False, None, "\n")  # what only pyarrow calls a line
def test_a_file_means_the_same_in_chunks_and_line_by_line(
    tmp_path_factory: pytest.TempPathFactory,
    time: Callable[[int], object],
    header: bool,
    newline: str,
    at: int,
    column: int,
    cell: str | None,
    twice: bool,
    odd: str | None,
    end: str,
) -> None:
    lines = lines_of(time)
    if cell is not None:
        for number in (at, at + 1) if twice else (at,):
            cells = lines[number].split(",")
            cells[column] = cell
            lines[number] = ",".join(cells)
    if odd is not None:
        lines.insert(at // 2, odd)
    path = tmp_path_factory.getbasetemp() / "chunks.csv"
    path.write_bytes((newline.join([HEADER] * header + lines) + end).encode())
    assert outcome(path, SMALL) == outcome(path, 1 << 30)


@pytest.fixture
def in_bulk(monkeypatch: pytest.MonkeyPatch) -> list[range]:
    """The lines that were read in bulk."""
    seen: list[range] = []
    real = csv_rows._plain_block

    def spy(chunk: bytes, lines: range, *more: object) -> Block | None:
        found = real(chunk, lines, *more)  # type: ignore[arg-type]
        if found is not None:
            seen.append(lines)
        return found

    monkeypatch.setattr(csv_rows, "_plain_block", spy)
    return seen


@pytest.mark.parametrize("time", [str, format_time], ids=["numbers", "ISO"])
def test_plain_lines_are_read_in_bulk_also_from_a_packed_file(
    tmp_path: Path, in_bulk: list[range], time: Callable[[int], object]
) -> None:
    path = tmp_path / "plain.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *lines_of(time), ""]).encode()))
    outcome(path, SMALL)
    assert in_bulk[0].start == 21, "the lines before it told what the columns are"
    assert all(one.stop == two.start for one, two in pairwise(in_bulk))
    assert in_bulk[-1].stop > len(WEEK) - 12


def test_from_the_first_odd_line_on_no_more_is_read_in_bulk(tmp_path: Path, in_bulk: list[range]) -> None:
    lines = lines_of()
    lines[90] = f'"{lines[90][:13]}"{lines[90][13:]}'
    path = tmp_path / "odd.csv"
    path.write_text("\n".join([HEADER, *lines, ""]))
    assert outcome(path, SMALL)[1] == len(WEEK)
    assert 60 < in_bulk[-1].stop <= 92


def test_without_pyarrow_a_file_is_read_line_by_line_and_gives_the_same(
    tmp_path: Path, in_bulk: list[range], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("\n".join([HEADER, *lines_of(), ""]))
    by_pyarrow = outcome(path, SMALL)
    assert in_bulk
    in_bulk.clear()
    monkeypatch.setattr(csv_rows, "HAS_ARROW", False)
    assert outcome(path, SMALL) == by_pyarrow
    assert not in_bulk


def test_the_text_of_a_file_is_counted_once_whichever_way_it_is_read() -> None:
    text = csv_rows._Text(io.BytesIO(b"a\n" * 100), "x")
    iterator = iter(text)
    assert [next(iterator) for _ in range(3)] == ["a\n"] * 3
    with mock.patch.object(csv_rows, "CHUNK_BYTES", 50):
        chunk, lines = text.plain_chunk() or (b"", 0)
    assert (len(chunk), lines, text.lines) == (52, 26, 3)
    text.take(chunk, lines)
    assert (text.lines, text.size) == (29, 58)
    assert len(list(text)) == 71
    assert (text.lines, text.size) == (100, 200)
