"""A sweep as the program sees it: planned, its candles loaded, tried in the workers, kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.errors import DatabaseError, Interrupted
from engine.events import Cancelled, CancelToken, Failed, Finished, OnEvent, ProgressMeter, Started, ending
from engine.model.across import OVER, across
from engine.model.run import CANCELLED, FAILED, FINISHED, RUNNING
from engine.model.sweep import SweepPart, SweepResult
from engine.parallel.tasks import Task
from engine.research.batches import Batches, Deal, Verdict
from engine.research.grid import Numbers
from engine.research.ledger import Ledger, PlannedSweep, most_days
from engine.research.resuming import Dependence, Paced
from engine.research.subject import Ground, Tried
from engine.runs.load import SeriesLoader
from engine.runs.terms import TermsLoader

if TYPE_CHECKING:
    from engine.parallel.executor import Executor

log = logging.getLogger(__name__)
# combinations, of a sweep over several markets, until the next market has its turn, at first: or as many as keep all
# workers busy
PORTION: Final = 64
ROUND_S: Final = 2.0  # what a turn of all markets may take before it grows no more
TELL_S: Final = 0.2  # between two partial results
MEMORY_BYTES: Final = 2**30  # for the indicators that all workers of a machine keep between trials

OnTrials = Callable[[SweepResult], None]
# stores what is new of a sweep and gives it as stored; on one market with what its trials depend on, and where it is part of
# a sweep over several, of which (its id) and in which place; raises DatabaseError
KeepSweep = Callable[[SweepResult, SweepPart, Dependence | None, tuple[str, int] | None], SweepResult]


@dataclass(frozen=True, slots=True)
class _OnMarket:
    """A sweep's trials on one market while they are made."""

    ledger: Ledger
    deal: Deal
    batches: Batches[Tried]

    def tried(self, numbers: Numbers, tell: Callable[[], None]) -> Verdict:
        """Try those of them that were not yet."""
        self.deal.add(self.ledger.left(numbers))
        return self.batches.run(tell)


def _everywhere(
    markets: Sequence[_OnMarket], numbers: Numbers, portion: int, tell: Callable[[], None]
) -> Verdict:
    """Try combinations on every market; of several a `portion` of them on each in turn, more at a time while that is quick,
    so that what is whole grows.
    """
    at, size = 0, len(numbers) if len(markets) == 1 else portion
    while at < len(numbers):
        began = time.monotonic()
        for one in markets:
            verdict = one.tried(numbers[at : at + size], tell)
            if verdict[0] != FINISHED:
                return verdict
        at, size = at + size, size * 2 if time.monotonic() - began < ROUND_S else size
    return FINISHED, None


