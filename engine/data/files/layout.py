"""How a candle file is laid out: which column holds what, by name or place; the mark of its decimals; how wide rows are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.data.files.times import is_clock, is_day
from engine.errors import InputError
from engine.model.candle_files import DECIMALS, FIELDS, FileFormat
from engine.model.market import PRICE_COLUMNS
from engine.model.numerals import is_number

# what the column of a field is called elsewhere, by preference
_KNOWN_NAMES: Final = {
    "timestamp": ("timestamp", "open time", "opentime", "unix", "time", "datetime", "date", "open timestamp", "ts"),
    "open": ("open", "o", "open price"),
    "high": ("high", "h", "high price"),
    "low": ("low", "l", "low price"),
    "close": ("close", "c", "close price"),
    "volume": ("volume", "v", "vol", "base volume", "volume base", "tickvol", "tick volume"),
}  # fmt: skip
_ALL_NAMES: Final = frozenset(name for names in _KNOWN_NAMES.values() for name in names)
_DAY_NAME, _CLOCK_NAME = "date", "time"
_HEADER_NAMES: Final = 2  # so many known names make a row a header, whatever else stands in it
_COMMA_NUMBER: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")
# a comma that does not stand where thousands are parted
_DECIMAL_COMMA: Final = re.compile(r"[+-]?(?:(?:0|[0-9]{4,}),[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}))")
_HEAD, _THOUSANDS = re.compile(r"[0-9]{1,3}"), re.compile(r"[0-9]{3}(?:\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a file holds what. `header` is empty for a file without one; positions count from 0.

    `clock`: the column of the time of day, where `timestamp` holds only the date. Rows have `least` to `most` cells; what
    stands after those is blank. `first_is_data`: whether the first row is a candle. `notices`: what was chosen unasked.
    """

    header: tuple[str, ...]
    positions: Mapping[str, int]
    clock: int | None = None
    decimal: str = "."
    least: int = 0
    most: int = 0
    first_is_data: bool = False
    notices: tuple[str, ...] = ()

    def names(self) -> dict[str, str]:
        """Field -> the column's name, or its number from 1 where the file names none; two joined by "+"."""
        names = {field: self._name(at) for field, at in self.positions.items()}
        if self.clock is not None:
            names["timestamp"] += f"+{self._name(self.clock)}"
        return names

    def _name(self, at: int) -> str:
        return self.header[at] if at < len(self.header) else str(at + 1)


def find_layout(first: Sequence[str], rows: Sequence[Sequence[str]], form: FileFormat, name: str) -> Layout:
    """The layout of a file whose first row is `first`, followed by `rows`; raises InputError for what cannot be known."""
    header, first_is_data = _header(first, form)
    sample = [first, *rows] if first_is_data else list(rows)
    finder = _Finder(header, len(first), sample, name)
    positions, clock = finder.positions(form.columns)
    decimal, notices = _decimal(form.decimal, sample, positions)
    if not header and not first_is_data:
        notices += (f"the first row ({', '.join(first)[:40]}) was taken for names of columns",)
    named = [at for at, cell in enumerate(first) if cell.strip()]
    filled = 1 + max([*named, *positions.values(), -1 if clock is None else clock])
    return Layout(
        header, positions, clock, decimal, filled, len(first), first_is_data, (*finder.notices, *notices)
    )


def _plain(title: str) -> str:
    return re.sub(r"[\s_]+", " ", title.casefold()).strip(" <>")


def _header(first: Sequence[str], form: FileFormat) -> tuple[tuple[str, ...], bool]:
    """The names in the first row, if it has any, and whether it is a candle: names that are all numbers name nothing."""
    are_numbers = all(is_number(cell) for cell in first)
    if form.header is None:
        known = _ALL_NAMES | {_plain(name) for name in form.columns.values()}
        is_named = sum(_plain(cell) in known for cell in first) >= _HEADER_NAMES
        has_numbers = any(is_number(cell) or _COMMA_NUMBER.fullmatch(cell.strip()) for cell in first)
        # pandas numbers columns that nobody named
        is_counted = [cell.strip() for cell in first] == [str(at) for at in range(len(first))]
        is_header = is_named or not has_numbers or is_counted
    else:
        is_header = form.header
    return tuple(cell.strip() for cell in first) if is_header and not are_numbers else (), not is_header


