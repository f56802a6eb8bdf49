"""Dates and times as people type them, and as they are written back; all of them UTC."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.model.market import DAY_MS as DAY_MS  # fields step by it
from engine.model.market import MINUTE_MS, format_time, parse_time

FORMS: Final = "2024-06-30, 30.6.2024, 2024-06-30 12:00, today or -6M"
_TIME: Final = r"(?P<clock>[T ]\s?[0-9:.]+(?:Z|[+-][0-9:]+)?)?"
_YEAR_FIRST: Final = re.compile(
    rf"(?P<year>\d{{4}})(?P<mark>[-/.]?)(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){_TIME}"
)
_DAY_FIRST: Final = re.compile(rf"(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}}){_TIME}")
_SHORT_HOUR: Final = re.compile(r"[T ]\s?(\d):")
_AGO: Final = re.compile(r"[-−–]\s?(?P<count>\d{1,4})\s?(?P<unit>[dwmy])", re.IGNORECASE)
_FIRST_YEAR, _LAST_YEAR, _MOST_MONTHS = 1970, 2199, 12 * 500
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}
_MONTHS: Final = {"m": 1, "y": 12}
_DAYS: Final = {"d": 1, "w": 7}


def months_before(ms: int, months: int) -> int:
    """The same day and time some months earlier; the last day of a shorter month."""
    moment = datetime.fromtimestamp(ms / 1000, tz=UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return round(moment.replace(year=year, month=month + 1, day=day).timestamp() * 1000)


def read_moment(text: str, now_ms: int, *, is_end: bool = False) -> int | str:
    """Milliseconds of what was typed: as on the command line, and 30.6.2024, 2024/6/3, today, yesterday, now, -6M, -30d,
    -2w, -1y (so long before today). A bare day is included as an end. For anything else, why it is no date.
    """
    typed = " ".join(text.split())
    if typed.lower() == "now":
        return now_ms - now_ms % MINUTE_MS
    ago = _days_ago(typed.lower(), now_ms)
    iso = _iso(typed) if ago is None else ago
    if iso is None:
        return f"{typed!r} is no date; write {FORMS}" if typed else f"write a date: {FORMS}"
    if not _FIRST_YEAR <= int(iso[:4]) <= _LAST_YEAR:
        return f"{typed} is outside the years {_FIRST_YEAR} to {_LAST_YEAR}"
    return parse_time(iso, is_end=is_end)


def _days_ago(typed: str, now_ms: int) -> str | None:
    """The ISO date of a day that is named by its distance from today."""
    today = now_ms - now_ms % DAY_MS
    if typed in _DAYS_AGO:
        return write_moment(today - _DAYS_AGO[typed] * DAY_MS)
    ago = _AGO.fullmatch(typed)
    if ago is None:
        return None
    count, unit = int(ago["count"]), ago["unit"]
    if unit in _MONTHS:
        return write_moment(months_before(today, min(count * _MONTHS[unit], _MOST_MONTHS)))
    return write_moment(today - count * _DAYS[unit] * DAY_MS)


def _iso(typed: str) -> str | None:
    """The same in ISO-8601, where there is such a day and time."""
    found = _YEAR_FIRST.fullmatch(typed) or _DAY_FIRST.fullmatch(typed)
    if found is None:
        return None
    clock = _SHORT_HOUR.sub(r"T0\1:", found["clock"] or "")
    iso = f"{found['year']}-{int(found['month']):02d}-{int(found['day']):02d}{clock}"
    try:
        datetime.fromisoformat(iso)
    except ValueError:
        return None
    return iso


def write_moment(ms: int, *, is_end: bool = False) -> str:
    """As `read_moment` reads it to the last millisecond: a whole day as 2024-06-30, as an end the last day included."""
    if ms % DAY_MS == 0:
        ms -= DAY_MS if is_end else 0
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).strftime("%Y-%m-%d")
    written = format_time(ms)
    return written[:16].replace("T", " ") if ms % MINUTE_MS == 0 else written
