"""What kernels cost that are compiled for every processor of a kind, as the container's are, and whether bits stay equal.

    .venv/bin/python -m benchmarks.processors [--candles 35040 525600] [--names native generic x86-64-v3] [--repeat 7]

Each kind compiles everything anew in a process and a folder of its own; then they take turns. Prints a Markdown table;
the last column is a hash over every figure of every indicator, of a run with all metrics, and of a trial.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.kernels import VARIABLE
from tests.support.builders import random_candles

NATIVE = "native"  # what numba chooses by itself


def works_for(count: int) -> dict[str, Callable[[], Any]]:
    """What is timed, by name; each gives figures."""
    from benchmarks.engine import COSTS, crosses, signals_of
    from engine import indicators
    from engine.backtest.kernel.compiled import run_compiled
    from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
    from engine.backtest.metrics import compute_metrics
    from engine.model.market import MINUTE_MS, Timeframe

    candles = random_candles(count, 1, step_ms=MINUTE_MS, volatility=0.001)
    frame, timeframe = candles.frame(), Timeframe("1m")
    high, low, close = frame["high"], frame["low"], frame["close"]
    signals = signals_of(*crosses(candles))
    prepared, row = Prepared.of(candles, timeframe), np.empty(len(SUMMARY))

    def drawn() -> list[Any]:
        return [
            indicators.ema(close, 21), indicators.rsi(close), indicators.macd(close), indicators.bollinger(close),
            indicators.atr(high, low, close), indicators.supertrend(high, low, close),
            indicators.stochastic_rsi(close), indicators.donchian(high, low),
            indicators.daily_vwap(high, low, close, frame["volume"]),
        ]  # fmt: skip

    def run() -> list[Any]:
        outcome = run_compiled(candles, signals, COSTS, True)
        metrics = compute_metrics(outcome, candles, COSTS, timeframe)
        return [outcome.equity, [value for value in metrics.values() if isinstance(value, float)]]

    def trial() -> list[Any]:
        run_summary(prepared, signals, COSTS, True, row)
        return [row]

    return {"nine indicators": drawn, "a run, all metrics": run, "a trial of a sweep": trial}


def measure(count: int) -> dict[str, Any]:
    """`{name: [seconds, hash]}` of one call of each, in this process."""
    taken = {}
    for name, work in works_for(count).items():
        figures = work()  # compiles, fills caches
        seen = hashlib.sha256()
        for one in figures:
            for column in one if isinstance(one, tuple) else (one,):
                seen.update(np.ascontiguousarray(column, dtype=float).tobytes())
        times = []
        for _ in range(5):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
        taken[name] = [min(times), seen.hexdigest()[:12]]
    return taken


def ask(name: str, folder: str, count: int) -> dict[str, Any]:
    """`measure` in a process whose kernels are compiled for that processor."""
    environment = os.environ | {VARIABLE: str(Path(folder, name)), "BENCH_COUNT": str(count)}
    if name != NATIVE:
        environment |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.processors"], env=environment, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Ask every kind in turn, print the best of each."""
    if "BENCH_COUNT" in os.environ:
        print(json.dumps(measure(int(os.environ["BENCH_COUNT"]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--candles", type=int, nargs="+", default=[35_040, 525_600])
    parser.add_argument("--names", nargs="+", default=[NATIVE, "generic"])
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    print("| candles | what | " + " | ".join(f"{name} | of native | hash" for name in chosen.names) + " |")
    print("|---|---|" + "---|---|---|" * len(chosen.names))
    with tempfile.TemporaryDirectory() as folder:
        for count in chosen.candles:
            best: dict[str, dict[str, Any]] = {}
            for _ in range(chosen.repeat):
                for name in chosen.names:
                    for what, (seconds, seen) in ask(name, folder, count).items():
                        row = best.setdefault(what, {})
                        row[name] = min(row.get(name, (seconds, seen)), (seconds, seen))
            for what, row in best.items():
                base = row[chosen.names[0]][0]
                cells = [
                    f"{row[name][0] * 1e3:.2f} ms | {row[name][0] / base:.2f} | {row[name][1]}"
                    for name in chosen.names
                ]
                print(f"| {count:,} | {what} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
