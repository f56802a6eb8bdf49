"""What the broker of orders holds: an entry as it was asked for, and a position from flat to flat, with its fills.

Sizes are whole units of 1e-8 coin, money 1e8 times as large, as in all that backtesting.py is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.backtest.grid import Grid
from engine.backtest.outcome import Filled
from engine.backtest.rules import LIQUIDATION, OPEN, RUIN, STOP_LOSS, TRAILING_STOP, UNITS
from engine.model.market import Candles

AT_OPEN, INSIDE, AT_CLOSE = "open", "inside", "close"  # where in a candle something was filled
_STOPS: Final = (STOP_LOSS, TRAILING_STOP, LIQUIDATION)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an entry asks for at the close of candle `signal`: it travels as the tag of the library's order and its trades.

    `price`: what stop, targets and risk are measured by; `columns`: every order column there. NaN = not asked for.
    """

    name: str
    side: int
    signal: int
    price: float
    fraction: float
    stop: float
    profit: float
    targets: tuple[float, ...]
    columns: Mapping[str, float]
    grid: Grid

    def value(self, name: str) -> float:
        """What an order column said."""
        return self.columns[name]

    def count(self, name: str, default: int) -> int:
        """A whole number that was asked for, or the default."""
        value = self.columns[name]
        return default if math.isnan(value) else int(value)

    def part(self, k: int) -> float:
        """Which fraction target k (from 0 on) takes."""
        given = self.columns[f"part_{k + 1}"]
        return 1 / len(self.targets) if math.isnan(given) else given


@dataclass(slots=True)
class Held:
    """A position. `began`: the cash before its first fill; `mean`: of its entries; `best`: the best price of its completed
    candles; `moved`: whether its stop was; `reached`: targets so far, `whole`: units held at the first one;
    `trades`: those of the library's that are closed.
    """

    asked: Asked
    entry: int
    where: str
    resting: bool  # a limit order entered it
    began: float
    mean: float = 0.0
    entered: float = 0.0
    best: float = math.nan
    moved: bool = False
    adds: int = 0
    reached: int = 0
    whole: float = 0.0
    slippage: float = 0.0
    left: str = AT_CLOSE  # where in its last candle
    fills: list[Filled] = field(default_factory=list)
    trades: list[Any] = field(default_factory=list)

    @property
    def stop_reason(self) -> str:
        """What its stop is called when it is touched."""
        return TRAILING_STOP if self.moved else STOP_LOSS

    def filled(self, candle: int, units: float, price: float, bare: float, kind: str, fee: float) -> None:
        """Note a fill of that many units (leaving: below 0), which without slippage were at `bare`."""
        if units > 0:
            held = self.entered  # nothing is added after something left
            self.mean = price if held == 0 else (held * self.mean + units * price) / (held + units)
            self.entered += units
        self.slippage += abs(units) * abs(price - bare)
        self.fills.append(Filled(candle, price, units / UNITS, kind, fee / UNITS))

    def first_level(self) -> float:
        """Of the stop, from the first fill on; NaN = none."""
        self.best = self.mean
        begins = math.isnan(self.asked.value("trail_from"))
        return self._nearer(self.asked.stop, self._trailed() if begins else math.nan)

    def raised(self, level: float, stop_now: float) -> float:
        """Where the stop goes between candles: to where trail, break-even and strategy have it, if that is nearer."""
        if math.isnan(self.asked.value("trail_from")) or self._gained("trail_from"):
            level = self._nearer(level, self._trailed())
        if self._gained("break_even"):
            level = self._nearer(level, self.mean)
        return self._nearer(level, stop_now)

    def _gained(self, distance: str) -> bool:
        """Whether its best price is that far from its mean entry."""
        side = self.asked.side
        return side * (self.best - (self.mean + side * self.asked.value(distance))) >= 0

    def _trailed(self) -> float:
        return self.best - self.asked.side * self.asked.value("trail")

    def _nearer(self, level: float, wanted: float) -> float:
        wanted = self.asked.grid.price(wanted, -self.asked.side)
        if math.isnan(wanted) or self.asked.side * (wanted - level) <= 0:
            return level
        self.moved = True
        return wanted

    def see(self, candle: int, high: float, low: float, close: float) -> None:
        """It was held at the close of that candle; of the one inside which it was entered only the close came after."""
        seen = high if self.asked.side > 0 else low
        if candle == self.entry and self.where == INSIDE:
            seen = close
        self.best = max(self.best, seen) if self.asked.side > 0 else min(self.best, seen)

    def next_part(self, held: float) -> float:
        """Units that the next target takes: a fraction of those held at the first one, the last takes what is left."""
        if self.reached == 0:
            self.whole = held
        self.reached += 1
        if self.reached == len(self.asked.targets):
            return held
        part = math.floor(self.whole * self.asked.part(self.reached - 1))
        return min(self.asked.grid.whole_steps(part), held)

    def exit(self, candles: Candles, held: float) -> tuple[int, float, str]:
        """(candle, unit-weighted mean of the exits, reason); what is still held is marked at the last close."""
        left = [(-fill.size, fill.price) for fill in self.fills if fill.size < 0]
        last = self.fills[-1]
        candle, reason = last.candle, last.kind
        if held:
            candle, reason = len(candles) - 1, OPEN
            left.append((held / UNITS, float(candles.close[-1])))
        if len(left) == 1:
            return candle, left[0][1], reason
        return candle, sum(size * price for size, price in left) / sum(size for size, _ in left), reason

    def excursions(self, candles: Candles, last: int, exit_price: float, reason: str) -> tuple[float, float]:
        """(mae_pct <= 0, mfe_pct >= 0) from its mean entry; `last`: the candle of its exit.

        Of the candle inside which a limit entered, its adverse extreme and close; of a stop entry, its favourable extreme
        and close. Of the candle inside which it left, the extreme on the other side.
        """
        adverse, favourable = (
            (candles.low, candles.high) if self.asked.side > 0 else (candles.high, candles.low)
        )
        seen = [self.mean, exit_price, *(fill.price for fill in self.fills)]
        for i in range(self.entry, last + 1):
            leaves = i == last and reason not in (OPEN, RUIN)
            if leaves and self.left != INSIDE:
                continue
            inside = i == self.entry and self.where == INSIDE
            if not (inside and not self.resting) and not (leaves and reason in _STOPS):
                seen.append(float(adverse[i]))
            if not (inside and self.resting) and not (leaves and reason not in _STOPS):
                seen.append(float(favourable[i]))
            if inside and not leaves:
                seen.append(float(candles.close[i]))
        changes = [self.asked.side * (price / self.mean - 1) * 100 for price in seen]
        return min(0.0, *changes), max(0.0, *changes)
