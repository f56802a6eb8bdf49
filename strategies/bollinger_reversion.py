"""Bollinger reversion: back to the mean from outside the bands."""

import pandas as pd

from engine.indicators import bollinger
from engine.strategy import Columns, Param, Strategy


class BollingerReversion(Strategy):
    """Bollinger reversion

    Buys a close below the lower band, sells one above the upper band, leaves at the moving average between them.
    """

    reverse = False

    length = Param(20, low=2, high=500, help="candles of the average and the deviation")
    width = Param(2.0, low=0.1, high=10.0, help="standard deviations between average and band")

    def warmup(self) -> int:
        """One whole window: nothing here is recursive."""
        return int(self.length)

    def indicators(self, candles: pd.DataFrame) -> Columns:
        """The bands and their middle."""
        return bollinger(candles["close"], self.length, self.width)

    def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> dict[str, "pd.Series[bool]"]:
        """In outside the bands, out at the middle."""
        close, middle = candles["close"], indicators["bb_middle"]
        return {
            "signal_band_buy": close < indicators["bb_lower"],
            "signal_band_sell": close > indicators["bb_upper"],
            "exit_long": close >= middle,
            "exit_short": close <= middle,
        }
