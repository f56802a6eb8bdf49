"""One batch of a sweep: a plain function of (candle file, strategy file, columns of parameters).

All batches of a sweep that a worker gets are tried in one process of the strategy's own, kernel and metrics included: what
indicators it computed serves the next trial, and what it breaks is its own sweep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from engine.backtest.evaluation import ask_warmup, asking, evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import Report
from engine.errors import BacktestError, RunError
from engine.loader import kept_process, load_strategy, open_strategy
from engine.loader.class_variables import native_params
from engine.model.market import DAY_MS, CandleFile, Float64Array, Int64Array, Timeframe
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import ParamValue, complete
from engine.model.reads import OWN, Reads, Warmup, longer_wanted
from engine.model.simulators import choose_engine
from engine.parallel.seed import seed_random
from engine.parallel.tasks import SweptTask, TrialsAnswer, TrialsTask, WarmupAnswer, WarmupTask
from engine.reproduction.inputs import versions_for
from engine.strategy import Strategy

if TYPE_CHECKING:
    from engine.backtest.kernel.summary import Prepared


def run_trials(task: TrialsTask, report: Report) -> TrialsAnswer:
    """Try every combination of a batch on the same candles.

    Raises StrategyError when the file does not load and RunError when there is no candle: then no trial can be made.
    """
    import engine.backtest.kernel.summary  # noqa: F401 - its kernels are loaded once per worker, before the process is forked

    process = kept_process(task.strategy, task.sweep)
    answer: dict[str, Any] = process.call(_tried, task, report=report)
    sources = {name: source.tobytes() for name, source in answer["sources"].items()}
    return TrialsAnswer(**answer, versions=versions_for(sources))


def _tried(task: TrialsTask, report: Report) -> dict[str, Any]:
    series = SweptSeries.of(task)
    with open_strategy(task.strategy) as loaded, series.memory.used():
        native = not issubclass(loaded.strategy, Strategy)
        play = (_native_player if native else _signal_player)(task, loaded.strategy, series)
        started = time.monotonic()
        table, errors, days = _played(play, list(task.combinations), series.days, task.kept, report)
        elapsed_s = time.monotonic() - started
    return {
        "metrics": table,
        "returns": days,
        "errors": errors,
        "engine": choose_engine("auto", native=native),
        "sources": loaded.executed(),
        "elapsed_s": elapsed_s,
    }


# writes the figures of SUMMARY and the daily returns of a combination
Play = Callable[[Mapping[str, ParamValue], Float64Array, Float64Array], None]


def _played(
    play: Play, combinations: Sequence[Mapping[str, ParamValue]], days: int, kept: Int64Array, report: Report
) -> tuple[Float64Array, list[tuple[int, str]], Float64Array]:
    """The rows of all combinations, what went wrong with some (a trial that fails fails alone), and daily returns of the
    `kept` ones.
    """
    table, spare = np.full((len(combinations), len(SUMMARY)), np.nan), np.empty(days)
    returns, place = np.empty((len(kept), days)), {index: at for at, index in enumerate(kept.tolist())}
    errors = []
    for index, params in enumerate(combinations):
        own = returns[place[index]] if index in place else spare
        try:
            play(params, table[index], own)
        except BacktestError as error:
            table[index], own[:] = np.nan, np.nan
            errors.append((index, str(error)))
        report(index + 1, len(combinations), "trials")
    return table, errors, returns


def _signal_player(task: TrialsTask, kind: type[Strategy], series: SweptSeries) -> Play:
    """Signals of a strategy through the kernel."""
    from engine.backtest.kernel.summary import run_summary

    path, costs, prepared = task.strategy, task.costs, series.prepared
    held, wanted, perpetual = series.held, max(task.warmup, 0), Perpetual.of_file(task.perpetual)

    def play(params: Mapping[str, ParamValue], row: Float64Array, returns: Float64Array) -> None:
        strategy = made_strategy(kind, params, path)
        check_warmup(ask_warmup(strategy, path), task)  # a run of its own would fail there
        said = evaluate(strategy, path, series.frame, held=held, wanted=wanted, lasting=False)
        signals = said.signals.slice(held, None)
        run_summary(prepared, signals, costs, strategy.reverse, row, perpetual, returns)

    return play


class Warmed(Protocol):
    """What was loaded for the longest warm-up of all combinations."""

    @property
    def candles(self) -> CandleFile:
        """With that many in front."""

    @property
    def warmup(self) -> int:
        """How many are wanted."""


def check_warmup(asked: Warmup, task: Warmed) -> None:
    """Raise RunError where a combination asks for more than any that was asked before the candles were loaded."""
    if asked.candles <= task.warmup and not asked.longer:
        return
    most = {OWN: task.warmup} | longer_wanted(task.candles)
    for timeframe, count in asked.to_json().items():
        if count > most.get(timeframe, count):
            raise RunError(
                f"asks for {count:,} {timeframe + ' ' if timeframe else ''}candles of warm-up; "
                f"other combinations of the sweep ask for at most {most[timeframe]:,}"
            )


def _native_player(task: TrialsTask, kind: type, series: SweptSeries) -> Play:
    """A backtesting.Strategy, candle by candle in backtesting.py."""
    from engine.backtest.library.native import run_native
    from engine.backtest.metrics import account_returns, compute_metrics

    path, costs = task.strategy, task.costs
    known, perpetual = native_params(kind), Perpetual.of_file(task.perpetual)

    def play(params: Mapping[str, ParamValue], row: Float64Array, returns: Float64Array) -> None:
        seed_random()
        with asking(path):
            outcome = run_native(series.period, kind, complete(known, params), costs, perpetual=perpetual)
        metrics = compute_metrics(outcome, series.period, costs, series.timeframe)
        row[:] = [np.nan if metrics[name] is None else metrics[name] for name in SUMMARY]
        returns[:] = account_returns(outcome.equity, costs, series.period.timestamp)

    return play


def longest_warmup(task: WarmupTask, _report: Report) -> WarmupAnswer:
    """The longest warm-up that any combination asks for. One that cannot say is left to fail as a trial."""
    process = kept_process(task.strategy, task.sweep)
    return WarmupAnswer(**process.call(_longest_warmup, task))


def _longest_warmup(task: WarmupTask) -> dict[str, Any]:
    path, longest, reads = task.strategy, Warmup(), Reads()
    kind = load_strategy(path)
    if issubclass(kind, Strategy):
        reads = Reads.declared(kind)
        for params in task.combinations:
            try:
                longest = longest.longest(ask_warmup(made_strategy(kind, params, path), path))
            except RunError:
                continue
    return {"longest": longest.to_json(), "reads": reads.to_json()}


def made_strategy(kind: type[Strategy], params: Mapping[str, ParamValue], path: Path) -> Strategy:
    """A strategy with these parameters; what its code raises becomes a RunError."""
    with asking(path):
        return kind(params)


class SweptSeries:
    """Candles as trials use them, with the indicators computed on them so far: kept from batch to batch."""

    def __init__(self, task: SweptTask) -> None:
        candles = task.candles.load()
        self.held = task.candles.warmup
        self.timeframe = Timeframe(task.timeframe)
        self.period = candles.slice(self.held, None)
        if not len(self.period):
            raise RunError("the period holds no candle; fetch it or choose another")
        self.frame = CandleFrame.of(task.candles, candles)
        self.memory = self.frame.memory(task.memory_bytes)

    @property
    def days(self) -> int:
        """How many UTC days the period touches."""
        first, last = self.period.timestamp[[0, -1]] // DAY_MS
        return int(last - first) + 1

    @cached_property
    def prepared(self) -> Prepared:
        """What the kernel needs of the period."""
        from engine.backtest.kernel.summary import Prepared

        return Prepared.of(self.period, self.timeframe)

    @classmethod
    def of(cls, task: SweptTask) -> SweptSeries:
        """The kept one where the batch belongs to the same sweep."""
        key = task.candles, task.timeframe, task.memory_bytes
        if key not in _kept:
            _kept.clear()  # one sweep at a time: what the last one remembered is of no use to this one
            _kept[key] = cls(task)
        return _kept[key]


_kept: Final[dict[tuple[Any, ...], SweptSeries]] = {}
