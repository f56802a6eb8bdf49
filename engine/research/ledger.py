"""What is known of a sweep's trials so far: filled batch by batch, read at any time as a SweepResult."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import RunError
from engine.model.metric_definitions import SUMMARY
from engine.model.sweep import SweepResult, SweepSpec
from engine.model.trial import trial_identities
from engine.parallel.tasks import TrialsAnswer
from engine.reproduction.inputs import hashes
from engine.research.grid import Numbers, Trials
from engine.runs.load import LoadedSeries
from engine.runs.plan import PlannedRun
from engine.runs.record import inputs_of, sweep_checks


@dataclass(frozen=True, slots=True)
class PlannedSweep:
    """A sweep whose strategy, parameters and market are known to exist; `base` stands for any of its trials."""

    spec: SweepSpec
    trials: Trials
    base: PlannedRun
    created_ms: int

    @property
    def id(self) -> str:
        """The id of the sweep and of its job."""
        return self.base.id

    @property
    def title(self) -> str:
        """One short line for people."""
        return f"{self.base.title}: {self.trials.n:,} trials"


class Ledger:
    """The trials of one sweep over one series, by their number 0..n-1. For one thread."""

    def __init__(self, planned: PlannedSweep, series: LoadedSeries) -> None:
        n = planned.trials.n
        self._planned, self._series = planned, series
        self._began = time.monotonic()
        self._checks = sweep_checks(series, planned.base.warmup)
        self._metrics = np.full((n, len(SUMMARY)), np.nan)
        self._done = np.zeros(n, dtype=np.bool_)
        self._errors: dict[int, str] = {}
        self._identities: list[bytes | None] = [None] * n
        self._source: Mapping[str, str] | None = None
        self.sources: Mapping[str, bytes] = {}
        self.inputs: Mapping[str, Any] | None = None

    @property
    def done(self) -> int:
        """How many trials were made."""
        return int(self._done.sum())

    def add(self, numbers: Numbers, answer: TrialsAnswer) -> None:
        """Enter what a worker made of a batch; raises RunError when it ran another source than the batches before."""
        self._check_source(answer)
        failed = {int(numbers[index]): str(error) for index, error in answer.errors}
        self._errors |= failed
        self._metrics[numbers], self._done[numbers] = answer.metrics, True
        assert self._source is not None
        identities = trial_identities(self._source, self._planned.trials.combinations(numbers))
        for number, identity in zip(numbers.tolist(), identities, strict=True):
            self._identities[number] = None if number in failed else identity

    def fail(self, number: int, error: str) -> None:
        """Enter a trial whose worker did not live to answer."""
        self._errors[number], self._done[number] = error, True

    def result(self, status: str, error: str | None = None) -> SweepResult:
        """The trials made so far."""
        planned, numbers = self._planned, np.flatnonzero(self._done)
        place = {number: at for at, number in enumerate(numbers.tolist())} if self._errors else {}
        table = self._metrics[numbers]
        return SweepResult(
            id=planned.id,
            spec=planned.spec,
            status=status,
            error=error,
            unified=planned.base.market.unified,
            period=self._series.period,
            warmup=planned.base.warmup,
            numbers=numbers,
            params=planned.trials.combinations(numbers).columns,
            fixed=planned.trials.fixed,
            metrics={name: table[:, at] for at, name in enumerate(SUMMARY)},
            errors={place[number]: line for number, line in self._errors.items()},
            planned=planned.trials.n,
            done=len(numbers),
            failed=len(self._errors),
            engine=planned.base.spec.engine,
            elapsed_s=time.monotonic() - self._began,
            created_ms=planned.created_ms,
            checks=self._checks,
        )

    def identities(self) -> list[bytes | None]:
        """`model.trial.trial_identity` of the trials made so far, in order; None for those that failed."""
        return [self._identities[number] for number in np.flatnonzero(self._done).tolist()]

    def _check_source(self, answer: TrialsAnswer) -> None:
        sources = {name: source.tobytes() for name, source in answer.sources.items()}
        source = hashes(sources)
        if self._source is None:
            self._source, self.sources = source, sources
            base = self._planned.base
            self.inputs = inputs_of(base, self._series, {}, answer.engine, answer.versions, source)
        elif source != self._source:
            raise RunError("the strategy's file was changed while the sweep ran; run it again")
