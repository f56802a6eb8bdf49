"""The text of a new strategy file."""

from typing import Final

from engine.errors import InputError
from engine.loader.find import is_strategy_name

_TEMPLATE: Final = '''"""{title}: a moving-average cross to start from. Save the file, and it is in the list."""

import pandas as pd

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

    def indicators(self, candles: pd.DataFrame) -> pd.DataFrame:
        """Columns to draw and to use. `candles` has open, high, low, close, volume and one row per candle (UTC)."""
        close = candles["close"]
        return pd.DataFrame({{"fast": close.rolling(self.fast).mean(), "slow": close.rolling(self.slow).mean()}})

    def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> pd.DataFrame:
        """True where you would act at the close of a candle; the engine fills at the open of the next one.

        `signal_<name>_buy` enters long, `signal_<name>_sell` enters short, `exit_long` and `exit_short` close.
        Prices in `stop_loss` and `take_profit` (optional) are read on the candle of the entry.
        """
        above = indicators["fast"] > indicators["slow"]
        was_above = above.shift(1, fill_value=False)  # look back with shift(1), never ahead with shift(-1)
        return pd.DataFrame(
            {{
                "signal_cross_buy": above & ~was_above,
                "exit_long": ~above,
            }}
        )
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
