"""What is known of a sweep's trials so far: filled batch by batch, read at any time as a SweepResult."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np

from engine.errors import InputError
from engine.model.market import DAY_MS, Float64Array, Int64Array, Period
from engine.model.metric_definitions import SUMMARY
from engine.model.numerals import counted
from engine.model.sweep import BegunSweep, SweepPart, SweepResult, TrialReturns, loss_sign
from engine.model.sweep_spec import SweepSpec
from engine.model.trial import TriedLeg
from engine.research.grid import Numbers
from engine.research.resuming import Dependence
from engine.research.subject import Ground, Subject, Tried
from engine.research.trials import Trials

MOST_RETURNS_BYTES: Final = 2**25  # of daily returns in one sweep: 11,000 trials of a year


S = TypeVar("S", bound=Subject)


@dataclass(frozen=True, slots=True)
class PlannedSweep(Generic[S]):
    """A sweep whose strategies, parameters and markets are known to exist.

    `begun`: it goes on. `markets`: of one over several, the sweeps on each, of the same trials, which are `part_of` it (its
    id); `beside`: how many share the room for daily returns with it.
    """

    spec: SweepSpec
    trials: Trials
    subject: S
    created_ms: int
    begun: BegunSweep | None = None
    markets: tuple[PlannedSweep[S], ...] = ()
    part_of: str | None = None
    beside: int = 1

    @property
    def id(self) -> str:
        """The id of the sweep and of its job."""
        return self.subject.id

    @property
    def title(self) -> str:
        """One short line for people."""
        on = f"{self.spec.strategy} on {self.spec.markets}" if self.markets else self.subject.title
        return f"{on}: {counted(self.trials.planned, 'trial')}"


class Ledger:
    """The trials of one sweep over one series, by their number 0..n-1. For one thread."""

    def __init__(self, planned: PlannedSweep[Any], ground: Ground, longest: int) -> None:
        """`longest`: how many days the longest of all markets has, lest each keep returns of other trials. Raises InputError
        where one that goes on depends on something that has changed.
        """
        n, begun = planned.trials.planned, planned.begun
        self._planned, self._ground = planned, ground
        self._began = time.monotonic() - (begun.sweep.elapsed_s if begun else 0.0)
        inputs = begun.inputs if begun else None
        on = f"{planned.spec.symbol}: " if planned.part_of else ""
        self.depends = Dependence("sweep", planned.part_of or planned.id, ground.depends, inputs, on)
        self._metrics = np.full((n, len(SUMMARY)), np.nan)
        self._done, self._unsaved = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        self._stored: int | None = None
        self._legs = set[TriedLeg]()
        self._unsaved_legs = set[TriedLeg]()
        self._errors: dict[int, str] = {}
        room = MOST_RETURNS_BYTES // planned.beside
        self._every = -(-n * longest * np.dtype(np.float64).itemsize // room)
        self._returns: Float64Array | None = None
        self._identities: list[bytes | None] = [None] * n
        if begun:
            self._take(begun)

    def _take(self, begun: BegunSweep) -> None:
        """Enter what was made of it before."""
        sweep, kept = begun.sweep, begun.returns
        if sweep.planned != len(self._done):
            raise self._other_search()
        for at, name in enumerate(SUMMARY):
            self._metrics[sweep.numbers, at] = sweep.metrics.get(name, np.nan)
        self._done[sweep.numbers], self._stored = True, sweep.done
        self._errors = {int(sweep.numbers[at]): line for at, line in sweep.errors.items()}
        if kept is not None:
            chosen = self.kept(kept.numbers)
            self._keep(kept.numbers[chosen], kept.returns[chosen])

    @property
    def done(self) -> int:
        """How many trials were made."""
        return int(self._done.sum())

    @property
    def is_behind(self) -> bool:
        """Whether trials were made before that the search has not chosen again yet."""
        return bool(self._done[self._planned.trials.n :].any())

    def check_search(self) -> None:
        """Raise InputError where the search came to its end before it had chosen again what was made before."""
        if self._planned.begun is not None and self.is_behind:
            raise self._other_search()

    def left(self, numbers: Numbers) -> Numbers:
        """Those among `numbers`, which the search chose last, that were not made yet; raises InputError where one that was
        made is another now: of another version of this program or of the search's library.
        """
        made, begun = numbers[self._done[numbers]], self._planned.begun
        if len(made) and begun is not None:
            at = np.searchsorted(begun.sweep.numbers, made)
            now = self._planned.trials.combinations(made).columns
            if any(not np.array_equal(now[name], begun.sweep.params[name][at]) for name in now):
                raise self._other_search()
        return numbers[~self._done[numbers]]

    def kept(self, numbers: Numbers) -> Int64Array:
        """The positions of those among `numbers` whose daily returns are kept."""
        return np.flatnonzero(numbers % self._every == 0)

    def add(self, numbers: Numbers, answer: Tried) -> None:
        """Enter what a worker made of a batch; raises RunError when it ran another source than the batches before."""
        source = self.depends.check(answer)
        self._keep(numbers[self.kept(numbers)], answer.returns)
        failed = {int(numbers[index]): str(error) for index, error in answer.errors}
        self._errors |= failed
        self._metrics[numbers] = answer.metrics
        self._done[numbers] = self._unsaved[numbers] = True
        identities = self._ground.identities(source, self._planned.trials.combinations(numbers))
        for number, identity in zip(numbers.tolist(), identities, strict=True):
            self._identities[number] = None if number in failed else identity
        told = numbers[~np.isin(numbers, list(failed))]
        fresh = set(self._ground.tried_legs(source, self._planned.trials.combinations(told))) - self._legs
        self._legs |= fresh
        self._unsaved_legs |= fresh

    def _keep(self, numbers: Numbers, returns: Float64Array) -> None:
        if self._returns is None:
            self._returns = np.full((-(-len(self._done) // self._every), returns.shape[1]), np.nan)
        self._returns[numbers // self._every] = returns

    def fail(self, number: int, error: str) -> None:
        """Enter a trial whose worker did not live to answer."""
        self._errors[number] = error
        self._done[number] = self._unsaved[number] = True

    def part(self) -> SweepPart:
        """What was made and not told to `saved` yet; positions are those in `result` now."""
        fresh, every = np.flatnonzero(self._unsaved), self._every
        returns = None
        if self._returns is not None:
            numbers = fresh[self.kept(fresh)]
            rows = self._returns[numbers // every]
            told = ~np.isnan(rows).any(axis=1)
            returns = TrialReturns(numbers[told], rows[told]) if told.any() else None
        identities = [self._identities[number] for number in fresh.tolist()]
        return SweepPart(
            np.flatnonzero(self._unsaved[self._done]),
            identities,
            returns,
            self._stored,
            frozenset(self._unsaved_legs),
        )

    def saved(self) -> None:
        """All that was made is stored."""
        self._unsaved[:], self._stored = False, self.done
        self._unsaved_legs.clear()

    def result(self, status: str, error: str | None = None) -> SweepResult:
        """The trials made so far."""
        planned, ground, numbers = self._planned, self._ground, np.flatnonzero(self._done)
        place = {number: at for at, number in enumerate(numbers.tolist())} if self._errors else {}
        table = self._metrics[numbers]
        return SweepResult(
            id=planned.id,
            spec=planned.spec,
            status=status,
            error=error,
            unified=ground.unified,
            period=ground.period,
            warmup=ground.warmup,
            longer_warmup=ground.longer_warmup,
            numbers=numbers,
            params=planned.trials.combinations(numbers).columns,
            fixed=planned.trials.fixed,
            metrics={name: table[:, at] for at, name in enumerate(SUMMARY)},
            errors={place[number]: line for number, line in sorted(self._errors.items())},
            planned=planned.trials.planned,
            done=len(numbers),
            failed=len(self._errors),
            engine=ground.engine,
            elapsed_s=time.monotonic() - self._began,
            created_ms=planned.created_ms,
            checks=ground.checks,
        )

    def losses(self, numbers: Numbers) -> Float64Array:
        """The objectives of these trials, (m, 1 or 2): less is better, NaN for none."""
        table = self._metrics[numbers]
        columns = [loss_sign(name) * table[:, SUMMARY.index(name)] for name in self._planned.spec.objectives]
        return np.stack(columns, axis=1)

    def _other_search(self) -> InputError:
        planned = self._planned
        return InputError(
            f"sweep {(planned.part_of or planned.id)[:8]} cannot go on: the {planned.spec.sampler} sampler chooses other "
            "trials now, as another version of it does; what was tried is kept, start a new one"
        )


def most_days(period: Period) -> int:
    """How many UTC days a period touches, at most."""
    return (period.end - period.start) // DAY_MS + 2
