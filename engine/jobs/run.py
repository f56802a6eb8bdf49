"""The body of a run inside a worker: candles and a strategy's file in, trades, equity and metrics out, all plain data."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.backtest.questions import Answer, ask_whole, asking_again
from engine.backtest.rules import Report
from engine.checks.verdicts import SWITCHED_OFF, native_checks, run_checks, unmade_checks
from engine.errors import RunError
from engine.model.market import Timeframe
from engine.model.plots import LEVELS
from engine.model.simulators import REFERENCE, choose_engine
from engine.parallel.tasks import RunAnswer, RunTask
from engine.reproduction.inputs import versions_for

if TYPE_CHECKING:
    from engine.backtest.outcome import Outcome


def run_job(task: RunTask, report: Report) -> RunAnswer:
    """Run one backtest. Raises RunError with the strategy's file and line where its code fails."""
    started = time.monotonic()
    candles, held = task.candles.load(), task.candles.warmup
    if len(candles) <= held:
        raise RunError("the period holds no candle; fetch it or choose another")
    answer = ask_whole(task, report)
    if answer.outcome is None:
        outcome, parts = _play_signals(task, answer, report)
    else:
        outcome, parts = answer.outcome, _native_parts(task, answer)

    from engine.backtest.metrics import compute_metrics

    return RunAnswer(
        **parts,
        params=answer.params,
        metrics=compute_metrics(outcome, candles.slice(held, None), task.costs, Timeframe(task.timeframe)),
        trades=outcome.table.columns(),
        equity=outcome.equity,
        versions=versions_for({name: source.tobytes() for name, source in answer.sources.items()}),
        sources=answer.sources,
        elapsed_s=time.monotonic() - started,
    )


def _play_signals(task: RunTask, answer: Answer, report: Report) -> tuple[Outcome, dict[str, Any]]:
    engine = choose_engine(task.engine, native=False)
    if engine == REFERENCE:
        from engine.backtest.reference import run_reference as run
    else:
        from engine.backtest.compiled import run_compiled as run

    held, wanted, candles = answer.first, max(task.warmup, 0), answer.candles
    signals = answer.said.signals.slice(held, None)
    outcome = run(candles.slice(held, None), signals, task.costs, answer.reverse, report)
    if task.checks:
        fresh = partial(asking_again, task)
        checks = run_checks(fresh, candles, answer.said, held, wanted, answer.own_s)
    else:
        checks = unmade_checks(held, wanted, SWITCHED_OFF)
    columns = {name: column[held:] for name, column in answer.said.indicators.items()}
    for name in LEVELS:  # stops and targets are drawn as well
        prices = getattr(signals, name)
        if name not in columns and not np.isnan(prices).all():
            columns[name] = prices
    return outcome, {
        "engine": engine,
        "signals": {name: int(column.sum()) for name, column in signals.raw.items()},
        "indicators": columns if task.keep_indicators else None,
        "checks": checks,
    }


def _native_parts(task: RunTask, answer: Answer) -> dict[str, Any]:
    fresh, skipped = partial(asking_again, task), unmade_checks(0, 0, SWITCHED_OFF)
    checks = native_checks(fresh, answer) if task.checks else skipped
    return {
        "engine": choose_engine(task.engine, native=True),
        "signals": {},
        "indicators": None,
        "checks": {**checks, "orders": answer.orders},
    }
