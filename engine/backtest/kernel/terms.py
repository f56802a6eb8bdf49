"""The compiled simulator of runs on terms of their own: which kernel plays one, what it is given, what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from engine.backtest.detail import Detail
from engine.backtest.kernel.parts import TERM_AMOUNTS, TERM_PLACES, plain
from engine.backtest.kernel.positions import FILL_AMOUNTS, FILL_PLACES, STATE, TERMS
from engine.backtest.kernel.state_machine import ALL, MARKET, ORDERED
from engine.backtest.outcome import FillTable, Outcome, Terms, TradeTable
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import ALMOST_ALL, DEFAULT, IN_FAVOUR, UNITS
from engine.backtest.slippage import impact_column
from engine.model.account import BLOCKED, Costs, Protections
from engine.model.filters import Filters
from engine.model.market import Candles, Float64Array, Int64Array
from engine.model.orders import ORDER_COLUMNS, TARGETS
from engine.model.slippage import MODELS
from engine.strategy import Signals

_NO_VALUES: Final = np.empty(0)
_NO_COLUMNS: Final = np.empty((0, 0))
_NO_ORDERS: Final = np.full(len(ORDER_COLUMNS), np.nan)
_NO_ROWS: Final = np.full(len(ORDER_COLUMNS), -1, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What a kernel fills: rows of TERM_PLACES and TERM_AMOUNTS per trade, of FILL_PLACES and FILL_AMOUNTS per fill (none
    where `fills` has no columns), its state and what it was before a candle, blocked signals, a count for each of BLOCKED.
    """

    places: Int64Array
    amounts: Float64Array
    fills: Int64Array
    fill_amounts: Float64Array
    state: npt.NDArray[Any]
    blocked: Int64Array

    @classmethod
    def of(cls, trades: int, fills: int = 0) -> Self:
        """For that many trades (entry signals) and fills."""
        return cls(
            np.empty((len(TERM_PLACES), trades), dtype=np.int64),
            np.empty((len(TERM_AMOUNTS), trades)),
            np.empty((len(FILL_PLACES), fills), dtype=np.int64),
            np.empty((len(FILL_AMOUNTS), fills)),
            np.zeros(2, dtype=STATE),
            np.zeros(len(BLOCKED), dtype=np.int64),
        )

    @classmethod
    def for_signals(cls, signals: Signals) -> Self:
        """For all that these can make: an entry signal is at most a trade of one entry and an exit more than targets."""
        trades = int(np.count_nonzero(signals.entry))
        adds = 0 if signals.orders is None else int(np.count_nonzero(signals.orders.add))
        return cls.of(trades, trades * (2 + len(TARGETS)) + adds)

    def terms(self) -> Terms:
        """What the terms did."""
        state = self.state[0]
        nearest = float(state["nearest"])
        return Terms(
            funding_edge=float(state["edge"]) / UNITS,
            nearest_pct=nearest if np.isfinite(nearest) else float("nan"),
            clipped=int(state["clipped"]),
            dropped=int(state["dropped"]),
            blocked=tuple(self.blocked.tolist()),
            no_volume=int(state["no_volume"]),
            below_minimum=int(state["below_minimum"]),
            above_maximum=int(state["above_maximum"]),
        )

    def fill_table(self, times: Int64Array) -> FillTable:
        """The fills, over candles that open at `times`."""
        count = int(self.state[0]["fills"])
        trade, candle, kind, enters = self.fills[:, :count]
        price, size, commission = self.fill_amounts[:, :count]
        return FillTable(trade, times[candle], price, size, kind, commission, enters.astype(np.bool_))

    def outcome(
        self, candles: Candles, names: tuple[str, ...], charged: bool, equity: Float64Array, shortfall: float
    ) -> tuple[Outcome, npt.NDArray[np.bool_]]:
        """What a kernel left here, over its candles, and which trades finer ones settled. `charged`: whether funding was;
        `equity`, `shortfall`: in money.
        """
        count = int(self.state[0]["trades"])
        columns: dict[str, Any] = dict(zip(TERM_PLACES, self.places[:, :count], strict=True))
        columns |= dict(zip(TERM_AMOUNTS, self.amounts[:, :count], strict=True))
        columns["ambiguous"] = columns["ambiguous"].astype(np.bool_)
        settled = columns.pop("settled").astype(np.bool_)
        if not charged:
            columns["funding"] = None
        table = TradeTable.of(candles, names, **columns)
        return Outcome(table, equity, shortfall, self.fill_table(candles.timestamp), self.terms()), settled


Kernel = Callable[..., tuple[float, int]]


def kernel_for(
    signals: Signals,
    costs: Costs,
    perpetual: Perpetual | None,
    reading: int = DEFAULT,
    detail: Detail | None = None,
) -> Kernel | None:
    """The variant that has what a run uses; None where the plain kernel does."""
    ordered = (
        signals.orders is not None
        or costs.maker is not None
        or costs.protect != Protections()
        or reading != DEFAULT
        or bool(costs.slippage_model)
        or (perpetual is not None and perpetual.filtered)
        or detail is not None
    )
    market = costs.leverage is not None or (perpetual is not None and perpetual.funding is not None)
    chosen: Kernel | None = (ALL if market else ORDERED) if ordered else (MARKET if market else None)
    return chosen


