"""Donchian breakout: the Turtle traders' rule, with their stop."""

from typing import Any

import pandas as pd

from engine.indicators import atr, donchian
from engine.strategy import Param, Strategy


class DonchianBreakout(Strategy):
    """Donchian breakout

    Enters when the close leaves the range of the last candles, leaves when it falls back through a shorter range.
    A stop lies a number of average true ranges away from the close that gave the signal.
    """

    reverse = False

    entry_length = Param(20, low=2, high=1000, help="candles whose range must be broken to enter")
    exit_length = Param(10, low=1, high=1000, help="candles whose range must be broken to leave")
    atr_length = Param(20, low=2, high=500, help="candles of the average true range")
    stop_atrs = Param(2.0, low=0.1, high=50.0, help="distance of the stop in average true ranges")

    def warmup(self) -> int:
        """Whole ranges, and an average true range that has settled."""
        return int(max(self.entry_length + 1, self.exit_length + 1, 20 * self.atr_length))

    def indicators(self, candles: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
        """Both channels as they stood before this candle, and the ATR."""
        high, low, close = candles["high"], candles["low"], candles["close"]
        entry, leave = donchian(high, low, self.entry_length), donchian(high, low, self.exit_length)
        return {
            "entry_upper": entry["donchian_upper"].shift(1),
            "entry_lower": entry["donchian_lower"].shift(1),
            "exit_upper": leave["donchian_upper"].shift(1),
            "exit_lower": leave["donchian_lower"].shift(1),
            "atr": atr(high, low, close, self.atr_length),
        }

    def signals(
        self, candles: pd.DataFrame, indicators: dict[str, "pd.Series[float]"]
    ) -> dict[str, "pd.Series[Any]"]:
        """Break of the long range in, of the short range out."""
        close, distance = candles["close"], self.stop_atrs * indicators["atr"]
        buy, sell = close > indicators["entry_upper"], close < indicators["entry_lower"]
        stop = (close - distance).where(buy, (close + distance).where(sell))
        return {
            "signal_breakout_buy": buy,
            "signal_breakout_sell": sell,
            "exit_long": close < indicators["exit_lower"],
            "exit_short": close > indicators["exit_upper"],
            "stop_loss": stop.where(stop > 0),
        }
