"""What an engine makes of candles and signals: its trades as columns, one value per close, and what that cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from engine.backtest.rules import FILLS, LIQUIDATION, OPEN, REASONS, RUIN, STOP_LOSS, TAKE_PROFIT
from engine.model.account import BLOCKED
from engine.model.market import Candles, Float64Array, Int64Array
from engine.model.trade import Trade
from engine.strategy import Signals

_AT_CLOSE: Final = (REASONS.index(OPEN), REASONS.index(RUIN))


class Filled(NamedTuple):
    """A fill as a simulator saw it: `candle` by position, `size` in coins, + enters, - leaves, `kind` one of FILLS."""

    candle: int
    price: float
    size: float
    kind: str
    fee: float


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position from entry to exit, as backtesting.py saw it. `side` +1 long, -1 short; candles by position.

    Prices are the slipped fills, `exit_unslipped` is the exit without slippage; an open position is marked at the last
    close with `reason` "open". `pnl` is net of `commission` and `funding`; `slippage` is what fills lost to it, in money.
    `entered_at_close`, `left_at_close`: at the close of that candle, not at its open or inside it. `excursions`: (mae_pct,
    mfe_pct) where the simulator knows better than that they follow from one entry and one exit.
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
    funding: float = 0.0
    fills: tuple[Filled, ...] = ()
    excursions: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FillTable:
    """m fills as columns (m,), those of a trade together, in order of time. `trade`: its row in the table of trades;
    `time`: open time of its candle, ms; `price`: slipped; `size`: coins; `kind` counts into FILLS; `commission` in money.
    """

    trade: Int64Array
    time: Int64Array
    price: Float64Array
    size: Float64Array
    kind: Int64Array
    commission: Float64Array
    enters: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, candles: Candles, trips: Sequence[RoundTrip]) -> Self:
        """The fills of round trips that are rows of a table in this order."""
        rows = [(trade, *fill) for trade, trip in enumerate(trips) for fill in trip.fills]
        trade, candle, price, size, kind, fee = zip(*rows, strict=True) if rows else ((),) * 6
        sizes = np.array(size, dtype=np.float64)
        return cls(
            trade=np.array(trade, dtype=np.int64),
            time=candles.timestamp[np.array(candle, dtype=np.int64)],
            price=np.array(price, dtype=np.float64),
            size=np.abs(sizes),
            kind=np.array([FILLS.index(name) for name in kind], dtype=np.int64),
            commission=np.array(fee, dtype=np.float64),
            enters=sizes > 0,
        )

    def rows(self) -> Iterator[tuple[int, int, float, float, str, float]]:
        """The trade of each fill, then the fields of `Fill`."""
        signed = np.where(self.enters, self.size, -self.size)
        reasons = [FILLS[k] for k in self.kind.tolist()]
        plain = (column.tolist() for column in (self.trade, self.time, self.price, signed))
        return zip(*plain, reasons, self.commission.tolist(), strict=True)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What the terms of a run did to it.

    `funding_edge`: what the other convention of who pays at a fill would change, in money; `nearest_pct`: the nearest that
    the mark came to a liquidation, in % of itself, NaN = never margined. `clipped`, `dropped`: entries cut to what the
    leverage allows, and left out as their open was beyond the stop; `blocked`: signals, a count for each of BLOCKED.
    `no_volume`, `below_minimum`: entries and adds left out as nothing was traded, and as too small for the exchange;
    `above_maximum`: cut to the most it takes.
    """

    funding_edge: float
    nearest_pct: float
    clipped: int
    dropped: int
    blocked: tuple[int, ...]
    no_volume: int = 0
    below_minimum: int = 0
    above_maximum: int = 0

    @classmethod
    def plain(cls, funding_edge: float) -> Self:
        """Of a run whose terms are funding alone."""
        return cls(funding_edge, float("nan"), 0, 0, (0,) * len(BLOCKED))


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """Candles whose outcome hangs on what came first inside them, by their open times (ms): `walked` by their finer candles,
    `doubted` for want of such. `settled`: bool (k,), trades of which finer candles left nothing open.
    """

    walked: Int64Array
    doubted: Int64Array
    settled: npt.NDArray[np.bool_]

    @classmethod
    def nothing(cls) -> Self:
        """Of a run that does not look inside its candles."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none, np.empty(0, dtype=np.bool_))


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
    funding: Float64Array | None = None  # paid, money; None = not charged
    ambiguous: npt.NDArray[np.bool_] | None = (
        None  # a candle of it could be read two ways; None = not looked at
    )

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

    def with_ambiguous(self, candles: Candles, signals: Signals) -> Self:
        """With those trades noted that left at their stop inside a candle that reached their target too; for runs whose
        entries are market orders with one stop and one target, which cannot be read two ways elsewhere.
        """
        signal, last = self.entry - 1, self.exit
        stop, target = signals.stop_loss[signal], signals.take_profit[signal]
        favourable = np.where(self.side > 0, candles.high[last], candles.low[last])
        stopped = np.equal(self.reason, REASONS.index(STOP_LOSS))
        inside, reached = self.side * (candles.open[last] - stop) > 0, self.side * (favourable - target) >= 0
        return replace(self, ambiguous=stopped & inside & reached)

    @property
    def price_pnl(self) -> Float64Array:
        """What the price alone made: the profit before commission, slippage and funding."""
        paid: Float64Array = self.pnl + self.commission + self.slippage
        return paid if self.funding is None else paid + self.funding

    def columns(self) -> dict[str, list[Any]]:
        """The fields of `Trade` by name, as lists of plain values."""
        told: dict[str, list[Any]] = {
            "side": np.where(self.side > 0, "long", "short").tolist(),
            "funding": [None] * len(self) if self.funding is None else self.funding.tolist(),
            "price_pnl": self.price_pnl.tolist(),
            "liquidated": np.equal(self.reason, REASONS.index(LIQUIDATION)).tolist(),
            "ambiguous": [None] * len(self) if self.ambiguous is None else self.ambiguous.tolist(),
            "fills": [[] for _ in range(len(self))],
            "entry_signal": [self.names[k] for k in self.signal.tolist()],
            "exit_reason": [REASONS[k] for k in self.reason.tolist()],
            "candles": (self.exit - self.entry).tolist(),
        }
        names = Trade.__slots__  # the one list of what a trade is
        return {name: told[name] if name in told else getattr(self, name).tolist() for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The result of an engine over n candles.

    `equity`: float64 (n,), value at each close. `shortfall` is what the account owed when it was ruined, else 0. `fills`,
    `terms`: None where every trade is one market entry and one exit, on plain terms. `walked`: of a run with a detail.
    """

    table: TradeTable
    equity: Float64Array
    shortfall: float
    fills: FillTable | None = None
    terms: Terms | None = None
    walked: Walked | None = None

    @property
    def trades(self) -> tuple[Trade, ...]:
        """The trades as rows, made now."""
        return Trade.from_columns(self.columns())

    def columns(self) -> dict[str, list[Any]]:
        """The fields of `Trade` by name, as lists of plain values; a trade's fills as rows of `Fill`'s fields."""
        columns = self.table.columns()
        if self.fills is not None:
            for trade, *row in self.fills.rows():
                columns["fills"][trade].append(row)
        return columns

    @property
    def traded(self) -> Float64Array:
        """Value of all fills of each trade, (k,); what is still open, or was liquidated, was not sold."""
        table = self.table
        if self.fills is not None:
            sold = np.not_equal(self.fills.kind, FILLS.index(LIQUIDATION))
            values = np.where(sold, self.fills.price * self.fills.size, 0.0)
            return np.bincount(self.fills.trade, weights=values, minlength=len(table)).astype(np.float64)
        left: Float64Array = np.where(table.is_open, 0.0, table.exit_price)
        return table.size * (table.entry_price + left)

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
    candles: Candles,
    trips: Sequence[RoundTrip],
    equity: Float64Array,
    shortfall: float,
    charged: bool = False,
    *,
    terms: Terms | None = None,
    names: tuple[str, ...] | None = None,
) -> Outcome:
    """The outcome of backtesting.py's round trips, given in order of their entry; `charged`: whether funding was. Their
    fills are kept where there are `terms`. `names`: of signals, None = those that occur.
    """
    names = names or tuple(dict.fromkeys(trip.signal for trip in trips))
    seen = [trip.excursions or _excursions(candles, trip) for trip in trips]

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
        funding=column([trip.funding for trip in trips]) if charged else None,
    )
    return Outcome(table, equity, shortfall, None if terms is None else FillTable.of(candles, trips), terms)


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
