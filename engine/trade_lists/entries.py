"""The objects of a JSON list of trades, read by name: numbers, flags and times, or an error that names the trade."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from engine.errors import InputError
from engine.model.trade_list import LONG, SHORT
from engine.trade_lists.cells import moment_of

MOST_TRADES: Final = 400_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One object; `row`: its place in the list, from 1."""

    file: str
    row: int
    fields: Mapping[str, Any]

    def number_or_none(self, name: str) -> float | None:
        """A number, or text of one; None where it is absent or null."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        try:
            found = float("x" if isinstance(value, bool) else value)
        except (TypeError, ValueError, OverflowError):
            raise self._wrong(name, value) from None
        return found if math.isfinite(found) else None

    def number(self, name: str) -> float:
        """The same of what must be there."""
        found = self.number_or_none(name)
        if found is None:
            raise self._wrong(name, self.fields.get(name))
        return found

    def side(self, name: str) -> str:
        """LONG or SHORT."""
        found = str(self.fields.get(name, "")).strip().lower()
        if found not in (LONG, SHORT):
            raise self._wrong(name, self.fields.get(name))
        return found

    def flag(self, name: str) -> bool:
        """Whether it is true; absent is not."""
        return self.fields.get(name) is True

    def time_or_none(self, *names: str) -> int | None:
        """The first of these that is there, ms."""
        for name in names:
            value = self.fields.get(name)
            if value not in (None, "", 0):
                try:
                    return moment_of(str(value), UTC)
                except (ValueError, OverflowError):
                    raise self._wrong(name, value) from None
        return None

    def time(self, *names: str) -> int:
        """The same of what must be there."""
        found = self.time_or_none(*names)
        if found is None:
            raise self._wrong(names[0], None)
        return found

    def _wrong(self, name: str, value: Any) -> InputError:
        shown = "missing" if value is None else f"{str(value)[:30]!r}"
        return InputError(f"{self.file}, trade {self.row}: {name} is {shown}; nothing was compared")


def entries(found: Any, file: str) -> Iterator[Entry]:
    """The objects of a list; raises InputError, also later."""
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise InputError(f"{file} holds no list of trades; nothing was compared")
    if len(found) > MOST_TRADES:
        raise InputError(f"{file} holds more than {MOST_TRADES:,} trades; export less")
    return (Entry(file, row, one) for row, one in enumerate(found, start=1))
