"""The cross-check of one stored run: backtesting.py runs the same in a worker, and the trades are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.data.candle_cache import CandleCache
from engine.errors import InputError
from engine.model.market import Period
from engine.model.run import RunResult, Series
from engine.model.simulators import REFERENCE
from engine.model.trade import Trade
from engine.parallel.job import Done, OnProgress
from engine.parallel.tasks import AskWorkers, RunAnswer, RunTask
from engine.reproduction.inputs import hashes
from engine.runs.compare import changes
from engine.runs.crosscheck import cross_check
from engine.runs.load import file_for_workers
from engine.runs.record import skipped_crosscheck
from engine.runs.stored_strategy import current_file, is_unchanged, write_stored

if TYPE_CHECKING:
    from engine.database.store import Store

_REVISED: Final = "the candles have changed since this run; `backtest rerun` makes it again on those held now"


def make_check(
    run: RunResult,
    store: Store,
    cache: CandleCache,
    folders: Sequence[Path],
    scratch: Path,
    timeout_s: float,
    ask: AskWorkers,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """The check of a run of the compiled engine, as kept in `RunResult.checks`: skipped where it cannot be made any more.

    It needs the very candles and the very source: the strategy's file where it is as it was, else what was stored.
    """
    if run.seen is None or run.inputs is None:
        return skipped_crosscheck("the run is too old: it did not record what it saw")
    loaded = cache.load(run.market, run.timeframe, Period(run.seen.start_ms, run.period.end))
    if loaded.candles.sha256() != run.seen.sha256:
        return skipped_crosscheck(_REVISED)
    try:
        strategy = _strategy_file(run, store, folders, scratch)
    except InputError as error:
        return skipped_crosscheck(str(error))
    task = RunTask(
        strategy=strategy,
        params=dict(run.params),
        candles=file_for_workers(loaded, run.period.start, scratch),
        warmup=run.inputs["warmup"],
        costs=run.costs,
        engine=REFERENCE,
        timeframe=run.timeframe.name,
        keep_indicators=False,
        checks=False,
    )
    (outcome,) = ask([task], timeout_s, on_progress)
    if not isinstance(outcome, Done):
        return skipped_crosscheck(f"backtesting.py did not get through: {outcome.message}")
    return _compared(run, outcome.value)


def _strategy_file(run: RunResult, store: Store, folders: Sequence[Path], scratch: Path) -> Path:
    file = current_file(run, folders)
    if file is not None and is_unchanged(run, file):
        return file
    return write_stored(run, store, scratch / "strategy")


def _compared(run: RunResult, output: RunAnswer) -> dict[str, Any]:
    assert run.inputs is not None
    assert run.equity is not None
    equity = Series(run.equity.time, {"equity": output.equity})
    found = cross_check(run, replace(run, trades=Trade.from_columns(output.trades), equity=equity))
    sources = {name: source.tobytes() for name, source in output.sources.items()}
    since = changes(
        run.inputs,
        {**run.inputs, "source": hashes(sources), "params": output.params, "versions": output.versions},
    )
    if since and not found.passed:
        return skipped_crosscheck(f"it would not be the same run any more: {'; '.join(since)}")
    return found.to_check()
