"""EMA cross: always with the faster of two moving averages."""

from engine.indicators import crossed_above, crossed_below, ema
from engine.strategy import Columns, Param, Strategy


class EmaCross(Strategy):
    """EMA cross

    Long from where the fast EMA crosses above the slow one, short from where it crosses below; turns on one open.
    """

    reverse = True
    arrays = True  # columns as numpy arrays: the same code, cheaper when thousands of parameters are tried

    fast = Param(21, low=1, high=500, help="candles of the fast EMA")
    slow = Param(50, low=2, high=1000, help="candles of the slow EMA")

    def warmup(self) -> int:
        """Ten lengths: what an EMA remembers of its start is then below 1e-8."""
        return int(10 * max(self.fast, self.slow))

    def indicators(self, candles: Columns) -> Columns:
        """Both averages of the close."""
        close = candles["close"]
        return {"ema_fast": ema(close, self.fast), "ema_slow": ema(close, self.slow)}

    def signals(self, candles: Columns, indicators: Columns) -> Columns:
        """On the candle that crosses."""
        fast, slow = indicators["ema_fast"], indicators["ema_slow"]
        return {
            "signal_cross_buy": crossed_above(fast, slow),
            "signal_cross_sell": crossed_below(fast, slow),
        }
