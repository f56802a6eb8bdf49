"""Compiles every kernel in every form that the program calls it in, so that nothing is compiled while somebody waits."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine import indicators
from engine.backtest.frame import CandleFrame
from engine.backtest.rules import Report
from engine.jobs.describe import describe_job
from engine.jobs.kernels import VARIABLE, has_kernels, installed_folder, made_with_environment, say_whole
from engine.loader import BUNDLED, find_strategy_files, strategy_infos
from engine.model.market import HOUR_MS, Candles
from engine.parallel.job import Done
from engine.parallel.tasks import CompileTask, Nothing
from engine.strategy import Signals

_FIXED = (
    "engine.backtest.kernel.compiled",
    "engine.backtest.kernel.spans",
    "engine.backtest.kernel.summary",
    "engine.backtest.portfolio.wallet",
)  # compiled when they are imported


def compile_kernels() -> None:
    """Compile what is not yet compiled in NUMBA_CACHE_DIR; takes half a minute."""
    for name in _FIXED:
        importlib.import_module(name)
    hours = pd.date_range("2024-01-01", periods=64, freq="h", tz="UTC")
    price = pd.Series(np.linspace(100, 110, len(hours)), index=hours)
    high, low = price + 1, price - 1
    indicators.sma(price, 3)
    indicators.ema(price, 3)
    indicators.rsi(price)
    indicators.macd(price)
    indicators.bollinger(price)
    indicators.atr(high, low, price)
    indicators.supertrend(high, low, price)
    indicators.stochastic_rsi(price)
    indicators.donchian(high, low)
    indicators.daily_vwap(high, low, price, price)
    for sides in ((price, low), (price, 105.0), (105.0, price)):
        indicators.crossed_above(*sides)


def rehearse() -> None:
    """In a worker, once: load every kernel and do what every strategy does, so that processes forked from it find it done.

    Not where kernels would have to be compiled for it: that is a job, and said.
    """
    if not has_kernels(Path(os.environ.get(VARIABLE, ""))):
        return
    compile_kernels()
    hours = np.arange(64) * HOUR_MS
    price = np.linspace(100.0, 110.0, len(hours))
    frame = CandleFrame(Candles(hours, price, price, price, price, price))
    given = frame.copy()
    Signals.check({"signal_up_buy": given["close"] > given["open"].rolling(3).mean()}, given)


def compile_job(_task: CompileTask, _report: Report) -> Nothing:
    """`compile_kernels` in a worker."""
    compile_kernels()
    return Nothing()


def main() -> None:
    """Make with the environment what the first start would wait for, unless that was done: kernels, descriptions."""
    folder = installed_folder()
    if not has_kernels(folder):
        for old in folder.parent.glob("kernels-*"):
            shutil.rmtree(old, ignore_errors=True)  # another process may be compiling into it
        sys.stdout.write("compiling the engine (once)\n")
        sys.stdout.flush()
        os.environ[VARIABLE] = str(folder)  # before numba is imported
        compile_kernels()
        say_whole(folder)
    strategy_infos(find_strategy_files([BUNDLED]), _ask_here, made_with_environment())


def _ask_here(
    tasks: Sequence[Any], timeout_s: float, on_progress: object = None, on_done: object = None
) -> list[Done[Any]]:
    """Describe strategies in this very process: they are the program's own."""
    del timeout_s, on_progress, on_done
    return [Done(describe_job(task, lambda *_: None)) for task in tasks]


if __name__ == "__main__":
    main()
