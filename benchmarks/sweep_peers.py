"""The same 1,000 EMA crosses swept by us, by vectorbt and by backtesting.py, in turns: `benchmarks.sweeps --peers`."""

import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.engine import alone, crosses
from engine.model.account import Costs
from engine.model.market import Candles, Timeframe

Measured = tuple[float, float]  # seconds that passed, seconds of processors
Pairs = Sequence[tuple[Any, ...]]  # lengths of the fast and of the slow average
AT_ONCE = 100  # combinations that vectorbt gets at once: all of a thousand take gigabytes
LACKING = "vectorbt is not installed, so it is left out: pip install vectorbt (in a copy of the environment)"


def measured(work: Callable[[], object]) -> Measured:
    """What a call takes in this process."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def vectorbt_sweep(candles: Candles, timeframe: Timeframe, pairs: Pairs, costs: Costs) -> float:
    """Averages, crosses and portfolios of all pairs as vectorbt makes them of columns; the best final value."""
    import vectorbt as vbt  # type: ignore[import-not-found]

    close, fill = pd.Series(candles.close), pd.Series(candles.open)
    finals = []
    for at in range(0, len(pairs), AT_ONCE):
        fast_lengths, slow_lengths = (
            list(lengths) for lengths in zip(*pairs[at : at + AT_ONCE], strict=True)
        )
        fast = vbt.MA.run(close, fast_lengths, ewm=True, short_name="fast")
        slow = vbt.MA.run(close, slow_lengths, ewm=True, short_name="slow")
        up, down = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
        share = pd.DataFrame(
            np.where(up, costs.size, np.where(down, -costs.size, np.nan)), columns=up.columns
        ).shift(1)
        portfolio = vbt.Portfolio.from_orders(
            close, size=share, size_type="targetpercent", price=fill, init_cash=costs.cash, fees=costs.commission,
            freq=timeframe.name,
        )  # fmt: skip
        finals.append(portfolio.final_value())
    return float(pd.concat(finals).max())


def compare(
    candles: Candles,
    before: int,
    timeframe: Timeframe,
    ours: Callable[[], Measured],
    best: float,
    lengths: Sequence[Sequence[Any]],
    repeat: int,
) -> None:
    """Print a row for each: medians of works that take turns, and how many times as long as ours they take.

    `before`: candles in front of the period; `ours`: measures one sweep, whose `best` final value is told; `lengths`: the
    values of both averages.
    """
    period, pairs, costs = candles.slice(before, None), list(itertools.product(*lengths)), Costs()
    library, _ = alone(period, *crosses(period))  # one of them: the others take as long
    library()  # its first call imports
    works = {
        "ours": ours,
        f"backtesting.py {metadata.version('backtesting')}, 1 x {len(pairs):,}": _scaled(library, len(pairs)),
    }
    if importlib.util.find_spec("vectorbt"):
        name = f"vectorbt {metadata.version('vectorbt')}"
        works[name] = lambda: measured(lambda: vectorbt_sweep(period, timeframe, pairs, costs))
        theirs = vectorbt_sweep(period, timeframe, pairs, costs)  # it compiles
        print(f"\nbest final value: {best:,.2f} ours, {theirs:,.2f} vectorbt")
    else:
        print(LACKING)
    taken: dict[str, list[Measured]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            taken[name].append(work())
    own = [statistics.median(column) for column in zip(*taken["ours"], strict=True)]
    print(
        f"\n| {len(period):,} candles, {len(pairs):,} EMA crosses | median | to ours | processors | to ours |"
    )
    print("|---|---|---|---|---|")
    for name, found in taken.items():
        seconds, used = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"| {name} | {seconds:.2f} s | {seconds / own[0]:.1f} | {used:.2f} s | {used / own[1]:.1f} |",
            flush=True,
        )


def _scaled(work: Callable[[], object], times: int) -> Callable[[], Measured]:
    """Measures one call and tells what so many take."""

    def measure() -> Measured:
        seconds, used = measured(work)
        return seconds * times, used * times

    return measure
