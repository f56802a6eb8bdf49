"""Dates and times as people type them, and as they are written back; all of them UTC."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.errors import InputError
from engine.model.market import DAY_MS, MINUTE_MS, format_time, parse_time

FORMS: Final = "2024-06-30, 30.6.2024, 2024-06-30 12:00, today or -6M"
_YEAR_FIRST: Final = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})\b(?P<clock>.*)")
_DAY_FIRST: Final = re.compile(r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})\b(?P<clock>.*)")
_CLOCK: Final = re.compile(r"[T ]\s*(\d):")
_AGO: Final = re.compile(r"[-−–]\s?(?P<count>\d{1,4})\s?(?P<unit>[dwmy])", re.IGNORECASE)
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}
_MONTHS: Final = {"m": 1, "y": 12}
_DAYS: Final = {"d": 1, "w": 7}


def months_before(ms: int, months: int) -> int:
    """The same day and time some months earlier; the last day of a shorter month."""
    moment = datetime.fromtimestamp(ms / 1000, tz=UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    if year < 1970:
        raise InputError(f"{months} months ago is before 1970")
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return round(moment.replace(year=year, month=month + 1, day=day).timestamp() * 1000)


def read_moment(text: str, now_ms: int, *, is_end: bool = False) -> int:
    """Milliseconds of what was typed: as on the command line, and 30.6.2024, 2024/6/3, today, yesterday, now, -6M, -30d,
    -2w, -1y (so long before today). A bare day is included as an end. Raises InputError for anything else.
    """
    typed = " ".join(text.split())
    if typed.lower() == "now":
        return now_ms - now_ms % MINUTE_MS
    day = _day_in_words(typed.lower(), now_ms)
    if day is not None:
        return day + (DAY_MS if is_end else 0)
    try:
        return parse_time(_as_iso(typed), is_end=is_end)
    except InputError as error:
        if "outside" in str(error):
            raise
        raise InputError(
            f"{typed!r} is no date; write {FORMS}" if typed else f"write a date: {FORMS}"
        ) from None


def _day_in_words(typed: str, now_ms: int) -> int | None:
    """The start of a day that is named by its distance from today."""
    today = now_ms - now_ms % DAY_MS
    if typed in _DAYS_AGO:
        return today - _DAYS_AGO[typed] * DAY_MS
    ago = _AGO.fullmatch(typed)
    if ago is None:
        return None
    count, unit = int(ago["count"]), ago["unit"].lower()
    if unit in _MONTHS:
        return months_before(today, count * _MONTHS[unit])
    return max(0, today - count * _DAYS[unit] * DAY_MS)


def _as_iso(typed: str) -> str:
    found = _YEAR_FIRST.fullmatch(typed) or _DAY_FIRST.fullmatch(typed)
    if found is None:
        return typed
    clock = _CLOCK.sub(r"T0\1:", found["clock"])
    return f"{found['year']}-{int(found['month']):02d}-{int(found['day']):02d}{clock}"


def write_moment(ms: int, *, is_end: bool = False) -> str:
    """As `read_moment` reads it to the last millisecond: a whole day as 2024-06-30, as an end the last day included."""
    if ms % DAY_MS == 0:
        ms -= DAY_MS if is_end else 0
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).strftime("%Y-%m-%d")
    written = format_time(ms)
    return written[:16].replace("T", " ") if ms % MINUTE_MS == 0 else written
