"""Runs as the engine would hand them over: walking prices, a wavy equity, trades at known places."""

from typing import Any

import numpy as np

from engine.market import HOUR_MS, Candles, Period
from engine.runs import FINISHED, Costs, RunResult, Series, Trade, skipped_checks
from tests.support.builders import START_MS, random_candles


def trade(candles: Candles, entry: int, exit_: int, *, side: str = "long", **other: Any) -> Trade:
    """A trade of ten coins between the opens of two candles, without costs."""
    prices = float(candles.open[entry]), float(candles.open[exit_])
    pnl = (prices[1] - prices[0]) * 10 * (1 if side == "long" else -1)
    values: dict[str, Any] = {
        "side": side,
        "size": 10.0,
        "entry_time": int(candles.timestamp[entry]),
        "entry_price": prices[0],
        "exit_time": int(candles.timestamp[exit_]),
        "exit_price": prices[1],
        "pnl": pnl,
        "return_pct": pnl / (10 * prices[0]) * 100,
        "commission": 0.0,
        "funding": None,
        "entry_signal": "signal_cross_buy" if side == "long" else "signal_cross_sell",
        "exit_reason": "exit_long" if side == "long" else "exit_short",
        "candles": exit_ - entry,
        "mae_pct": -1.0,
        "mfe_pct": 2.0,
    }
    return Trade(**(values | other))


def run_on(candles: Candles, run_id: str = "a" * 32, **other: Any) -> RunResult:
    """A finished run with a trade every 50 candles, alternating sides, and three indicators."""
    n = len(candles)
    places = range(10, n - 30, 50)
    trades = tuple(
        trade(candles, at, at + 20, side="short" if number % 2 else "long")
        for number, at in enumerate(places)
    )
    equity = 10_000 * (1 + 0.1 * np.sin(np.arange(n) / 200) + np.arange(n) / n / 10)
    columns = {
        "ema": candles.close * 0.99,
        "rsi": 50 + 40 * np.sin(np.arange(n) / 15),
        "direction": np.sign(np.sin(np.arange(n) / 40) + 1e-9),
    }
    values: dict[str, Any] = {
        "id": run_id,
        "status": FINISHED,
        "strategy": "ema_cross",
        "symbol": "SOLUSDT",
        "unified": "SOL/USDT:USDT",
        "exchange": "binanceusdm",
        "timeframe": "1h",
        "period": Period(START_MS, START_MS + n * HOUR_MS),
        "params": {"fast": 21, "slow": 50},
        "costs": Costs(),
        "engine": "reference",
        "metrics": {"return_pct": 12.5, "sharpe": None, "max_drawdown_pct": -8.0, "trades": len(trades)},
        "trades": trades,
        "equity": Series(candles.timestamp, {"equity": equity}),
        "indicators": Series(candles.timestamp, columns),
        "created_ms": START_MS,
    }
    return RunResult(**(values | other))


def many_candles(n: int) -> Candles:
    """A walk that stays legible however long it is."""
    return random_candles(n, seed=3, volatility=0.0008)


def checks(
    missing: int = 0, beside: tuple[int, ...] = (), warmup: str = "passed"
) -> dict[str, dict[str, Any]]:
    """The checks of a run on candles of which some are missing, with so many trades beside the holes."""
    hole = {"start": "2024-01-02T00:00:00Z", "end": "2024-01-02T05:00:00Z", "reason": "maintenance"}
    return skipped_checks() | {
        "data": {
            "status": "failed" if beside else "passed",
            "missing_candles": missing,
            "trades_beside_holes": list(beside),
            "missing": [hole] if missing else [],
        },
        "warmup": {"status": warmup, "note": "61 of 500"},
    }