class Sweep:
    """One call of `engine.research.optimize`, or of `resume_sweep`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        planned: PlannedSweep[Any],
        loader: SeriesLoader,
        terms: TermsLoader,
        executor: Executor,
        keep: KeepSweep,
        *,
        timeout_s: float,
        on_event: OnEvent,
        cancel: CancelToken,
        on_trials: OnTrials | None,
    ) -> None:
        self._planned, self._loader, self._terms = planned, loader, terms
        self._executor, self._keep = executor, keep
        self._timeout_s = timeout_s
        self._on_event, self._cancel, self._on_trials = on_event, cancel, on_trials
        # how many trials the row of a sweep over several markets says are made, None where there is none yet
        self._stored = planned.begun.sweep.done if planned.begun else None

    def run(self, *, fetch: bool) -> SweepResult:
        """Fetch, try, store. Raises for what keeps it from beginning, and where it could not be stored. What goes on has the
        candles with which it began, or is refused.
        """
        planned = self._planned
        each = planned.markets or (planned,)
        grounds = [one.subject.load(self._loader, self._terms, self._cancel, fetch=fetch) for one in each]
        longest = max(most_days(ground.period) for ground in grounds)
        markets = [self._begin(one, ground, longest) for one, ground in zip(each, grounds, strict=True)]
        self._on_event(Started(planned.id, "sweep", planned.title, (planned.id,)))
        try:
            result = self._tried(markets)
        except BaseException as error:
            self._on_event(ending(planned.id, error))
            raise
        if result.status == FINISHED:
            self._on_event(Finished(planned.id, result))
        elif result.status == CANCELLED:
            self._on_event(Cancelled(planned.id, result))
        else:
            self._on_event(Failed(planned.id, result.error or FAILED, result))
        return result

    def _begin(self, planned: PlannedSweep[Any], ground: Ground, longest: int) -> _OnMarket:
        """A market with its trials so far; `longest`: as a ledger's."""
        ledger = Ledger(planned, ground, longest)
        deal = Deal(self._executor.size, self._executor.ahead)
        task = partial(self._task, ground, ledger)
        batches = Batches(self._executor, ledger, deal, task, timeout_s=self._timeout_s, cancel=self._cancel)
        return _OnMarket(ledger, deal, batches)

    def _tried(self, markets: Sequence[_OnMarket]) -> SweepResult:
        """All trials, stored. What was made before is told to the search again, as if it had been made now."""
        trials, tell, tried = self._planned.trials, self._teller(markets), 0
        verdict: Verdict = FINISHED, None
        portion = max(PORTION, self._executor.size * (1 + self._executor.ahead))
        if self._planned.markets and self._planned.begun is None:
            self._store_first(markets)
        try:
            while verdict[0] == FINISHED and trials.extend(self._cancel):
                batch, tried = np.arange(tried, trials.n), trials.n
                verdict = _everywhere(markets, batch, portion, tell)
                if verdict[0] == FINISHED:
                    losses = np.array([one.ledger.losses(batch) for one in markets])
                    trials.told(OVER[self._planned.spec.across](losses) if len(markets) > 1 else losses[0])
        except Interrupted:
            if any(one.ledger.is_behind for one in markets):
                raise  # before anything new: it stays stored as it is
            verdict = CANCELLED, "stopped by the user"
        for one in markets:
            one.ledger.check_search()
        return self._store(markets, *verdict)

    def _teller(self, markets: Sequence[_OnMarket]) -> Callable[[], None]:
        """What is done whenever trials have come in: they are counted, stored now and then, and shown."""
        every = self._planned.trials.planned * len(markets)
        meter = ProgressMeter(self._planned.id, every, "trials", self._on_event)
        storing = Paced(lambda: self._save(markets))
        showing = Paced(lambda: self._show(markets), TELL_S)

        def tell() -> None:
            meter.update(sum(one.ledger.done for one in markets))
            storing.look()
            showing.look()

        return tell

    def _show(self, markets: Sequence[_OnMarket]) -> None:
        if self._on_trials is not None:
            self._on_trials(self._whole([one.ledger.result(RUNNING) for one in markets], RUNNING))

    def _save(self, markets: Sequence[_OnMarket]) -> None:
        try:
            self._store(markets, RUNNING)
        except DatabaseError:
            log.warning("trials could not be stored; they are with the next", exc_info=True)

    def _store(self, markets: Sequence[_OnMarket], status: str, error: str | None = None) -> SweepResult:
        """Keep what is new of every market, then the whole, which must not say that it is finished before they are."""
        several = bool(self._planned.markets)
        kept = []
        for place, one in enumerate(markets):
            part_of = (self._planned.id, place) if several else None
            sweep = one.ledger.result(status, error)
            kept.append(self._keep(sweep, one.ledger.part(), one.ledger.depends, part_of))
            one.ledger.saved()
        return self._store_whole(self._whole(kept, status, error)) if several else kept[0]

    def _store_first(self, markets: Sequence[_OnMarket]) -> None:
        """The whole before its markets, which nobody could find or delete without it; and these before any of them has
        trials: all can be gone on with.
        """
        self._store_whole(self._whole([one.ledger.result(RUNNING) for one in markets], RUNNING))
        self._store(markets, RUNNING)

    def _store_whole(self, whole: SweepResult) -> SweepResult:
        """Keep the row of a sweep over several markets, with its best trial alone."""
        best = [] if whole.best is None else [int(whole.order[0])]
        part = SweepPart(np.array(best, dtype=np.int64), [None] * len(best), None, self._stored)
        stored = self._keep(whole, part, None, None)
        self._stored = whole.done
        return stored

    def _whole(self, sweeps: Sequence[SweepResult], status: str, error: str | None = None) -> SweepResult:
        """The one sweep that they are."""
        planned = self._planned
        if not planned.markets:
            return sweeps[0]
        return across(
            planned.spec, sweeps, id=planned.id, status=status, error=error, created_ms=planned.created_ms
        )

    def _task(self, ground: Ground, ledger: Ledger, numbers: Numbers) -> Task[Tried]:
        """A batch for a worker."""
        combinations = self._planned.trials.combinations(numbers)
        memory_bytes = MEMORY_BYTES // self._executor.side_by_side
        return ground.task(self._planned.id, combinations, ledger.kept(numbers), memory_bytes)
