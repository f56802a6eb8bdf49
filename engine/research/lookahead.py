"""The exhaustive search for look-ahead as the program sees it: planned, its candles loaded, done in a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from engine.errors import BacktestError, InputError, Interrupted, RunError
from engine.events import OnEvent, Progress, as_job
from engine.model.run import MOST_CUTS, LookaheadReport
from engine.parallel.job import Done, Stopped
from engine.runs.load import SeriesLoader
from engine.runs.plan import PlannedRun

FUNCTION: Final = "engine.jobs.lookahead:lookahead_job"
TIMEOUT_S: Final = 7 * 86_400.0  # the user stops it, nothing else

InWorkers = Callable[..., Sequence[Any]]  # Engine.in_workers, stopped by the user


def search(
    planned: PlannedRun,
    loader: SeriesLoader,
    in_workers: InWorkers,
    cuts: int | None,
    on_event: OnEvent,
    *,
    fetch: bool,
) -> LookaheadReport:
    """Fetch, load and search. Raises RunError where the strategy fails, Interrupted when the user stops it."""
    if cuts is not None and not 1 <= cuts <= MOST_CUTS:
        raise InputError(f"the number of cuts must be from 1 to {MOST_CUTS:,}, not {cuts}")
    if planned.problem is not None:
        raise RunError(planned.problem.message)
    period = planned.period
    if fetch:
        report = loader.fetch(planned, planned.load_period.start)
        if isinstance(report, BacktestError):
            raise report
        period = report.period
    series = loader.load(planned, period)
    task = {
        "candles_path": str(series.path),
        "first": series.first,
        "last": series.first + len(series.candles),
        "warmup_candles": series.warmup_held,
        "warmup_wanted": planned.warmup,
        "strategy_path": planned.strategy_path,
        "params": dict(planned.params),
        "costs": asdict(planned.spec.costs),
        "cuts": cuts or MOST_CUTS,
    }
    job = f"lookahead:{planned.id}"

    def work() -> LookaheadReport:
        (outcome,) = in_workers(
            FUNCTION, [task], TIMEOUT_S, on_progress=lambda *far: on_event(Progress(job, *far))
        )
        if isinstance(outcome, Stopped):
            raise Interrupted("stopped; nothing of the search is kept")
        if not isinstance(outcome, Done):
            raise RunError(outcome.message)
        return LookaheadReport(planned.spec, series.period, planned.params, **outcome.value)

    return as_job(
        job, "lookahead", f"{planned.title}: cutting off the future", on_event, work, subject=(planned.id,)
    )
