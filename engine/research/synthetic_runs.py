"""A stored run once more on candles that could have been: dealt out to the workers, which draw the candles and run."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from engine.backtest.metrics import day_ends
from engine.errors import InputError, RunError
from engine.events import CancelToken, OnEvent, ProgressMeter
from engine.model.market import MIN_DAYS, Float64Array
from engine.model.monte_carlo import BLOCKS, DEFAULT_NOISE, NOISE, MonteCarloResult, MonteCarloSpec
from engine.model.run import RunResult
from engine.parallel.job import Done
from engine.parallel.tasks import AskWorkers, PathsTask
from engine.research.monte_carlo import Collected, depth_note
from engine.runs.stored_inputs import StoredInputs
from engine.statistics.synthetic import candle_block_length

_BATCH_S: Final = 1.0  # what a batch aims to take
_MOST: Final = 50  # paths in a batch
_AHEAD: Final = 2  # batches a worker between two looks at how far it is
_AGREES: Final = 1e-6  # of the account's value

_NONE: Final = np.empty((0, 0))
Played = tuple[
    Float64Array, str | None
]  # equity (m, days + 1) of paths that came to an end; why another did not


def on_other_candles(
    run: RunResult,
    inputs: StoredInputs,
    spec: MonteCarloSpec,
    ask: AskWorkers,
    workers: int,
    timeout_s: float,
    job: str,
    on_event: OnEvent,
    cancel: CancelToken,
) -> MonteCarloResult:
    """Backtests of the run on so many paths of candles. `timeout_s`: for one of them.

    Raises RunError where the run fails on the real candles, or on every path; Interrupted when it is stopped.
    """
    started = time.monotonic()
    task = _task(run, inputs, spec)
    assert run.equity is not None
    about: dict[str, Any] = {
        "spec": spec,
        "units": len(run.equity.time),
        "block": task.blocks,
        "noise": task.noise if spec.method == NOISE else None,
    }
    days = len(day_ends(run.equity.time))
    if days < MIN_DAYS:
        reason = f"{days} days are too few: at least {MIN_DAYS} are needed"
        return MonteCarloResult(run_id=run.id, paths=0, reason=reason, **about)
    began = time.monotonic()
    original, failure = list(_played(task, [[0]], ask, timeout_s))[-1]
    if failure is not None:
        raise RunError(f"run {run.id[:8]} fails now on its own candles: {failure}")
    collected = Collected(original, spec.wanted, spec.kind.unit)
    meter = ProgressMeter(job, spec.wanted, "paths", on_event)
    failures: list[str] = []
    for wave in _waves(spec.wanted, time.monotonic() - began, workers):
        cancel.raise_if_cancelled()
        for equity, failure in _played(task, wave, ask, timeout_s):
            if failure is None:
                collected.add(equity)
            else:
                failures.append(failure)
        meter.add(sum(map(len, wave)))
    if len(failures) == spec.wanted:
        raise RunError(f"every path failed; the first: {failures[0]}")
    return collected.result(
        run,
        **about,
        failed=len(failures),
        failure=failures[0] if failures else None,
        notes=[*_notes(run, original), depth_note(spec)],
        elapsed_s=time.monotonic() - started,
    )


def _task(run: RunResult, inputs: StoredInputs, spec: MonteCarloSpec) -> PathsTask:
    if run.windows:
        raise InputError(
            f"run {run.id[:8]} is a stitched walk-forward: on other candles other parameters would have been chosen; "
            "its trades and days can be drawn anew, its candles not"
        )
    if run.costs.detail:
        raise InputError(
            f"run {run.id[:8]} looked inside candles by finer ones ({run.costs.detail}), which other candles do not have; "
            "its trades and days can be drawn anew, its candles not"
        )
    if any(side.candles is not None for side in inputs.file.beside):
        raise InputError(
            f"run {run.id[:8]} reads other series beside its candles, which other candles do not have; with "
            "`build_timeframes = True` and no `symbols_read` they are built anew; its trades and days can be drawn anew"
        )
    blocks, noise = None, 0.0
    if spec.method == BLOCKS:
        n = len(inputs.candles)
        blocks = candle_block_length(inputs.candles) if spec.block is None else spec.block
        if blocks > n:
            raise InputError(f"a block of {blocks:g} candles is longer than the {n:,} candles of the run")
    if spec.method == NOISE:
        noise = DEFAULT_NOISE if spec.noise is None else spec.noise
    return PathsTask(
        study=str(uuid.uuid4()),
        strategy=inputs.strategy,
        sources=inputs.sources,
        params=inputs.params,
        candles=inputs.file,
        warmup=inputs.warmup,
        costs=run.costs,
        perpetual=inputs.terms.file,
        timeframe=run.timeframe.name,
        numbers=(),
        seed=spec.seed,
        blocks=blocks,
        noise=noise,
    )


def _waves(paths: int, path_s: float, workers: int) -> Iterator[list[range]]:
    """The numbers of the paths in batches, so many batches at a time as keep the workers busy for a while."""
    size = max(1, min(_MOST, int(_BATCH_S / path_s), -(-paths // workers)))
    batches = [range(first, min(first + size, paths + 1)) for first in range(1, paths + 1, size)]
    step = _AHEAD * workers
    return (batches[at : at + step] for at in range(0, len(batches), step))


def _played(
    task: PathsTask, batches: Sequence[Sequence[int]], ask: AskWorkers, timeout_s: float
) -> Iterator[Played]:
    """How the paths of some batches ended, a failed one alone. Of a batch that did not return each is tried alone."""
    tasks = [replace(task, numbers=numbers) for numbers in batches]
    longest = max(map(len, batches))
    for numbers, outcome in zip(batches, ask(tasks, timeout_s * longest), strict=True):
        if isinstance(outcome, Done):
            equity, errors = outcome.value.equity, outcome.value.errors
            yield np.delete(equity, [index for index, _ in errors], axis=0), None
            yield from ((_NONE, line) for _, line in errors)
        elif len(numbers) > 1:
            yield from _played(task, [[number] for number in numbers], ask, timeout_s)
        else:
            yield _NONE, outcome.message


def _notes(run: RunResult, original: Float64Array) -> list[str]:
    notes = []
    if run.checks.get("funding", {}).get("settlements"):
        notes.append("funding: the real rates at the prices of each path")
    if run.costs.leverage is not None:
        notes.append("margin: mark prices keep their real ratio to the last price")
    final = float(run.equity.columns["equity"][-1]) if run.equity is not None else 0.0
    if abs(float(original[0, -1]) - max(final, 0.0)) > _AGREES * run.costs.cash:
        notes.append(
            f"on its own candles the run ends at {original[0, -1]:,.2f} now, not at {final:,.2f} as stored: "
            "a library has changed since; `backtest rerun` says which"
        )
    return notes
