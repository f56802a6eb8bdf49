"""Reads funding rates from a file: the archive's months, what `candles --funding` writes, and tables like them.

A row is the time of a settlement and its rate; mark price, interval and type where the file has them. A file proves the
hours that its intervals tell. Where it tells none, four or more settlements that lie equally far apart tell it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import numpy as np

from engine.data.files.csv_rows import Row, table_rows
from engine.data.files.opening import opened
from engine.data.files.times import FileTimes
from engine.errors import InputError
from engine.model.candle_files import DECIMALS, FUNDING_FIELDS, FileFormat
from engine.model.funding import (
    HIGHEST_CAP,
    HIGHEST_RATE,
    REGULAR,
    SNAP_MS,
    USUAL_HOURS,
    FundingRates,
    FundingRow,
    proven_hours,
    snap,
)
from engine.model.market import HOUR_MS, Float64Array, Market, Period, short_time
from engine.model.numerals import is_number

_MAX_ROWS: Final = 250_000  # 28 years of hours
_SHOWN_ROWS: Final = 5
_EARLIEST_MS: Final = 1_451_606_400_000  # 2016-01-01: no perpetual is older
_NAMES: Final = {
    "timestamp": ("timestamp", "calctime", "fundingtime", "fundingratetimestamp", "unix", "time", "datetime", "date"),
    "rate": ("rate", "lastfundingrate", "fundingrate"),
    "mark": ("mark", "markprice"),
    "interval_hours": ("intervalhours", "fundingintervalhours", "fundinginterval", "interval"),
    "rate_type": ("ratetype", "type"),
    "symbol": ("symbol", "contract", "contracts"),
}  # fmt: skip
_TYPES: Final = (REGULAR, "Special")
_RHYTHM: Final = 3  # so many equal distances in a row are no accident
_MUCH: Final = 0.005  # half of all rates above that are more likely percent


@dataclass(frozen=True, slots=True, eq=False)
class FundingFile:
    """What a file holds: checked settlements, and the hours that it proves, merged. `rows` of it; `unit` of its times."""

    rates: FundingRates
    proven: tuple[Period, ...]
    rows: int
    unit: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FundingHead:
    """How a file is laid out: its header, where each field stands (from 0), its first rows as text."""

    header: tuple[str, ...]
    places: dict[str, int]
    first: tuple[tuple[str, ...], ...]

    def names(self) -> dict[str, str]:
        """Field -> the column's name, or its number from 1."""
        return {field: self.header[at] if self.header else str(at + 1) for field, at in self.places.items()}


def read_funding_file(path: Path, market: Market, form: FileFormat, now_ms: int) -> FundingFile:
    """All settlements of a file up to `now_ms`; raises InputError, naming the line, for the first that cannot be one."""
    head, rows, place = _read(path, form)
    if not rows:
        raise InputError(f"{path.name} holds no funding rates; nothing was stored")
    reader = _Reader(path.name, head.places, place, market, form)
    kept, notices = reader.settlements(rows, now_ms)
    rates = FundingRates.from_rows(kept)
    told, words = _intervals(rates)
    notices += [*words, *_doubts(rates)]
    proven = proven_hours(replace(rates, interval_hours=told))
    return FundingFile(rates, tuple(proven), len(rows), reader.unit, tuple(notices))


def funding_head(path: Path, market: Market, form: FileFormat) -> tuple[FundingHead, list[FundingRow], str]:
    """Layout of a file and its first rows as they are understood, unchecked; the unit of its times."""
    head, rows, place = _read(path, form)
    reader = _Reader(path.name, head.places, place, market, form)
    return head, reader.understood(rows[:_SHOWN_ROWS]) if rows else [], reader.unit


def _read(path: Path, form: FileFormat) -> tuple[FundingHead, list[Row], str]:
    """The layout and all rows as text; what they are called in messages."""
    with opened(path) as (stream, is_parquet):
        if is_parquet:
            from engine.data.files.parquet_rows import parquet_text

            found: Iterator[Row] = parquet_text(stream, path.name, _MAX_ROWS)
        else:
            found = table_rows(stream, path.name, FUNDING_FIELDS[:2])
        rows = list(islice(found, _MAX_ROWS + 2))  # the header's too
        if len(rows) > _MAX_ROWS + 1:
            raise InputError(f"{path.name} has more than {_MAX_ROWS:,} rows; split it. Nothing was stored")
    head, has_header = _layout(path.name, [cells for _, cells in rows[: _SHOWN_ROWS + 1]], form)
    return head, rows[1:] if has_header else rows, "row" if is_parquet else "line"


