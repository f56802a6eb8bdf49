"""The cross-check of one stored run: another simulator runs the same in a worker, and the trades are compared.

backtesting.py where its machinery carries the run, else the plain simulator, which was written apart from the compiled one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import carries
from engine.data.candle_cache import CandleCache
from engine.errors import InputError
from engine.model.perpetual import PerpetualFile
from engine.model.run import RunResult, Series
from engine.model.simulators import PLAIN, REFERENCE
from engine.model.trade import Trade
from engine.parallel.job import Done, OnProgress
from engine.parallel.tasks import AskWorkers, RunAnswer, RunTask
from engine.reproduction.inputs import hashes
from engine.runs.compare import changes
from engine.runs.crosscheck import cross_check
from engine.runs.record import skipped_crosscheck
from engine.runs.stored_inputs import stored_inputs

if TYPE_CHECKING:
    from engine.database.store import Store
    from engine.runs.detail import DetailLoader
    from engine.runs.terms import TermsLoader

_NAMES: Final = {REFERENCE: "backtesting", PLAIN: "plain"}
_TITLES: Final = {REFERENCE: "backtesting.py", PLAIN: "the plain simulator"}


def make_check(
    run: RunResult,
    store: Store,
    cache: CandleCache,
    terms: TermsLoader,
    details: DetailLoader,
    folders: Sequence[Path],
    scratch: Path,
    timeout_s: float,
    ask: AskWorkers,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """The check of a run of the compiled engine, as kept in `RunResult.checks`: skipped where it cannot be made any more.

    It needs the very candles and the very source: the strategy's file where it is as it was, else what was stored.
    """
    try:
        found = stored_inputs(run, store, cache, terms, folders, scratch)
        detail = details.of_run(run, found.candles, found.terms)
    except InputError as error:
        return skipped_crosscheck(str(error))
    task = RunTask(
        strategy=found.strategy,
        sources=found.sources,
        params=found.params,
        candles=found.file,
        warmup=found.warmup,
        costs=run.costs,
        perpetual=found.terms.file,
        detail=detail,
        windows=run.windows,
        engine=referee_of(run, found.terms.file),
        timeframe=run.timeframe.name,
        keep_indicators=False,
        checks=False,
    )
    (outcome,) = ask([task], timeout_s, on_progress)
    if not isinstance(outcome, Done):
        return skipped_crosscheck(f"{_TITLES[task.engine]} did not get through: {outcome.message}")
    return _compared(run, outcome.value) | {"referee": _NAMES[task.engine]}


def referee_of(run: RunResult, perpetual: PerpetualFile | None) -> str:
    """The engine that checks a run: backtesting.py where its machinery carries the terms."""
    return REFERENCE if carries(run.costs, Perpetual.of_file(perpetual)) is None else PLAIN


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
