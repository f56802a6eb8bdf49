"""What is known of a walk-forward's combinations so far: filled batch by batch, stored as it grows, gone on with later."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from engine.model.market import Market
from engine.model.trial import TriedLeg
from engine.model.walk_forward import FIGURES, BegunWalk, TriedPart, WalkForward, WalkForwardSpec, Window
from engine.parallel.portfolio_tasks import PortfolioWindowTrialsAnswer
from engine.parallel.tasks import WindowTrialsAnswer
from engine.research.grid import Numbers
from engine.research.ledger import PlannedSweep
from engine.research.resuming import Dependence
from engine.research.subject import Ground


class Keeping(Protocol):
    """Where a walk-forward is kept while it is made. Raises DatabaseError."""

    def begin(self, walk: WalkForward, market: Market) -> None:
        """Its row; one that goes on has it already."""

    def add(
        self, walk: WalkForward, part: TriedPart, inputs: Mapping[str, Any], sources: Sequence[bytes]
    ) -> None:
        """What was tried since the last part, counted as trials, with what it depends on."""

    def end(self, walk: WalkForward) -> WalkForward:
        """How it ended; gives it as stored."""


class WalkLedger:
    """The combinations of one walk-forward over one series, by their number 0..n-1. For one thread."""

    def __init__(
        self,
        planned: PlannedSweep[Any],
        spec: WalkForwardSpec,
        ground: Ground,
        windows: Sequence[Window],
        begun: BegunWalk | None,
    ) -> None:
        """Raises InputError where one that goes on depends on something that has changed."""
        n = planned.trials.n
        self._planned, self._spec, self._ground = planned, spec, ground
        self._began = time.monotonic()
        self._before_s = begun.walk.elapsed_s if begun else 0.0
        self._figures = np.full((n, len(windows), 2, len(FIGURES)), np.nan)
        self._done, self._unsaved = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        self._errors: dict[int, str] = {}
        self._identities: list[bytes | None] = [None] * n
        self._legs, self._unsaved_legs = set[TriedLeg](), set[TriedLeg]()
        self._windows = windows
        self.depends = Dependence(
            "walk-forward",
            planned.id,
            ground.depends,
            begun.inputs if begun else None,
        )
        if begun:
            for part in begun.parts:
                self._figures[part.numbers], self._done[part.numbers] = part.figures, True
                self._errors |= part.errors

    @property
    def left(self) -> Numbers:
        """Those that were not tried yet."""
        return np.flatnonzero(~self._done)

    @property
    def done(self) -> int:
        """How many combinations were tried."""
        return int(self._done.sum())

    def add(self, numbers: Numbers, answer: WindowTrialsAnswer | PortfolioWindowTrialsAnswer) -> None:
        """Enter a batch; raises RunError when it ran another source than the batches before."""
        source = self.depends.check(answer)
        failed = {int(numbers[index]): str(error) for index, error in answer.errors}
        self._errors |= failed
        n, windows = len(numbers), self._figures.shape[1]
        self._figures[numbers] = answer.figures.reshape(n, windows, 2, len(FIGURES))
        self._done[numbers] = self._unsaved[numbers] = True
        identities = self._ground.identities(source, self._planned.trials.combinations(numbers))
        for number, identity in zip(numbers.tolist(), identities, strict=True):
            lost = number in failed and np.isnan(self._figures[number]).all()
            self._identities[number] = None if lost else identity
        self._count_legs(
            source, numbers[[self._identities[number] is not None for number in numbers.tolist()]]
        )

    def _count_legs(self, source: Mapping[str, str], numbers: Numbers) -> None:
        """What these try of strategies by themselves, in every training."""
        told = self._ground.tried_legs(source, self._planned.trials.combinations(numbers))
        fresh = set(told) - self._legs
        self._legs |= fresh
        self._unsaved_legs |= {replace(leg, period=window.train) for leg in fresh for window in self._windows}

    def fail(self, number: int, error: str) -> None:
        """Enter a combination whose worker did not live to answer."""
        self._errors[number] = error
        self._done[number] = self._unsaved[number] = True

    def part(self) -> TriedPart | None:
        """What was tried and not told to `saved` yet; None where nothing was, or nothing is known of what it depends on."""
        numbers = np.flatnonzero(self._unsaved)
        if not len(numbers) or self.depends.inputs is None:
            return None
        chosen = numbers.tolist()
        errors = {number: self._errors[number] for number in chosen if number in self._errors}
        identities = [self._identities[number] for number in chosen]
        return TriedPart(numbers, self._figures[numbers], errors, identities, frozenset(self._unsaved_legs))

    def saved(self, part: TriedPart) -> None:
        """That part is stored."""
        self._unsaved[part.numbers] = False
        self._unsaved_legs -= part.legs

    def result(self, status: str, error: str | None = None) -> WalkForward:
        """What is known so far."""
        planned, ground = self._planned, self._ground
        return WalkForward(
            id=planned.id,
            spec=replace(self._spec, sweep=planned.spec),
            status=status,
            error=error,
            unified=ground.unified,
            period=ground.period,
            warmup=ground.warmup,
            longer_warmup=ground.longer_warmup,
            columns=planned.trials.columns,
            fixed=planned.trials.fixed,
            figures=self._figures,
            done=self.done,
            errors=dict(sorted(self._errors.items())),
            elapsed_s=self._before_s + time.monotonic() - self._began,
            created_ms=planned.created_ms,
        )
