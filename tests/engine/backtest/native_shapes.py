"""How people write strategies for backtesting.py: one small class for each habit, grouped by how the library can run it.

WHOLE: sizes in whole coins; the plain `Backtest` is right, to the last bit. PARTS: fractions of the equity;
`FractionalBacktest` is right, which shows prices in parts of a coin, so nothing here counts coins from a price.
"""
# mypy: disable-error-code="misc"

from typing import Any

import pandas as pd
from backtesting import Strategy
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
