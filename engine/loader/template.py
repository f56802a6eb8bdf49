"""The text of a new strategy file."""

from typing import Final

from engine.errors import InputError
from engine.loader.find import is_strategy_name

MARKET, LIMIT, TRAILING, DCA = "market", "limit", "trailing", "dca"
KINDS: Final = (MARKET, LIMIT, TRAILING, DCA)

_TEMPLATE: Final = '''"""{title}: a moving-average cross to start from. Save the file, and it is in the list."""

import pandas as pd

from engine.indicators import {imports}
from engine.strategy import Param, Strategy


class {class_name}(Strategy):
    """{title}

    {idea}
    The first line is the title, the rest the description.
    """

    # Parameters: default, bounds, help. They appear in the form, and as `--param fast=10` on the command line.
    fast = Param(10, low=2, high=200, help="candles of the fast average")
    slow = Param(30, low=3, high=500, help="candles of the slow average")
{params}
    def warmup(self) -> int:
        """Candles that are needed before the first decision; they are loaded in front of the period."""
        return {warmup}

    def indicators(self, candles: pd.DataFrame) -> dict[str, pd.Series]:
        """Columns to draw and to use. `candles` has open, high, low, close, volume and one row per candle (UTC)."""
        close = candles["close"]
        return {{"fast": sma(close, self.fast), "slow": sma(close, self.slow)}}{indicators}

    def signals(self, candles: pd.DataFrame, indicators: dict[str, pd.Series]) -> dict[str, object]:
        """True where you would act at the close of a candle; the engine fills at the open of the next one.

        `signal_<name>_buy` enters long, `signal_<name>_sell` enters short, `exit_long` and `exit_short` close.
        {told}
        Look back with shift(1), never ahead with shift(-1): each run cuts off the future and looks whether anything
        changes.
        """
        fast, slow = indicators["fast"], indicators["slow"]
{before}        return {{
            "signal_cross_buy": crossed_above(fast, slow),
            "exit_long": fast <= slow,
{orders}        }}
'''
_WITH_ATR: Final = {
    "imports": "atr, crossed_above, sma",
    "params": """    atr_length = Param(14, low=2, high=200, help="candles of the average true range")
    stop_atrs = Param(3.0, low=0.1, high=50.0, help="distance of the stop in average true ranges")
""",
    "warmup": "max(self.slow, 20 * self.atr_length)",
    "indicators": ' | {"atr": atr(candles["high"], candles["low"], close, self.atr_length)}',
}
# what differs from kind to kind; orders are columns or numbers, read on the candle of the entry
_PARTS: Final = {
    MARKET: {
        "imports": "crossed_above, sma",
        "idea": "Long while the fast average of the close is above the slow one.",
        "params": "",
        "warmup": "self.slow",
        "indicators": "",
        "told": "Prices in `stop_loss` and `take_profit` (optional) are read on the candle of the entry.",
        "before": "",
        "orders": "",
    },
    LIMIT: _WITH_ATR
    | {
        "idea": "After a cross a limit order waits below the close; half is sold early, half late.",
        "told": "`entry_limit` is the price at which the order waits, for `entry_expiry` candles.",
        "before": """        price = candles["close"] - 0.5 * indicators["atr"]
        distance = self.stop_atrs * indicators["atr"]
""",
        "orders": """            "entry_limit": price,
            "entry_expiry": 5,
            "stop_loss": (price - distance).where(price > distance),
            "target_1": price + distance,
            "target_2": price + 2 * distance,
            "part_1": 0.5,
""",
    },
    TRAILING: _WITH_ATR
    | {
        "idea": "Enters after a cross; from then on a stop follows the best price.",
        "told": "`trail` is the distance of prices at which the stop follows; it never goes back.",
        "before": "",
        "orders": """            "trail": (self.stop_atrs * indicators["atr"]).where(indicators["atr"] > 0),
""",
    },
    DCA: _WITH_ATR
    | {
        "idea": "Enters with a part after a cross, adds in dips while it is held, with one stop below all.",
        "told": "`add_<name>_buy` adds to a long that is held, `add_size` of the account each time.",
        "before": """        close, distance = candles["close"], self.stop_atrs * indicators["atr"]
""",
        "orders": """            "size": 0.25,
            "add_dip_buy": close < fast - 0.5 * indicators["atr"],
            "add_size": 0.25,
            "max_adds": 2,
            "stop_loss": (close - 2 * distance).where(close > 2 * distance),
            "take_profit": close + distance,
""",
    },
}


def template(name: str, kind: str = MARKET) -> str:
    """A complete working strategy for the file `name`.py, of one of KINDS; raises InputError for what cannot be."""
    if kind not in KINDS:
        raise InputError(f"unknown kind of strategy {kind!r}; known: {', '.join(KINDS)}")
    if not is_strategy_name(name):
        raise InputError(f"{name!r} cannot name a strategy; use letters, digits and _, e.g. my_strategy")
    words = [word for word in name.split("_") if word]
    title = " ".join(words).capitalize() or name
    return _TEMPLATE.format(
        title=title, class_name="".join(word[0].upper() + word[1:] for word in words) or name, **_PARTS[kind]
    )
