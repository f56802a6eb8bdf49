"""What an engine makes of candles and signals: its trades as columns, one value per close, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from engine.backtest.rules import OPEN, REASONS, RUIN, STOP_LOSS, TAKE_PROFIT
from engine.model.market import Candles, Float64Array, Int64Array
from engine.model.trade import Trade

_AT_CLOSE: Final = (REASONS.index(OPEN), REASONS.index(RUIN))


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position from entry to exit, as backtesting.py saw it. `side` +1 long, -1 short; candles by position.

    Prices are the slipped fills, `exit_unslipped` is the exit without slippage; an open position is marked at the last
    close with `reason` "open". `pnl` is net of `commission`; `slippage` is what both fills lost to it, in money.
    `entered_at_close`, `left_at_close`: at the close of that candle, not at its open or inside it.
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
    entered_at_close: bool = False
    left_at_close: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TradeTable:
    """k trades as columns (k,), in order of their entry; what they mean is said at `engine.model.trade.Trade`.

    `side`: +1 long, -1 short. `entry`, `exit`: positions of candles. `signal` counts into `names`, `reason` into REASONS.
    """

    names: tuple[str, ...]
    side: Int64Array
    size: Float64Array
    entry: Int64Array
    entry_price: Float64Array
    exit: Int64Array
    exit_price: Float64Array
    entry_time: Int64Array
    exit_time: Int64Array
    pnl: Float64Array
    return_pct: Float64Array
    commission: Float64Array
    slippage: Float64Array
    signal: Int64Array
    reason: Int64Array
    mae_pct: Float64Array
    mfe_pct: Float64Array

    @classmethod
    def of(
        cls,
        candles: Candles,
        names: tuple[str, ...],
        *,
        entry: Int64Array,
        exit: Int64Array,  # noqa: A002 - the name of the column
        **columns: Any,
    ) -> Self:
        """With the columns that follow from the others: both times, and the return."""
        return cls(
            names=names,
            entry=entry,
            exit=exit,
            entry_time=candles.timestamp[entry],
            exit_time=candles.timestamp[exit],
            return_pct=columns["pnl"] / (columns["size"] * columns["entry_price"]) * 100,
            **columns,
        )

    def __len__(self) -> int:
        return len(self.side)

    @property
    def is_open(self) -> npt.NDArray[np.bool_]:
        """Which of them were open at the end."""
        return np.equal(self.reason, REASONS.index(OPEN))

    def columns(self) -> dict[str, list[Any]]:
        """The fields of `Trade` by name, as lists of plain values."""
        told: dict[str, list[Any]] = {
            "side": np.where(self.side > 0, "long", "short").tolist(),
            "funding": [None] * len(self),
            "entry_signal": [self.names[k] for k in self.signal.tolist()],
            "exit_reason": [REASONS[k] for k in self.reason.tolist()],
            "candles": (self.exit - self.entry).tolist(),
        }
        names = Trade.__slots__  # the one list of what a trade is
        return {name: told[name] if name in told else getattr(self, name).tolist() for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The result of an engine over n candles.

    `equity`: float64 (n,), value at each close. `shortfall` is what the account owed when it was ruined, else 0.
    """

    table: TradeTable
    equity: Float64Array
    shortfall: float

    @property
    def trades(self) -> tuple[Trade, ...]:
        """The trades as rows, made now."""
        return Trade.from_columns(self.table.columns())

    @property
    def commission(self) -> float:
        """All commission paid, the entry of an open trade included."""
        return float(self.table.commission.sum())

    @property
    def slippage(self) -> float:
        """All that fills lost to slippage."""
        return float(self.table.slippage.sum())

    @property
    def in_position(self) -> npt.NDArray[np.bool_]:
        """bool (n,): whether that close sees a position."""
        places, leaves = len(self.equity) + 1, self._leaves
        entered, left = np.bincount(self.table.entry, minlength=places), np.bincount(leaves, minlength=places)
        return np.cumsum(entered - left)[:-1] > 0

    @property
    def exposure(self) -> float:
        """Closes that see a position, as a fraction of all."""
        entries, leaves = self.table.entry, self._leaves
        if (entries[1:] < leaves[:-1]).any():  # positions of a native strategy may overlap
            return float(self.in_position.mean())
        return float((leaves - entries).sum()) / len(self.equity)

    @property
    def _leaves(self) -> Int64Array:
        """Position of the first close that does not see the trade any more."""
        return self.table.exit + np.isin(self.table.reason, _AT_CLOSE)


def make_outcome(
    candles: Candles, trips: Sequence[RoundTrip], equity: Float64Array, shortfall: float
) -> Outcome:
    """The outcome of backtesting.py's round trips, given in order of their entry."""
    names = tuple(dict.fromkeys(trip.signal for trip in trips))
    seen = [_excursions(candles, trip) for trip in trips]

    def column(values: Sequence[float], dtype: type = np.float64) -> npt.NDArray[Any]:
        return np.array(values, dtype=dtype)

    table = TradeTable.of(
        candles,
        names,
        side=column([trip.side for trip in trips], np.int64),
        size=column([trip.size for trip in trips]),
        entry=column([trip.entry for trip in trips], np.int64),
        entry_price=column([trip.entry_price for trip in trips]),
        exit=column([trip.exit for trip in trips], np.int64),
        exit_price=column([trip.exit_price for trip in trips]),
        pnl=column([trip.pnl for trip in trips]),
        commission=column([trip.commission for trip in trips]),
        slippage=column([trip.slippage for trip in trips]),
        signal=column([names.index(trip.signal) for trip in trips], np.int64),
        reason=column([REASONS.index(trip.reason) for trip in trips], np.int64),
        mae_pct=column([mae for mae, _ in seen]),
        mfe_pct=column([mfe for _, mfe in seen]),
    )
    return Outcome(table, equity, shortfall)


def _excursions(candles: Candles, trip: RoundTrip) -> tuple[float, float]:
    """(mae_pct <= 0, mfe_pct >= 0): the worst and best price seen while in the position, in % of the entry price.

    An exit at the open has seen nothing of its candle. A stop or target inside its candle has seen all of it on the other
    side, and its own side only up to the exit price. An exit at the close has seen all of it, an entry there nothing.
    """
    held = slice(trip.entry + trip.entered_at_close, trip.exit)
    lowest = float(candles.low[held].min(initial=min(trip.entry_price, trip.exit_price)))
    highest = float(candles.high[held].max(initial=max(trip.entry_price, trip.exit_price)))
    at_close = trip.left_at_close and held.start <= trip.exit
    inside = trip.reason in (STOP_LOSS, TAKE_PROFIT) and trip.exit_unslipped != candles.open[trip.exit]
    left_below = (trip.reason == STOP_LOSS) == (trip.side > 0)
    if at_close or (inside and not left_below):
        lowest = min(lowest, float(candles.low[trip.exit]))
    if at_close or (inside and left_below):
        highest = max(highest, float(candles.high[trip.exit]))
    down, up = (lowest / trip.entry_price - 1) * 100, (highest / trip.entry_price - 1) * 100
    return (down, up) if trip.side > 0 else (0.0 - up, 0.0 - down)
