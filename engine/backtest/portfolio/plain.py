"""The referee of portfolios: their rules once more in plain Python, to be read and not to be fast.

Time goes from instant to instant. What closes then comes first: the insides of those candles, the wallet's equity, what is
decided. Then what opens: every leg's exits, and with what is free by then their entries (`plain_sharing.py`). A leg is
played as a run is (`engine/backtest/plain/`); the one wallet is handed to it for each of its steps. It shares no line with
the compiled simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from engine.backtest.plain.course import Course
from engine.backtest.plain.trades import told
from engine.backtest.portfolio.book import (
    BELOW_MINIMUM,
    BEYOND_STOP,
    NO_VOLUME,
    TOO_SMALL,
    WHYS,
    LegInput,
    PortfolioOutcome,
    PortfolioRules,
    RequestTable,
)
from engine.backtest.portfolio.checks import check_portfolio
from engine.backtest.portfolio.plain_leg import Leg
from engine.backtest.portfolio.plain_sharing import REFUSED, Asked, Sharing
from engine.backtest.rules import DEFAULT, REBALANCE, RUIN, UNITS
from engine.errors import RunError


def run_portfolio_plain(
    legs: Sequence[LegInput], rules: PortfolioRules, reading: int = DEFAULT
) -> PortfolioOutcome:
    """Play the legs on one wallet. `reading`: how candles that could be read two ways are read. Raises InputError where they
    are no portfolio, RunError naming the leg and the candle of an entry that cannot be.
    """
    check_portfolio(legs, rules)
    by_name = sorted(legs, key=lambda leg: leg.name)
    wallet = _Wallet(rules, [Leg.of(leg, rules, reading) for leg in by_name])
    wallet.play()
    order = {leg.name: k for k, leg in enumerate(legs)}
    return wallet.outcome(order)


@dataclass(slots=True)
class _Wallet:
    """The one wallet. Money in hundred-millionths; legs in the order of their names, in which everything is added up."""

    rules: PortfolioRules
    legs: list[Leg]
    money: float = 0.0
    over: bool = False
    times: list[int] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    pnl: list[list[float]] = field(default_factory=list)
    margin: list[float] = field(default_factory=list)
    exposure: list[float] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    waiting: dict[str, Asked] = field(default_factory=dict)  # orders on candles that are open, by leg

    def play(self) -> None:
        """From instant to instant."""
        self.money = self.rules.cash * UNITS
        began = min(min(leg.opens) for leg in self.legs)
        for now in sorted({time for leg in self.legs for time in (*leg.opens, *leg.closes)}):
            closing = [leg for leg in self.legs if now in leg.closes]
            opening = [leg for leg in self.legs if now in leg.opens]
            if self.over:
                self._stay_over(now, closing)
                continue
            for leg in closing:
                self._inside(leg, leg.closes[now])
            if closing:
                self._close(now, closing)
            for leg in [] if self.over else closing:
                self._decide(leg, leg.closes[now])
            if opening and not self.over:
                self._open(now, began, opening)

    @contextmanager
    def _in_hand(self, leg: Leg) -> Iterator[Course]:
        """The wallet is handed to a leg for a step: what that does to the money is what the leg made."""
        before = leg.account.money = self.money
        leg.account.over = False
        yield leg.course
        self.money = leg.account.money
        leg.made += self.money - before

    # what closes

    def _inside(self, leg: Leg, i: int) -> None:
        """Steps 5 and 6 of the candle that closes: an order that waited on it had its money reserved."""
        waited, before, counts = self.waiting.pop(leg.name, None), leg.entering, leg.counts
        with self._in_hand(leg) as course:
            course.inside(i)
            course.outlast(i)
        if waited is not None and leg.course.waiting is None:  # it was reached
            self._note(waited, leg.put_in(before), counts)
        leg.reserved, leg.now, leg.closed = 0.0, None, i + 1

    def _close(self, now: int, closing: Sequence[Leg]) -> None:
        """The equity at this close; ruin."""
        profits = [leg.open_profit(leg.last_close) for leg in self.legs]
        value = self.money
        for profit in profits:
            value += profit
        held = [leg for leg in self.legs if leg.position is not None]
        margined = self.legs[0].account.margined
        if value <= 0 and not (margined and held):
            for leg in held:
                self._ruin(leg)
            self.over, value = True, 0.0
            profits = [0.0] * len(self.legs)
        self._write(now, value, [leg.made + profit for leg, profit in zip(self.legs, profits, strict=True)])
        for leg in closing:
            leg.pnl.append(leg.made + profits[self.legs.index(leg)])
            leg.account.guard.closed(leg.closes[now], value)

    def _ruin(self, leg: Leg) -> None:
        """What it holds leaves at its last close, on the candle that is open or has just closed."""
        position, inside = leg.position, leg.now is not None
        assert position is not None
        candle = leg.closed if inside else leg.closed - 1
        with self._in_hand(leg) as course:
            course.account.leave_at_close(position, candle, leg.last_close, RUIN)

    def _stay_over(self, now: int, closing: Sequence[Leg]) -> None:
        """Nothing is left."""
        if closing:
            self._write(now, 0.0, [leg.made for leg in self.legs])
            for leg in closing:
                leg.pnl.append(leg.made)

    def _write(self, now: int, value: float, pnl: list[float]) -> None:
        held = [leg for leg in self.legs if leg.position is not None]
        self.times.append(now)
        self.equity.append(value)
        self.pnl.append(pnl)
        self.margin.append(sum(leg.position.wallet for leg in held if leg.position))
        self.exposure.append(sum(leg.position.units * leg.last_close for leg in held if leg.position))

    def _decide(self, leg: Leg, i: int) -> None:
        if i == len(leg.given.candles) - 1:
            return
        try:
            leg.course.decide(i)
        except RunError as error:
            raise RunError(f"leg {leg.name}: {error}") from error
        leg.ask_risk(self.rules)

    # what opens

    def _open(self, now: int, began: int, opening: Sequence[Leg]) -> None:
        """Steps 0 to 3 of every leg that opens; then its entries, with what is free by then."""
        for leg in opening:
            leg.now = leg.opens[now]
            with self._in_hand(leg) as course:
                course.leave_at_open(leg.opens[now])
        equity = self.money
        for leg in self.legs:
            opened = now in leg.opens
            price = float(leg.given.candles.open[leg.opens[now]]) if opened else leg.last_close
            equity += leg.open_profit(price)
        sharing = Sharing(self.rules, self.legs, now, began, equity)
        reduced = []
        for leg, units in sharing.reductions(opening):
            reduced.append(leg.name)
            with self._in_hand(leg) as course:
                assert course.account.position is not None
                course.account.reduce_at_open(course.account.position, leg.opens[now], units, REBALANCE)
        asked = sharing.asked(opening, reduced)
        bound = 0.0
        for leg in self.legs:
            bound += leg.bound
        for one in sharing.share(asked, self.money - bound):
            self._grant(one)

    def _grant(self, one: Asked) -> None:
        """Do what was asked for, with the money that it got; for an order that waits it is reserved."""
        leg = one.leg
        if one.why in REFUSED:
            leg.forget_asked()
            self._write_down(one)
            return
        before, counts = leg.entering, leg.counts
        leg.account.base, leg.account.most = one.base, one.most
        with self._in_hand(leg) as course:
            one.do(course)
        if one.waits:
            leg.reserved, self.waiting[leg.name] = one.granted, one
        else:
            self._note(one, leg.put_in(before), counts)

    def _note(self, one: Asked, filled: float, counts: tuple[int, int, int]) -> None:
        """A request was met, or came to nothing for a reason that its leg's account has counted since `counts`."""
        one.filled = filled
        if not filled:
            grown = [now > then for now, then in zip(one.leg.counts, counts, strict=True)]
            found = [
                why for why, more in zip((NO_VOLUME, BEYOND_STOP, BELOW_MINIMUM), grown, strict=True) if more
            ]
            one.why = found[0] if found else TOO_SMALL
        self._write_down(one)

    def _write_down(self, one: Asked) -> None:
        """What would bring a weight back and finds nothing is no request."""
        if one.filled or not one.weighs:
            self.requests.append(one)

    # told

    def outcome(self, order: dict[str, int]) -> PortfolioOutcome:
        """In the order in which the legs were given."""
        by_given = sorted(self.legs, key=lambda leg: order[leg.name])
        columns = [self.legs.index(leg) for leg in by_given]
        rows = sorted(self.requests, key=lambda one: (one.time, one.leg.name))
        table = RequestTable(
            np.array([one.time for one in rows], dtype=np.int64),
            np.array([order[one.leg.name] for one in rows], dtype=np.int64),
            np.array([one.requested / UNITS for one in rows], dtype=np.float64),
            np.array([one.filled / UNITS for one in rows], dtype=np.float64),
            np.array([WHYS.index(one.why) for one in rows], dtype=np.int64),
        )
        pnl = np.array(self.pnl, dtype=np.float64).reshape(len(self.times), len(self.legs))
        return PortfolioOutcome(
            np.array(self.times, dtype=np.int64), np.array(self.equity) / UNITS, pnl[:, columns] / UNITS,
            np.array(self.margin) / UNITS, np.array(self.exposure) / UNITS,
            tuple(
                told(
                    leg.account, leg.given.candles, leg.given.signals.names,
                    self.rules.cash + np.array(leg.pnl) / UNITS, 0.0,
                )
                for leg in by_given
            ),
            table, (0.0 - self.money) / UNITS if self.over else 0.0,
        )  # fmt: skip
