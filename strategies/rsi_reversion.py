"""RSI reversion: against moves that went too far."""

import pandas as pd

from engine.indicators import crossed_above, crossed_below, rsi
from engine.strategy import Param, Strategy


class RsiReversion(Strategy):
    """RSI reversion

    Buys when the RSI falls below its lower bound and sells when it rises above its upper one; out at the middle.
    """

    reverse = False

    length = Param(14, low=2, high=200, help="candles of the RSI")
    low = Param(30.0, low=1.0, high=50.0, help="buy below")
    high = Param(70.0, low=50.0, high=99.0, help="sell above")
    middle = Param(50.0, low=1.0, high=99.0, help="leave here")

    def warmup(self) -> int:
        """Twenty lengths: Wilder's average forgets slowly."""
        return int(20 * self.length)

    def indicators(self, candles: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
        """The RSI of the close."""
        return {"rsi": rsi(candles["close"], self.length)}

    def signals(
        self, candles: pd.DataFrame, indicators: dict[str, "pd.Series[float]"]
    ) -> dict[str, "pd.Series[bool]"]:
        """In on the candle that crosses a bound, out beyond the middle."""
        value = indicators["rsi"]
        return {
            "signal_oversold_buy": crossed_below(value, self.low),
            "signal_overbought_sell": crossed_above(value, self.high),
            "exit_long": value > self.middle,
            "exit_short": value < self.middle,
        }
