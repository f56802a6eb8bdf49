"""The exhaustive search for look-ahead as the program sees it: planned, its candles loaded, done in a worker."""

from __future__ import annotations

from typing import Final

from engine.errors import InputError, RunError
from engine.events import OnEvent, Progress, as_job
from engine.model.run import MOST_CUTS, LookaheadReport
from engine.parallel.job import Done
from engine.parallel.tasks import AskWorkers, LookaheadTask
from engine.runs.load import SeriesLoader
from engine.runs.plan import PlannedRun
from engine.runs.record import beside_warmup

TIMEOUT_S: Final = 7 * 86_400.0  # the user stops it, nothing else


def search(
    planned: PlannedRun,
    loader: SeriesLoader,
    ask: AskWorkers,
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
    series = loader.load(planned, loader.fetched(planned) if fetch else planned.period)
    task = LookaheadTask(
        strategy=planned.strategy_path,
        sources=planned.sources,
        params=dict(planned.params),
        candles=series.file,
        warmup=planned.warmup,
        costs=planned.spec.costs,
        cuts=cuts or MOST_CUTS,
    )
    job = f"lookahead:{planned.id}"

    def work() -> LookaheadReport:
        (outcome,) = ask([task], TIMEOUT_S, lambda *far: on_event(Progress(job, *far)))
        if not isinstance(outcome, Done):
            raise RunError(outcome.message)
        found = outcome.value
        warmup = beside_warmup(series, found.warmup)
        return LookaheadReport(
            planned.spec, series.period, planned.params, found.lookahead, warmup, found.candles
        )

    return as_job(
        job, "lookahead", f"{planned.title}: cutting off the future", on_event, work, subject=(planned.id,)
    )
