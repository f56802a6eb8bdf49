"""What both engines go by: the unit they trade in, why a position ends, which stops are refused and how, and the bounds
below which a figure has no meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from engine.errors import RunError
from engine.model.market import Candles, short_time
from engine.strategy import Signals

# Sizes are whole units of 1e-8 coin; money is counted 1e8 times as large, so prices stay real.
UNITS: Final = 1e8
# All of the account: backtesting.py reads a size of 1 as one unit, so it is the float just below for both engines.
ALMOST_ALL: Final = 1 - 2.0**-52

DAYS_PER_YEAR: Final = 365
MIN_DAYS: Final = 30  # below that nothing is annualised
# a standard deviation so small, of returns or beside the mean of amounts, is only rounding
STILL: Final = 1e-14
# and a fall below the peak that is so small a fraction of it
ROUNDING: Final = 1e-12

STOP_LOSS: Final = "stop_loss"
TAKE_PROFIT: Final = "take_profit"
REVERSE: Final = "reverse"
RUIN: Final = "ruin"
OPEN: Final = "open"
EXIT_LONG: Final = "exit_long"
EXIT_SHORT: Final = "exit_short"
# by number in a table of trades
REASONS: Final = (EXIT_LONG, EXIT_SHORT, STOP_LOSS, TAKE_PROFIT, REVERSE, RUIN, OPEN)

Report = Callable[[float, float | None, str], None]


def ignore_report(_done: float, _total: float | None, _unit: str) -> None:
    """The listener of callers who do not listen."""


def exit_signal(side: int) -> str:
    """The reason of a position of that side closed by its exit column."""
    return EXIT_LONG if side > 0 else EXIT_SHORT


def check_stops(candles: Candles, signals: Signals, i: int) -> None:
    """Raise RunError where a stop or target of the entry signalled on candle i is on the wrong side of its close."""
    side = 1 if signals.entry[i] > 0 else -1
    close, when = float(candles.close[i]), short_time(int(candles.timestamp[i]))
    for name, column, wrong in (
        ("stop_loss", signals.stop_loss, 1),
        ("take_profit", signals.take_profit, -1),
    ):
        price = float(column[i])
        if not np.isnan(price) and side * wrong * (price - close) >= 0:
            where = "below" if side * wrong > 0 else "above"
            raise RunError(
                f"{name} {price:g} of the {'long' if side > 0 else 'short'} entry signalled on the candle of {when} "
                f"must lie {where} its close {close:g}"
            )
