"""A grid of 1,000 combinations on terms of their own beside the plain one: all of each trial, in one process.

    .venv/bin/python -m benchmarks.terms [--repeat 5] [--candles 35040]

Prints a Markdown table of processor time; the grids take turns, so that other programs slow all of them alike.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.indicators import ema
from engine.model.account import Costs
from engine.model.brackets import Brackets
from engine.model.filters import Filters
from engine.model.market import MINUTE_MS, Candles, Timeframe
from engine.model.orders import Orders
from engine.strategy import Signals
from tests.support.builders import random_candles

BRACKETS = Brackets.of([(0, 0.004, 125), (300_000, 0.005, 100), (800_000, 0.0065, 75), (3_000_000, 0.01, 50)])
FILTERS = Filters(tick=0.01, step=0.001, least=0.001, most=1000.0, notional=5.0)
GRID = list(itertools.product(range(5, 30), range(30, 230, 5)))
COSTS = Costs(commission=0.0005)
MARGINED = replace(COSTS, leverage=3.0)


def perpetual_of(candles: Candles) -> Perpetual:
    """Settlements every eight hours, marks a little beside the last prices, brackets."""
    at_open, none = np.zeros(len(candles)), np.zeros(len(candles))
    due = candles.timestamp % (480 * MINUTE_MS) == 0
    at_open[due] = candles.open[due] * 1e-4
    mark = Mark(candles.open * 1.0001, candles.high * 1.0001, candles.low * 1.0001)
    return Perpetual(Funding(at_open, at_open, none, none), mark, BRACKETS)


def crosses(candles: Candles) -> Callable[[int, int], Signals]:
    """The signals of an EMA cross both ways, for any two lengths."""
    frame = candles.frame()
    lines: dict[int, Any] = {
        length: ema(frame["close"], length).to_numpy() for pair in GRID for length in pair
    }

    def signals(fast: int, slow: int) -> Signals:
        above = lines[fast] > lines[slow]
        turned = np.diff(above, prepend=above[:1])
        return Signals.check({"signal_up_buy": above & turned, "signal_down_sell": ~above & turned}, frame)

    return signals


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--candles", type=int, default=35_040)
    chosen = parser.parse_args()
    candles = random_candles(chosen.candles, 1, step_ms=15 * MINUTE_MS, volatility=0.003)
    perpetual, prepared = perpetual_of(candles), Prepared.of(candles, Timeframe("15m"))
    trail = Orders.check({"trail": candles.close * 0.02}, len(candles))
    made = crosses(candles)
    grids: dict[str, tuple[Costs, Perpetual | None, Orders | None]] = {
        "plain": (COSTS, None, None),
        "plain, with filters and brackets that it does not use": (
            COSTS,
            Perpetual(None, None, BRACKETS, FILTERS),
            None,
        ),
        "a trail": (COSTS, None, trail),
        "slippage by the square root": (replace(COSTS, slippage_model="square-root"), None, None),
        "the exchange's filters": (COSTS, Perpetual(filters=FILTERS, filtered=True), None),
        "leverage and funding": (MARGINED, perpetual, None),
        "leverage, funding and a trail": (MARGINED, perpetual, trail),
    }
    row = np.empty(len(SUMMARY))
    used: dict[str, list[float]] = {name: [] for name in grids}
    kernels: dict[str, list[float]] = {name: [] for name in grids}
    for _ in range(chosen.repeat):
        for name, (costs, market, orders) in grids.items():
            began, alone = time.process_time(), 0.0
            for pair in GRID:
                signals = replace(made(*pair), orders=orders)
                at = time.process_time()
                run_summary(prepared, signals, costs, True, row, market)
                alone += time.process_time() - at
            used[name].append(time.process_time() - began)
            kernels[name].append(alone)
    print(
        "| grid | trials | signals and trials | to plain | kernel and figures alone | to plain |\n|---|---|---|---|---|---|"
    )
    for name in grids:
        whole, alone = statistics.median(used[name]), statistics.median(kernels[name])
        first, second = statistics.median(used["plain"]), statistics.median(kernels["plain"])
        print(
            f"| {name} | {len(GRID):,} | {whole:.3f} s | {whole / first:.2f} | {alone:.3f} s | {alone / second:.2f} |"
        )


if __name__ == "__main__":
    main()
