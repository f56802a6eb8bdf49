"""A leg of the plain portfolio simulator: played as a run is, with the money that the wallet hands to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from engine.backtest.perpetual import Perpetual
from engine.backtest.plain.account import Account
from engine.backtest.plain.course import Course
from engine.backtest.plain.places import Places
from engine.backtest.plain.position import Position
from engine.backtest.plain.protections import Guard
from engine.backtest.portfolio.book import RISK, LegInput, PortfolioRules
from engine.backtest.rules import UNITS


@dataclass(slots=True)
class Leg:
    """A leg between its candles. `now`: its candle that is open, None between candles; `closed`: candles that have closed;
    `reserved`: money for an order that waits on the open candle; `made`: by what it did to the wallet so far.
    """

    given: LegInput
    course: Course
    opens: dict[int, int]  # candle by its open
    closes: dict[int, int]
    now: int | None = None
    closed: int = 0
    reserved: float = 0.0
    made: float = 0.0
    pnl: list[float] = field(default_factory=list)  # at its closes

    @classmethod
    def of(cls, given: LegInput, rules: PortfolioRules, reading: int) -> Leg:
        """Before its first candle."""
        times = given.candles.timestamp.tolist()
        costs = replace(given.costs, cash=rules.cash)
        guard = Guard(costs.protect, costs.cash * UNITS, times, given.timeframe_ms)
        places = Places.of(given.candles, given.perpetual or Perpetual(), None)
        account = Account(places, costs, guard)
        signals = given.signals.only(costs.side, given.reverse)
        course = Course(places, signals, account, given.reverse, reading)
        opens = {time: i for i, time in enumerate(times)}
        return cls(given, course, opens, {time: i for i, time in enumerate(given.closes.tolist())})

    @property
    def name(self) -> str:
        """Its own."""
        return self.given.name

    @property
    def account(self) -> Account:
        """Whose money is the wallet's, while it has it in hand."""
        return self.course.account

    @property
    def position(self) -> Position | None:
        """What it holds."""
        return self.account.position

    @property
    def bound(self) -> float:
        """Money that is not free: margin, and what is reserved for an order."""
        return self.reserved + (0.0 if self.position is None else self.position.wallet)

    def open_profit(self, price: float) -> float:
        """Of what it holds, at that price."""
        if self.position is None:
            return 0.0
        signed = self.position.side * self.position.units
        return price * signed - signed * self.position.mean

    def weight_on(self, i: int) -> float:
        """Its weight on its candle i."""
        return self.given.weight if self.given.weights is None else float(self.given.weights[i])

    @property
    def last_close(self) -> float:
        """Of its candles that have closed."""
        return float(self.given.candles.close[self.closed - 1]) if self.closed else math.nan

    @property
    def counts(self) -> tuple[int, int, int]:
        """Entries and adds that its account left out, by why."""
        return self.account.no_volume, self.account.dropped, self.account.below_minimum

    @property
    def entering(self) -> tuple[int, int]:
        """How far its fills have come: positions, and fills of the last of them."""
        positions = self.account.positions
        return len(positions), len(positions[-1].fills) if positions else 0

    def put_in(self, before: tuple[int, int]) -> float:
        """Margin and fees of what was entered since `entering` was `before`, which is of one position."""
        positions = self.account.positions
        if not positions:
            return 0.0
        first = before[1] if len(positions) == before[0] else 0
        bought = [fill for fill in positions[-1].fills[first:] if fill.units > 0]
        return sum(fill.units * fill.price / self.account.leverage + fill.fee for fill in bought)

    def forget_asked(self) -> None:
        """What it asked for is refused; an order waits no more."""
        self.course.entry_asked, self.course.waiting, self.course.add_asked = None, None, False

    def ask_risk(self, rules: PortfolioRules) -> None:
        """Where risk is allocated, an entry that asks for none of its own takes that of the leg."""
        for order in (self.course.entry_asked, self.course.waiting):
            if rules.allocation == RISK and order is not None and math.isnan(order.asked["risk"]):
                order.asked["risk"] = self.weight_on(order.signal)
