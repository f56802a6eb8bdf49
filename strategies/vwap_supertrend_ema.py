"""VWAP, SuperTrend and EMAs: pullbacks into a trend and reversals of it, confirmed by the Stochastic RSI."""

import pandas as pd

from engine.indicators import daily_vwap, ema, stochastic_rsi, supertrend
from engine.strategy import Param, Strategy


class VwapSupertrendEma(Strategy):
    """VWAP + SuperTrend + EMA

    Buys pullbacks to support in an up zone and sells rallies to resistance in a down zone, on a reversal candle with the
    Stochastic RSI at its extreme; also enters where SuperTrend turns with price beyond both EMAs and VWAP.
    Leaves when SuperTrend stands against the position.
    """

    reverse = False

    ema_fast = Param(21, low=2, high=500, help="candles of the fast EMA")
    ema_slow = Param(50, low=2, high=1000, help="candles of the slow EMA")
    st_length = Param(12, low=2, high=200, help="candles of SuperTrend's ATR")
    st_multiplier = Param(3.0, low=0.1, high=20.0, help="ATRs between price and the SuperTrend line")
    rsi_length = Param(14, low=2, high=200, help="candles of the RSI inside the Stochastic RSI")
    stoch_length = Param(14, low=2, high=200, help="candles of the Stochastic RSI's range")
    stoch_k = Param(3, low=1, high=50, help="smoothing of %K")
    stoch_d = Param(3, low=1, high=50, help="smoothing of %D")
    lookback = Param(4, low=1, high=50, help="candles in which support or resistance may have been touched")

    def warmup(self) -> int:
        """Until what the recursive averages remember of their start no longer matters."""
        return int(max(10 * self.ema_slow, 20 * self.st_length, 20 * self.rsi_length))

    def indicators(self, candles: pd.DataFrame) -> pd.DataFrame:
        """Both EMAs, SuperTrend's line and direction, VWAP and the Stochastic RSI."""
        high, low, close = candles["high"], candles["low"], candles["close"]
        stochastic = stochastic_rsi(close, self.rsi_length, self.stoch_length, self.stoch_k, self.stoch_d)
        trend = supertrend(high, low, close, self.st_length, self.st_multiplier)
        return pd.DataFrame(
            {
                "ema_fast": ema(close, self.ema_fast),
                "ema_slow": ema(close, self.ema_slow),
                "vwap": daily_vwap(high, low, close, candles["volume"]),
                **dict(trend.items()),
                **dict(stochastic.items()),
            }
        )

    def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> pd.DataFrame:
        """Pullback before reversal, buy before sell; out while SuperTrend is on the other side."""
        opened, close = candles["open"], candles["close"]
        fast, slow, vwap = indicators["ema_fast"], indicators["ema_slow"], indicators["vwap"]
        line, k = indicators["supertrend"], indicators["stoch_k"]
        up, down = indicators["supertrend_direction"] == 1, indicators["supertrend_direction"] == -1

        up_zone = _two_of(fast > slow, up, (fast > vwap) & (slow > vwap))
        down_zone = _two_of(fast < slow, down, (fast < vwap) & (slow < vwap))
        lowest = candles["low"].rolling(self.lookback).min()
        highest = candles["high"].rolling(self.lookback).max()
        at_support = (lowest <= slow) | (lowest <= vwap) | (lowest <= line)
        at_resistance = (highest >= slow) | (highest >= vwap) | (highest >= line)
        bullish = (close > opened) & (close > _last_open(opened, close < opened))
        bearish = (close < opened) & (close < _last_open(opened, close > opened))
        above = (close > fast) & (close > slow) & (close > vwap)
        below = (close < fast) & (close < slow) & (close < vwap)
        return pd.DataFrame(
            {
                "signal_pullback_buy": up_zone & at_support & bullish & (k < 20),
                "signal_pullback_sell": down_zone & at_resistance & bearish & (k > 80),
                "signal_reversal_buy": up & down.shift(1, fill_value=False) & above,
                "signal_reversal_sell": down & up.shift(1, fill_value=False) & below,
                "exit_long": down,
                "exit_short": up,
            }
        )


def _two_of(*conditions: "pd.Series[bool]") -> "pd.Series[bool]":
    """Where at least two of the conditions hold."""
    return pd.concat(conditions, axis=1).sum(axis=1) >= 2


def _last_open(opened: "pd.Series[float]", counts: "pd.Series[bool]") -> "pd.Series[float]":
    """The open of the most recent of the three previous candles that counts; NaN where none does."""
    return opened.where(counts).shift(1).ffill(limit=2)
