"""What stands in the cells of a trade list: numbers as programs and spreadsheets write them, times, symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import InputError

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WRITTEN: Final = re.compile(
    r"\s*([+\-−]?[0-9.,' \u00a0\u202f]*[0-9.](?:[eE][+-]?[0-9]+)?)\s*([A-Za-z%$€]*)\s*"
)
_EITHER: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")  # thousands, or three decimals
_MARKS: Final = {".": "point", ",": "comma"}
_SPACES: Final = str.maketrans(
    "− \u00a0\u202f", "-'''"
)  # all that parts thousands and is no mark as one sign
_MOMENT: Final = re.compile(
    r"([0-9]{4})[-./]([0-9]{1,2})[-./]([0-9]{1,2})(?:[T ]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?)?"
    r"\s*(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_UP_TO: Final = 10**11  # larger ones are ms


def decimal_mark(cells: Iterable[str], delimiter: str) -> tuple[str, bool]:
    """The decimal mark of a file, by the first number that tells: "1.234,5" and "0,5" a comma, "1,234.5" a point. Where none
    tells, what goes with the delimiter: programs that part cells by ; write a comma. And whether that is a mere guess.
    """
    is_open = False
    for cell in cells:
        match = _WRITTEN.fullmatch(cell)
        text = match[1] if match else ""
        marks = [sign for sign in text if sign in _MARKS]
        if not marks:
            continue
        if len(set(marks)) == 2:
            return marks[-1], False
        if len(marks) > 1:
            if _number(",."[marks[0] == ","]).fullmatch(text.translate(_SPACES)):
                return ",."[marks[0] == ","], False  # it parts groups of three
        elif _EITHER.fullmatch(text):
            is_open = True
        else:
            return marks[0], False
    return "," if delimiter == ";" else ".", is_open


@cache
def _number(mark: str) -> re.Pattern[str]:
    """A number with this decimal mark; where groups are parted, they are of three digits and the first is no 0."""
    other = "." if mark == "," else ","
    grouped = rf"[1-9][0-9]{{0,2}}(?P<part>[{other}'])[0-9]{{3}}(?:(?P=part)[0-9]{{3}})*"
    return re.compile(rf"[+-]?'?(?:{grouped}|[0-9]*)(?:[{mark}][0-9]*)?(?:[eE][+-]?[0-9]+)?")


def number_of(cell: str, mark: str = ".") -> tuple[float, str]:
    """A number and the unit behind it ("0.18SOL"); raises ValueError."""
    match = _WRITTEN.fullmatch(cell)
    if match is None:
        raise ValueError(f"{cell[:30]!r} is not a number")
    text = match[1].translate(_SPACES)
    if _number(mark).fullmatch(text) is None:
        raise ValueError(
            f"{cell[:30]!r} is not a number with a decimal {_MARKS[mark]}, as others in the file"
        )
    other = "." if mark == "," else ","
    plain = text.replace("'", "").replace(other, "").replace(mark, ".")
    if _NUMBER.fullmatch(plain) is None:
        raise ValueError(f"{cell[:30]!r} is not a number")
    return float(plain), match[2]


def zone_of(name: str) -> tzinfo:
    """A time zone by its name, or as +08:00; raises InputError."""
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-5][0-9]))?", name.strip())
    if match is not None and int(match[2]) < 24:
        size = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(size if match[1] == "+" else -size)
    try:
        return ZoneInfo(name.strip() or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"unknown time zone {name!r}; write one as Europe/Berlin, UTC or +08:00") from None


def names_zone(cell: str) -> bool:
    """Whether a time is the same in every zone: it names its own, or counts from 1970."""
    text = cell.strip()
    match = _MOMENT.fullmatch(text)
    return _NUMBER.fullmatch(text) is not None or (match is not None and match[8] is not None)


def in_second_hour(ms: int, zone: tzinfo) -> int:
    """A time read in an hour that the clock shows twice, as the second one; any other as it is."""
    wall = (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)
    return (wall.replace(fold=1) - _EPOCH) // timedelta(milliseconds=1)


def moment_of(cell: str, zone: tzinfo) -> int:
    """A date and time with the year first, or seconds or ms since 1970, as ms in UTC; raises ValueError.

    `zone`: of a time that names none. Of an hour that a clock shows twice it is the first.
    """
    text = cell.strip()
    if _NUMBER.fullmatch(text):
        value = float(text)
        ms = value * 1000 if abs(value) < _SECONDS_UP_TO else value
        if not 0 <= ms < 1e14:
            raise ValueError(f"{cell[:30]!r} is no time")
        return round(ms)
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{cell[:30]!r} is no time: dates are understood with the year first, as 2024-01-31 12:00"
        )
    year, month, day, hour, minute, second, fraction, named = match.groups()
    try:
        own = zone if named is None else UTC if named in ("Z", "UTC", "GMT") else zone_of(named)
    except InputError:
        raise ValueError(f"{cell[:40]!r} is no time: its zone is none") from None
    at = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=own
    )
    return (at - _EPOCH) // timedelta(milliseconds=1) + int(float(fraction or 0) * 1000)


def plain_symbol(text: str) -> str:
    """SOLUSDT of SOL/USDT:USDT, SOL-USDT, BINANCE:SOLUSDT.P; empty stays empty."""
    name = text.strip().upper()
    before, colon, after = name.partition(":")
    name = after if colon and not any(mark in before for mark in "/-") else before
    return re.sub(r"[^0-9A-Z]", "", name.removesuffix(".P"))
