"""The plain simulator's positions as rows: what a trade made, and how far prices went for and against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.backtest.outcome import FillTable, Outcome, TradeTable, Walked
from engine.backtest.plain.account import Account
from engine.backtest.plain.places import Places
from engine.backtest.plain.position import AT_OPEN, BY_LIMIT, BY_STOP, Position
from engine.backtest.rules import FILLS, LIQUIDATION, OPEN, REASONS, STOP_LOSS, TRAILING_STOP, UNITS
from engine.model.market import Candles, Float64Array


def entered_units(position: Position) -> float:
    """All units that were ever entered."""
    return sum(fill.units for fill in position.fills if fill.units > 0)


def told(
    account: Account,
    candles: Candles,
    names: tuple[str, ...],
    equity: Float64Array,
    shortfall: float,
    walked: Walked | None = None,
) -> Outcome:
    """What an account went through over `candles`, as an outcome. `names`: of entry columns; the rest in money."""
    positions = account.positions
    table = trade_table(candles, names, positions, account.market.funding is not None, account.places)
    return Outcome(table, equity, shortfall, fill_table(candles, positions), account.terms(), walked)


def trade_table(
    candles: Candles, names: tuple[str, ...], positions: Sequence[Position], charged: bool, places: Places
) -> TradeTable:
    """Positions as trades; `charged`: whether funding was; `places`: the candles, and finer ones, that they were held on."""
    last = len(candles) - 1
    close = float(candles.close[last])
    exits = [_exit(position, last, close) for position in positions]
    seen = [
        _excursions(places.candles, position, reason, close)
        for position, (_, _, reason) in zip(positions, exits, strict=True)
    ]
    integers, reals = np.int64, np.float64
    return TradeTable.of(
        candles,
        names,
        side=np.array([p.side for p in positions], dtype=integers),
        size=np.array([entered_units(p) / UNITS for p in positions], dtype=reals),
        entry=np.array([p.entry for p in positions], dtype=integers),
        entry_price=np.array([p.mean for p in positions], dtype=reals),
        exit=np.array([candle for candle, _, _ in exits], dtype=integers),
        exit_price=np.array([price for _, price, _ in exits], dtype=reals),
        pnl=np.array([p.net_pnl(close) / UNITS for p in positions], dtype=reals),
        commission=np.array([p.commission / UNITS for p in positions], dtype=reals),
        slippage=np.array([p.slippage / UNITS for p in positions], dtype=reals),
        signal=np.array([p.order.column for p in positions], dtype=integers),
        reason=np.array([REASONS.index(reason) for _, _, reason in exits], dtype=integers),
        mae_pct=np.array([mae for mae, _ in seen], dtype=reals),
        mfe_pct=np.array([mfe for _, mfe in seen], dtype=reals),
        funding=np.array([p.funding / UNITS for p in positions], dtype=reals) if charged else None,
        ambiguous=np.array([p.ambiguous for p in positions], dtype=np.bool_),
    )


def fill_table(candles: Candles, positions: Sequence[Position]) -> FillTable:
    """Every fill of positions given in the order of their trades."""
    rows = [(trade, fill) for trade, position in enumerate(positions) for fill in position.fills]
    return FillTable(
        trade=np.array([trade for trade, _ in rows], dtype=np.int64),
        time=np.array([candles.timestamp[fill.candle] for _, fill in rows], dtype=np.int64),
        price=np.array([fill.price for _, fill in rows], dtype=np.float64),
        size=np.array([abs(fill.units) / UNITS for _, fill in rows], dtype=np.float64),
        kind=np.array([FILLS.index(fill.kind) for _, fill in rows], dtype=np.int64),
        commission=np.array([fill.fee / UNITS for _, fill in rows], dtype=np.float64),
        enters=np.array([fill.units > 0 for _, fill in rows], dtype=np.bool_),
    )


def _exit(position: Position, last: int, close: float) -> tuple[int, float, str]:
    """(candle, unit-weighted mean of the exits, reason); what is still held is marked at the last close."""
    left = [(-fill.units, fill.price) for fill in position.fills if fill.units < 0]
    if position.units:
        candle, reason = last, OPEN
        left.append((position.units, close))
    else:
        candle, reason = position.fills[-1].candle, position.fills[-1].kind
    sold, mean = left[0]
    for units, price in left[1:]:
        mean, sold = (mean * sold + price * units) / (sold + units), sold + units
    return candle, mean, reason


def _excursions(candles: Candles, position: Position, reason: str, close: float) -> tuple[float, float]:
    """(mae_pct <= 0, mfe_pct >= 0): the worst and best price seen while in the position, in % of its mean entry.

    Of the candle inside which a limit entered, its adverse extreme and close; of a stop entry its favourable extreme and
    close: the other extreme may have come before. Of the candle inside which it left, the extreme on the other side of the
    exit. An exit at the open has seen nothing of its candle.
    """
    side = position.side
    adverse, favourable = (candles.low, candles.high) if side > 0 else (candles.high, candles.low)
    prices = [position.mean, *(fill.price for fill in position.fills)]
    prices += [close] if reason == OPEN else []
    worst, best = list(prices), list(prices)
    stopped = reason in (STOP_LOSS, TRAILING_STOP, LIQUIDATION)
    for i in position.path:
        entered = position.how if i == position.place else AT_OPEN
        leaves = i == position.path[-1] and position.left_inside
        if entered != BY_STOP and not (leaves and stopped):
            worst.append(float(adverse[i]))
        if entered != BY_LIMIT and not (leaves and not stopped):
            best.append(float(favourable[i]))
        if entered != AT_OPEN and not leaves:
            worst.append(float(candles.close[i]))
            best.append(float(candles.close[i]))

    def change(price: float) -> float:
        return side * (price / position.mean - 1) * 100

    return min(0.0, *map(change, worst)), max(0.0, *map(change, best))
