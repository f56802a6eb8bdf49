"""The body of a run inside a worker: candles and a strategy's file in, trades, equity and metrics out, all plain data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.backtest.checks import SWITCHED_OFF, run_checks, unmade_checks
from engine.backtest.evaluation import CandleFrame, Evaluation, asking, evaluate
from engine.backtest.rules import Report
from engine.errors import RunError
from engine.loader import LoadedStrategy, open_strategy
from engine.loader.describe import native_params
from engine.market import Candles, Timeframe
from engine.reproduction import plain_source, versions_for
from engine.runs import REFERENCE, Costs, choose_engine
from engine.strategy import Strategy, complete

if TYPE_CHECKING:
    from engine.backtest.outcome import Outcome


def run_job(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Run one backtest.

    `task`: candles_path (a file of Candles.save), first and last (positions of the candles to use, last exclusive;
    None or absent: all), warmup_candles (how many of those precede the period),
    warmup_wanted, strategy_path, params, costs (dict), engine, timeframe, keep_indicators, checks (absent: True; whether
    to look for look-ahead and a short warm-up). Returns metrics, signals, trades (a column per field of Trade), equity,
    indicators (None unless kept), params (complete), checks (`lookahead` and `warmup`), engine (what ran), versions,
    sources (bytes as uint8 arrays, by file name), elapsed_s.
    Raises RunError with the strategy's file and line where its code fails.
    """
    started = time.monotonic()
    candles = Candles.load(Path(task["candles_path"])).slice(task.get("first"), task.get("last"))
    held = int(task["warmup_candles"])
    if len(candles) <= held:
        raise RunError("the period holds no candle; fetch it or choose another")
    costs = Costs(**task["costs"])
    with open_strategy(task["strategy_path"]) as loaded:
        play = _play_signals if issubclass(loaded.strategy, Strategy) else _play_native
        outcome, parts = play(task, loaded, candles, held, costs, report)

    from engine.backtest.metrics import compute_metrics

    period = candles.slice(held, None)
    return {
        **parts,
        "metrics": compute_metrics(outcome, period, costs, Timeframe(task["timeframe"])),
        "trades": outcome.table.columns(),
        "equity": outcome.equity,
        "versions": versions_for(loaded.sources),
        "sources": executed(loaded),
        "elapsed_s": time.monotonic() - started,
    }


def executed(loaded: LoadedStrategy) -> dict[str, npt.NDArray[np.uint8]]:
    """The bytes of a plug-in's file and of the modules that it imported until now, by file name."""
    return {
        name: np.frombuffer(plain_source(source), dtype=np.uint8) for name, source in loaded.sources.items()
    }


Played = tuple["Outcome", dict[str, Any]]


def _play_signals(
    task: Mapping[str, Any], loaded: LoadedStrategy, candles: Candles, held: int, costs: Costs, report: Report
) -> Played:
    engine = choose_engine(task["engine"], native=False)
    if engine == REFERENCE:
        from engine.backtest.reference import run_reference as run
    else:
        from engine.backtest.compiled import run_compiled as run

    path, started = Path(task["strategy_path"]), time.monotonic()
    strategy: Strategy = loaded.strategy(task["params"])
    held, wanted = int(task["warmup_candles"]), max(int(task["warmup_wanted"]), 0)
    frame = CandleFrame(candles)
    said = evaluate(strategy, path, frame, held=held, wanted=wanted)
    own_s = time.monotonic() - started
    signals = said.signals.slice(held, None)
    outcome = run(candles.slice(held, None), signals, costs, strategy.reverse, report)
    columns = {name: column[held:] for name, column in said.indicators.items()}
    if task.get("checks", True):

        def ask(part: CandleFrame) -> Evaluation:
            return evaluate(loaded.strategy(task["params"]), path, part)

        checks = run_checks(ask, frame, said, held, wanted, own_s)
    else:
        checks = unmade_checks(held, wanted, SWITCHED_OFF)
    return outcome, {
        "engine": engine,
        "params": strategy.values(),
        "signals": {name: int(column.sum()) for name, column in signals.raw.items()},
        "indicators": columns if task["keep_indicators"] else None,
        "checks": checks,
    }


def _play_native(
    task: Mapping[str, Any], loaded: LoadedStrategy, candles: Candles, held: int, costs: Costs, report: Report
) -> Played:
    engine = choose_engine(task["engine"], native=True)
    from engine.backtest.native import play_native
    from engine.backtest.native_lookahead import native_checks, unsearched_checks

    path, started = Path(task["strategy_path"]), time.monotonic()
    params, period = complete(native_params(loaded.strategy), task["params"]), candles.slice(held, None)
    with asking(path):
        run = play_native(period, loaded.strategy, params, costs, report)
    own_s = time.monotonic() - started
    if task.get("checks", True):
        checks = native_checks(run, period, loaded.strategy, params, costs, path, own_s)
    else:
        checks = unmade_checks(held, 0, SWITCHED_OFF) | unsearched_checks(run)
    return run.outcome, {
        "engine": engine,
        "params": params,
        "signals": {},
        "indicators": None,
        "checks": checks,
    }
