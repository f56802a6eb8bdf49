"""EMA cross with the daily trend: crossings are taken only in the direction of a longer timeframe."""

from engine.indicators import crossed_above, crossed_below, ema
from engine.strategy import Columns, Param, Strategy


class DailyTrendCross(Strategy):
    """EMA cross with the daily trend

    Long where the fast EMA crosses above the slow one while the last closed day lies above its own EMA, short mirrored;
    leaves at the opposite crossing. What a day says counts from its close on.
    """

    reverse = False
    arrays = True
    timeframes = ("1d",)

    fast = Param(12, low=1, high=500, help="candles of the fast EMA")
    slow = Param(48, low=2, high=1000, help="candles of the slow EMA")
    trend = Param(5, low=2, high=400, help="days of the EMA that the last day must lie above or below")

    def warmup(self) -> dict[str, int]:
        """Ten lengths of each average, each counted in its own candles."""
        return {"": int(10 * max(self.fast, self.slow)), "1d": int(10 * self.trend)}

    def indicators(self, candles: Columns) -> Columns:
        """Both averages, and the last closed day beside its EMA."""
        close = candles["close"]
        return {
            "ema_fast": ema(close, self.fast),
            "ema_slow": ema(close, self.slow),
            "day_close": self.on("1d")["close"],
            "day_ema": self.on("1d", lambda days: ema(days["close"], self.trend)),
        }

    def signals(self, candles: Columns, indicators: Columns) -> Columns:
        """On the candle that crosses, where the days agree."""
        above = crossed_above(indicators["ema_fast"], indicators["ema_slow"])
        below = crossed_below(indicators["ema_fast"], indicators["ema_slow"])
        return {
            "signal_trend_buy": above & (indicators["day_close"] > indicators["day_ema"]),
            "signal_trend_sell": below & (indicators["day_close"] < indicators["day_ema"]),
            "exit_long": below,
            "exit_short": above,
        }