# -- which column is what


def _layout(name: str, first: Sequence[Sequence[str]], form: FileFormat) -> tuple[FundingHead, bool]:
    has_header = form.header if form.header is not None else not any(map(_is_rate, first[0]))
    header = tuple(cell.strip() for cell in first[0]) if has_header else ()
    sample = first[1:] if has_header else first
    places = _by_name(header) if header else _by_place(sample)
    for field, wanted in form.columns.items():
        places[field] = _chosen(name, field, wanted, header, len(first[0]))
    for field in FUNDING_FIELDS[:2]:
        if field not in places:
            shown = f"columns {', '.join(map(repr, header))}" if header else f"{len(first[0])} columns"
            raise InputError(
                f"{name}: which column is {field}? It has {shown}; choose it (--columns {field}=NAME)"
            )
    if len(set(places.values())) < len(places):
        raise InputError(f"{name}: two fields cannot be the same column; choose another (--columns)")
    shown_rows = tuple(tuple(row) for row in sample[:_SHOWN_ROWS])
    return FundingHead(
        header, dict(sorted(places.items(), key=lambda one: FUNDING_FIELDS.index(one[0]))), shown_rows
    ), has_header


def _is_rate(cell: str) -> bool:
    return is_number(cell.strip().rstrip("%").replace(",", "."))


def _plain(title: str) -> str:
    return "".join(mark for mark in title.casefold() if mark.isalnum())


def _by_name(header: Sequence[str]) -> dict[str, int]:
    titles = [_plain(title) for title in header]
    found = {
        field: [titles.index(name) for name in known if name in titles] for field, known in _NAMES.items()
    }
    return {field: at[0] for field, at in found.items() if at}


def _by_place(sample: Sequence[Sequence[str]]) -> dict[str, int]:
    """Without names: the archive's time, interval, rate where the second column holds intervals; else time, rate, mark."""
    hours = {str(one) for one in USUAL_HOURS}
    if all(len(row) == 3 and row[1].strip() in hours for row in sample):
        return {"timestamp": 0, "interval_hours": 1, "rate": 2}
    return dict(zip(FUNDING_FIELDS[:3], range(min(map(len, sample))), strict=False))


def _chosen(name: str, field: str, wanted: str, header: Sequence[str], count: int) -> int:
    if wanted in header:
        return header.index(wanted)
    if wanted.isascii() and wanted.isdecimal() and 1 <= int(wanted) <= count:
        return int(wanted) - 1
    shown = ", ".join(map(repr, header)) if header else f"{count} columns without names"
    raise InputError(f"{name} has no column {wanted!r} for {field}; it has {shown}")


# -- rows


