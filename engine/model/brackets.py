"""Leverage brackets of a perpetual: what margin a position of some value must keep, and how much leverage it may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from engine.errors import InputError
from engine.model.market import Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Brackets:
    """Brackets by ascending notional; all float64 (b,). Bracket k holds notionals from `floor[k]` to below `floor[k + 1]`.

    `rate`: maintenance margin rate; `cum`: what is taken off (maintenance margin = notional * rate - cum), continuous from
    bracket to bracket; `leverage`: the most that a position of that notional may have. `source`, `day`: where they are from.
    """

    floor: Float64Array
    rate: Float64Array
    cum: Float64Array
    leverage: Float64Array
    source: str = ""
    day: str = ""

    @classmethod
    def of(cls, rows: list[tuple[float, float, float]], source: str = "", day: str = "") -> Self:
        """From rows of (floor, maintenance margin rate, most leverage); raises InputError where they make no table."""
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        floor, rate, leverage = (np.ascontiguousarray(column) for column in table.T)
        sound = len(table) and np.isfinite(table).all() and floor[0] == 0 and (leverage >= 1).all()
        if (
            not sound
            or (np.diff(floor) <= 0).any()
            or (np.diff(rate) < 0).any()
            or not 0 < rate[0] < 1
            or rate[-1] >= 1
        ):
            raise InputError(
                "leverage brackets must begin at 0, rise, and keep maintenance rates between 0 and 1"
            )
        cum = np.concatenate(([0.0], np.cumsum(floor[1:] * np.diff(rate))))
        return cls(floor, rate, cum, leverage, source, day)

    def to_json(self) -> list[dict[str, float | None]]:
        """`[{floor, cap, rate, cum, leverage}]`, ascending; the last has no cap."""
        caps: list[float | None] = [*self.floor[1:].tolist(), None]
        cum = self.cum.round(8)  # sums of products of decimals
        columns = (self.floor.tolist(), caps, *(one.tolist() for one in (self.rate, cum, self.leverage)))
        names = ("floor", "cap", "rate", "cum", "leverage")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def most_leverage(self) -> float:
        """The most that the smallest position may have."""
        return float(self.leverage[0])

    def most_notional(self, leverage: float) -> float:
        """Below which notional a position may have that leverage; inf where there is no bound, 0 where none may."""
        allowed = self.leverage >= leverage
        if allowed.all():
            return float("inf")
        first = int(np.argmin(allowed))
        return float(self.floor[first])
