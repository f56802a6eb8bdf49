"""How numbers and times read on screen. Values stay as they are; only text is made here.

Screen text uses the user's locale; what leaves the program (clipboard, CSV) uses a decimal point and ISO times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from PySide6.QtCore import QLocale

from engine.model.market import format_time

NO_VALUE: Final = "–"
_LARGE: Final = 1e15
_MOST_DIGITS: Final = 10
_NEGATIVE: Final = re.compile(r"(?<!\w)-(?=\d)")  # no hyphen, no part of a date


def is_missing(value: Any) -> bool:
    """Whether there is nothing to show: None, NaN or infinite."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def number(value: float | None, digits: int = 2) -> str:
    """A number with thousands separators and a fixed count of decimals; an en dash where there is none."""
    if value is None or is_missing(value):
        return NO_VALUE
    if abs(value) >= _LARGE:
        return f"{value:.3e}"
    return _with_minus(QLocale().toString(float(value), "f", digits))


def _with_minus(text: str) -> str:
    """The sign as wide as the plus, in whatever part of the window."""
    return text.replace("-", "−", 1) if text.startswith("-") else text


def with_minuses(text: str) -> str:
    """A sentence of the engine, its numbers signed as the window signs them."""
    return _NEGATIVE.sub("−", text)


def whole(value: float | None) -> str:
    """A count."""
    return number(value, 0)


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign always shown."""
    text = number(value, digits)
    return f"+{text}" if value is not None and not is_missing(value) and value > 0 else text


def percent(value: float | None, digits: int = 2) -> str:
    """A signed percentage; `value` is in percent already."""
    text = signed(value, digits)
    return text if text == NO_VALUE else f"{text} %"


def price(value: float | None) -> str:
    """A price with as many decimals as its size needs, so that cheap coins stay legible."""
    if value is None or is_missing(value):
        return NO_VALUE
    return number(value, price_digits(value))


def tick_digits(prices: Iterable[float]) -> int:
    """The decimals that a market's prices have, so that their points align: those of the finest among them. Where there is
    no tick to be seen, as many as their size needs.
    """
    values = [price for price in prices if math.isfinite(price)]
    digits = 0
    for value in values:
        while digits < _MOST_DIGITS and abs(round(value, digits) - value) > 1e-12 * abs(value):
            digits += 1
    return digits if digits < _MOST_DIGITS else price_digits(max(values))


def price_digits(value: float) -> int:
    """Decimals that give about six significant digits, between 2 and 10."""
    if not value or not math.isfinite(value):
        return 2
    return min(10, max(2, 5 - math.floor(math.log10(abs(value)))))


def span_digits(span: float) -> int:
    """Decimals that tell apart values a thousandth of `span` apart."""
    if not span > 0 or not math.isfinite(span):
        return 2
    return min(10, max(0, 3 - math.floor(math.log10(span))))


def quote_of(unified: str) -> str:
    """The currency that a market is counted in: USDT of SOL/USDT:USDT."""
    return unified.partition("/")[2].partition(":")[0]


def compact(value: float | None) -> str:
    """A large number in few characters: 1.25 M."""
    if value is None or is_missing(value):
        return NO_VALUE
    for limit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if suffix == "k" else limit)
            return f"{number(scaled, 2 if abs(scaled) < 100 else 0)} {suffix}"
    return number(value, 0 if float(value).is_integer() else 2)


def size(count: float | None) -> str:
    """So many bytes: 1.4 MB."""
    if count is None or is_missing(count):
        return NO_VALUE
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{number(count / limit, 1)} {unit}"
    return f"{whole(count)} B"


def tick(value: float) -> str:
    """A large number on an axis, without needless zeros: 100 k, 2.5 M."""
    for limit, suffix in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{_with_minus(QLocale().toString(value / limit, 'g', 4))}{suffix}"
    return _with_minus(QLocale().toString(float(value), "g", 4))


class _Zone:
    """What times are shown in: UTC, unless the user wants the machine's zone."""

    is_local = False


def use_local_times(*, on: bool) -> None:
    """Show moments in the machine's zone, or in UTC. What is typed, exported or counted in days stays UTC."""
    _Zone.is_local = on


def is_local() -> bool:
    """Whether moments are shown in the machine's zone."""
    return _Zone.is_local


def zone_name() -> str:
    """What stands behind a time."""
    return "local" if _Zone.is_local else "UTC"


def zoned(words: str) -> str:
    """The title of a column of moments, "Entry (UTC)", with the zone that is shown."""
    return words.replace("(UTC)", "(local)") if _Zone.is_local else words


def of_clock(seconds: float) -> float:
    """When a clock of the zone that is shown says what one in UTC says at `seconds`."""
    if not _Zone.is_local:
        return seconds
    return datetime.fromtimestamp(seconds, tz=UTC).replace(tzinfo=None).timestamp()


def clock(seconds: float) -> float:
    """What a clock of the zone that is shown says at an instant, as the seconds at which one in UTC says so."""
    if not _Zone.is_local:
        return seconds
    return datetime.fromtimestamp(seconds).replace(tzinfo=UTC).timestamp()  # noqa: DTZ006 - the machine's zone


def minute(ms: float | None) -> str:
    """A time to the minute: 2024-01-31 12:00."""
    return NO_VALUE if ms is None else _shown(ms).strftime("%Y-%m-%d %H:%M")


def second(ms: float | None) -> str:
    """A time to the second: 2024-01-31 12:00:05."""
    return NO_VALUE if ms is None else _shown(ms).strftime("%Y-%m-%d %H:%M:%S")


def day(ms: float | None) -> str:
    """A UTC date: 2024-01-31. Periods begin and end with days of UTC whatever zone moments are shown in."""
    return NO_VALUE if ms is None else _utc(ms).strftime("%Y-%m-%d")


def last_day(end_ms: float | None) -> str:
    """The last UTC date of a period that ends before `end_ms`."""
    return NO_VALUE if end_ms is None else day(end_ms - 1)


def spoken(ms: float) -> str:
    """A UTC time in words, midnight left in: 1 Jan 2024 00:00."""
    moment = _utc(ms)
    return f"{moment.day} {moment.strftime('%b %Y %H:%M')}"


def _utc(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def _shown(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=None if _Zone.is_local else UTC)


def duration(seconds: float | None) -> str:
    """How long: 0.35 s, 8.2 s, 02:15, 1:02:15."""
    if seconds is None or not math.isfinite(seconds):
        return NO_VALUE
    if seconds < 60:
        return f"{number(seconds, 2 if seconds < 1 else 1)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def remaining(seconds: float | None) -> str:
    """Time left on a clock: 00:08."""
    if seconds is None or not math.isfinite(seconds):
        return NO_VALUE
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def exported(value: Any) -> str:
    """A value for the clipboard or a CSV: decimal point, empty where there is none."""
    if is_missing(value):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def exported_time(ms: int | None) -> str:
    """ISO-8601 with Z."""
    return "" if ms is None else format_time(ms)
