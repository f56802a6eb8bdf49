"""More of `native_shapes`: what people do with orders, accounts and classes, in whole coins."""
# mypy: disable-error-code="misc"

from collections import defaultdict, deque
from typing import Any

import numpy as np
from backtesting import Strategy
from backtesting.backtesting import Order, Position, Trade

from tests.engine.backtest.native_shapes import Crossing, whole


@whole
class Brackets(Strategy):
    def init(self):
        self.placed = 0

    def next(self):
        i, close = len(self.data), self.data.Close[-1]
        if i - self.placed >= 6:
            for order in self.orders:
                if not order.is_contingent:
                    order.cancel()
        if not self.position and not self.orders:
            self.placed = i
            kind = i % 3
            if kind == 0:
                self.buy(size=5, limit=close * 0.995, sl=close * 0.98, tp=close * 1.01)
            elif kind == 1:
                self.sell(size=5, stop=close * 0.995, sl=close * 1.01, tp=close * 0.97)
            else:
                self.buy(size=5, stop=close * 1.004, limit=close * 1.006, sl=close * 0.985)


@whole
class MovesStopsAndTargets(Crossing):
    def manage(self):
        for trade in self.trades:
            age = len(self.data) - trade.entry_bar
            trade.sl = None if age > 15 else max(trade.sl or 0, self.data.Close[-1] * 0.975)
            trade.tp = self.data.Close[-1] * (1.01 if age > 8 else 1.05)


@whole
class CoolsDown(Crossing):
    def up(self):
        closed = self.closed_trades
        if len(closed) % 4 != 3 and not self.position:
            streak = sum(trade.pl < 0 for trade in closed[-3:])
            self.buy(size=5 - streak)
        elif len(closed) % 4 == 3:
            self.sell(size=1)


@whole
class Martingale(Crossing):
    def up(self):
        last = self.closed_trades[-1] if self.closed_trades else None
        size = 2 if last is None or last.pl > 0 else min(20, 2 * abs(int(last.size)))
        self.buy(size=size)


@whole
class Remembers(Crossing):
    """Trades and orders are themselves: as keys, by `is`, by id, by class."""

    def init(self):
        super().init()
        self.best: dict[Any, float] = defaultdict(lambda: -np.inf)
        self.halved: set[int] = set()
        self.first: Any = None

    def manage(self):
        assert isinstance(self.position, Position)
        assert all(type(trade) is Trade and trade.__class__.__qualname__ == "Trade" for trade in self.trades)
        assert all(type(order) is Order for order in self.orders)
        self.first = self.first or (self.trades[0] if self.trades else None)
        for trade in self.trades:
            self.best[trade] = max(self.best[trade], trade.pl_pct)
            if self.best[trade] - trade.pl_pct > 0.01 and id(trade) not in self.halved:
                self.halved.add(id(trade))
                trade.close()
        if self.first in self.closed_trades:
            self.first = None

    def up(self):
        self.buy(size=4)


@whole
class HalvesWholeCoins(Crossing):
    def manage(self):
        if self.position.size >= 4 and len(self.data) % 7 == 0:
            self.sell(size=self.position.size // 2)

    def up(self):
        self.buy(size=16)


@whole
class NamesTagsBySize(Crossing):
    def up(self):
        self.buy(size=3, tag=f"{self.position.size} held, {len(self.trades)} trades")

    def down(self):
        if self.position.size > 5:
            self.position.close()


@whole
class WritesTags(Crossing):
    def manage(self):
        for trade in self.trades:
            if trade.pl_pct < -0.005:
                trade._replace(tag="losing")
                setattr(trade, f"_{trade.__class__.__qualname__}__tag", f"{trade.tag} now")


@whole
class Deposits(Crossing):
    def manage(self):
        if len(self.data) % 100 == 0:
            self._broker._cash += 250

    def up(self):
        self.buy(size=int(self.equity // 300))


@whole
class CountsOnItsClass(Crossing):
    crosses = 0
    history: Any = None

    def init(self):
        super().init()
        type(self).crosses = 0
        type(self).history = deque(maxlen=3)

    def up(self):
        type(self).crosses += 1
        self.history.append(self.data.Close[-1])
        if self.crosses % 2 and len(self.history) > 1:
            self.buy(size=5)


class ByRule(Crossing):
    """Class variables of every kind."""

    rule: Any = staticmethod(lambda close, line: close > line * 1.001)
    weight = lambda self, pct: int(pct * 100)  # noqa: E731 - as people write it
    stop: Any = 0.02
    levels = (1, 2, 3)
    best = -np.inf
    nothing = None


@whole
class Inherits(ByRule):
    stop = None
    n1 = 5

    def up(self):
        assert self.stop is None
        if self.rule(self.data.Close[-1], self.slow[-1]):
            self.buy(size=self.weight(0.05) + self.levels[0])

    def manage(self):
        self.best = max(self.best, self.data.Close[-1])
        if self.position and self.data.Close[-1] < self.best * 0.97:
            self.position.close()
            self.best = -np.inf


@whole
class OwnBuy(Crossing):
    def __init__(self, broker, data, params):
        super().__init__(broker, data, params)
        self.bought = 0

    def buy(self, **order):
        self.bought += 1
        return super().buy(**order | {"size": 3 + self.bought % 3})


@whole
class AsksForTooMuch(Crossing):
    def up(self):
        self.buy(size=int(self.equity / self.data.Close[-1]) + len(self.data) % 3)


@whole
class ReadsEquityOfBefore(Crossing):
    def up(self):
        past = self._broker._equity[max(len(self.data) - 24, 20)]
        self.buy(size=max(1, int(past * 0.2 / self.data.Close[-1])))


@whole
class ByHand(Crossing):
    """Straight to the broker."""

    def up(self):
        self._broker.new_order(4, tag=0)

    def down(self):
        if self.position:
            self._broker.new_order(-self.position.size)