class _Finder:
    """Finds the columns of one file."""

    def __init__(self, header: tuple[str, ...], count: int, sample: list[Sequence[str]], name: str) -> None:
        self._header, self._count, self._sample, self._name = header, count, sample, name
        self._names = [_plain(title) for title in header]
        self.notices: tuple[str, ...] = ()

    def positions(self, columns: Mapping[str, str]) -> tuple[dict[str, int], int | None]:
        """Where each field stands, and where the time of day does that has a column of its own."""
        clock = None
        places = dict(columns)
        if "timestamp" not in places:
            pair = self._date_and_time()
            if pair is not None:
                places["timestamp"], clock = str(pair[0] + 1), pair[1]
        elif "+" in places["timestamp"] and not self._named(places["timestamp"]):
            places["timestamp"], second = places["timestamp"].split("+", 1)
            clock = self._chosen("timestamp", second.strip())
        shift = 0 if clock is None or self._header else 1
        found = {
            field: self._chosen(field, places[field].strip())
            if field in places
            else self._guessed(field, at + shift * (at > 0))
            for at, field in enumerate(FIELDS)
        }
        self._check_distinct(found, clock)
        if not self._header and "volume" not in columns:
            self._check_thousands(found["volume"])
        return found, clock

    def _check_thousands(self, at: int) -> None:
        """Where no header tells how wide rows are, 743,521.00 would be a volume of 743 and one more column."""
        pairs = [row[at : at + 2] for row in self._sample if len(row) > at + 1]
        if pairs and all(_HEAD.fullmatch(head) and _THOUSANDS.fullmatch(tail) for head, tail in pairs):
            head, tail = pairs[0]
            raise InputError(
                f"{self._name}: is the volume {head}, or {head}{tail} with a comma inside? Say which column it is "
                f"(--columns volume={at + 1}), or write numbers without commas"
            )

    def _check_distinct(self, found: Mapping[str, int], clock: int | None) -> None:
        taken = {} if clock is None else {clock: "the time of day"}
        for field, at in found.items():
            if at in taken:
                raise InputError(
                    f"{self._name}: {taken[at]} and {field} cannot be the same column; choose another (--columns)"
                )
            taken[at] = field

    def _date_and_time(self) -> tuple[int, int] | None:
        """The columns of date and time of day where they are two: by their names and the first row's cells."""
        if not self._sample:
            return None
        if not self._header:
            pair = (0, 1)
        elif _DAY_NAME in self._names and _CLOCK_NAME in self._names:
            pair = self._names.index(_DAY_NAME), self._names.index(_CLOCK_NAME)
        else:
            return None
        row = self._sample[0]
        if max(pair) >= len(row) or not (is_day(row[pair[0]]) and is_clock(row[pair[1]])):
            return None
        # nameless digits may be anything; a colon is only in a time of day
        return pair if self._header or ":" in row[pair[1]] else None

    def _named(self, wanted: str) -> list[int]:
        exact = [at for at, title in enumerate(self._header) if title == wanted]
        return exact or [at for at, title in enumerate(self._names) if title == _plain(wanted)]

    def _guessed(self, field: str, place: int) -> int:
        """By name, or in the exchange's order where the file names no column."""
        if not self._header:
            if place < self._count:
                return place
            raise self._unknown(field, f"{self._count} columns")
        found = [known for known in _KNOWN_NAMES[field] if known in self._names]
        if not found:
            raise self._unknown(field, f"columns {', '.join(map(repr, self._header))}")
        if field != "timestamp" and len(found) > 1:
            found.sort(key=lambda known: self._is_zero(self._names.index(known)))
            one, other = (self._header[self._names.index(known)] for known in found[:2])
            self.notices += (f"{field} is taken from {one!r}, not from {other!r}",)
        return self._only(field, [at for at, title in enumerate(self._names) if title == found[0]])

    def _is_zero(self, at: int) -> bool:
        """Whether a column holds nothing but zeros as far as seen: MetaTrader's VOL where no volume is known."""
        return all(row[at].strip().strip("0.,") == "" for row in self._sample if at < len(row))

    def _chosen(self, field: str, wanted: str) -> int:
        """As the user says: by name, else by number from 1."""
        named = self._named(wanted)
        if named:
            return self._only(field, named)
        if wanted.isascii() and wanted.isdecimal() and 1 <= int(wanted) <= self._count:
            return int(wanted) - 1
        shown = f"{self._count} columns without names"
        if self._header:
            shown = ", ".join(map(repr, self._header))
        raise InputError(f"{self._name} has no column {wanted!r} for {field}; it has {shown}")

    def _only(self, field: str, found: Sequence[int]) -> int:
        if len(found) > 1:
            raise InputError(
                f"{self._name} has {len(found)} columns {self._header[found[0]]!r}; choose the one for {field} by its "
                f"number (--columns {field}={found[0] + 1})"
            )
        return found[0]

    def _unknown(self, field: str, shown: str) -> InputError:
        return InputError(
            f"{self._name}: which column is {field}? It has {shown}; choose it (--columns {field}=NAME)"
        )


def _decimal(
    wanted: str, sample: Sequence[Sequence[str]], positions: Mapping[str, int]
) -> tuple[str, tuple[str, ...]]:
    """The decimal mark, and what to say of it: a comma unasked only where it cannot part thousands."""
    if wanted != "auto":
        return DECIMALS[wanted], ()
    cells = [row[positions[name]] for row in sample for name in PRICE_COLUMNS if positions[name] < len(row)]
    sure = next((cell.strip() for cell in cells if _DECIMAL_COMMA.fullmatch(cell.strip())), None)
    if sure is None or any("." in cell for cell in cells):
        return ".", ()
    return ",", (f"a comma is the decimal mark of its numbers: {sure} is {sure.replace(',', '.')}",)
