"""The text of a new strategy file."""

from typing import Final

from engine.errors import InputError
from engine.loader.find import is_strategy_name

_TEMPLATE: Final = '''"""{title}: a moving-average cross to start from. Save the file, and it is in the list."""

import pandas as pd

from engine.indicators import crossed_above, sma
from engine.strategy import Param, Strategy


class {class_name}(Strategy):
    """{title}

    Long while the fast average of the close is above the slow one. The first line is the title, the rest the description.
    """

    # Parameters: default, bounds, help. They appear in the form, and as `--param fast=10` on the command line.
    fast = Param(10, low=2, high=200, help="candles of the fast average")
    slow = Param(30, low=3, high=500, help="candles of the slow average")

    def warmup(self) -> int:
        """Candles that are needed before the first decision; they are loaded in front of the period."""
        return self.slow

    def indicators(self, candles: pd.DataFrame) -> dict[str, pd.Series]:
        """Columns to draw and to use. `candles` has open, high, low, close, volume and one row per candle (UTC)."""
        close = candles["close"]
        return {{"fast": sma(close, self.fast), "slow": sma(close, self.slow)}}

    def signals(self, candles: pd.DataFrame, indicators: dict[str, pd.Series]) -> dict[str, pd.Series]:
        """True where you would act at the close of a candle; the engine fills at the open of the next one.

        `signal_<name>_buy` enters long, `signal_<name>_sell` enters short, `exit_long` and `exit_short` close.
        Prices in `stop_loss` and `take_profit` (optional) are read on the candle of the entry. Look back with shift(1),
        never ahead with shift(-1): each run cuts off the future and looks whether anything changes.
        """
        fast, slow = indicators["fast"], indicators["slow"]
        return {{
            "signal_cross_buy": crossed_above(fast, slow),
            "exit_long": fast <= slow,
        }}
'''


def template(name: str) -> str:
    """A complete working strategy for the file `name`.py; raises InputError when that cannot name a strategy."""
    if not is_strategy_name(name):
        raise InputError(f"{name!r} cannot name a strategy; use letters, digits and _, e.g. my_strategy")
    words = [word for word in name.split("_") if word]
    title = " ".join(words).capitalize() or name
    return _TEMPLATE.format(
        title=title, class_name="".join(word[0].upper() + word[1:] for word in words) or name
    )
