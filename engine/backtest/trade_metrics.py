"""The figures of a run's trade list: what won, what lost, how long, how close."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from engine.backtest.outcome import OPEN
from engine.market import HOUR_MS, Float64Array
from engine.runs import Trade


def trade_metrics(trades: Sequence[Trade], cash: float) -> Mapping[str, float | None]:
    """Counts over all rows; everything else over closed trades only. Break-even trades are neither won nor lost."""
    closed = [trade for trade in trades if trade.exit_reason != OPEN]
    pnl, percent = _column(closed, "pnl"), _column(closed, "return_pct")
    hours = (_column(closed, "exit_time") - _column(closed, "entry_time")) / HOUR_MS
    won, lost = pnl > 0, pnl < 0
    return {
        "trades": len(trades),
        "open_trades": len(trades) - len(closed),
        "winning_trades": int(won.sum()),
        "losing_trades": int(lost.sum()),
        "win_rate_pct": _percent(won),
        **_by_side(closed),
        **_money(pnl, cash),
        "expectancy_pct": _mean(percent),
        "avg_trade_pct": _mean(percent),
        "best_trade_pct": percent.max() if closed else None,
        "worst_trade_pct": percent.min() if closed else None,
        "avg_win_pct": _mean(percent[won]),
        "avg_loss_pct": _mean(percent[lost]),
        "avg_trade_hours": _mean(hours),
        "max_trade_hours": hours.max() if closed else None,
        "min_trade_hours": hours.min() if closed else None,
        "avg_win_hours": _mean(hours[won]),
        "avg_loss_hours": _mean(hours[lost]),
        "avg_mae_pct": _mean(_column(closed, "mae_pct")),
        "avg_mfe_pct": _mean(_column(closed, "mfe_pct")),
        "max_consecutive_wins": _longest(pnl > 0),
        "max_consecutive_losses": _longest(pnl < 0),
    }


def _column(trades: Sequence[Trade], name: str) -> Float64Array:
    return np.array([getattr(trade, name) for trade in trades], dtype=np.float64)


def _mean(values: Float64Array) -> float | None:
    return float(values.mean()) if len(values) else None


def _percent(hits: npt.NDArray[np.bool_]) -> float | None:
    return float(hits.mean()) * 100 if len(hits) else None


def _longest(hits: npt.NDArray[np.bool_]) -> int:
    return max((sum(1 for _ in run) for hit, run in groupby(hits) if hit), default=0)


def _by_side(closed: Sequence[Trade]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for side in ("long", "short"):
        pnl = _column([trade for trade in closed if trade.side == side], "pnl")
        found[f"{side}_trades"] = len(pnl)
        found[f"{side}_win_rate_pct"] = _percent(pnl > 0)
        found[f"{side}_pnl"] = float(pnl.sum())
    return found


def _money(pnl: Float64Array, cash: float) -> dict[str, float | None]:
    wins, losses = pnl[pnl > 0], -pnl[pnl < 0]
    payoff = float(wins.mean() / losses.mean()) if len(wins) and len(losses) else None
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
        "sqn": math.sqrt(len(pnl)) * float(pnl.mean()) / deviation if deviation else None,
        "kelly": win_rate - (1 - win_rate) / payoff if payoff else None,
        "max_closed_drawdown_pct": float((balance / np.maximum.accumulate(balance) - 1).min()) * 100,
    }
