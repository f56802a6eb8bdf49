"""The account that a run trades with: its money, what of it an entry takes, and what trading costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from engine.errors import InputError

MAX_CASH: Final = 1e15  # the reference engine counts it in units of 1e-8


def _check(name: str, value: float, low: float, high: float, *, low_open: bool, high_open: bool) -> None:
    below = value <= low if low_open else value < low
    above = value >= high if high_open else value > high
    if not math.isfinite(value) or below or above:
        bounds = f"{'above' if low_open else 'at least'} {low:g}"
        if math.isfinite(high):
            bounds += f" and {'below' if high_open else 'at most'} {high:g}"
        raise InputError(f"{name} must be {bounds}, not {value:g}")


@dataclass(frozen=True, slots=True)
class Costs:
    """Money and costs of a run: starting cash, fraction of equity per entry, fractions per side."""

    cash: float = 10_000.0
    commission: float = 0.001
    size: float = 0.95
    slippage: float = 0.0

    def __post_init__(self) -> None:
        _check("cash", self.cash, 0, MAX_CASH, low_open=True, high_open=False)
        _check("commission", self.commission, 0, 0.1, low_open=False, high_open=True)
        _check("size", self.size, 0, 1, low_open=True, high_open=False)
        _check("slippage", self.slippage, 0, 0.1, low_open=False, high_open=True)
