"""A CSV table: its header as plain words, its rows with the numbers of their lines, cells read by what they are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from engine.errors import InputError
from engine.trade_lists.cells import decimal_mark, moment_of, names_zone, number_of

MOST_ROWS: Final = 400_000
_DELIMITERS: Final = ",;\t"
_SAMPLE_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Table:
    """`header`: the names as they stand; `rows`: line and cells; `mark`: the decimal one, `assumed`: it may be the other;
    `zone` of times that name none.
    """

    file: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    mark: str
    zone: tzinfo
    assumed: bool = False

    def find(self, *words: str) -> int | None:
        """The first column whose plain name is one of these words, or begins so where the word ends in *."""
        names = [plain(name) for name in self.header]
        for word in words:
            for at, name in enumerate(names):
                if name == word or (
                    word.endswith("*") and name.startswith(word[:-1]) and "percent" not in name
                ):
                    return at
        return None

    @staticmethod
    def text(cells: Sequence[str], at: int | None) -> str:
        """A cell without blanks around it; empty where it or its column is not there."""
        return cells[at].strip() if at is not None and at < len(cells) else ""

    def number(self, line: int, cells: Sequence[str], at: int | None) -> float | None:
        """The number of a cell, None where the column or its cell is empty; raises InputError, naming the line."""
        if (
            at is None
            or at >= len(cells)
            or cells[at].strip().lower() in ("", "nan", "none", "null", "n/a", "-", "—")
        ):
            return None
        try:
            return number_of(cells[at], self.mark)[0]
        except ValueError as error:
            raise self.wrong(line, f"{self.header[at]} {error}") from None

    def need(self, line: int, cells: Sequence[str], at: int) -> float:
        """The same of a cell that must hold one."""
        found = self.number(line, cells, at)
        if found is None:
            raise self.wrong(line, f"{self.header[at]} is empty")
        return found

    def moment(self, line: int, cells: Sequence[str], at: int, zone: tzinfo | None = None) -> int:
        """The time of a cell, ms; raises InputError, naming the line."""
        try:
            return moment_of(cells[at] if at < len(cells) else "", zone or self.zone)
        except (ValueError, OverflowError) as error:
            raise self.wrong(line, f"{self.header[at]} {error}") from None

    def asks_zone(self, at: int) -> bool:
        """Whether times of a column name no zone."""
        return not all(names_zone(self.text(cells, at)) for _, cells in self.rows)

    def wrong(self, line: int, why: str) -> InputError:
        """An error about a line."""
        return InputError(f"{self.file} line {line}: {why}; nothing was compared")


def plain(name: str) -> str:
    """A column's name in small letters and digits; the sign for percent becomes a word."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("%", "percent").replace("&", ""))


def read_table(text: str, file: str, zone: tzinfo) -> Table:
    """The table of a CSV text; its first row that is not blank is the header. Raises InputError."""
    head = text[:20_000].lstrip().split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=head.count)
    rows = list(_rows(text, file, delimiter))
    if not rows:
        raise InputError(f"{file} is empty")
    sample = (cell for _, cells in rows[1 : 1 + _SAMPLE_ROWS] for cell in cells)
    mark, assumed = decimal_mark(sample, delimiter)
    header = tuple(name.strip() for name in rows[0][1])
    return Table(file, header, tuple(rows[1:]), mark, zone, assumed)


def _rows(text: str, file: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for count, row in enumerate(reader):
            if count > MOST_ROWS:
                raise InputError(
                    f"{file} has more than {MOST_ROWS:,} rows: too many for a list of trades; export less"
                )
            if any(map(str.strip, row)):
                yield reader.line_num, tuple(row)
    except csv.Error as error:
        raise InputError(f"{file} line {reader.line_num}: {error}; nothing was compared") from error
