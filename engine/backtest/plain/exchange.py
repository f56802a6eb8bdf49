"""The plain simulator's exchange: how much worse than its price an order fills there, which prices and sizes it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from engine.backtest.rules import UNITS
from engine.model.filters import Filters
from engine.model.market import DAY_MS, Candles
from engine.model.slippage import (
    HALF_SPREAD,
    MARKET_DAYS,
    MOST_SHARE,
    MOST_SLIPPAGE,
    MOST_SPREAD,
    SQUARE_ROOT,
    VOLUME_SHARE,
    SlippageModel,
)

_NEARLY: Final = Decimal("1e-6")  # of a tick; what was reckoned misses one by rounding
_NEARLY_WHOLE: Final = 1e-9  # of a step, likewise


@dataclass(frozen=True, slots=True)
class Exchange:
    """Of one symbol. `filters`: as it told them, whose tick tells the spread; only where `holds` it holds orders to them."""

    candles: Candles
    slips: SlippageModel
    filters: Filters
    holds: bool

    def slippage(self, i: int, units: float, price: float) -> float:
        """The fraction of `price` by which an order of so many units fills worse on candle i."""
        coins, number = units / UNITS, self.slips.value
        if self.slips.kind == HALF_SPREAD:
            return min(max(number, self.filters.tick / 2 / price), MOST_SPREAD)
        if self.slips.kind == VOLUME_SHARE:
            volume = float(self.candles.volume[i - 1])
            share = MOST_SHARE if volume == 0 else min(coins / volume, MOST_SHARE)
            return number * share**2
        if self.slips.kind == SQUARE_ROOT:
            volatility, volume = self._daily(i)
            if volume == 0:
                return MOST_SLIPPAGE
            return min(number * volatility * math.sqrt(coins / volume), MOST_SLIPPAGE)
        return number

    def is_untraded(self, i: int) -> bool:
        """Whether the price of an entry on candle i cannot be known, as nothing was traded before."""
        return self.slips.kind == SQUARE_ROOT and self._daily(i)[1] == 0

    def _daily(self, i: int) -> tuple[float, float]:
        """(volatility, volume) of a day, by the candles that closed before candle i and opened in the days before it."""
        opens, now = self.candles.timestamp, int(self.candles.timestamp[i])
        squares, volumes, first = [], [], i
        while first > 0 and (first == i or now - int(opens[first - 1]) <= MARKET_DAYS * DAY_MS):
            first -= 1
            before = self.candles.close[first - 1] if first else self.candles.open[0]
            squares.append(math.log(float(self.candles.close[first]) / float(before)) ** 2)
            volumes.append(float(self.candles.volume[first]))
        days = (now - int(opens[first])) / DAY_MS
        return math.sqrt(math.fsum(squares) / days), math.fsum(volumes) / days

    # what it takes

    def price(self, wanted: float, direction: int) -> float:
        """The tick at or above (+1) or below (-1) a price; NaN stays NaN."""
        if not self.holds or not self.filters.tick or math.isnan(wanted):
            return wanted
        tick = Decimal(repr(self.filters.tick))
        ticks, rounding = Decimal(wanted) / tick - direction * _NEARLY, ROUND_FLOOR
        if direction > 0:
            rounding = ROUND_CEILING
        return float(ticks.to_integral_value(rounding) * tick)

    def whole_steps(self, units: float) -> float:
        """Of so many units what is sold at once."""
        step = round(self.filters.step * UNITS) if self.holds else 0
        return math.floor(units / step + _NEARLY_WHOLE) * step if step else units

    def most(self) -> float:
        """The most units that one order may be of."""
        return (
            math.inf if not self.holds or math.isinf(self.filters.most) else round(self.filters.most * UNITS)
        )

    def is_too_small(self, units: float, price: float) -> bool:
        """Whether it refuses an order of so many units at that price."""
        least, value = round(self.filters.least * UNITS), self.filters.notional * UNITS
        return self.holds and (units < least or units * price < value)
