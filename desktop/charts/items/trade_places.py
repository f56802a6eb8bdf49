"""Where trades are: their times, prices, stops and targets as columns."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from desktop.charts.items.envelope import Floats
from engine.model.plots import LEVELS
from engine.model.run import RunResult, Series
from engine.model.trade import Fill

Flags = npt.NDArray[np.bool_]
_FIELDS: Final = (
    "entry_time",
    "exit_time",
    "entry_price",
    "exit_price",
    "side",
    "pnl",
    "exit_reason",
    "liquidated",
    "fills",
)
_OPEN: Final = "open"


@dataclass(frozen=True, slots=True, eq=False)
class TradePlaces:
    """Arrays of one length (k,): seconds and prices. `stop` and `target` are NaN where none is stored; `fills` of each trade
    are none where it has one entry and one exit.
    """

    entry: Floats
    exit: Floats
    entry_price: Floats
    exit_price: Floats
    is_long: Flags
    won: Flags
    is_open: Flags
    stop: Floats
    target: Floats
    liquidated: Flags
    fills: tuple[tuple[Fill, ...], ...]

    @classmethod
    def of_run(cls, run: RunResult) -> Self:
        """The trades of a run."""
        rows = list(map(attrgetter(*_FIELDS), run.trades))
        entry, left, entry_price, exit_price, side, pnl, reason, taken, fills = (
            zip(*rows, strict=True) if rows else ((),) * len(_FIELDS)
        )
        entries = np.array(entry, dtype=np.int64)
        stop, target = (_said_before(run.indicators, name, entries) for name in LEVELS)
        return cls(
            entries / 1000,
            np.array(left, dtype=np.int64) / 1000,
            np.array(entry_price, dtype=np.float64),
            np.array(exit_price, dtype=np.float64),
            np.array([one == "long" for one in side], dtype=np.bool_),
            np.array(pnl, dtype=np.float64) > 0,
            np.array([one == _OPEN for one in reason], dtype=np.bool_),
            stop,
            target,
            np.array(taken, dtype=np.bool_),
            tuple(fills),
        )

    def __len__(self) -> int:
        return len(self.entry)


def _said_before(stored: Series | None, name: str, entries: npt.NDArray[np.int64]) -> Floats:
    """The price that a column says on the candle before each entry, where the signal was: it holds for the whole trade."""
    if stored is None or name not in stored.columns or not len(entries):
        return np.full(len(entries), np.nan)
    at = np.searchsorted(stored.time, entries) - 1
    return np.where(at >= 0, stored.columns[name][np.maximum(at, 0)], np.nan)
