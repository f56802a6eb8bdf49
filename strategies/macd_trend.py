"""MACD trend: with momentum, from one cross of the signal line to the next."""

import pandas as pd

from engine.indicators import crossed_above, crossed_below, macd
from engine.strategy import Columns, Param, Strategy


class MacdTrend(Strategy):
    """MACD trend

    Long from where the MACD crosses above its signal line, short from where it crosses below; turns on one open.
    """

    reverse = True

    fast = Param(12, low=2, high=200, help="candles of the fast EMA")
    slow = Param(26, low=3, high=500, help="candles of the slow EMA")
    signal = Param(9, low=1, high=200, help="candles of the signal line")

    def warmup(self) -> int:
        """Ten lengths of the slow average and of the signal line behind it."""
        return int(10 * (max(self.fast, self.slow) + self.signal))

    def indicators(self, candles: pd.DataFrame) -> Columns:
        """MACD, signal line and histogram."""
        return macd(candles["close"], self.fast, self.slow, self.signal)

    def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> dict[str, "pd.Series[bool]"]:
        """On the candle where the histogram changes sign."""
        histogram = indicators["macd_histogram"]
        return {
            "signal_cross_buy": crossed_above(histogram, 0),
            "signal_cross_sell": crossed_below(histogram, 0),
        }
