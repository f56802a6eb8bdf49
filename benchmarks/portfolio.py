"""Portfolios beside single runs: 20 legs on one wallet, and a thousand portfolios of four legs, in one process and as a
sweep by its whole path, workers and a private PostgreSQL included.

    .venv/bin/python -m benchmarks.portfolio [--repeat 5]

EMA crosses, long and short; signals are computed beforehand. Prints a Markdown table of processor time and the ratio that
counts: a portfolio to one run with its metrics. What is compared takes turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.sweeps import SPACE, engine_with, measured
from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.metrics import compute_metrics
from engine.backtest.portfolio.book import LegInput, PortfolioRules
from engine.backtest.portfolio.compiled import run_portfolio
from engine.backtest.portfolio.summary import PreparedLegs, run_portfolio_summary
from engine.indicators import ema
from engine.model.account import Costs
from engine.model.market import HOUR_MS, MINUTE_MS, Candles, Market, Period, Timeframe
from engine.model.metric_definitions import SUMMARY
from engine.model.portfolio_document import spec_of
from engine.model.ranges import parse_range
from engine.model.sweep_spec import SweepSpec
from engine.strategy import Signals
from tests.support.builders import random_candles

COSTS = Costs(commission=0.0005)
YEAR_OF_QUARTERS, YEAR_OF_HOURS = 35_040, 8_760
WIDE = {"fast": "5:54:1", "slow": "60:250:1"}


def crosses(candles: Candles, fast: int, slow: int) -> Signals:
    """An EMA cross both ways."""
    frame = candles.frame()
    above = (ema(frame["close"], fast) > ema(frame["close"], slow)).to_numpy()
    turned = np.diff(above, prepend=above[:1])
    return Signals.check({"signal_up_buy": above & turned, "signal_down_sell": ~above & turned}, frame)


def legs_of(count: int, n: int, step_ms: int, pairs: list[tuple[int, int]]) -> list[LegInput]:
    """Legs on markets of their own."""
    found = []
    for k in range(count):
        candles = random_candles(n, k, step_ms=step_ms, volatility=0.003)
        signals = crosses(candles, *pairs[k % len(pairs)])
        found.append(LegInput(f"leg {k:02}", candles, signals, COSTS, None, True, step_ms, 1 / count))
    return found


def alone(leg: LegInput, timeframe: Timeframe) -> float:
    """One run of the kernel with its metrics."""
    outcome = run_compiled(leg.candles, leg.signals, COSTS, True, timeframe_ms=leg.timeframe_ms)
    return float(compute_metrics(outcome, leg.candles, COSTS, timeframe)["return_pct"] or 0.0)


def swept(repeat: int) -> None:
    """A row for each sweep of 1,000 portfolios of four legs by `engine.research.optimize`: few parameters of each leg in
    many combinations, and every trial with parameters of its own for all legs.
    """
    names = ["BENCH", "OTHER", "THIRD", "FOURTH"]
    series = {
        name: random_candles(SPACE + YEAR_OF_HOURS, k, volatility=0.003) for k, name in enumerate(names)
    }
    first = series["BENCH"]
    period = Period(int(first.timestamp[SPACE]), int(first.timestamp[-1]) + HOUR_MS)
    legs = [{"name": name, "strategy": "ema_cross", "symbol": f"{name}USDT"} for name in names]
    shared = {**period.to_json(), "exchange": "binance", "timeframe": "1h", "commission": 0.0005}
    portfolio = spec_of({**shared, "legs": legs})
    few = {f"{name}.fast": parse_range("8:44:4") for name in names[:3]}
    many = {f"{name}.{what}": parse_range(text) for name in names for what, text in WIDE.items()}
    specs = {
        "30 parameters of legs": SweepSpec.of_portfolio(portfolio, ranges=few),
        "4,000 parameters of legs": SweepSpec.of_portfolio(
            portfolio, ranges=many, sampler="random", trials=1000
        ),
    }
    print("\n| a sweep of 1,000 portfolios, 2 workers | at best | processors, at least |\n|---|---|---|")
    with engine_with(first, Timeframe("1h"), 2) as engine:
        store, whole = engine._resources.store, Period(int(first.timestamp[0]), period.end)
        markets = [Market("binance", f"{name}USDT", f"{name}/USDT") for name in names]
        store.exchanges.save_markets("binance", markets, time.time_ns() // 1_000_000)
        for market, candles in list(zip(markets, series.values(), strict=True))[1:]:
            store.candles.add_page(market, Timeframe("1h"), candles, [whole])
        for name, spec in specs.items():
            found = [measured(engine, spec) for _ in range(repeat + 1)]
            seconds, used, _ = zip(*found, strict=True)
            print(f"| {name} | {min(seconds):.2f} s | {min(used):.2f} s |", flush=True)


def timed(work: Callable[[], object]) -> float:
    """Processor seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    pairs = [(fast, slow) for fast in range(8, 48, 4) for slow in range(50, 250, 2)]
    wide = legs_of(20, YEAR_OF_QUARTERS, 15 * MINUTE_MS, pairs[::47])
    narrow = legs_of(4, YEAR_OF_HOURS, HOUR_MS, pairs[:4])
    rules, quarter = PortfolioRules(10_000.0), Timeframe("15m")
    made = [[crosses(leg.candles, *pair) for pair in pairs] for leg in narrow]
    prepared, row = PreparedLegs.of(narrow, Timeframe("1h")), np.empty(len(SUMMARY))
    days = np.empty(prepared.days)

    def sweep() -> None:
        for trial in range(1000):
            legs = [
                LegInput(leg.name, leg.candles, made[k][trial], COSTS, None, True, HOUR_MS, 0.25)
                for k, leg in enumerate(narrow)
            ]
            run_portfolio_summary(prepared, legs, rules, row, days)

    works: dict[str, Callable[[], object]] = {
        "one run with metrics, 35,040 candles": lambda: [alone(leg, quarter) for leg in wide[:5]],
        "20 legs x 35,040 candles, all that is told": lambda: run_portfolio(wide, rules),
        "1,000 portfolios of 4 legs x 8,760 candles": sweep,
    }
    used: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            used[name].append(timed(work) / (5 if "one run" in name else 1))
    one = statistics.median(used["one run with metrics, 35,040 candles"])
    print("| work | processor time | to one run |\n|---|---|---|")
    for name, times in used.items():
        seconds = statistics.median(times)
        print(f"| {name} | {seconds * 1000:.2f} ms | {seconds / one:.1f} |", flush=True)
    swept(repeat)


if __name__ == "__main__":
    main()
