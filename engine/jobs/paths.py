"""A run on candles that could have been: the whole way once more for each path, indicators included.

All batches of a study that a worker gets are played in one process of the strategy's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from engine.backtest.evaluation import asking, evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.metrics import day_ends, length_ms
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.backtest.rules import Report, ignore_report
from engine.errors import BacktestError, RunError
from engine.loader import kept_process, open_strategy
from engine.loader.class_variables import native_params
from engine.model.market import Candles, Float64Array, Timeframe
from engine.model.parameters import complete
from engine.parallel.seed import seed_random
from engine.parallel.tasks import PathsAnswer, PathsTask
from engine.statistics.bootstrap import stationary_positions
from engine.statistics.synthetic import from_blocks, with_noise
from engine.strategy import Strategy

Play = Callable[[Candles, Perpetual | None], Outcome]  # over warm-up and period


def run_paths(task: PathsTask, report: Report) -> PathsAnswer:
    """Play every path of a batch. Raises StrategyError when the file does not load, RunError when there is no candle."""
    import engine.backtest.kernel.compiled  # noqa: F401 - loaded once per worker, before the process is forked

    process = kept_process(task.strategy, task.study)
    return PathsAnswer(**process.call(_played, task, report=report))


def _played(task: PathsTask, report: Report) -> dict[str, Any]:
    real, perpetual = task.candles.load(), Perpetual.of_file(task.perpetual)
    period = real.slice(task.candles.warmup, None)
    if not len(period):
        raise RunError("the period holds no candle; fetch it or choose another")
    ends, errors = day_ends(period.timestamp), []
    table = np.full((len(task.numbers), 1 + len(ends)), np.nan)
    started = time.monotonic()
    with open_strategy(task.strategy) as loaded:
        play = (_signal_player if issubclass(loaded.strategy, Strategy) else _native_player)(
            task, loaded.strategy
        )
        for at, number in enumerate(task.numbers):
            candles = candles_of_path(task, real, number)
            try:
                equity = play(candles, at_prices(perpetual, period, candles.slice(task.candles.warmup, None)))
                table[at] = np.concatenate(([task.costs.cash], np.maximum(equity.equity[ends], 0)))
            except BacktestError as error:
                errors.append((at, str(error)))
            report(at + 1, len(task.numbers), "paths")
    return {"equity": table, "errors": errors, "elapsed_s": time.monotonic() - started}


def candles_of_path(task: PathsTask, real: Candles, number: int) -> Candles:
    """The candles of one path: equal numbers and seeds give equal ones, in whatever worker."""
    if number == 0:
        return real
    rng = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=(number,)))
    if task.blocks is not None:
        (sources,) = stationary_positions(len(real), task.blocks, 1, rng)
        real = from_blocks(real, sources)
    return with_noise(real, task.noise, rng) if task.noise else real


def at_prices(perpetual: Perpetual | None, real: Candles, candles: Candles) -> Perpetual | None:
    """What is charged and margined by real prices, by those of a path: the rates stay, the mark keeps its ratio to the last
    price. What is no price stays as it is.
    """
    if perpetual is None:
        return None
    ratios: dict[str, Float64Array] = {
        name: getattr(candles, name) / getattr(real, name) for name in ("open", "high", "low")
    }
    funding, mark = perpetual.funding, perpetual.mark
    if funding is not None:
        columns = (getattr(funding, field.name) * ratios["open"] for field in fields(funding))
        funding = Funding(*columns)
    if mark is not None:
        mark = Mark(*(getattr(mark, name) * ratio for name, ratio in ratios.items()))
    return replace(perpetual, funding=funding, mark=mark)


def _signal_player(task: PathsTask, kind: type[Strategy]) -> Play:
    """Signals of a strategy through the compiled simulator."""
    from engine.backtest.kernel.compiled import run_compiled

    held, wanted, timeframe = task.candles.warmup, max(task.warmup, 0), Timeframe(task.timeframe)

    def play(candles: Candles, perpetual: Perpetual | None) -> Outcome:
        with asking(task.strategy):
            strategy = kind(task.params)
        frame = CandleFrame.of(task.candles, candles)
        said = evaluate(strategy, task.strategy, frame, held=held, wanted=wanted, lasting=False)
        period, signals = candles.slice(held, None), said.signals.slice(held, None)
        length = length_ms(period, timeframe)
        return run_compiled(
            period,
            signals,
            task.costs,
            strategy.reverse,
            ignore_report,
            perpetual=perpetual,
            timeframe_ms=length,
        )

    return play


def _native_player(task: PathsTask, kind: type) -> Play:
    """A backtesting.Strategy, candle by candle in backtesting.py."""
    from engine.backtest.library.native import run_native

    known = complete(native_params(kind), task.params)

    def play(candles: Candles, perpetual: Perpetual | None) -> Outcome:
        seed_random()
        with asking(task.strategy):
            period = candles.slice(task.candles.warmup, None)
            return run_native(period, kind, known, task.costs, perpetual=perpetual)

    return play
