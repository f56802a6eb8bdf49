"""Runs as the engine would hand them over: walking prices, a wavy equity, trades at known places."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from engine.model.account import Costs
from engine.model.market import DAY_MS, HOUR_MS, Candles, Market, Period, Timeframe
from engine.model.parameters import StrategyInfo
from engine.model.ranges import parse_range
from engine.model.run import CANCELLED, FINISHED, RunResult, Series, skipped_checks
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import SweepSpec
from engine.model.trade import Trade
from engine.model.walk_forward import WalkForward, WalkForwardSpec, WindowResult
from engine.strategy import Param
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
    symbol = other.pop("symbol", "SOLUSDT")
    values: dict[str, Any] = {
        "id": run_id,
        "status": FINISHED,
        "strategy": "ema_cross",
        "market": Market(
            other.pop("exchange", "binanceusdm"), symbol, f"{symbol.removesuffix('USDT')}/USDT:USDT"
        ),
        "timeframe": Timeframe("1h"),
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


def described(**declared: Param) -> tuple[dict[str, Any], ...]:
    """Parameters as the engine describes them."""
    for name, param in declared.items():
        param.name = name
    return tuple(param.to_json() for param in declared.values())


CROSS = StrategyInfo(
    "ema_cross",
    "EMA cross",
    "",
    described(
        fast=Param(21, low=1, high=500, help="candles of the fast EMA"),
        slow=Param(50, low=2, high=1000),
        both=Param(True),
        kind=Param("ema", choices=("ema", "sma")),
    ),
    "ema_cross.py",
)
BANDS = StrategyInfo(
    "bands",
    "Bands",
    "",
    described(length=Param(20, low=2, high=500), width=Param(2.0, low=0.1, high=10.0)),
    "bands.py",
)


def sweep_of(
    ranges: dict[str, str] | None = None, *, done: int | None = None, objective: str = "sharpe", **other: Any
) -> SweepResult:
    """A sweep of CROSS as the engine would hand it over: a smooth hill with its top at fast 20, slow 90, and no value
    where fast is not below slow; the first `done` trials of it.
    """
    spec = SweepSpec(
        "ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), Period(START_MS, START_MS + 1000 * HOUR_MS),
        {name: parse_range(text) for name, text in (ranges or {"fast": "10:50:5", "slow": "30:150:10"}).items()},
        objective=objective,
    )  # fmt: skip
    combinations = list(itertools.product(*spec.ranges.values()))
    planned = len(combinations)
    combinations = combinations[:done]
    params = {name: np.array([row[at] for row in combinations]) for at, name in enumerate(spec.ranges)}
    fast = params.get("fast", np.full(len(combinations), 20))
    slow = params.get("slow", np.full(len(combinations), 90))
    hill = 2 - ((fast - 20) / 20) ** 2 - ((slow - 90) / 60) ** 2
    hill[fast >= slow] = np.nan
    metrics = {
        "sharpe": hill, "return_pct": hill * 10, "max_drawdown_pct": -20 + hill, "trades": np.full(len(hill), 120.0),
        "volatility_pct": 50 - hill,
    }  # fmt: skip
    values: dict[str, Any] = {
        "id": "5" * 32,
        "spec": spec,
        "status": FINISHED if len(combinations) == planned else CANCELLED,
        "unified": "SAMPLE/USDT:USDT",
        "period": spec.period,
        "warmup": 450,
        "numbers": np.arange(len(combinations)),
        "params": params,
        "fixed": {name: value for name, value in (("both", True), ("kind", "ema")) if name not in params},
        "metrics": metrics,
        "errors": {},
        "planned": planned,
        "done": len(combinations),
        "failed": 0,
        "trials_of_strategy": 4711,
        "elapsed_s": 0.21,
        "created_ms": START_MS,
    }
    return SweepResult(**(values | other))


def walk_of(count: int = 4) -> WalkForward:
    """A walk-forward of `sweep_of` over `count` windows of 60 and 30 days: in every training its hill, in every test half of
    it; of each window another one of the best was chosen, and every second test lost.
    """
    sweep = sweep_of()
    period = Period(START_MS, START_MS + (60 + 30 * count) * DAY_MS)
    spec = WalkForwardSpec(replace(sweep.spec, period=period), 60 * DAY_MS, 30 * DAY_MS)
    hill = sweep.metrics["sharpe"]
    figures = np.full((len(sweep), count, 2, 2), 120.0)
    for window in range(count):
        figures[:, window, :, 0] = np.stack((hill, hill / 2 - window / 10), axis=1)
    results = [
        WindowResult(
            window, number, sweep.params_of(number), kept=False, train={"sharpe": float(hill[number])},
            test={"return_pct": 5.0 if at % 2 else -5.0, "trades": 9}, rank=0.8, rho=0.5,
        )
        for at, window in enumerate(spec.windows(period))
        for number in [int(sweep.order[at % 7])]
    ]  # fmt: skip
    times = np.arange(results[0].window.test.start, period.end, HOUR_MS)
    equity = Series(times, {"equity": 10_000 * (1 + 0.1 * np.sin(np.arange(len(times)) / 200))})
    run = run_on(random_candles(200), "8" * 32, period=Period(int(times[0]), period.end), equity=equity)
    return WalkForward(
        id="7" * 32, spec=spec, status=FINISHED, unified=sweep.unified, period=period, warmup=450, columns=sweep.params,
        fixed=sweep.fixed, figures=figures, done=len(sweep), results=results, run=run, created_ms=START_MS,
    )  # fmt: skip
