"""Dip ladder: a first buy in a dip, more of it further down, one target for all, and a stop below the ladder."""

from typing import Any

import pandas as pd

from engine.indicators import atr, crossed_below, rsi
from engine.strategy import Param, Strategy


class DipLadder(Strategy):
    """Dip ladder (DCA with a stop)

    Buys a small part when the RSI falls below a level, adds as much each time that happens again while it is held, and
    sells all at one target. The stop lies below the last step of the ladder: averaging down without one ends in ruin.
    """

    reverse = False

    length = Param(14, low=2, high=200, help="candles of the RSI")
    level = Param(30.0, low=1.0, high=50.0, help="RSI below which is bought")
    part = Param(0.2, low=0.01, high=0.5, help="fraction of the account that each step buys")
    steps = Param(3, low=1, high=20, help="how often may be added to the first buy")
    target_atrs = Param(2.0, low=0.1, high=50.0, help="distance of the target in average true ranges")
    stop_atrs = Param(6.0, low=0.1, high=50.0, help="distance of the stop in average true ranges")

    def warmup(self) -> int:
        """A RSI and an average true range that have settled."""
        return int(20 * self.length)

    def indicators(self, candles: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
        """The RSI, and the ATR of as many candles."""
        close = candles["close"]
        return {
            "rsi": rsi(close, self.length),
            "atr": atr(candles["high"], candles["low"], close, self.length),
        }

    def signals(self, candles: pd.DataFrame, indicators: dict[str, "pd.Series[float]"]) -> dict[str, Any]:
        """The same dip enters when flat and adds when held."""
        close, distance = candles["close"], indicators["atr"]
        dip = crossed_below(indicators["rsi"], self.level)
        stop = close - self.stop_atrs * distance
        return {
            "signal_dip_buy": dip & (stop > 0),
            "add_dip_buy": dip,
            "add_size": self.part,
            "max_adds": self.steps,
            "size": self.part,
            "take_profit": close + self.target_atrs * distance,
            "stop_loss": stop.where(stop > 0),
        }
