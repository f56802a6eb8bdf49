"""Runs for the tests of the analysis: the compiled engine on a random walk, whatever the signals."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.metrics import compute_metrics
from engine.model.account import Costs
from engine.model.market import DAY_MS, HOUR_MS, Candles, Market, Period, Timeframe
from engine.model.run import FINISHED, RunResult, Series
from tests.support.builders import START_MS, random_candles, signals_for

STEPS = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS}


def made(
    seed: int = 0,
    n: int = 1500,
    timeframe: str = "1h",
    *,
    start_ms: int = START_MS,
    hole: bool = False,
    volatility: float = 0.01,
    **costs: Any,
) -> tuple[RunResult, Candles]:
    """A run with two entry signals, exits and a stop at random candles, and the candles it saw."""
    rng = np.random.default_rng(seed)
    candles = random_candles(n, seed, step_ms=STEPS[timeframe], start_ms=start_ms, volatility=volatility)
    if hole:
        keep = np.ones(n, dtype=bool)
        keep[n // 3 + 1 : n // 3 + 60] = False
        candles = Candles(candles.timestamp[keep], *(column[keep] for column in candles.columns().values()))
    n = len(candles)
    draw = {
        name: np.flatnonzero(rng.random(n) < 0.03).tolist()
        for name in ("signal_dip_buy", "signal_cross_buy", "signal_top_sell", "exit_long", "exit_short")
    }
    stops = {at: float(candles.close[at]) * 0.98 for at in draw["signal_dip_buy"]}
    signals = signals_for(candles, {**draw, "stop_loss": stops})
    account, frame = Costs(**{"cash": 1000.0, "commission": 0.001, **costs}), Timeframe(timeframe)
    outcome = run_compiled(candles, signals, account, False)
    period = Period(int(candles.timestamp[0]), frame.next(int(candles.timestamp[-1])))
    run = RunResult(
        "a" * 32, FINISHED, "random", Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT"), frame, period, {}, account,
        "compiled", metrics=compute_metrics(outcome, candles, account, frame), trades=outcome.trades,
        equity=Series(candles.timestamp, {"equity": outcome.equity}),
    )  # fmt: skip
    return run, candles


RUNS = st.builds(
    made,
    st.integers(0, 10_000),
    st.integers(1, 900),
    st.sampled_from(list(STEPS)),
    start_ms=st.integers(0, 400).map(lambda days: START_MS + days * DAY_MS),
    hole=st.booleans(),
    volatility=st.sampled_from((0.0005, 0.01, 0.05)),
    size=st.sampled_from((0.3, 0.95)),
)
