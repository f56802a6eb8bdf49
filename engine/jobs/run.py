"""The body of a run inside a worker: candles and a strategy's file in, trades, equity and metrics out, all plain data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.backtest.questions import Answer, ask_whole, asking_again, candles_of
from engine.backtest.rules import Report
from engine.checks.verdicts import SWITCHED_OFF, native_checks, run_checks, unmade_checks
from engine.errors import RunError
from engine.model.market import Timeframe
from engine.model.run import REFERENCE, Costs, choose_engine
from engine.reproduction.inputs import versions_for

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
    candles, held = candles_of(task), int(task["warmup_candles"])
    if len(candles) <= held:
        raise RunError("the period holds no candle; fetch it or choose another")
    costs = Costs(**task["costs"])
    answer = ask_whole(task, report)
    if answer.outcome is None:
        outcome, parts = _play_signals(task, answer, costs, report)
    else:
        outcome, parts = answer.outcome, _native_parts(task, answer)

    from engine.backtest.metrics import compute_metrics

    return {
        **parts,
        "params": answer.params,
        "metrics": compute_metrics(outcome, candles.slice(held, None), costs, Timeframe(task["timeframe"])),
        "trades": outcome.table.columns(),
        "equity": outcome.equity,
        "versions": versions_for({name: source.tobytes() for name, source in answer.sources.items()}),
        "sources": answer.sources,
        "elapsed_s": time.monotonic() - started,
    }


def _play_signals(
    task: Mapping[str, Any], answer: Answer, costs: Costs, report: Report
) -> tuple[Outcome, dict[str, Any]]:
    engine = choose_engine(task["engine"], native=False)
    if engine == REFERENCE:
        from engine.backtest.reference import run_reference as run
    else:
        from engine.backtest.compiled import run_compiled as run

    held, wanted, candles = answer.first, max(int(task["warmup_wanted"]), 0), answer.candles
    signals = answer.said.signals.slice(held, None)
    outcome = run(candles.slice(held, None), signals, costs, answer.reverse, report)
    if task.get("checks", True):
        fresh = partial(asking_again, task)
        checks = run_checks(fresh, candles, answer.said, held, wanted, answer.own_s)
    else:
        checks = unmade_checks(held, wanted, SWITCHED_OFF)
    columns = {name: column[held:] for name, column in answer.said.indicators.items()}
    return outcome, {
        "engine": engine,
        "signals": {name: int(column.sum()) for name, column in signals.raw.items()},
        "indicators": columns if task["keep_indicators"] else None,
        "checks": checks,
    }


def _native_parts(task: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    if task.get("checks", True):
        checks = native_checks(partial(asking_again, task), answer)
    else:
        checks = unmade_checks(0, 0, SWITCHED_OFF)
    return {
        "engine": choose_engine(task["engine"], native=True),
        "signals": {},
        "indicators": None,
        "checks": {**checks, "orders": answer.orders},
    }
