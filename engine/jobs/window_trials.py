"""One batch of a walk-forward: every combination is asked once over all candles, and played in every span of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from engine.backtest.evaluation import ask_warmup, asking, evaluate
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import Report
from engine.errors import BacktestError
from engine.jobs.trials import SweptSeries, check_warmup, made_strategy
from engine.loader import kept_process, open_strategy
from engine.loader.class_variables import native_params
from engine.model.market import Float64Array
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import ParamValue, complete
from engine.model.simulators import choose_engine
from engine.parallel.seed import seed_random
from engine.parallel.tasks import WindowTrialsAnswer, WindowTrialsTask
from engine.reproduction.inputs import versions_for
from engine.strategy import Strategy

Play = Callable[[Mapping[str, ParamValue], Float64Array], Sequence[tuple[int, str]]]


def run_window_trials(task: WindowTrialsTask, report: Report) -> WindowTrialsAnswer:
    """Try every combination of a batch in every span.

    Raises StrategyError when the file does not load and RunError when there is no candle: then no trial can be made.
    """
    import engine.backtest.kernel.spans  # noqa: F401 - loaded once per worker, before the process is forked

    process = kept_process(task.strategy, task.sweep)
    answer: dict[str, Any] = process.call(_tried, task, report=report)
    sources = {name: source.tobytes() for name, source in answer["sources"].items()}
    return WindowTrialsAnswer(**answer, versions=versions_for(sources))


def _tried(task: WindowTrialsTask, report: Report) -> dict[str, Any]:
    series = SweptSeries.of(task)
    with open_strategy(task.strategy) as loaded, series.memory.used():
        native = not issubclass(loaded.strategy, Strategy)
        play = (_native_player if native else _signal_player)(task, loaded.strategy, series)
        started = time.monotonic()
        figures, errors = _played(task, play, report)
        elapsed_s = time.monotonic() - started
    return {
        "figures": figures,
        "errors": errors,
        "engine": choose_engine("auto", native=native),
        "sources": loaded.executed(),
        "elapsed_s": elapsed_s,
    }


def _played(task: WindowTrialsTask, play: Play, report: Report) -> tuple[Float64Array, list[tuple[int, str]]]:
    combinations, errors = list(task.combinations), []
    wanted = [SUMMARY.index(name) for name in task.figures]
    figures = np.full((len(combinations), len(task.spans), len(wanted)), np.nan)
    rows = np.empty((len(task.spans), len(SUMMARY)))
    for index, params in enumerate(combinations):
        rows[:] = np.nan
        try:
            failed = play(params, rows)
        except BacktestError as error:
            errors.append((index, str(error)))
        else:
            figures[index] = rows[:, wanted]
            errors += [(index, line) for _, line in failed[:1]]
        report(index + 1, len(combinations), "trials")
    return figures, errors


def _signal_player(task: WindowTrialsTask, kind: type[Strategy], series: SweptSeries) -> Play:
    from engine.backtest.kernel.spans import run_spans

    path, costs, held, wanted = task.strategy, task.costs, series.held, max(task.warmup, 0)
    spans = _spans_of(task, series)

    def play(params: Mapping[str, ParamValue], rows: Float64Array) -> Sequence[tuple[int, str]]:
        strategy = made_strategy(kind, params, path)
        check_warmup(ask_warmup(strategy, path), task)  # a run of its own would fail there
        said = evaluate(strategy, path, series.frame, held=held, wanted=wanted, lasting=False)
        return run_spans(spans, said.signals.slice(held, None), costs, strategy.reverse, rows)

    return play


def _native_player(task: WindowTrialsTask, kind: type, series: SweptSeries) -> Play:
    from engine.backtest.library.native import run_native
    from engine.backtest.metrics import compute_metrics

    path, costs, known = task.strategy, task.costs, native_params(kind)
    whole = Perpetual.of_file(task.perpetual)

    def play(params: Mapping[str, ParamValue], rows: Float64Array) -> Sequence[tuple[int, str]]:
        failed = []
        for k, (start, stop) in enumerate(task.spans):
            seed_random()
            try:
                with asking(path):
                    cut = None if whole is None else whole.slice(start, stop)
                    outcome = run_native(
                        series.period.slice(0, stop),
                        kind,
                        complete(known, params),
                        costs,
                        perpetual=cut,
                        held=start,
                    )
            except BacktestError as error:
                failed.append((k, str(error)))
                continue
            metrics = compute_metrics(outcome, series.period.slice(start, stop), costs, series.timeframe)
            rows[k] = [np.nan if metrics[name] is None else metrics[name] for name in SUMMARY]
        return failed

    return play


_kept: Final[dict[tuple[Any, ...], Any]] = {}


def _spans_of(task: WindowTrialsTask, series: SweptSeries) -> Any:
    """The spans, prepared once for all batches over them."""
    from engine.backtest.kernel.spans import Spans

    key = series, tuple(task.spans), task.perpetual
    if key not in _kept:
        _kept.clear()
        perpetual = Perpetual.of_file(task.perpetual)
        _kept[key] = Spans.of(series.period, series.timeframe, task.spans, perpetual)
    return _kept[key]
