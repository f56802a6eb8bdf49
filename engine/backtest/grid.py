"""The grid on which an exchange takes orders in one symbol: its filters, where a run is held to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from engine.backtest.rules import UNITS
from engine.model.filters import Filters

_ROUNDED_PRICE: Final = 1e-6  # of a tick
_ROUNDED_SIZE: Final = 1e-9  # of a step
_NOTHING: Final = Filters()


@dataclass(frozen=True, slots=True)
class Grid:
    """Sizes in whole units of 1e-8 coin. Nothing told is no grid."""

    filters: Filters = _NOTHING

    def price(self, wanted: float, direction: int) -> float:
        """The tick at or above (`direction` +1) or below (-1) a price, which may miss one by rounding; NaN stays NaN."""
        if not self.filters.tick or math.isnan(wanted):
            return wanted
        above, below = self.filters.tick_parts()
        ticks = wanted * below / above
        whole = math.ceil(ticks - _ROUNDED_PRICE) if direction > 0 else math.floor(ticks + _ROUNDED_PRICE)
        return whole * above / below

    def whole_steps(self, units: float) -> float:
        """Of so many what is sold at once."""
        step = round(self.filters.step * UNITS)
        return math.floor(units / step + _ROUNDED_SIZE) * step if step else units

    @property
    def most(self) -> float:
        """Units of one order."""
        return (
            self.filters.most * UNITS if math.isinf(self.filters.most) else round(self.filters.most * UNITS)
        )

    def is_too_small(self, units: float, price: float) -> bool:
        """Whether an order of so many at that price is refused."""
        least = round(self.filters.least * UNITS)
        return units < max(1, least) or units * price < self.filters.notional * UNITS
