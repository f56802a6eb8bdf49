"""One run at several slippages, by the simulator of the run: a row of its cost surface."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from engine.backtest.metrics import compute_metrics
from engine.backtest.outcome import Outcome
from engine.backtest.questions import ask_whole
from engine.backtest.rules import UNITS, Report, ignore_report
from engine.errors import BacktestError, RunError
from engine.jobs.run import player
from engine.model.account import Costs
from engine.model.cost_surface import FIGURES
from engine.model.market import Float64Array, Timeframe
from engine.model.simulators import choose_engine
from engine.parallel.tasks import SlippagesAnswer, SlippagesTask

_NEAR: Final = 1e-8  # of a slippage, a ten-thousandth of a basis point

Play = Callable[[Costs], Outcome]


def run_slippages(task: SlippagesTask, report: Report) -> SlippagesAnswer:
    """Make the run at every slippage, a failed one alone. Raises as a run does where the strategy gives no answer."""
    candles, timeframe = task.candles.load().slice(task.candles.warmup, None), Timeframe(task.timeframe)
    if not len(candles):
        raise RunError("the period holds no candle; fetch it or choose another")
    play = _play(task)
    table, trades = np.full((len(task.slippages), len(FIGURES)), np.nan), [""] * len(task.slippages)
    net, errors = np.full(len(task.slippages), np.nan), []
    for at, slippage in enumerate(task.slippages):
        costs = _costs(task, slippage)
        try:
            outcome = play(costs)
            metrics = compute_metrics(outcome, candles, costs, timeframe)
        except BacktestError as error:
            errors.append((at, str(error)))
        else:
            values = (metrics[name] for name in FIGURES)
            table[at] = [np.nan if value is None else value for value in values]
            trades[at], net[at] = _digest(outcome), _net(outcome, costs)
        report(at + 1, len(task.slippages), "runs")
    return SlippagesAnswer(
        figures=table, trades=trades, errors=errors, break_even=_break_even(task, play, net)
    )


def _costs(task: SlippagesTask, slippage: float) -> Costs:
    return replace(task.costs, slippage=slippage, slippage_model="")


def _play(task: SlippagesTask) -> Play:
    """The run by costs. What gives signals is asked once; a backtesting.Strategy sees its account and is asked each time."""
    answer = ask_whole(replace(task, costs=_costs(task, task.slippages[0])), ignore_report)
    if answer.outcome is not None:
        return lambda costs: _native(task, costs)
    engine, held = choose_engine(task.engine, native=False), answer.first
    candles, signals = answer.candles.slice(held, None), answer.said.signals.slice(held, None)
    return lambda costs: player(replace(task, costs=costs), engine, candles, signals, answer.reverse)(
        ignore_report
    )


def _native(task: SlippagesTask, costs: Costs) -> Outcome:
    outcome = ask_whole(replace(task, costs=costs), ignore_report).outcome
    assert outcome is not None
    return outcome


def _net(outcome: Outcome, costs: Costs) -> float:
    return float(outcome.equity[-1]) - costs.cash * UNITS / UNITS


def _digest(outcome: Outcome) -> str:
    """Of when it was in which position, whatever the size."""
    table = outcome.table
    columns = (table.entry, table.exit, np.sign(table.side).astype(np.int64))
    return hashlib.sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in columns)).hexdigest()[:16]


def _break_even(task: SlippagesTask, play: Play, net: Float64Array) -> float | None:
    """Between the first two slippages of which one leaves a profit and the next one none: where it ends, by making the run
    again. Nothing says that there is but one such place.
    """
    from scipy.optimize import brentq

    pairs = zip(pairwise(task.slippages), pairwise(net.tolist()), strict=True)
    between = next((ends for ends, (left, right) in pairs if left > 0 >= right), None)
    if between is None:
        return None

    def profit(slippage: float) -> float:
        costs = _costs(task, slippage)
        return _net(play(costs), costs)

    try:
        found = float(brentq(profit, *between, xtol=_NEAR))
    except BacktestError:  # the run fails at a slippage between two at which it does not
        return None
    return found if math.isfinite(found) else None
