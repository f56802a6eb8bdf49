"""More of `native_shapes`: fractions of the equity."""
# mypy: disable-error-code="misc"

import pandas as pd
from backtesting.lib import SignalStrategy, TrailingStrategy, crossover
from backtesting.test import SMA

from tests.engine.backtest.native_shapes import Crossing, Hedged, Trailed, Turns, parts


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
