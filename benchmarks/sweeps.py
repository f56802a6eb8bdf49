"""Sweeps of 1,000 combinations through `engine.research.optimize`, the whole path, beside vectorbt and backtesting.py.

    .venv/bin/python -m benchmarks.sweeps [--repeat 5] [--candles 4368 35040 525600] [--workers 1 2] [--peers]

Starts a private PostgreSQL in a temporary folder; prints a Markdown table. Hours are the real ones of the test data (set
BACKTEST_TEST_DATA to its folder), minutes a random walk.
"""

import argparse
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.sweep_peers import compare
from engine.backtest.evaluation import evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
from engine.database.embedded import release_embedded
from engine.loader import load_strategy
from engine.model.coverage import MAINTENANCE, MissingRange
from engine.model.market import MINUTE_MS, Candles, Market, Period, Timeframe
from engine.model.ranges import parse_range
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import SweepSpec
from engine.service import Engine
from engine.settings import read_settings
from tests.support.builders import random_candles, real_candles

MARKET = Market("binance", "BENCHUSDT", "BENCH/USDT")
PART = 10  # of which every so many combinations tell what the kernel alone takes for all
SPACE = 4_000  # candles before the period: the longest warm-up below, from there back to 00:00
PANDAS = "ema_cross_pandas"  # the same strategy as most are written: pandas Series, no arrays
GRIDS = {
    "ema_cross": {"fast": "5:29:1", "slow": "30:225:5"},
    "vwap_supertrend_ema": {
        "ema_fast": "10:28:2", "ema_slow": "40:76:4", "st_length": "8:12:1", "st_multiplier": "2:3:1",
    },
}  # fmt: skip
GRIDS[PANDAS] = GRIDS["ema_cross"]


def candles_of(count: int) -> tuple[Candles, Timeframe]:
    """`count` candles and SPACE before them."""
    if count > 100_000:
        return random_candles(count + SPACE, 1, step_ms=MINUTE_MS, volatility=0.001), Timeframe("1m")
    held = real_candles("spot-BTCUSDT-1h-20180101-20260516")
    held = held.within(Period.parse("2021-10-01", "2026-04-30"))
    return held.slice(0, count + SPACE), Timeframe("1h")


