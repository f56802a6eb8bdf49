"""EMA cross: always with the faster of two moving averages."""

import pandas as pd

from engine.indicators import ema
from engine.strategy import Param, Strategy


class EmaCross(Strategy):
    """EMA cross

    Long from where the fast EMA crosses above the slow one, short from where it crosses below; turns on one open.
    """

    reverse = True

    fast = Param(21, low=1, high=500, help="candles of the fast EMA")
    slow = Param(50, low=2, high=1000, help="candles of the slow EMA")

    def warmup(self) -> int:
        """Ten lengths: what an EMA remembers of its start is then below 1e-8."""
        return int(10 * max(self.fast, self.slow))

    def indicators(self, candles: pd.DataFrame) -> pd.DataFrame:
        """Both averages of the close."""
        close = candles["close"]
        return pd.DataFrame({"ema_fast": ema(close, self.fast), "ema_slow": ema(close, self.slow)})

    def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> pd.DataFrame:
        """On the candle that crosses."""
        fast, slow = indicators["ema_fast"], indicators["ema_slow"]
        return pd.DataFrame(
            {
                "signal_cross_buy": (fast > slow) & (fast.shift(1) <= slow.shift(1)),
                "signal_cross_sell": (fast < slow) & (fast.shift(1) >= slow.shift(1)),
            }
        )
