"""The times in a candle file: numbers since 1970 in s, ms or us, or dates with the year first; each becomes a ms in UTC."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from engine.errors import InputError
from engine.model.market import Int64Array
from engine.model.numerals import BLANKS, is_number, read_wholes

# auto: below the first bound seconds, below the second milliseconds, below the third microseconds; all mean 1973 to 5138
_AUTO_BOUNDS: Final = (10**11, 10**14, 10**17)
_ZONE: Final = r"Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?"
_DATE: Final = (
    r"(?P<y>[0-9]{4})(?:(?P<mark>[-./])(?P<m>[0-9]{1,2})(?P=mark)(?P<d>[0-9]{1,2})|(?P<md>[0-9]{4}))"
)
_CLOCK: Final = (
    r"(?:(?P<h>[0-9]{1,2}):(?P<min>[0-9]{2})(?::(?P<s>[0-9]{2})(?P<f>\.[0-9]{1,6})?0*)?"
    r"|(?P<hms>[0-9]{4}(?:[0-9]{2})?))"
)
_DAY_ONLY: Final = re.compile(_DATE)
_CLOCK_ONLY: Final = re.compile(rf"{_CLOCK}\s?(?:{_ZONE})?")
_MOMENT: Final = re.compile(rf"{_DATE}(?:(?:T| +){_CLOCK}\s?(?P<zone>{_ZONE})?)?")
# what `datetime` may be handed as it stands, every digit a 0: by itself it takes more than is meant
_PLAIN: Final = re.compile(r"0000-00-00(?:[T ]00:00(?::00(?:\.0{1,6})?)?(?:Z|[+-]00:00)?)?")
_AS_ZEROS: Final = str.maketrans(dict.fromkeys("123456789", "0"))
_EPOCH_UTC, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_EPOCH = _EPOCH_UTC.replace(tzinfo=None)
Fail = Callable[[int, str], InputError]  # the line, what is wrong with it


def is_day(text: str) -> bool:
    """Whether a cell holds a date without a time of day."""
    return _DAY_ONLY.fullmatch(text.strip(BLANKS)) is not None


def is_clock(text: str) -> bool:
    """Whether a cell holds a time of day without a date."""
    return _CLOCK_ONLY.fullmatch(text.strip(BLANKS)) is not None


class FileTimes:
    """Reads the times of one file block by block. `unit` of numbers: s, ms, us or auto; `zone`: of times that name none."""

    def __init__(self, unit: str, zone: str, fail: Fail) -> None:
        self._unit, self._zone, self._fail = unit, ZoneInfo(zone), fail
        self._is_text: bool | None = None  # the first one tells
        self.units: set[str] = set()

    def in_ms(self, times: list[str] | Int64Array, lines: Sequence[int]) -> Int64Array:
        """Milliseconds since 1970, UTC; raises for the first time that is none."""
        if isinstance(times, np.ndarray):
            return self._to_ms(times, lines)
        if self._is_text is None:
            self._is_text = not is_number(times[0])
        if self._is_text:
            self.units.add("ISO")
            return self._moments(times, lines)
        try:
            whole = read_wholes(times)
        except ValueError:
            whole = [self._whole(text, line) for text, line in zip(times, lines, strict=True)]
        if max(whole) >= _AUTO_BOUNDS[-1] or min(whole) < 0:
            at = next(i for i, value in enumerate(whole) if not 0 <= value < _AUTO_BOUNDS[-1])
            raise self._fail(lines[at], f"its time {times[at][:30]!r} is not s, ms or us since 1970")
        return self._to_ms(np.array(whole, dtype=np.int64), lines)

    def _whole(self, text: str, line: int) -> int:
        value = float(text) if is_number(text) else 0.5
        if not value.is_integer():
            raise self._fail(line, f"its time is {text[:30]!r}, a whole number as before was expected")
        if "e" in text.lower():
            raise self._fail(
                line, f"its time is {text[:30]!r}: a spreadsheet rounded it, the last digits are gone"
            )
        return int(value)

    def _to_ms(self, values: Int64Array, lines: Sequence[int]) -> Int64Array:
        seconds, millis, _ = _AUTO_BOUNDS
        is_s = np.full(len(values), self._unit == "s") if self._unit != "auto" else values < seconds
        is_us = np.full(len(values), self._unit == "us") if self._unit != "auto" else values >= millis
        for unit, mask in (("s", is_s), ("us", is_us), ("ms", ~(is_s | is_us))):
            if mask.any():
                self.units.add(unit)
        uneven = is_us & (values % 1000 != 0)
        if uneven.any():
            at = int(np.argmax(uneven))
            raise self._fail(lines[at], f"its time {values[at]} us is not a whole millisecond")
        return np.where(is_s, np.minimum(values, 2**43) * 1000, np.where(is_us, values // 1000, values))

    def _moments(self, texts: Sequence[str], lines: Sequence[int]) -> Int64Array:
        shapes = set("\n".join(texts).translate(_AS_ZEROS).split("\n"))
        if not all(map(_PLAIN.fullmatch, shapes)):
            texts = [self._plain(text, line) for text, line in zip(texts, lines, strict=True)]
        found = []
        for text, line in zip(texts, lines, strict=True):
            try:
                moment = datetime.fromisoformat(text)
            except ValueError as error:  # the 31st of February
                raise self._fail(line, f"its time is {text!r}: {error}") from None
            if moment.tzinfo is None and self._zone.key != "UTC":
                moment = self._localised(moment, line)
            if moment.microsecond % 1000:
                raise self._fail(line, f"its time {text!r} is not a whole millisecond")
            found.append((moment - (_EPOCH if moment.tzinfo is None else _EPOCH_UTC)) // _MS)
        return np.array(found, dtype=np.int64)

    def _plain(self, text: str, line: int) -> str:
        """A date and time in another notation as `datetime` reads it."""
        match = _MOMENT.fullmatch(text.strip(BLANKS))
        if match is None:
            hint = "dates are understood with the year first, as 2024-01-31 12:00"
            raise self._fail(line, f"its time is {text[:40]!r}; {hint}")
        part = match.groupdict(default="")
        month, day = (part["md"][:2], part["md"][2:]) if part["md"] else (part["m"], part["d"])
        hour, minute, second = part["h"], part["min"], part["s"]
        if part["hms"]:
            hour, minute, second = part["hms"][:2], part["hms"][2:4], part["hms"][4:]
        zone = "Z" if part["zone"] in ("UTC", "GMT") else part["zone"]
        clock = f"{hour:0>2}:{minute:0>2}:{second:0>2}{part['f']}"
        return f"{part['y']}-{month:0>2}-{day:0>2}T{clock}{zone}"

    def _localised(self, moment: datetime, line: int) -> datetime:
        """The instant that a wall clock of the zone shows it at."""
        first, second = (moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            there = f"{moment} in {self._zone.key}"
            raise self._fail(
                line, f"{there} does not name one instant (clocks change); use a file with UTC times"
            )
        return first
