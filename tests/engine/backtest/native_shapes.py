"""How people write strategies for backtesting.py: one small class for each habit, grouped by how the library can run it.

WHOLE: sizes in whole coins; the plain `Backtest` is right, to the last bit. PARTS: fractions of the equity;
`FractionalBacktest` is right, which shows prices in parts of a coin, so nothing here counts coins from a price.
"""
# mypy: disable-error-code="misc"

from collections import defaultdict, deque
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Strategy
from backtesting.backtesting import Order, Position, Trade
from backtesting.lib import SignalStrategy, TrailingStrategy, barssince, crossover, resample_apply
from backtesting.test import SMA

WHOLE: list[type] = []
PARTS: list[type] = []


def whole(kind: type) -> type:
    WHOLE.append(kind)
    return kind


def parts(kind: type) -> type:
    PARTS.append(kind)
    return kind


class Crossing(Strategy):
    """Two averages; subclasses say what they do at a cross and between."""

    n1 = 6
    n2 = 18
    size: Any = 5

    def init(self):
        self.fast = self.I(SMA, self.data.Close, self.n1)
        self.slow = self.I(SMA, self.data.Close, self.n2)

    def next(self):
        self.manage()
        if crossover(self.fast, self.slow):
            self.up()
        elif crossover(self.slow, self.fast):
            self.down()

    def manage(self):
        pass

    def up(self):
        if not self.position:
            self.buy(size=self.size)

    def down(self):
        self.position.close()


@whole
class Turns(Crossing):
    def up(self):
        self.position.close()
        self.buy(size=10)

    def down(self):
        self.position.close()
        self.sell(size=10)


@whole
class Signalled(SignalStrategy):
    def init(self):
        super().init()
        fast, slow = self.I(SMA, self.data.Close, 5), self.I(SMA, self.data.Close, 15)
        change = (pd.Series(fast) > slow).astype(int).diff().fillna(0)
        self.set_signal(change.where(change > 0, 0) * 6, (change < 0).astype(float))


@whole
class Trailed(TrailingStrategy):
    def init(self):
        super().init()
        self.set_atr_periods(20)
        self.set_trailing_sl(2)
        self.line = self.I(SMA, self.data.Close, 12)

    def next(self):
        super().next()
        if crossover(self.data.Close, self.line) and not self.position:
            self.buy(size=7)


@whole
class TrailedByPercent(Trailed):
    def init(self):
        super().init()
        self.set_trailing_pct(0.03)


@whole
class TakesProfitByPercent(Crossing):
    def manage(self):
        if self.position.pl_pct > 1.5 or self.position.pl_pct < -2:
            self.position.close()


@whole
class BreakEven(Crossing):
    def manage(self):
        if self.trades and self.trades[-1].pl_pct > 0.01:
            self.trades[-1].sl = self.trades[-1].entry_price


@whole
class SizedByEquity(Crossing):
    def up(self):
        if not self.position:
            self.buy(size=max(1, int(self.equity * 0.5 / self.data.Close[-1])))


