"""VWAP, SuperTrend and EMAs: pullbacks into a trend and reversals of it, confirmed by the Stochastic RSI."""

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.indicators import daily_vwap, donchian, ema, once, stochastic_rsi, supertrend
from engine.strategy import Columns, Param, Strategy

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class VwapSupertrendEma(Strategy):
    """VWAP + SuperTrend + EMA

    Buys pullbacks to support in an up zone and sells rallies to resistance in a down zone, on a reversal candle with the
    Stochastic RSI at its extreme; also enters where SuperTrend turns with price beyond both EMAs and VWAP.
    Leaves when SuperTrend stands against the position.
    """

    reverse = False
    arrays = True  # columns as numpy arrays, cheaper when thousands of parameters are tried

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

    def indicators(self, candles: Columns) -> Columns:
        """Both EMAs, SuperTrend's line and direction, VWAP and the Stochastic RSI."""
        high, low, close = candles["high"], candles["low"], candles["close"]
        return {
            "ema_fast": ema(close, self.ema_fast),
            "ema_slow": ema(close, self.ema_slow),
            "vwap": daily_vwap(high, low, close, candles["volume"], candles["timestamp"]),
            **supertrend(high, low, close, self.st_length, self.st_multiplier),
            **stochastic_rsi(close, self.rsi_length, self.stoch_length, self.stoch_k, self.stoch_d),
        }

    def signals(self, candles: Columns, indicators: Columns) -> Columns:
        """Pullback before reversal, buy before sell; out while SuperTrend is on the other side."""
        close, stochastic = candles["close"], indicators["stoch_k"]
        fast, slow, vwap, line = (indicators[name] for name in ("ema_fast", "ema_slow", "vwap", "supertrend"))
        direction = np.asarray(indicators["supertrend_direction"])
        up, down = direction == 1, direction == -1
        reach = donchian(candles["high"], candles["low"], self.lookback)
        # what a parameter does not move is computed once for all its values
        trend = once(_trends, close, fast, slow, vwap)
        touched = once(_touched, reach["donchian_lower"], reach["donchian_upper"], slow, vwap, line)
        turns = once(_reversals, candles["open"], close)
        up_zone = _two_of(trend["rising"], up, trend["averages_above"])
        down_zone = _two_of(trend["falling"], down, trend["averages_below"])
        return {
            "signal_pullback_buy": up_zone & touched["support"] & turns["bullish"] & (stochastic < 20),
            "signal_pullback_sell": down_zone & touched["resistance"] & turns["bearish"] & (stochastic > 80),
            "signal_reversal_buy": up & _before(down, 1, False) & trend["close_above"],
            "signal_reversal_sell": down & _before(up, 1, False) & trend["close_below"],
            "exit_long": down,
            "exit_short": up,
        }


def _trends(close: Floats, fast: Floats, slow: Floats, vwap: Floats) -> dict[str, Flags]:
    """How the averages lie to each other and to VWAP, and the close to all three."""
    return {
        "rising": fast > slow,
        "falling": fast < slow,
        "averages_above": (fast > vwap) & (slow > vwap),
        "averages_below": (fast < vwap) & (slow < vwap),
        "close_above": (close > fast) & (close > slow) & (close > vwap),
        "close_below": (close < fast) & (close < slow) & (close < vwap),
    }


def _touched(lowest: Floats, highest: Floats, *levels: Floats) -> dict[str, Flags]:
    """Candles whose last lows reached down, or highs up, to any of the levels."""
    return {
        "support": np.any([lowest <= level for level in levels], axis=0),
        "resistance": np.any([highest >= level for level in levels], axis=0),
    }


def _two_of(one: Flags, two: Flags, three: Flags) -> Flags:
    """Where at least two of the three hold."""
    return one & two | one & three | two & three


def _before(values: npt.NDArray[Any], candles: int, first: Any) -> npt.NDArray[Any]:
    """The value that many candles ago; `first` where there was none."""
    return np.concatenate((np.full(min(candles, len(values)), first), values[:-candles]))


def _reversals(opened: Floats, close: Floats) -> dict[str, Flags]:
    """Candles that close beyond the open of the last one that went the other way."""
    return {
        "bullish": (close > opened) & (close > _last_open(opened, close < opened)),
        "bearish": (close < opened) & (close < _last_open(opened, close > opened)),
    }


def _last_open(opened: Floats, counts: Flags) -> Floats:
    """The open of the most recent of the three previous candles that counts; NaN where none does."""
    opens = np.where(counts, opened, np.nan)
    last, *newer = (_before(opens, ago, np.nan) for ago in (3, 2, 1))
    for closer in newer:
        last = np.where(np.isnan(closer), last, closer)
    return last