class _Reader:
    """Understands the rows of one file."""

    def __init__(
        self, name: str, places: dict[str, int], place: str, market: Market, form: FileFormat
    ) -> None:
        self._name, self._places, self._place, self._market = name, places, place, market
        self._decimal = DECIMALS[form.decimal]
        self._unit = form.unit
        self._times = FileTimes(form.unit, form.zone, self._fail)

    @property
    def unit(self) -> str:
        """The unit of the file's times, or "ISO"; several joined by "+"."""
        return "+".join(sorted(self._times.units)) or self._unit

    def understood(self, rows: Sequence[Row]) -> list[FundingRow]:
        """Rows as numbers."""
        lines = [line for line, _ in rows]
        times = [self._cell(line, cells, "timestamp") for line, cells in rows]
        stamps = self._times.in_ms(times, lines).tolist()
        return [self._row(ms, line, cells) for ms, (line, cells) in zip(stamps, rows, strict=True)]

    def settlements(self, rows: Sequence[Row], now_ms: int) -> tuple[list[FundingRow], list[str]]:
        """Checked rows, each settlement once, and what is to be said of them."""
        seen: dict[tuple[int, str], tuple[int, FundingRow]] = {}
        found = self.understood(rows)
        twice = 0
        for (line, cells), row in zip(rows, found, strict=True):
            self._check(line, cells, row, now_ms)
            first, known = seen.setdefault((snap(row[0]), row[3]), (line, row))
            if known is row:
                continue
            twice += 1
            if repr(known[1:]) != repr(row[1:]):  # NaN is NaN here
                where = f"also on {self._place} {first} with other values"
                raise self._fail(line, f"the settlement at {short_time(snap(row[0]))} stands {where}")
        notices = []
        if twice:
            notices.append(f"{twice:,} rows repeat another one exactly; each settlement was taken once")
        elif any(one[0] > other[0] for one, other in pairwise(found)):
            notices.append("rows were not in order of time; they were sorted")
        return [row for _, row in seen.values()], notices

    def _fail(self, line: int, text: str) -> InputError:
        return InputError(f"{self._name} {self._place} {line}: {text}; nothing was stored")

    def _cell(self, line: int, cells: Sequence[str], field: str) -> str:
        at = self._places.get(field)
        if at is None:
            return ""
        if at >= len(cells):
            raise self._fail(line, f"it has {len(cells)} columns, {field} is number {at + 1}")
        return cells[at].strip()

    def _row(self, ms: int, line: int, cells: Sequence[str]) -> FundingRow:
        text = self._cell(line, cells, "rate")
        rate = self._number(line, "rate", text.removesuffix("%").rstrip())
        rate = rate / 100 if text.endswith("%") else rate
        mark = self._cell(line, cells, "mark")
        hours = self._cell(line, cells, "interval_hours")
        kind = self._cell(line, cells, "rate_type").capitalize() or REGULAR
        price = self._number(line, "mark", mark) if mark else math.nan
        return ms, rate, price, kind, self._number(line, "interval_hours", hours) if hours else math.nan

    def _number(self, line: int, field: str, text: str) -> float:
        point = self._decimal or ("," if "," in text and "." not in text else ".")
        plain = text.replace(point, ".") if point == "." or "." not in text else ""
        if not is_number(plain):
            raise self._fail(line, f"{field} is {text[:30]!r}")
        return float(plain)

    def _check(self, line: int, cells: Sequence[str], row: FundingRow, now_ms: int) -> None:
        served, rate, mark, kind, hours = row
        name = self._cell(line, cells, "symbol")
        if name and name.upper() not in (self._market.name, self._market.unified):
            raise self._fail(line, f"it is of {name[:40]}, not of {self._market.name}")
        if not _EARLIEST_MS <= served < 2**43:
            raise self._fail(
                line, f"its time is {served} ms, before any perpetual; is the unit or the column right?"
            )
        if snap(served) + SNAP_MS > now_ms:
            raise self._fail(
                line, f"the settlement at {short_time(served)} lies in the future by the exchange's clock"
            )
        if not abs(rate) <= HIGHEST_RATE:
            raise self._fail(
                line,
                f"its rate is {rate:g}, outside {-HIGHEST_RATE:g} to {HIGHEST_RATE:g} (0.01 % is 0.0001)",
            )
        if mark <= 0 or math.isinf(mark):
            raise self._fail(line, f"its mark price is {mark:g}")
        if kind not in _TYPES:
            raise self._fail(line, f"its rate type is {kind[:30]!r}, not {' or '.join(_TYPES)}")
        if not (math.isnan(hours) or hours in range(1, 9)):
            raise self._fail(line, f"its interval is {hours:g} hours, not 1 to 8")


# -- what it proves


def _intervals(rates: FundingRates) -> tuple[Float64Array, list[str]]:
    """Hours since the settlement before, as told, or as the rhythm of the file tells; NaN where neither does."""
    told = rates.interval_hours.copy()
    untold = np.isnan(told)
    if not untold.any():
        return told, []
    apart = np.diff(rates.hours, prepend=rates.hours[:1]) // HOUR_MS
    changes = np.flatnonzero(np.diff(apart)) + 1
    for start, stop in pairwise([0, *changes.tolist(), len(apart)]):
        if stop - start >= _RHYTHM and apart[start] in USUAL_HOURS:
            told[start:stop] = np.where(untold[start:stop], apart[start:stop], told[start:stop])
    if not untold.all() or np.isnan(told).all():
        return told, []
    return told, [
        "the file tells no intervals: where settlements lie equally far apart, none is taken to be between them"
    ]


def _doubts(rates: FundingRates) -> list[str]:
    """What is odd about rates that may be right nevertheless."""
    size = np.abs(rates.rate)
    found = []
    if np.median(size) > _MUCH:
        found.append(
            f"half of its rates are beyond {_MUCH:.1%}: are they percent? A rate of 0.01 % is 0.0001, or 0.01%"
        )
    if beyond := int(np.count_nonzero(size > HIGHEST_CAP)):
        found.append(f"{beyond:,} rates are beyond {HIGHEST_CAP:.0%}, the highest cap that an exchange has")
    if rates.beside:
        found.append(
            f"{rates.beside:,} settlements lie more than a minute away from any full hour; they are kept as they are"
        )
    return found