@whole
class SizedByCash(Crossing):
    def up(self):
        coins = int(self._broker._cash * 0.3 // self.data.Close[-1])
        if coins:
            self.buy(size=coins)


@whole
class SizedByRisk(Crossing):
    def up(self):
        stop = float(self.data.Low[-5:].min()) * 0.99
        coins = round(self.equity * 0.01 / (self.data.Close[-1] - stop))
        if coins and not self.position:
            self.buy(size=coins, sl=stop, tp=self.data.Close[-1] * 1.03)


@whole
class WatchesMargin(Crossing):
    def manage(self):
        broker = self._broker
        assert broker.last_price == self.data.Close[-1]
        if broker.margin_available < 0.4 * self.equity:
            self.position.close()

    def up(self):
        self.buy(size=40)


@whole
class CancelsAll(Crossing):
    def manage(self):
        for order in self.orders:
            if not order.is_contingent:
                order.cancel()
        if len(self.data) % 9 == 0:
            self.buy(size=3, limit=self.data.Close[-1] * 0.995, sl=self.data.Close[-1] * 0.96)


@whole
class CancelsOnTheNextCandle(Crossing):
    def init(self):
        super().init()
        self.waiting: Any = None

    def manage(self):
        if self.waiting in self.orders:
            self.waiting.cancel()
        self.waiting = None
        if len(self.data) % 6 == 0 and not self.position:
            self.waiting = self.buy(size=4, stop=self.data.High[-1] * 1.001, tp=self.data.High[-1] * 1.02)


@whole
class Daily(Crossing):
    def init(self):
        super().init()
        self.day = resample_apply("D", SMA, self.data.Close, 2)
        self.top = resample_apply("4h", lambda s, n: s.rolling(n).max(), self.data.High, 3)

    def manage(self):
        if self.position and self.data.Close[-1] < self.day[-1]:
            self.position.close()
        elif not self.position and self.data.Close[-1] > self.top[-1] * 0.99:
            self.buy(size=8)


@whole
class ReadsFrames(Strategy):
    def init(self):
        frame = self.data.df
        self.range = self.I(lambda: (frame.High - frame.Low).ewm(span=10).mean(), name="range", overlay=False)

    def next(self):
        frame = self.data.df
        if frame.Close.iloc[-1] > frame.Close.iloc[-10:].mean() and not self.position:
            self.buy(size=6, sl=frame.Close.iloc[-1] - 2 * self.range[-1])
        elif self.data.index[-1].hour == 0:
            self.position.close()


@whole
class ManyLines(Strategy):
    def init(self):
        close = self.data.Close.s
        mean, spread = close.rolling(20).mean(), close.rolling(20).std()
        self.bands = self.I(
            lambda: (mean - spread, mean, mean + spread), name=["low", "mid", "top"], overlay=True
        )
        self.ups = self.I(lambda: close > close.shift(1), scatter=True, plot=False)
        self.lines = [self.I(SMA, self.data.Close, n) for n in (5, 10)]

    def next(self):
        low, mid, top = self.bands
        if self.data.Close < low and self.ups[-1]:
            self.buy(size=2)
        elif self.data.Close[-1] > top[-1]:
            self.sell(size=2)
        elif self.position and barssince(self.data.Close > mid, 5) == 0:
            self.position.close()


@whole
class Legs(Crossing):
    def up(self):
        for k, target in enumerate((1.01, 1.02, 1.04)):
            self.buy(
                size=2 + k, tp=self.data.Close[-1] * target, sl=self.data.Close[-1] * 0.97, tag=f"leg {k}"
            )

    def down(self):
        for trade in self.trades:
            if trade.tag == "leg 2":
                trade.close()


@whole
class Pyramid(Crossing):
    def manage(self):
        if 0 < len(self.trades) < 4 and self.trades[-1].pl_pct > 0.004:
            self.buy(size=3, tag=len(self.trades))


@whole
class Hedged(Crossing):
    hedging = True

    def up(self):
        self.buy(size=6, tag="long")

    def down(self):
        self.sell(size=4, tag="short")

    def manage(self):
        for trade in self.trades:
            if trade.pl_pct > 0.02 or len(self.data) - trade.entry_bar > 30:
                trade.close()


@whole
class Exclusive(Crossing):
    exclusive_orders = True

    def up(self):
        self.buy(size=9)

    def down(self):
        self.sell(size=9)


@whole
class AtTheClose(Crossing):
    trade_on_close = True

    def up(self):
        self.buy(size=9, sl=self.data.Close[-1] * 0.97)


@whole
class EverySetting(Crossing):
    trade_on_close = hedging = True
    exclusive_orders = False

    def up(self):
        self.buy(size=5, tp=self.data.Close[-1] * 1.02)

    def down(self):
        self.sell(size=5, tp=self.data.Close[-1] * 0.98)


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


@parts
class TurnsByFraction(Turns):
    def up(self):
        self.position.close()
        self.buy(size=0.95)

    def down(self):
        self.position.close()
        self.sell(size=0.95)


@parts
class AllIn(Crossing):
    def up(self):
        if not self.position:
            self.buy()


@parts
class ExclusiveFractions(Crossing):
    exclusive_orders = True

    def up(self):
        self.buy()

    def down(self):
        self.sell()


@parts
class SignalledFractions(SignalStrategy):
    def init(self):
        super().init()
        fast, slow = self.I(SMA, self.data.Close, 5), self.I(SMA, self.data.Close, 15)
        change = (pd.Series(fast) > slow).astype(int).diff().fillna(0)
        self.set_signal(change.where(change > 0, 0) * 0.3, (change < 0) * 0.5)


@parts
class TrailedFraction(Trailed):
    def next(self):
        TrailingStrategy.next(self)
        if crossover(self.data.Close, self.line) and not self.position:
            self.buy(size=0.5)


@parts
class ClosesByPortions(Crossing):
    size = 0.9

    def manage(self):
        for trade in self.trades:
            if trade.pl_pct > 0.01 and trade.tag is None:
                trade.close(1 / 3)
        if self.position.pl_pct > 1:
            self.position.close(0.5)


@parts
class SellsWhatItHolds(Crossing):
    size = 0.6

    def down(self):
        if self.position.is_long:
            self.sell(size=self.position.size)


@parts
class SellsWhatItRemembers(Crossing):
    size = 0.004  # less than a coin: 0.4 % of the equity

    def manage(self):
        self.held = abs(self.position.size)

    def down(self):
        if self.held:
            self.sell(size=self.held)


@parts
class TurnsByTwice(Crossing):
    size = 0.4

    def up(self):
        self.buy(size=2 * abs(self.position.size) if self.position else self.size)

    def down(self):
        if self.position.is_long:
            self.sell(size=2 * self.position.size)


@parts
class SellsTheSmallest(Crossing):
    def up(self):
        self.buy(size=0.2)

    def manage(self):
        if len(self.trades) > 1:
            self.sell(size=min(trade.size for trade in self.trades))

    def down(self):
        if self.trades:
            self.sell(size=sum(trade.size for trade in self.trades))


@parts
class HedgedFractions(Hedged):
    def up(self):
        self.buy(size=0.3)

    def down(self):
        self.sell(size=0.3)


@parts
class FractionsAtTheClose(Crossing):
    trade_on_close = True
    size = 0.8


@parts
class BracketsOfFractions(Crossing):
    def up(self):
        close = self.data.Close[-1]
        self.buy(size=0.3, limit=close * 0.999, sl=close * 0.98, tp=close * 1.02)
        self.buy(size=0.3, stop=close * 1.002, sl=close * 0.98)


@parts
class PyramidOfFractions(Crossing):
    def manage(self):
        if 0 < len(self.trades) < 5 and self.trades[-1].pl_pct > 0.003:
            self.buy(size=0.3)

    def up(self):
        self.buy(size=0.2)


@parts
class Rebalances(Crossing):
    """Its exposure is a ratio: what is missing to a half is a fraction again."""

    def manage(self):
        if len(self.data) % 12 == 0:
            exposure = self.position.size * self.data.Close[-1] / self.equity
            if exposure < 0.3:
                self.buy(size=0.5 - exposure)
            elif exposure > 0.301:
                self.position.close(1 - 0.3 / exposure)

    def up(self):
        pass

    def down(self):
        pass
