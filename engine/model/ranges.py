"""The values that a sweep tries of one parameter: `low:high:step` as people write it, or a list."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.model.market import Int64Array
from engine.model.numerals import is_number, read_number, read_whole
from engine.model.parameters import ParamValue

MAX_VALUES: Final = 10**12  # of one range; what a sweep really tries is limited where it is planned
_EXACT_WHOLE: Final = 2**53  # whole numbers below, and powers of ten up to, that float64 holds exactly
_EXACT_POWERS: Final = 22
_BOOLS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Steps(Sequence[ParamValue]):
    """`length` numbers from `low` on, `step` apart, computed in decimals: 0.1, 0.2, 0.3 and not 0.30000000000000004.

    Whole numbers are int, others float; nothing is stored per value.
    """

    low: Decimal
    step: Decimal
    length: int

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, at: int) -> ParamValue: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[ParamValue, ...]: ...
    def __getitem__(self, at: int | slice) -> ParamValue | tuple[ParamValue, ...]:
        if isinstance(at, slice):
            return tuple(self._value(i) for i in range(*at.indices(self.length)))
        if not -self.length <= at < self.length:
            raise IndexError(at)
        return self._value(at % self.length)

    def __iter__(self) -> Iterator[ParamValue]:
        return map(self._value, range(self.length))

    def _value(self, at: int) -> ParamValue:
        value = self.low + at * self.step
        return int(value) if self.is_whole else float(value)

    def column(self, at: Int64Array) -> npt.NDArray[Any]:
        """The values at these positions, int64 or float64; the same as one by one, and a hundred times as fast."""
        digits = max(0, *(-int(number.as_tuple().exponent) for number in (self.low, self.step)))
        low, step = (int(number.scaleb(digits)) for number in (self.low, self.step))
        last = low + (self.length - 1) * step
        if digits > _EXACT_POWERS or max(abs(low), abs(step), abs(last)) >= _EXACT_WHOLE:
            return np.array([self._value(i) for i in at.tolist()])
        whole = low + at * step
        # both exact, so their quotient is the float nearest to the decimal number
        return whole if self.is_whole else whole / 10.0**digits

    @property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers, written as such."""
        return all(number.as_tuple().exponent == 0 for number in (self.low, self.step))

    def __str__(self) -> str:
        return f"{self.low}:{self.low + (self.length - 1) * self.step}:{self.step}"


def parse_range(text: str) -> Sequence[ParamValue]:
    """The values that `text` names: `low:high:step` with both ends included (step 1 if left out), or `a,b,c`.

    Raises InputError in one line that says how to write it.
    """
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 1:
        return _steps(text, parts)
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise InputError(f"{text!r} names no values; write low:high:step, or a,b,c")
    return tuple(dict.fromkeys(_value(word) for word in words))


def range_of(low: ParamValue, high: ParamValue, step: ParamValue) -> Sequence[ParamValue]:
    """`low:high:step` of numbers, both ends included; raises InputError as `parse_range`."""
    return parse_range(f"{low}:{high}:{step}")


def _steps(text: str, parts: list[str]) -> Steps:
    if len(parts) > 3:
        raise InputError(f"{text!r} has too many colons; write low:high:step")
    low, high, step = (_decimal(text, part) for part in (*parts, "1")[:3])
    if step <= 0:
        raise InputError(f"{text!r}: the step must be above 0")
    if low > high:
        raise InputError(f"{text!r}: low is above high; write low:high:step")
    if (high - low) / step >= MAX_VALUES:
        raise InputError(f"{text!r} holds more than {MAX_VALUES:,} values; use a larger step")
    return Steps(low, step, int((high - low) // step) + 1)


def _decimal(text: str, part: str) -> Decimal:
    number = Decimal(part if is_number(part) and len(part) <= 40 else "nan")
    if not number.is_finite() or not -20 < number.adjusted() < 20:
        raise InputError(f"{text!r}: {part[:40]!r} is not a number; write low:high:step, such as 5:50:1")
    # "5e1" and "50" are whole; "5.0" is written as a fraction and stays one
    return Decimal(int(number)) if int(number.as_tuple().exponent) > 0 else number


def _value(word: str) -> ParamValue:
    if word.lower() in _BOOLS:
        return _BOOLS[word.lower()]
    for read in (read_whole, read_number):
        try:
            return read(word)
        except ValueError:
            continue
    return word


def range_text(values: Sequence[ParamValue]) -> str:
    """`values` as `parse_range` reads them, shortened where they are many and irregular."""
    if isinstance(values, Steps):
        return str(values)
    shown = [
        str(value).lower() if isinstance(value, bool) else str(value)
        for value in itertools.islice(values, 50)
    ]
    return ",".join(shown) + (",..." if len(values) > len(shown) else "")


def range_json(values: Sequence[ParamValue]) -> str | list[ParamValue]:
    """`values` as text where `parse_range` makes the same of it, else as a list."""
    text = range_text(values)
    if isinstance(values, Steps):
        return text
    try:
        same = [(type(one), one) for one in parse_range(text)] == [(type(one), one) for one in values]
    except InputError:
        same = False
    return text if same else list(values)


def read_range(given: str | Sequence[ParamValue]) -> Sequence[ParamValue]:
    """The values that `range_json` described; raises InputError for none."""
    if isinstance(given, str):
        return parse_range(given)
    if not given:
        raise InputError("a list names no values; write low:high:step, or a list of values")
    return tuple(dict.fromkeys(given))
