"""How the plain portfolio simulator shares the money that is free at an instant: who asks for what, and who gets what."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from engine.backtest.plain.course import Course, Entry
from engine.backtest.plain.position import AT_OPEN, Position
from engine.backtest.portfolio.book import (
    INVERSE_VOLATILITY,
    MAX_OPEN,
    NO_CASH,
    NO_STOP,
    NO_VOLATILITY,
    RISK,
    SCALE,
    SCALED,
    WHOLE,
    PortfolioRules,
)
from engine.backtest.portfolio.plain_leg import Leg

REFUSED: Final = (MAX_OPEN, NO_CASH, NO_STOP, NO_VOLATILITY)


@dataclass(slots=True)
class Asked:
    """A request of a leg at the open of its candle at `time`, money in hundred-millionths: an entry (of `base`), an add, or
    with `weighs` what brings its weight back. `waits`: an order that the open does not fill.
    """

    leg: Leg
    time: int
    requested: float
    rank: float
    base: float = math.nan
    enters: bool = False
    waits: bool = False
    weighs: bool = False
    granted: float = 0.0
    filled: float = 0.0
    why: str = WHOLE

    @property
    def turn(self) -> tuple[bool, float, str]:
        """The smaller the earlier: by rank, then by name."""
        unranked = math.isnan(self.rank)
        return unranked, 0.0 if unranked else -self.rank, self.leg.name

    @property
    def most(self) -> float:
        """What it may take: all that it wants, unless it got less."""
        return self.granted if self.why == SCALED else math.inf

    def do(self, course: Course) -> None:
        """Enter, or buy more."""
        i = self.leg.opens[self.time]
        if self.weighs:
            assert course.account.position is not None
            course.account.buy_more(course.account.position, i, self.granted)
        else:
            course.arrive_at_open(i)


@dataclass(frozen=True, slots=True)
class Sharing:
    """One instant. `legs`: by name; `began`: the first open of all; `equity`: of the wallet at these opens."""

    rules: PortfolioRules
    legs: Sequence[Leg]
    now: int
    began: int
    equity: float

    def asked(self, opening: Sequence[Leg], reduced: Collection[str]) -> list[Asked]:
        """What the legs that open ask for. One that was `reduced` has its weight: what it seems to lack is rounding."""
        found = [self._asks(leg, leg.opens[self.now], leg.name in reduced) for leg in opening]
        return [one for one in found if one is not None]

    def _asks(self, leg: Leg, i: int, reduced: bool) -> Asked | None:
        position, course = leg.position, leg.course
        if position is None:
            entry = course.market_entry(i) or course.waiting_entry(i)
            return None if entry is None else self._entry(leg, entry)
        part = course.add_part(position)
        rank = _rank(leg, i - 1)
        if not math.isnan(part):
            return Asked(leg, self.now, part * position.cash_before, rank)
        if course.add_asked or reduced:
            return None
        lacks = -self._excess(leg, position, i)
        opened = float(leg.given.candles.open[i])
        units = lacks // (opened / leg.account.leverage + opened * leg.account.taker)
        if position.reached or leg.account.exchange.whole_steps(units) < 1:
            return None
        return Asked(leg, self.now, lacks, rank, weighs=True)

    def _entry(self, leg: Leg, entry: Entry) -> Asked:
        order = entry.order
        weight = self._weight(leg, order.signal, int(leg.given.closes[order.signal]))
        base = weight * self.equity
        leg.account.base, leg.account.most = base, math.inf
        one = Asked(
            leg, self.now, 0.0, _rank(leg, order.signal), base, enters=True, waits=entry.how != AT_OPEN
        )
        if math.isnan(weight):
            one.why = NO_VOLATILITY
        elif self.rules.allocation == RISK and math.isnan(order.stop_loss):
            one.why = NO_STOP
        else:
            one.requested = leg.account.wanted(order, entry.bare, entry.bound, entry.fee)
        return one

    # weights

    def _weight(self, leg: Leg, i: int, by: int) -> float:
        """Of the equity on its candle i, by what had closed by then; NaN = not known."""
        if self.rules.allocation == RISK:
            return 1.0
        if self.rules.allocation != INVERSE_VOLATILITY:
            return leg.weight_on(i)
        steady = {other.name: 1 / self._volatility(other, by) for other in self.legs}
        total = sum(value for value in steady.values() if not math.isnan(value))
        return steady[leg.name] / total if total else math.nan

    def _volatility(self, leg: Leg, by: int) -> float:
        """Per root of a millisecond, of the last closes; NaN where nothing moved, or too few have closed."""
        closed = sum(time <= by for time in leg.closes)
        closes = leg.given.candles.close[max(0, closed - self.rules.lookback) : closed].tolist()
        changes = [math.log(b / a) for a, b in pairwise(closes)]
        if len(changes) < 2:
            return math.nan
        mean = sum(changes) / len(changes)
        variance = sum((change - mean) ** 2 for change in changes) / (len(changes) - 1)
        return math.sqrt(variance / leg.given.timeframe_ms) or math.nan

    # rebalancing

    def reductions(self, opening: Sequence[Leg]) -> Iterator[tuple[Leg, float]]:
        """Legs that hold too much, and how many units."""
        for leg in opening:
            position, i = leg.position, leg.opens[self.now]
            if position is None or leg.course.add_asked:
                continue
            excess = self._excess(leg, position, i)
            units = max(0.0, excess) // (float(leg.given.candles.open[i]) / leg.account.leverage)
            units = min(position.units, leg.account.exchange.whole_steps(units))
            if units >= 1:
                yield leg, units

    def _excess(self, leg: Leg, position: Position, i: int) -> float:
        """Margin at this open beyond that of its weight; 0 where it is not to be brought back now."""
        if not math.isnan(position.order.asked["risk"]):
            return 0.0
        due = self._is_due(leg, i)
        if (not due and self.rules.band is None) or self.equity <= 0:
            return 0.0
        weight = self._weight(leg, i, self.now) * position.order.fraction
        held = position.units * float(leg.given.candles.open[i]) / leg.account.leverage
        off = self.rules.band is not None and abs(held / self.equity - weight) > self.rules.band
        excess = held - weight * self.equity
        return excess if (due or off) and not math.isnan(weight) else 0.0

    def _is_due(self, leg: Leg, i: int) -> bool:
        """Whether this is its first open at or after one of the times at which weights are brought back."""
        every = self.rules.rebalance_ms
        if every is None or i == 0:
            return False
        before = int(leg.given.candles.timestamp[i - 1])
        return (self.now - self.began) // every > (before - self.began) // every

    # sharing

    def share(self, asked: Sequence[Asked], free: float) -> list[Asked]:
        """The same requests with what each gets of the money that is free, and why not more."""
        self._refuse_beyond_places(asked)
        wanted = [one for one in asked if one.why == WHOLE]
        total = 0.0
        for one in wanted:
            total += one.requested
        for one in sorted(wanted, key=lambda one: one.turn):
            one.granted = one.requested
            if total > free and self.rules.contention == SCALE:
                one.granted = free * (one.requested / total) if total else 0.0
            elif total > free:
                one.granted = min(one.requested, free)
                free -= one.granted
            if one.granted < one.requested:
                one.why = SCALED
            if one.granted <= 0:
                one.why = NO_CASH
        return list(asked)

    def _refuse_beyond_places(self, asked: Sequence[Asked]) -> None:
        """At most so many legs hold something, or have an order waiting."""
        if self.rules.max_open is None:
            return
        left = self.rules.max_open - sum(leg.position is not None or leg.reserved > 0 for leg in self.legs)
        entries = [one for one in asked if one.enters and one.why == WHOLE]
        for one in sorted(entries, key=lambda one: one.turn)[max(0, left) :]:
            one.why = MAX_OPEN


def _rank(leg: Leg, signal: int) -> float:
    return 0.0 if leg.given.rank is None else float(leg.given.rank[signal])
