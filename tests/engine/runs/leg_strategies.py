"""Strategies for the tests of portfolios, by name: some that work, and some that fail in each way."""

EVERY = """
import numpy as np
from engine.strategy import Param, Strategy

class Every(Strategy):
    arrays = True
    hours = Param(24, low=2, high=100)

    def indicators(self, candles):
        return {"tide": np.arange(len(candles["close"]), dtype=float) % 7}

    def signals(self, candles, indicators):
        at = np.arange(len(candles["close"])) % self.hours
        return {"signal_up_buy": at == 0, "exit_long": at == self.hours // 2}
"""
TIGHT = """
import numpy as np
from engine.strategy import Strategy

class Tight(Strategy):
    arrays = True

    def signals(self, candles, indicators):
        close = candles["close"]
        at = np.arange(len(close)) % 6 == 0
        return {"signal_up_buy": at, "stop_loss": close * 0.999, "take_profit": close * 1.001}
"""
CRASHES = """
import os
from engine.strategy import Strategy

class Crashes(Strategy):
    def signals(self, candles, indicators):
        os._exit(7)
"""
LOOPS = """
from engine.strategy import Strategy

class Loops(Strategy):
    def signals(self, candles, indicators):
        while True:
            pass
"""
RAISES = """
from engine.strategy import Strategy

class Raises(Strategy):
    def signals(self, candles, indicators):
        return 1 / 0
"""
NATIVE = """
from backtesting import Strategy

class Orders(Strategy):
    def init(self):
        pass

    def next(self):
        self.buy()
"""
FILES = {
    "every": EVERY,
    "tight": TIGHT,
    "crashes": CRASHES,
    "loops": LOOPS,
    "raises": RAISES,
    "orders": NATIVE,
}
