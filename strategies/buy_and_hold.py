"""Buy and hold: the yardstick."""

import pandas as pd

from engine.strategy import Strategy


class BuyAndHold(Strategy):
    """Buy and hold

    Buys at the first possible open and never sells: what every other strategy must beat after costs.
    """

    reverse = False

    def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> pd.DataFrame:
        """Always: the first one is taken, the others find a position."""
        return pd.DataFrame({"signal_hold_buy": True}, index=candles.index)
