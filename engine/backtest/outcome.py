"""What an engine makes of candles and signals, and how its round trips become the trades that people see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.market import Candles, Float64Array
from engine.runs import Trade

STOP_LOSS: Final = "stop_loss"
TAKE_PROFIT: Final = "take_profit"
REVERSE: Final = "reverse"
RUIN: Final = "ruin"
OPEN: Final = "open"


def exit_signal(side: int) -> str:
    """The reason of a position of that side closed by its exit column."""
    return "exit_long" if side > 0 else "exit_short"


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position from entry to exit, as an engine saw it. `side` +1 long, -1 short; candles by position.

    Prices are the slipped fills, `exit_unslipped` is the exit without slippage; an open position is marked at the last
    close with `reason` "open". `pnl` is net of `commission`; `slippage` is what both fills lost to it, in money.
    """

    side: int
    size: float
    entry: int
    entry_price: float
    exit: int
    exit_price: float
    exit_unslipped: float
    pnl: float
    commission: float
    slippage: float
    signal: str
    reason: str

    def sees_close(self, n: int) -> tuple[int, int]:
        """Positions start..stop of the candles whose close sees this position, of n candles."""
        return self.entry, min(n, self.exit + (self.reason in (OPEN, RUIN)))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The result of an engine over n candles.

    `equity`: float64 (n,), value at each close. `in_position`: bool (n,), whether that close sees a position. `commission`
    and `slippage` are positive money; `shortfall` is what the account owed when it was ruined, else 0.
    """

    trades: tuple[Trade, ...]
    equity: Float64Array
    in_position: npt.NDArray[np.bool_]
    commission: float
    slippage: float
    shortfall: float


def make_outcome(
    candles: Candles, trips: Sequence[RoundTrip], equity: Float64Array, shortfall: float
) -> Outcome:
    """The outcome of an engine's round trips, given in order of their entry."""
    in_position = np.zeros(len(candles), dtype=np.bool_)
    for trip in trips:
        in_position[slice(*trip.sees_close(len(candles)))] = True
    trades = tuple(_trade(candles, trip) for trip in trips)
    commission, slippage = sum(trip.commission for trip in trips), sum(trip.slippage for trip in trips)
    return Outcome(trades, equity, in_position, commission, slippage, shortfall)


def _trade(candles: Candles, trip: RoundTrip) -> Trade:
    mae_pct, mfe_pct = _excursions(candles, trip)
    return Trade(
        side="long" if trip.side > 0 else "short",
        size=trip.size,
        entry_time=int(candles.timestamp[trip.entry]),
        entry_price=trip.entry_price,
        exit_time=int(candles.timestamp[trip.exit]),
        exit_price=trip.exit_price,
        pnl=trip.pnl,
        return_pct=trip.pnl / (trip.size * trip.entry_price) * 100,
        commission=trip.commission,
        funding=None,
        entry_signal=trip.signal,
        exit_reason=trip.reason,
        candles=trip.exit - trip.entry,
        mae_pct=mae_pct,
        mfe_pct=mfe_pct,
    )


def _excursions(candles: Candles, trip: RoundTrip) -> tuple[float, float]:
    """(mae_pct <= 0, mfe_pct >= 0): the worst and best price seen while in the position, in % of the entry price.

    An exit at the open has seen nothing of its candle. A stop or target inside its candle has seen all of it on the other
    side, and its own side only up to the exit price. An exit at the close has seen all of it.
    """
    held = slice(trip.entry, trip.exit)
    lowest = float(candles.low[held].min(initial=min(trip.entry_price, trip.exit_price)))
    highest = float(candles.high[held].max(initial=max(trip.entry_price, trip.exit_price)))
    at_close = trip.reason in (OPEN, RUIN)
    inside = trip.reason in (STOP_LOSS, TAKE_PROFIT) and trip.exit_unslipped != candles.open[trip.exit]
    left_below = (trip.reason == STOP_LOSS) == (trip.side > 0)
    if at_close or (inside and not left_below):
        lowest = min(lowest, float(candles.low[trip.exit]))
    if at_close or (inside and left_below):
        highest = max(highest, float(candles.high[trip.exit]))
    down, up = (lowest / trip.entry_price - 1) * 100, (highest / trip.entry_price - 1) * 100
    return (down, up) if trip.side > 0 else (0.0 - up, 0.0 - down)
