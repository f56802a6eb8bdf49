"""The figures of a run's trade list: what won, what lost, how long, how close."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from engine.backtest.outcome import TradeTable
from engine.backtest.rules import LIQUIDATION, REASONS
from engine.model.market import HOUR_MS, STILL, Float64Array
from engine.statistics.trade_mean import trade_mean

Hits = npt.NDArray[np.bool_]


def trade_metrics(trades: TradeTable, cash: float) -> Mapping[str, float | None]:
    """Counts over all rows; everything else over closed trades only, in the order in which they ended. Break-even trades are
    neither won nor lost.
    """
    closed = np.flatnonzero(~trades.is_open)
    closed = closed[np.argsort(trades.exit_time[closed], kind="stable")]  # trades of many legs overlap
    pnl, percent = trades.pnl[closed], trades.return_pct[closed]
    hours = (trades.exit_time - trades.entry_time)[closed] / HOUR_MS
    won, lost = pnl > 0, pnl < 0
    return {
        "trades": len(trades),
        "open_trades": len(trades) - len(pnl),
        "liquidations": int(np.equal(trades.reason, REASONS.index(LIQUIDATION)).sum()),
        "winning_trades": int(won.sum()),
        "losing_trades": int(lost.sum()),
        "win_rate_pct": _percent(won),
        **_of_side("long", pnl[trades.side[closed] > 0]),
        **_of_side("short", pnl[trades.side[closed] < 0]),
        **_money(pnl, cash),
        "expectancy_pct": _mean(percent),
        "avg_trade_pct": _mean(percent),
        **_mean_test(percent),
        "best_trade_pct": percent.max() if len(pnl) else None,
        "worst_trade_pct": percent.min() if len(pnl) else None,
        "avg_win_pct": _mean(percent[won]),
        "avg_loss_pct": _mean(percent[lost]),
        "avg_trade_hours": _mean(hours),
        "max_trade_hours": hours.max() if len(pnl) else None,
        "min_trade_hours": hours.min() if len(pnl) else None,
        "avg_win_hours": _mean(hours[won]),
        "avg_loss_hours": _mean(hours[lost]),
        "avg_mae_pct": _mean(trades.mae_pct[closed]),
        "avg_mfe_pct": _mean(trades.mfe_pct[closed]),
        "max_consecutive_wins": _longest(won),
        "max_consecutive_losses": _longest(lost),
    }


def _mean_test(percent: Float64Array) -> dict[str, float | None]:
    """Of returns in the order in which the trades ended."""
    t, p = trade_mean(percent) or (None, None)
    return {"trade_mean_t": t, "trade_mean_p": p}


def _mean(values: Float64Array) -> float | None:
    return float(values.mean()) if len(values) else None


def _percent(hits: Hits) -> float | None:
    return float(hits.mean()) * 100 if len(hits) else None


def _longest(hits: Hits) -> int:
    misses = np.flatnonzero(~hits)
    return int(np.diff(misses, prepend=-1, append=len(hits)).max()) - 1


def _of_side(side: str, pnl: Float64Array) -> dict[str, float | None]:
    return {
        f"{side}_trades": len(pnl),
        f"{side}_win_rate_pct": _percent(pnl > 0),
        f"{side}_pnl": float(pnl.sum()),
    }


def _money(pnl: Float64Array, cash: float) -> dict[str, float | None]:
    wins, losses = pnl[pnl > 0], -pnl[pnl < 0]
    payoff = float(wins.mean() / losses.mean()) if len(wins) and len(losses) else None
    mean = float(pnl.mean()) if len(pnl) else 0.0
    deviation = float(np.std(pnl, ddof=1)) if len(pnl) > 1 else 0.0
    win_rate = len(wins) / len(pnl) if len(pnl) else 0.0
    balance = np.concatenate(([cash], cash + np.cumsum(pnl)))
    return {
        "gross_profit": float(wins.sum()),
        "gross_loss": float(losses.sum()),
        "profit_factor": float(wins.sum() / losses.sum()) if len(losses) else None,
        "payoff_ratio": payoff,
        "expectancy": _mean(pnl),
        "avg_win": _mean(wins),
        "avg_loss": _mean(losses),
        "largest_win": float(wins.max()) if len(wins) else None,
        "largest_loss": float(losses.max()) if len(losses) else None,
        "sqn": math.sqrt(len(pnl)) * mean / deviation if deviation > STILL * abs(mean) else None,
        "kelly": win_rate - (1 - win_rate) / payoff if payoff else None,
        "max_closed_drawdown_pct": float((balance / np.maximum.accumulate(balance) - 1).min()) * 100,
    }
