"""How the tests of metrics write an account: values at each close, and trades by what they earned."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.backtest.metrics import compute_metrics
from engine.backtest.outcome import Outcome
from engine.market import DAY_MS, HOUR_MS, Candles, Timeframe
from engine.runs import Costs, Trade
from tests.engine.backtest.playing import BUY
from tests.support.builders import START_MS, flat_candles


def trade(
    pnl: float, return_pct: float = 1.0, *, reason: str = "exit_long", side: str = "long", hours: int = 2
) -> Trade:
    entry = START_MS + HOUR_MS
    return Trade(
        side,
        2.0,
        entry,
        50.0,
        entry + hours * HOUR_MS,
        60.0,
        pnl,
        return_pct,
        0.5,
        None,
        BUY,
        reason,
        2,
        -1.0,
        3.0,
    )


def measure(
    equity: Sequence[float],
    trades: Sequence[Trade] = (),
    *,
    cash: float = 100.0,
    timeframe: str = "1d",
    candles: Candles | None = None,
    in_position: Sequence[bool] | None = None,
    shortfall: float = 0.0,
) -> dict[str, Any]:
    """Metrics of an account with that equity at each close; daily candles from 2024-01-01 unless given."""
    candles = candles or flat_candles([10.0] * len(equity), step_ms=DAY_MS)
    held = np.array(in_position if in_position is not None else [False] * len(equity))
    outcome = Outcome(tuple(trades), np.array(equity, dtype=np.float64), held, 1.5, 0.25, shortfall)
    return compute_metrics(outcome, candles, Costs(cash=cash), Timeframe(timeframe))