def simulate_terms(
    kernel: Kernel,
    prices: tuple[Any, ...],
    wanted: tuple[Any, ...],
    candles: Candles,
    signals: Signals,
    costs: Costs,
    perpetual: Perpetual | None,
    reverse: bool,
    equity: Float64Array,
    room: Room,
    *,
    reading: int = DEFAULT,
    timeframe_ms: int | None = None,
    detail: Detail | None = None,
    doubts: Int64Array = _NO_ROWS,
) -> tuple[float, int]:
    """As `simulate` of the plain kernel: (shortfall, refused), and `room` and `equity` filled. `prices` and `wanted` as it
    takes them, of `candles`, whose opens with `timeframe_ms` (else their least distance) say what hour closes.
    `detail`: finer candles; then `doubts` (n,) is filled too: LOOKED_INTO, DOUBTED, 0 for what leaves nothing open.
    """
    room.state.view(np.uint8)[:] = 0  # a record at a time takes a hundred times as long
    room.blocked[:] = 0
    detailed, times = room.fills.shape[1] > 0, candles.timestamp
    impact = impact_column(candles, costs.slips) if costs.slips.by_volume else _NO_VALUES
    terms = terms_record(
        costs, perpetual, reading, detailed, _length(times) if timeframe_ms is None else timeframe_ms,
        detail is not None,
    )  # fmt: skip
    return kernel(
        *prices, *wanted, *_order_columns(signals), *_market_columns(perpetual, prices), impact, plain(times),
        *_fine_columns(detail), reverse, terms, room.state, equity, room.places, room.amounts, room.fills,
        room.fill_amounts, room.blocked, doubts,
    )  # fmt: skip


def _fine_columns(detail: Detail | None) -> tuple[Int64Array, Float64Array]:
    """Where the finer candles of each candle begin, and all of them, by the rows of FINE."""
    if detail is None:
        return _NO_ROWS, _NO_COLUMNS
    candles, market = detail.candles, detail.perpetual
    traded, nothing = (candles.open, candles.high, candles.low), np.zeros(len(candles))
    mark, funding = market.mark, market.funding
    marks = traded if mark is None else (mark.open, mark.high, mark.low)
    settled = (nothing,) * 3 if funding is None else (funding.at_open, funding.inside, funding.inside_paid)
    return detail.first, np.stack([*traded, candles.close, *marks, *settled])


def _length(times: Int64Array) -> int:
    return int(np.diff(times).min()) if len(times) > 1 else 0


def _order_columns(signals: Signals) -> tuple[Any, ...]:
    orders = signals.orders
    if orders is None:
        return _NO_ORDERS, _NO_COLUMNS, _NO_ROWS, np.zeros(len(signals.entry), dtype=np.int16)
    return orders.fixed, plain(orders.columns), orders.rows, plain(orders.add)


def _market_columns(perpetual: Perpetual | None, prices: tuple[Any, ...]) -> tuple[Any, ...]:
    """Funding, mark prices (else the last prices) and brackets."""
    given = perpetual or Perpetual()
    funding, mark, brackets = given.funding, given.mark, given.brackets
    settled: tuple[Any, ...] = (_NO_VALUES,) * 4
    if funding is not None:
        settled = (funding.at_open, funding.edge, funding.inside, funding.inside_paid)
    marks = prices[:3] if mark is None else (mark.open, mark.high, mark.low)
    rows: tuple[Any, ...] = (
        (_NO_VALUES,) * 3 if brackets is None else (brackets.floor, brackets.rate, brackets.cum)
    )
    return tuple(plain(column) for column in (*settled, *marks, *rows))


def terms_record(
    costs: Costs, perpetual: Perpetual | None, reading: int, detailed: bool, timeframe_ms: int, finer: bool
) -> npt.NDArray[Any]:
    """The terms as the kernel's record."""
    protect, leverage = costs.protect, 1.0 if costs.leverage is None else costs.leverage
    brackets = None if perpetual is None or costs.leverage is None else perpetual.brackets
    first, end = protect.hours or (-1, -1)
    losing, pause = protect.after_losses or (0, 0)
    filters = Filters() if perpetual is None or perpetual.filters is None else perpetual.filters
    slips, filtered = costs.slips, perpetual is not None and perpetual.filtered
    values = _filter_values(filters) | {
        "cash": costs.cash,
        "risk": np.nan,
        "fee": costs.commission,
        "maker": costs.commission if costs.maker is None else costs.maker,
        "size": min(costs.size, ALMOST_ALL),
        "slippage": slips.value,
        "model": MODELS.index(slips.kind),
        "filtered": filtered,
        "leverage": leverage,
        "most": np.inf if brackets is None else brackets.most_notional(leverage) * UNITS,
        "daily_loss": np.nan if protect.daily_loss is None else protect.daily_loss,
        "max_drawdown": np.nan if protect.max_drawdown is None else protect.max_drawdown,
        "margin": costs.leverage is not None,
        "charged": perpetual is not None and perpetual.funding is not None,
        "reading": reading,
        "detailed": detailed,
        "protected": protect != Protections(),
        "finer": finer,
        "passing": protect == Protections() and reading != IN_FAVOUR and not finer and not filtered,
        "timeframe": timeframe_ms,
        "cooldown": protect.cooldown or 0,
        "per_day": protect.trades_per_day or 0,
        "first_hour": first,
        "end_hour": end,
        "losing": losing,
        "pause": pause,
    }
    return np.array([tuple(values[name] for name in TERMS.names or ())], dtype=TERMS)


def _filter_values(filters: Filters) -> dict[str, float]:
    """Of the exchange's filters, in the kernel's units."""
    above, below = filters.tick_parts()
    return {
        "tick": filters.tick,
        "tick_above": above,
        "tick_below": below,
        "step": round(filters.step * UNITS),
        "least_units": round(filters.least * UNITS),
        "most_units": filters.most * UNITS if np.isinf(filters.most) else round(filters.most * UNITS),
        "least_notional": filters.notional * UNITS,
    }
