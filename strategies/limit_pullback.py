"""Limit pullback: an order at the average waits for the price to come back, half of it sold early, half late."""

from typing import Any

import pandas as pd

from engine.indicators import atr, ema
from engine.strategy import Param, Strategy


class LimitPullback(Strategy):
    """Limit pullback with two targets

    While a fast average runs above a slow one, a limit order waits at the fast one. Half of the position is sold at a near
    target, the rest at a far one; after a move of the near target's distance the stop goes to the entry. A trade risks a
    fixed part of the account.
    """

    reverse = False

    fast = Param(21, low=2, high=500, help="candles of the average at which is bought")
    slow = Param(100, low=3, high=2000, help="candles of the average that tells the trend")
    atr_length = Param(14, low=2, high=500, help="candles of the average true range")
    stop_atrs = Param(2.0, low=0.1, high=50.0, help="distance of the stop in average true ranges")
    near_atrs = Param(1.5, low=0.1, high=50.0, help="distance of the near target")
    far_atrs = Param(4.0, low=0.2, high=100.0, help="distance of the far target beyond the near one")
    risk = Param(0.01, low=0.0001, high=0.2, help="fraction of the account that a stop costs")
    patience = Param(6, low=1, high=100, help="candles that the order waits")

    def warmup(self) -> int:
        """Averages that have forgotten where they began."""
        return int(max(10 * self.slow, 20 * self.atr_length))

    def indicators(self, candles: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
        """Both averages and the ATR."""
        close = candles["close"]
        return {
            "fast": ema(close, self.fast),
            "slow": ema(close, self.slow),
            "atr": atr(candles["high"], candles["low"], close, self.atr_length),
        }

    def signals(self, candles: pd.DataFrame, indicators: dict[str, "pd.Series[float]"]) -> dict[str, Any]:
        """The order is placed anew at each close above the fast average of an up trend."""
        close, price, distance = candles["close"], indicators["fast"], indicators["atr"]
        stop = price - self.stop_atrs * distance
        near = price + self.near_atrs * distance
        wanted = (price > indicators["slow"]) & (close > price) & (stop > 0) & (distance > 0)
        return {
            "signal_pullback_buy": wanted,
            "exit_long": price < indicators["slow"],
            "entry_limit": price,
            "entry_expiry": self.patience,
            "stop_loss": stop.where(stop > 0),
            "risk": self.risk,
            "break_even": (self.near_atrs * distance).where(distance > 0),
            "target_1": near,
            "target_2": near + self.far_atrs * distance,
            "part_1": 0.5,
        }
