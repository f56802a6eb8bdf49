"""What differs between our trade and theirs, by name, and how their profits part: every cent has one cause.

From ours to theirs one thing after the other is changed: price of the entry, price of the exit, size, fee, funding, and last
what the file says of the profit beside what its own figures make. What a change makes of the profit is its money; where a
fee follows from another price or size it goes with that. What no named difference explains lies within the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.model.market import Timeframe
from engine.model.trade import Trade
from engine.model.trade_comparison import HALF_CENT, Said, TradeListDifference
from engine.model.trade_list import LONG, TheirTrade

_OPEN: Final = "open"
_REASONS: Final = {
    "stop_loss": "stop", "trailing_stop": "stop", "take_profit": "target", "target_1": "target", "target_2": "target",
    "target_3": "target", "exit_long": "signal", "exit_short": "signal", "reverse": "signal",
    "liquidation": "liquidation", "ruin": "liquidation", "window_end": "end", _OPEN: "end",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Change:
    kind: str
    candles: int | None
    ours: Said
    theirs: Said
    money: float


@dataclass(frozen=True, slots=True)
class Naming:
    """Names differences on the grid of `timeframe`; `tolerance`: the fraction by which equal numbers may differ."""

    timeframe: Timeframe
    tolerance: float

    def of_pair(
        self, ours: Trade, theirs: TheirTrade, places: tuple[int, int]
    ) -> tuple[list[TradeListDifference], float]:
        """Its differences, and the money that is within the tolerance: all of it adds up to our profit less theirs."""
        parted = ours.pnl - theirs.net
        if ours.side != theirs.side:
            return [TradeListDifference("side", *places, None, ours.side, theirs.side, parted)], 0.0
        changes = [change for change in self._changes(ours, theirs) if change is not None]
        made = [
            TradeListDifference(one.kind, *places, one.candles, one.ours, one.theirs, one.money)
            for one in changes
        ]
        return made, parted - math.fsum(one.money for one in made)

    def _changes(self, ours: Trade, theirs: TheirTrade) -> Iterator[_Change | None]:
        leaves = ours.exit_price if theirs.exit_price is None else theirs.exit_price
        fee, follows = self._fee(ours, theirs, leaves)
        sized = self._differ(ours.size, theirs.size)
        paid = (ours.funding or 0.0) * (theirs.size / ours.size if sized else 1.0)  # on their size
        left = self._exit(ours, theirs, leaves, 0.0 if sized else follows)
        entered = self._entry(ours, theirs, 0.0 if sized or left else follows)
        yield entered
        yield left
        if sized:
            money = _sign(ours) * (ours.size - theirs.size) * (leaves - theirs.entry_price) + follows
            money += paid - (ours.funding or 0.0)
            yield _Change("size", None, ours.size, theirs.size, money)
        yield fee
        yield self._funding(ours, theirs, paid)
        beside = theirs.reckoned - theirs.net
        if abs(beside) > HALF_CENT + self._rounded(ours, theirs, leaves):
            yield _Change("their_profit", None, theirs.reckoned, theirs.net, beside)
        reason = _REASONS.get(ours.exit_reason, "")
        if reason and theirs.exit_reason and reason != theirs.exit_reason:
            yield _Change("exit_reason", None, ours.exit_reason, theirs.exit_reason, 0.0)

    def _entry(self, ours: Trade, theirs: TheirTrade, follows: float) -> _Change | None:
        candles = self.timeframe.index(theirs.entry_time) - self.timeframe.index(ours.entry_time)
        money = _sign(ours) * ours.size * (theirs.entry_price - ours.entry_price) + follows
        if candles:
            kind = "entry_later" if candles > 0 else "entry_earlier"
            return _Change(kind, candles, ours.entry_time, theirs.entry_time, money)
        if self._differ(ours.entry_price, theirs.entry_price):
            return _Change("entry_price", None, ours.entry_price, theirs.entry_price, money)
        return None

    def _exit(self, ours: Trade, theirs: TheirTrade, leaves: float, follows: float) -> _Change | None:
        money = _sign(ours) * ours.size * (ours.exit_price - leaves) + follows
        if theirs.exit_time is None and ours.exit_reason != _OPEN:
            return _Change("exit_later", None, ours.exit_time, None, money)
        if theirs.exit_time is not None:
            candles = self.timeframe.index(theirs.exit_time) - self.timeframe.index(ours.exit_time)
            if candles:
                kind = "exit_later" if candles > 0 else "exit_earlier"
                return _Change(kind, candles, ours.exit_time, theirs.exit_time, money)
        if self._differ(ours.exit_price, leaves):
            return _Change("exit_price", None, ours.exit_price, leaves, money)
        return None

    def _fee(self, ours: Trade, theirs: TheirTrade, leaves: float) -> tuple[_Change | None, float]:
        """The difference in fees at their turnover, and what of the fee follows from turning over another amount."""
        turned = ours.size * (ours.entry_price + ours.exit_price)
        their_turned = theirs.size * (theirs.entry_price + leaves)
        expected = ours.commission / turned * their_turned if turned else 0.0
        slack = 0.0 if theirs.fee is not None else self._rounded(ours, theirs, leaves)
        follows = expected - ours.commission
        if not self._differ(expected, theirs.cost, HALF_CENT + slack):
            return None, follows
        known = theirs.fee is not None or theirs.pnl is not None
        return _Change(
            "fee", None, ours.commission, theirs.cost if known else None, theirs.cost - expected
        ), follows

    def _rounded(self, ours: Trade, theirs: TheirTrade, leaves: float) -> float:
        """The money that rounding of their prices may make: of a price that is not ours, half its last digit."""
        digits = min(_last_digit(theirs.entry_price), _last_digit(leaves))
        pairs = ((ours.entry_price, theirs.entry_price), (ours.exit_price, leaves))
        return theirs.size * sum(min(digits / 2, self.tolerance * said) for own, said in pairs if own != said)

    def _funding(self, ours: Trade, theirs: TheirTrade, paid: float) -> _Change | None:
        """`paid`: ours, on their size."""
        their_paid = theirs.funding or 0.0
        if not self._differ(paid, their_paid, HALF_CENT):
            return None
        return _Change("funding", None, ours.funding, theirs.funding, their_paid - paid)

    def _differ(self, one: float, other: float, slack: float = 0.0) -> bool:
        return abs(one - other) > self.tolerance * max(abs(one), abs(other)) + slack


def _last_digit(price: float) -> float:
    """What one in the last written digit is worth: 0.01 of 150.25."""
    return float(10.0 ** min(0, int(Decimal(repr(float(price))).normalize().as_tuple().exponent)))


def _sign(trade: Trade) -> int:
    return 1 if trade.side == LONG else -1