@contextmanager
def engine_with(candles: Candles, timeframe: Timeframe, workers: int) -> Iterator[Engine]:
    """An engine whose database holds the candles, in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="bench-sweeps-", dir="/tmp"))
    home.chmod(0o755)
    add_pandas(home / "strategies")
    try:
        with Engine(read_settings(home=home, workers=workers, database_url=None)) as engine:
            engine._resources.store.exchanges.save_markets(
                MARKET.exchange, [MARKET], time.time_ns() // 1_000_000
            )
            whole = Period(int(candles.timestamp[0]), timeframe.next(int(candles.timestamp[-1])))
            gone = np.setdiff1d(timeframe.opens(whole), candles.timestamp).tolist()
            missing = [MissingRange(Period(at, timeframe.next(at)), MAINTENANCE) for at in gone]
            engine._resources.store.candles.add_page(MARKET, timeframe, candles, [whole], missing)
            yield engine
    finally:
        release_embedded(home)
        shutil.rmtree(home, ignore_errors=True)


def add_pandas(folder: Path) -> None:
    """Write PANDAS: the bundled EMA cross without its line that asks for arrays."""
    lines = (Path("strategies") / "ema_cross.py").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("    arrays = True")]
    assert len(kept) == len(lines) - 1
    folder.mkdir(exist_ok=True)
    (folder / f"{PANDAS}.py").write_text("".join(kept))


def spec_of(strategy: str, candles: Candles, timeframe: Timeframe) -> SweepSpec:
    """1,000 combinations of the strategy over all candles but the first SPACE."""
    period = Period(int(candles.timestamp[SPACE]), timeframe.next(int(candles.timestamp[-1])))
    ranges = {name: parse_range(text) for name, text in GRIDS[strategy].items()}
    return SweepSpec(strategy, MARKET.name, MARKET.exchange, timeframe, period, ranges)


def processor_s(engine: Engine) -> float:
    """Processor time that this process, the workers and the strategies' own processes, those that have ended too, have
    used: other programs on the machine change it least.
    """
    of_workers = sum(_used_s(psutil.Process(pid)) for pid in engine._resources._own_pool().pids())
    return of_workers + time.process_time()


def _used_s(process: psutil.Process) -> float:
    try:
        alive_s = sum(_used_s(child) for child in process.children())
        times = process.cpu_times()  # last: one that ended meanwhile is its parent's
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system + alive_s)


def measured(engine: Engine, spec: SweepSpec) -> tuple[float, float, SweepResult]:
    """(seconds, seconds of all processors, result) of one sweep. Looking at processes takes as long as a short sweep: it is
    done before and after.
    """
    used, began = processor_s(engine), time.perf_counter()
    result = engine.research.optimize(spec)
    taken, own = time.perf_counter() - began, time.process_time()
    assert (result.done, result.failed) == (1_000, 0)
    used = processor_s(engine) - (time.process_time() - own) - used
    return taken, used, result


def kernel_alone(spec: SweepSpec, path: Path, candles: Candles, timeframe: Timeframe) -> Callable[[], float]:
    """What measures the processor time of kernel and figures alone for 1,000 combinations, whose signals it has made."""
    kind, frame = load_strategy(path), CandleFrame(candles)
    values = itertools.product(*spec.ranges.values())
    chosen = [dict(zip(spec.ranges, some, strict=True)) for some in itertools.islice(values, 0, None, PART)]
    strategies = [kind(params) for params in chosen]
    with frame.memory(2**30).used():
        said = [evaluate(one, path, frame, lasting=False).signals.slice(SPACE, None) for one in strategies]
    prepared, row = Prepared.of(candles.slice(SPACE, None), timeframe), np.empty(len(SUMMARY))

    def measure() -> float:
        began = time.process_time()
        for strategy, signals in zip(strategies, said, strict=True):
            run_summary(prepared, signals, spec.costs, strategy.reverse, row)
        return (time.process_time() - began) * PART

    return measure


def ours(strategy: str, count: int, repeat: int, workers: int) -> None:
    """One row: the first sweep of a new engine, and the median and the best of the next ones."""
    candles, timeframe = candles_of(count)
    spec = spec_of(strategy, candles, timeframe)
    with engine_with(candles, timeframe, workers) as engine:
        (path,) = (Path(info.path) for info in engine.strategies.all() if info.name == strategy)
        bare = kernel_alone(spec, path, candles, timeframe)
        first, _, _ = measured(engine, spec)
        found = [(*measured(engine, spec), bare()) for _ in range(repeat)]
    seconds, used, results, kernel = zip(*found, strict=True)
    best = results[-1].best
    print(
        f"| {strategy} | {count:,} | {workers} | {first:.2f} s | {statistics.median(seconds):.3f} s | {min(seconds):.3f} s "
        f"| {min(used):.3f} s | {min(kernel):.3f} s | {min(used) / min(kernel):.2f} "
        f"| {statistics.median(result.elapsed_s for result in results):.3f} s "
        f"| {best and best['params']} |",
        flush=True,
    )


def beside_peers(count: int, repeat: int, workers: int) -> None:
    """Our sweep of the EMA cross beside those of the peers."""
    candles, timeframe = candles_of(count)
    spec = spec_of("ema_cross", candles, timeframe)
    with engine_with(candles, timeframe, workers) as engine:
        _, _, result = measured(engine, spec)
        lengths = [list(values) for values in spec.ranges.values()]
        best = float(result.metrics["final_equity"].max())
        compare(candles, SPACE, timeframe, lambda: measured(engine, spec)[:2], best, lengths, repeat)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--candles", type=int, nargs="*", default=[4_368, 35_040, 525_600])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--strategy", nargs="*", default=list(GRIDS))
    parser.add_argument("--peers", action="store_true")
    chosen = parser.parse_args()
    print(
        "| strategy | candles | workers | first | median | best | processors | kernel alone | to that "
        "| median of the trials alone | best trial |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for strategy in chosen.strategy:
        for count in chosen.candles:
            for workers in chosen.workers:
                ours(strategy, count, chosen.repeat, workers)
    for count in chosen.candles if chosen.peers else ():
        beside_peers(count, chosen.repeat, max(chosen.workers))


if __name__ == "__main__":
    main()
