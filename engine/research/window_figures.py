"""The figures of a window of a stitched run or portfolio: its slice of the account, and the trades entered in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.backtest.metrics import Metrics, compute_metrics
from engine.backtest.outcome import Outcome, TradeTable
from engine.backtest.rules import REASONS
from engine.backtest.trade_metrics import trade_metrics
from engine.model.account import Costs
from engine.model.market import Candles, Float64Array, Int64Array, Period, Timeframe
from engine.model.metric_definitions import SUMMARY, SUMMARY_ACCOUNT
from engine.model.trade import Trade


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What a stitched run did: `equity` (n,) at the closes of `candles` (n,), of a portfolio the basket of its legs, and its
    trades. `charged`: whether funding was.
    """

    candles: Candles
    equity: Float64Array
    trades: Sequence[Trade]
    costs: Costs
    timeframe: Timeframe
    charged: bool

    @property
    def cash(self) -> float:
        """At the start."""
        return self.costs.cash

    @property
    def time(self) -> Int64Array:
        """When the candles opened, ms."""
        return self.candles.timestamp


def window_figures(account: Account, window: Period, before: float) -> Metrics:
    """SUMMARY of what a stitched run did inside `window`, which began with `before` on the account. All None where nothing
    was left by then.
    """
    if before <= 0:
        return dict.fromkeys(SUMMARY)
    candles = account.candles
    start, stop = (int(at) for at in np.searchsorted(candles.timestamp, [window.start, window.end]))
    equity, costs = account.equity[start:stop], replace(account.costs, cash=before)
    idle = Outcome(_table(()), equity, 0.0)
    course = compute_metrics(idle, candles.slice(start, stop), costs, account.timeframe)
    entered = [trade for trade in account.trades if window.start <= trade.entry_time < window.end]
    traded = {
        **trade_metrics(_table(entered), before),
        "commission": sum(trade.commission for trade in entered),
        "slippage": sum(trade.slippage or 0.0 for trade in entered),
        "funding": sum(trade.funding or 0.0 for trade in entered) if account.charged else None,
        "exposure_pct": _exposure(account, start, stop) * 100,
    }
    return {
        name: course[name] if name in SUMMARY_ACCOUNT and name not in traded else traded[name]
        for name in SUMMARY
    }


def _table(trades: Sequence[Trade]) -> TradeTable:
    """Trades as columns; positions of candles are not among what is asked of them."""

    def column(name: str, dtype: type = np.float64) -> np.ndarray:
        return np.array([getattr(trade, name) for trade in trades], dtype=dtype)

    nowhere = np.zeros(len(trades), dtype=np.int64)
    return TradeTable(
        names=("",),
        side=np.array([1 if trade.side == "long" else -1 for trade in trades], dtype=np.int64),
        entry=nowhere,
        exit=nowhere,
        signal=nowhere,
        reason=np.array([REASONS.index(trade.exit_reason) for trade in trades], dtype=np.int64),
        **{name: column(name, np.int64) for name in ("entry_time", "exit_time")},
        **{
            name: column(name)
            for name in (
                "size", "entry_price", "exit_price", "pnl", "return_pct", "commission", "slippage", "mae_pct", "mfe_pct",
            )
        },
    )  # fmt: skip


def _exposure(account: Account, start: int, stop: int) -> float:
    """Closes of the window that see a position, as a fraction."""
    held = np.zeros(len(account.candles) + 1, dtype=np.int64)
    for trade in account.trades:
        first, last = np.searchsorted(account.time, [trade.entry_time, trade.exit_time])
        held[first] += 1
        held[last + (trade.exit_reason in ("open", "ruin"))] -= 1
    return float((np.cumsum(held)[start:stop] > 0).mean())
