"""Keeps what was made: in the database, or where that refuses, in files, so that no result is lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from engine.errors import BacktestError, DatabaseError
from engine.model.market import Market, Period, Timeframe
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import FINISHED, RUNNING, RunResult, json_ready
from engine.model.sweep import SweepPart, SweepResult
from engine.model.trial import Tried, identity_of, trial_identity
from engine.reproduction.inputs import hashes
from engine.runs.trials import independent_trials, with_trials

if TYPE_CHECKING:
    from engine.database.store import Store
    from engine.research.resuming import Dependence
    from engine.runs.plan import PlannedRun

log = logging.getLogger(__name__)
UNSAVED_TOP: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What a run tries, and on what."""

    strategy: str
    identity: bytes
    market: Market
    timeframe: Timeframe
    period: Period

    @classmethod
    def planned(cls, run: PlannedRun) -> Self:
        """As far as it is known before the run: its files, where it may import less than these."""
        identity = trial_identity(hashes(run.sources), run.params)
        return cls(run.spec.strategy, identity, run.market, run.spec.timeframe, run.period)

    @property
    def candles(self) -> tuple[Market, Timeframe, Period]:
        return self.market, self.timeframe, self.period

    def shares_candles(self, other: _Candidate) -> bool:
        overlap = self.period.start < other.period.end and other.period.start < self.period.end
        return overlap and (self.market, self.timeframe) == (other.market, other.timeframe)


class KeepRuns:
    """Stores the runs of one batch, each with its figures of chance; else writes them as files into the folder `unsaved`.

    What is tried at once is counted at once, whichever run ends first: all of `plan` stand beside each of them.
    """

    def __init__(self, store: Store, unsaved: Path, plan: Sequence[PlannedRun] = ()) -> None:
        self._store, self._unsaved = store, unsaved
        self._batch = {
            run.id: _Candidate.planned(run) for run in plan if run.problem is None and not run.spec.windows
        }
        self._walk_trials = {run.id: run.spec.walk_trials for run in plan}
        self._ever: int | None = None
        self._tried: dict[tuple[Market, Timeframe, Period], Tried] = {}
        self._independent: dict[tuple[str, ...], float | None] = {}

    def __call__(self, result: RunResult, sources: Sequence[bytes]) -> RunResult:
        """Store a run with the source files that it executed and return it as stored; raises DatabaseError, which says where
        it was written instead.
        """
        try:
            counted = self._counted(result)
            self._store.runs.save(counted, sources)
        except DatabaseError as error:
            raise _written_elsewhere(result, self._unsaved, error) from error
        return counted

    def _counted(self, result: RunResult) -> RunResult:
        """With what was tried beside it until the first of the batch ended."""
        if result.status != FINISHED or result.inputs is None:
            return result
        own = _Candidate(
            result.strategy, identity_of(result.inputs), result.market, result.timeframe, result.period
        )
        self._batch[result.id] = own
        trials = self._store.trials
        if self._ever is None:
            self._ever = trials.ever({(one.strategy, one.identity) for one in self._batch.values()})
        if result.windows:
            walks = trials.tried_walks(self._ever, *own.candles)
            return with_trials(result, replace(walks, of_walk=self._walk_trials.get(result.id)))
        if own.candles not in self._tried:
            self._tried[own.candles] = self._beside(own, self._ever)
        return with_trials(result, self._tried[own.candles])

    def _beside(self, own: _Candidate, ever: int) -> Tried:
        batch = {one.identity for one in self._batch.values() if one.shares_candles(own)}
        tried = self._store.trials.tried(batch, ever, *own.candles)
        if tried.sweeps not in self._independent:
            self._independent[tried.sweeps] = independent_trials(self._store.sweeps.returns, tried.sweeps)
        return replace(tried, independent=self._independent[tried.sweeps])


def _written_elsewhere(result: RunResult, unsaved: Path, error: DatabaseError) -> DatabaseError:
    from engine.reports.files import export_run

    log.exception("run %s could not be stored", result.id)
    try:
        export_run(result, unsaved)
        kept = f"the run was written to {unsaved} instead"
    except (BacktestError, OSError) as second:
        kept = f"and the run could not be kept elsewhere either: {second}"
    return DatabaseError(f"{error}; {kept}")


def keep_sweep(
    store: Store,
    unsaved: Path,
    result: SweepResult,
    part: SweepPart,
    depends: Dependence | None,
    part_of: tuple[str, int] | None,
) -> SweepResult:
    """Store a sweep as far as it came and return it as stored; raises DatabaseError, of one that ended as `KeepRuns`."""
    inputs, sources = (depends.inputs, depends.sources.values()) if depends else (None, ())
    try:
        return store.sweeps.save(result, part, inputs, sources, part_of)
    except DatabaseError as error:
        if result.status == RUNNING:
            raise
        log.exception("sweep %s could not be stored", result.id)
        path, document = unsaved / f"sweep-{result.id}.json", result.to_json(UNSAVED_TOP)
        raise DatabaseError(f"{error}; {_in_a_file(path, document, 'the best trials were')}") from error


def keep_portfolio(store: Store, unsaved: Path, result: PortfolioResult, sources: Sequence[bytes]) -> None:
    """Store a portfolio with the sources that it executed; raises DatabaseError, as `KeepRuns`."""
    try:
        store.portfolios.save(result, sources)
    except DatabaseError as error:
        log.exception("portfolio %s could not be stored", result.id)
        path, document = unsaved / f"portfolio-{result.id}.json", result.to_shown_json()
        raise DatabaseError(f"{error}; {_in_a_file(path, document, 'the portfolio was')}") from error


def _in_a_file(path: Path, document: Mapping[str, Any], what: str) -> str:
    """Write what the database did not take; in words what became of it."""
    from engine.reports.files import write_text

    try:
        write_text(path, json.dumps(json_ready(document)))
    except BacktestError as second:
        return f"{what} not kept elsewhere either: {second}"
    return f"{what} written to {path} instead"
