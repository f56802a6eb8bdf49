"""One backtest in each engine: the compiled one, backtesting.py as we run it, and others alone, on the same signals.

    .venv/bin/python -m benchmarks.engine [--candles 4368 35040 525600] [--repeat 5]

EMA 21/50 cross, long and short; the averages are computed beforehand and shared, so that engines are compared.
Prints a Markdown table per length. vectorbt and backtrader are measured where they are installed (they are no dependency).
Sweeps: benchmarks/sweeps.py.
"""

import argparse
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import backtesting
import numpy as np
import numpy.typing as npt
import pandas as pd
from backtesting._stats import compute_stats

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
from engine.backtest.library.reference import run_reference
from engine.backtest.metrics import compute_metrics
from engine.backtest.outcome import Outcome
from engine.indicators import ema
from engine.model.account import Costs
from engine.model.market import HOUR_MS, MINUTE_MS, Candles, Timeframe
from engine.strategy import Signals
from tests.support.builders import random_candles

COSTS = Costs(cash=1e9, commission=0.001, size=0.95)
SAMPLE_S = 0.05  # what is shorter is called as often as fits into that
Work = Callable[[], float]  # returns the final equity


def candles_of(count: int) -> tuple[Candles, Timeframe]:
    """A repeatable market: hours, or minutes where they are many."""
    minutes = count > 100_000
    step, volatility = (MINUTE_MS, 0.001) if minutes else (HOUR_MS, 0.006)
    return random_candles(count, 1, step_ms=step, volatility=volatility), Timeframe("1m" if minutes else "1h")


