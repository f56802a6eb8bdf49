"""Monte Carlo of 10,000 paths x 365 days, and of what a trade, a position and a whole run more cost.

    .venv/bin/python -m benchmarks.monte_carlo [--repeat 5]

Needs neither database nor workers; prints a Markdown table. The ratio is that to drawing as many random numbers alone.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from engine.events import CancelToken, ignore_event
from engine.model.account import Costs
from engine.model.market import DAY_MS, Market, Period, Timeframe
from engine.model.monte_carlo import METHODS, MonteCarloSpec
from engine.model.run import FINISHED, RunResult, Series
from engine.model.trade import Trade
from engine.research.monte_carlo import permuted, resampled
from tests.support.builders import START_MS, random_candles

DAYS, PATHS = 365, 10_000


def year() -> RunResult:
    """A year of daily candles with a trade on each day."""
    returns = np.random.default_rng(0).normal(0.001, 0.02, DAYS)
    time_ = np.arange(DAYS) * DAY_MS + START_MS
    equity = 10_000 * np.cumprod(1 + returns, dtype=np.float64)
    pnl = np.diff(equity, prepend=10_000.0)
    trades = [
        Trade("long", 1.0, t, 1.0, t + DAY_MS // 2, 1.0, p, 0.0, 0.0, None, "buy", "exit_long", 1, 0.0, 0.0)
        for t, p in zip(time_.tolist(), pnl.tolist(), strict=True)
    ]
    return RunResult(
        "0" * 32, FINISHED, "year", Market("binance", "BTCUSDT", "BTC/USDT"), Timeframe("1d"),
        Period(START_MS, START_MS + DAYS * DAY_MS), {}, Costs(), "compiled",
        trades=tuple(trades), equity=Series(time_, {"equity": equity}),
    )  # fmt: skip


def took(work: Callable[[], object], repeat: int) -> float:
    """The median of so many times, in seconds of the processor: it is one thread, and the machine may be busy."""
    times = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    run, bare = year(), took(lambda: np.random.default_rng(0).random((PATHS, DAYS)), repeat)
    print(f"| {PATHS:,} paths x {DAYS} days | CPU s | ratio |")
    print("|---|---|---|")
    for name in ("stationary", "bootstrap", "shuffle"):
        spec = MonteCarloSpec(method=name, paths=PATHS)
        seconds = took(lambda spec=spec: resampled(run, spec, "job", ignore_event, CancelToken()), repeat)  # type: ignore[misc]
        print(f"| {METHODS[name].title} | {seconds:.2f} | {seconds / bare:.1f} |")
    spec, candles = MonteCarloSpec(method="positions", paths=PATHS), random_candles(DAYS, 1, step_ms=DAY_MS)
    longer = [  # every other day, from open to open: what happens inside a candle holds nothing at one
        replace(trade, entry_price=float(candles.open[2 * k]), exit_time=trade.entry_time + DAY_MS)
        for k, trade in enumerate(run.trades[::2])
    ]
    held = replace(run, trades=tuple(longer))
    seconds = took(lambda: permuted(held, candles, spec, "job", ignore_event, CancelToken()), repeat)
    print(f"| {METHODS['positions'].title} | {seconds:.2f} | {seconds / bare:.1f} |")


if __name__ == "__main__":
    main()
