"""What an exchange takes of orders in one symbol: the grids of prices and sizes, the least and the most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, Self

NO_FILTERS, CURRENT = "off", "current"
FILTERS: Final = (NO_FILTERS, CURRENT)


_WORDS: Final = {
    "tick": "ticks of",
    "step": "steps of",
    "least": "at least",
    "most": "at most",
    "notional": "worth at least",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """As the exchange told them last; nobody tells what they were. 0 = not told, of `most` that is infinity.

    `tick`: prices are multiples of it; `step`: sizes, coins; `least`, `most`: coins of a market order; `notional`: the least
    value of an order, in the quote currency.
    """

    tick: float = 0.0
    step: float = 0.0
    least: float = 0.0
    most: float = math.inf
    notional: float = 0.0

    def tick_parts(self) -> tuple[int, int]:
        """The tick as a fraction of two whole numbers: k ticks are k * above / below, to the last bit; (0, 1) = not told."""
        return Decimal(repr(self.tick)).as_integer_ratio()

    def __str__(self) -> str:
        """In words, those that were told: "ticks of 0.1, steps of 0.001"."""
        return ", ".join(f"{_WORDS[name]} {number:g}" for name, number in self.to_json().items())

    def to_json(self) -> dict[str, float]:
        """Those that were told, by name."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in told.items() if value and math.isfinite(value)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**document)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self | None:
        """From numbers or texts by name, of which what is none, or not above 0, was not told; None where nothing was."""
        numbers = {name: _number(value) for name, value in told.items()}
        found = {name: value for name, value in numbers.items() if value > 0}
        return cls(**found) if found else None


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0
