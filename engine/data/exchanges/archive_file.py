"""Reads one daily file of the bulk archive: pure functions from the bytes of a zip to checked candles, or to a doubt.

A checksum proves that a file arrived, not that it is right: files of half a day had valid ones for weeks. So the rows go
through the same check as a page of the REST interface, and whatever is odd makes the whole file doubtful.
"""

import io
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any, Final

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.exchanges.binance import ROWS
from engine.data.exchanges.funding_pages import check_funding
from engine.data.exchanges.pages import check_page
from engine.model.funding import REGULAR, FundingRates, FundingRow
from engine.model.market import FUNDING_GRID, Candles, Period, Timeframe

_ROW_BYTES: Final = 256  # real rows take at most 170
_ZIP_BYTES: Final = 4096  # what the zip format may add
_MICROSECONDS: Final = 10**14  # as ms the year 5138, as us 1973: spot files have us from 2025 on
_LONGEST_TIME: Final = 16  # digits
_INTERVALS: Final = ("1", "2", "4", "8")
_PLAIN_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a limit
_UNREADABLE: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    OSError, ValueError, OverflowError,
)  # fmt: skip


class DoubtfulFile(Exception):
    """A file that is not believed; its text goes on from the day: "lacks 60 candles"."""


@dataclass(frozen=True, slots=True)
class DayFile:
    """What came of one day's file: candles, and `holes`, the cells of which nothing is known after it.

    `doubt` says why there are holes; `trouble`: it was not the file that was wrong, but the way to it.
    """

    day: Period
    candles: Candles
    holes: tuple[Period, ...]
    doubt: str = ""
    trouble: bool = False


def size_limit(timeframe: Timeframe, day: Period) -> int:
    """More bytes than a day's rows and their header can take, unpacked."""
    return (timeframe.count(day) + 2) * _ROW_BYTES


def zip_limit(timeframe: Timeframe, day: Period) -> int:
    """More bytes than a day's zip can take."""
    return size_limit(timeframe, day) + _ZIP_BYTES


def read_day(data: bytes, timeframe: Timeframe, day: Period) -> Candles:
    """The checked candles of a day's zip, at least one; raises DoubtfulFile, and nothing else whatever the bytes are."""
    text = _unpack(data, size_limit(timeframe, day))
    lines = text.splitlines()
    if lines and not lines[0][:1].isdigit():  # futures have a header since 2022
        del lines[0]
    if not lines:
        raise DoubtfulFile("holds no candle")
    if len(lines) > timeframe.count(day):
        raise DoubtfulFile(f"holds {len(lines):,} rows, more than a day has candles")
    try:
        page = check_page([_row(line) for line in lines], timeframe, day, "its rows", ROWS)
    except UnexpectedAnswer as error:
        raise DoubtfulFile(f"is not believed ({error})") from None
    if page.notes or page.off_grid:
        raise DoubtfulFile(
            "is not believed (candles outside the day, twice with different values or off the grid)"
        )
    return page.candles


def read_funding(data: bytes, month: Period, title: str) -> FundingRates:
    """The checked settlements of a month's zip, at least one; raises DoubtfulFile and nothing else, whatever the bytes."""
    lines = _unpack(data, size_limit(FUNDING_GRID, month)).splitlines()
    if lines and not lines[0][:1].isdigit():
        del lines[0]
    try:
        rows = [_settlement(line) for line in lines]
        page = check_funding(rows, month, len(rows) + 1, title)
    except (ValueError, OverflowError, UnexpectedAnswer) as error:
        raise DoubtfulFile(f"is not believed ({error})") from None
    if not len(page.rates):
        raise DoubtfulFile("holds no settlement")
    return page.rates


def _settlement(line: str) -> FundingRow:
    """A row `calc_time,funding_interval_hours,last_funding_rate`; raises ValueError."""
    served, hours, rate = line.split(",")
    if not (served.isdecimal() and len(served) <= _LONGEST_TIME and hours in _INTERVALS):
        raise ValueError(f"a row reads {line[:60]!r}")
    ms = int(served) // 1000 if int(served) > _MICROSECONDS else int(served)
    return ms, float(rate), math.nan, REGULAR, float(hours)


def _unpack(data: bytes, limit: int) -> str:
    """The text of the zip's only member. Its name is ignored, the size it announces is not trusted."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            members = packed.infolist()
            if len(members) != 1:
                raise DoubtfulFile(f"holds {len(members)} files in place of one")
            if members[0].compress_type not in _PLAIN_METHODS:
                raise DoubtfulFile("is packed in an unknown way")
            with packed.open(members[0]) as member:
                content = member.read(limit + 1)
        if len(content) > limit:
            raise DoubtfulFile("unpacks to more than its rows can take")
        return content.decode("ascii")
    except _UNREADABLE as error:
        raise DoubtfulFile(f"cannot be read ({type(error).__name__})") from None


def _row(line: str) -> list[Any]:
    """A row as REST would answer it: an integer open time in ms, and text. What does not fit stays, to be refused."""
    row: list[Any] = line.split(",")
    if row[0].isdecimal() and len(row[0]) <= 16:
        opened = int(row[0])
        exact = opened > _MICROSECONDS and opened % 1000 == 0
        row[0] = opened // 1000 if exact else opened
    return row
