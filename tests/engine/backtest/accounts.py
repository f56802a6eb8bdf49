"""How the tests of metrics write an account: values at each close, and trades by what they earned."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.backtest.metrics import compute_metrics
from engine.backtest.outcome import Outcome, TradeTable
from engine.backtest.rules import REASONS
from engine.model.account import Costs
from engine.model.market import DAY_MS, HOUR_MS, Candles, Timeframe
from engine.model.trade import Trade
from tests.engine.backtest.playing import BUY
from tests.support.builders import START_MS, flat_candles


def trade(
    pnl: float,
    return_pct: float = 1.0,
    *,
    reason: str = "exit_long",
    side: str = "long",
    hours: int = 2,
    candles: int = 0,
) -> Trade:
    entry_time = START_MS + HOUR_MS
    exit_time = entry_time + hours * HOUR_MS
    return Trade(
        side, 2.0, entry_time, 50.0, exit_time, 60.0, pnl, return_pct, 0.5, None, BUY, reason, candles, -1.0, 3.0
    )  # fmt: skip


def table_of(trades: Sequence[Trade], entries: Sequence[int] = ()) -> TradeTable:
    """The trades as columns; each lost 0.25 to slippage. They enter at the candles `entries`, else at candle 0."""
    entry = np.array(entries or [0] * len(trades), dtype=np.int64)

    def column(name: str, dtype: type = np.float64) -> Any:
        return np.array([getattr(trade, name) for trade in trades], dtype=dtype)

    return TradeTable(
        names=(BUY,),
        side=np.array([1 if trade.side == "long" else -1 for trade in trades], dtype=np.int64),
        size=column("size"),
        entry=entry,
        entry_price=column("entry_price"),
        exit=entry + column("candles", np.int64),
        exit_price=column("exit_price"),
        entry_time=column("entry_time", np.int64),
        exit_time=column("exit_time", np.int64),
        pnl=column("pnl"),
        return_pct=column("return_pct"),
        commission=column("commission"),
        slippage=np.full(len(trades), 0.25),
        signal=np.zeros(len(trades), dtype=np.int64),
        reason=np.array([REASONS.index(trade.exit_reason) for trade in trades], dtype=np.int64),
        mae_pct=column("mae_pct"),
        mfe_pct=column("mfe_pct"),
    )


def measure(
    equity: Sequence[float],
    trades: Sequence[Trade] = (),
    *,
    cash: float = 100.0,
    timeframe: str = "1d",
    candles: Candles | None = None,
    entries: Sequence[int] = (),
    shortfall: float = 0.0,
) -> dict[str, Any]:
    """Metrics of an account with that equity at each close; daily candles from 2024-01-01 unless given."""
    candles = candles or flat_candles([10.0] * len(equity), step_ms=DAY_MS)
    outcome = Outcome(table_of(trades, entries), np.array(equity, dtype=np.float64), shortfall)
    return compute_metrics(outcome, candles, Costs(cash=cash), Timeframe(timeframe))
