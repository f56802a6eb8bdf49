"""A portfolio that is about to be made: what was asked for, and each leg as a run whose inputs are known to exist."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from engine.model.portfolio import PortfolioSpec
from engine.runs.plan import PlannedRun


@dataclass(frozen=True, slots=True)
class PlannedPortfolio:
    """A portfolio whose strategies, parameters and markets are known to exist; `runs`: each leg as a run of its own."""

    spec: PortfolioSpec
    runs: tuple[PlannedRun, ...]
    id: str

    @classmethod
    def of(cls, spec: PortfolioSpec, runs: Sequence[PlannedRun]) -> PlannedPortfolio:
        """With an id of its own."""
        return cls(spec, tuple(runs), str(uuid.uuid4()))

    @property
    def title(self) -> str:
        """One short line for people."""
        count = len(self.runs)
        return f"{self.spec.name}: {count} leg{'s' if count > 1 else ''}"