def crosses(candles: Candles) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Where EMA 21 crosses above EMA 50, and where below."""
    close = pd.Series(candles.close)
    above = (ema(close, 21) > ema(close, 50)).to_numpy()
    known = ema(close, 50).notna().to_numpy()
    turned = np.diff(above, prepend=above[0]) & known & np.roll(known, 1)
    return turned & above, turned & ~above


def signals_of(up: npt.NDArray[np.bool_], down: npt.NDArray[np.bool_]) -> Signals:
    """The crosses as an engine takes them."""
    frame = pd.DataFrame({"signal_cross_buy": up, "signal_cross_sell": down})
    return Signals.check(frame, frame)


def alone(candles: Candles, up: npt.NDArray[np.bool_], down: npt.NDArray[np.bool_]) -> tuple[Work, Work]:
    """(backtesting.py's own run, its statistics alone): as its users write it, whole units of a price 1e8 times smaller."""
    frame = candles.frame().tz_localize(None).rename(columns=str.title)

    class Cross(backtesting.Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.up, self.down = up.tolist(), down.tolist()

        def next(self) -> None:
            i = len(self.data) - 1
            if self.up[i]:
                self.position.close()
                self.buy(size=0.95)
            elif self.down[i]:
                self.position.close()
                self.sell(size=0.95)

    def run() -> float:
        test = backtesting.Backtest(frame, Cross, cash=COSTS.cash, commission=COSTS.commission)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.append(test.run())
        return float(made[-1]["Equity Final [$]"])

    def statistics_() -> float:
        stats = made[-1] if made else (run(), made[-1])[1]
        compute_stats(stats["_trades"], stats["_equity_curve"]["Equity"].to_numpy(), frame, None)
        return 0.0

    made: list[Any] = []
    return run, statistics_


def ours(candles: Candles, timeframe: Timeframe, signals: Signals) -> dict[str, Work]:
    """Our engines by name, and the parts of a compiled run."""
    prepared, row = Prepared.of(candles, timeframe), np.empty(len(SUMMARY))

    def final(outcome: Outcome) -> float:
        return float(outcome.equity[-1])

    def full(run: Callable[..., Outcome]) -> Work:
        def work() -> float:
            outcome = run(candles, signals, COSTS, True)
            return float(compute_metrics(outcome, candles, COSTS, timeframe)["final_equity"] or 0)

        return work

    def trial() -> float:
        run_summary(prepared, signals, COSTS, True, row)
        return float(row[SUMMARY.index("final_equity")])

    outcome = run_compiled(candles, signals, COSTS, True)
    return {
        f"compiled: a trial of a sweep (kernel and {len(SUMMARY)} figures)": trial,
        "compiled: trades and equity": lambda: final(run_compiled(candles, signals, COSTS, True)),
        "all metrics of a run": lambda: float(
            compute_metrics(outcome, candles, COSTS, timeframe)["final_equity"] or 0
        ),
        "**compiled: a run, all metrics**": full(run_compiled),
        "reference (backtesting.py inside), all metrics": full(run_reference),
    }


def vectorbt(candles: Candles, up: npt.NDArray[np.bool_], down: npt.NDArray[np.bool_]) -> dict[str, Work]:
    """vectorbt's portfolio from orders of a share of the account at the next open, with and without its statistics."""
    import vectorbt as vbt  # type: ignore[import-not-found]

    share = pd.Series(np.where(up, COSTS.size, np.where(down, -COSTS.size, np.nan))).shift(1)
    close, fill = pd.Series(candles.close), pd.Series(candles.open)

    def run() -> Any:
        return vbt.Portfolio.from_orders(
            close, size=share, size_type="targetpercent", price=fill, init_cash=COSTS.cash,
            fees=COSTS.commission, freq="1h",
        )  # fmt: skip

    def with_stats() -> float:
        portfolio = run()
        portfolio.stats()
        return float(portfolio.final_value())

    return {"vectorbt, no statistics": lambda: float(run().final_value()), "vectorbt": with_stats}


def backtrader(candles: Candles, up: npt.NDArray[np.bool_], down: npt.NDArray[np.bool_]) -> dict[str, Work]:
    """backtrader with orders of a share of the account, no analysers."""
    import backtrader as bt  # type: ignore[import-not-found]

    class Cross(bt.Strategy):  # type: ignore[misc]
        def next(self) -> None:
            i = len(self) - 1
            if up[i] or down[i]:
                self.order_target_percent(target=0.95 if up[i] else -0.95)

    def run() -> float:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.broker.setcash(COSTS.cash)
        cerebro.broker.setcommission(commission=COSTS.commission)
        cerebro.adddata(bt.feeds.PandasData(dataname=candles.frame().tz_localize(None)))
        cerebro.addstrategy(Cross)
        cerebro.run()
        return float(cerebro.broker.getvalue())

    return {"backtrader": run}


PEERS = {"vectorbt": vectorbt, "backtrader": backtrader}


def compare(works: Mapping[str, Work], count: int, repeat: int, base: str) -> None:
    """Print medians of works that take turns, and how many times as fast as `base` they are."""
    finals = {name: work() for name, work in works.items()}  # compiles, fills caches
    times = {name: max(1, int(SAMPLE_S / timed(work, 1))) for name, work in works.items()}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            seconds[name].append(timed(work, times[name]))
    against = statistics.median(seconds[base])
    print(f"\n| {count:,} candles | median | best | times as fast | final equity |\n|---|---|---|---|---|")
    for name, taken in seconds.items():
        median, final = statistics.median(taken), finals[name]
        equity = f"{final:,.0f}" if final else ""
        print(
            f"| {name} | {show(median)} | {show(min(taken))} | {against / median:,.1f} | {equity} |",
            flush=True,
        )


def timed(work: Work, times: int) -> float:
    """Seconds that `work` takes, as a mean of so many calls."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def show(seconds: float) -> str:
    """Seconds for people."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


def main() -> None:
    """Measure every length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--candles", type=int, nargs="+", default=[4_368, 35_040])
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    found = [name for name in PEERS if importlib.util.find_spec(name)]
    print(
        ", ".join(
            f"{name} {metadata.version(name)}" for name in ("backtesting", "numba", "numpy", "pandas", *found)
        )
    )
    for count in chosen.candles:
        candles, timeframe = candles_of(count)
        up, down = crosses(candles)
        run, stats = alone(candles, up, down)
        works = ours(candles, timeframe, signals_of(up, down))
        works |= {"backtesting.py alone": run, "its compute_stats": stats}
        for name in found:
            works |= PEERS[name](candles, up, down)
        compare(works, count, chosen.repeat, "backtesting.py alone")


if __name__ == "__main__":
    main()
