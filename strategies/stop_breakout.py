"""Stop breakout: an order above the range waits to be hit, and a trailing stop keeps what the move gives."""

from typing import Any

import pandas as pd

from engine.indicators import atr, donchian, sma
from engine.strategy import Param, Strategy


class StopBreakout(Strategy):
    """Stop breakout with a trailing stop

    In an up trend a buy stop waits at the high of the last candles, in a down trend a sell stop at their low; it is filled
    inside the candle that breaks the range. From then on a stop follows the best price, never back.
    """

    reverse = False

    length = Param(24, low=2, high=1000, help="candles whose range must be broken")
    trend = Param(200, low=2, high=2000, help="candles of the average that tells the trend")
    atr_length = Param(20, low=2, high=500, help="candles of the average true range")
    trail_atrs = Param(3.0, low=0.1, high=50.0, help="distance of the trailing stop in average true ranges")

    def warmup(self) -> int:
        """A whole trend, and an average true range that has settled."""
        return int(max(self.trend, self.length, 20 * self.atr_length))

    def indicators(self, candles: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
        """The range up to this candle, the trend's average and the ATR."""
        high, low, close = candles["high"], candles["low"], candles["close"]
        channel = donchian(high, low, self.length)
        return {
            "upper": channel["donchian_upper"],
            "lower": channel["donchian_lower"],
            "average": sma(close, self.trend),
            "atr": atr(high, low, close, self.atr_length),
        }

    def signals(self, candles: pd.DataFrame, indicators: dict[str, "pd.Series[float]"]) -> dict[str, Any]:
        """Each close places the order anew, at the range as it is then."""
        close, average = candles["close"], indicators["average"]
        up, down = close > average, close < average
        return {
            "signal_break_buy": up,
            "signal_break_sell": down,
            "entry_stop": indicators["upper"].where(up, indicators["lower"].where(down)),
            "trail": (self.trail_atrs * indicators["atr"]).where(indicators["atr"] > 0),
        }
