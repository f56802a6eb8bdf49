"""How a sweep finds what it tries: everything at once, or batch by batch, each chosen by what came of those before.

A search is a function of its seed and of what it is told: batches have a size of their own, whatever the number of workers,
and come to an end before the next is chosen. So a search that is told again what it was told before goes on exactly as if it
had never ended.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from engine.events import CancelToken
from engine.model.market import Float64Array
from engine.model.sweep_spec import CMAES, GRID, NSGA2, RANDOM, SOBOL, TPE, SweepSpec
from engine.research.grid import Grid, Numbers

PROBES: Final = 4_096
MOST_IDLE: Final = 50  # batches in a row without anything new: then there is nothing left to be found


class Search(Protocol):
    """Chooses combinations by their numbers in the grid."""

    @property
    def planned(self) -> int:
        """How many distinct combinations it will choose, at most."""

    def ask(self, cancel: CancelToken) -> Numbers:
        """What is tried next, none that was asked before; empty at the end. Raises Interrupted once the work is to stop."""

    def tell(self, losses: Float64Array) -> None:
        """What came of it: (their number, objectives), less is better, NaN for a trial that failed or has no value."""

    def probes(self) -> Numbers:
        """Combinations that stand for all there may be."""


class Sampler(Protocol):
    """A search's method: proposes combinations, may propose one again, and learns of every one of them."""

    def propose(self) -> Numbers:
        """The next batch."""

    def learn(self, losses: Float64Array) -> None:
        """The losses of the batch, as `Search.tell` gets them."""


class Planned:
    """All that is tried, known before."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers, self._asked = numbers, False

    @property
    def planned(self) -> int:
        """Of `Search`."""
        return len(self._numbers)

    def ask(self, cancel: CancelToken) -> Numbers:  # noqa: ARG002 - takes no time
        """Of `Search`: everything, once."""
        asked, self._asked = self._asked, True
        return self._numbers[:0] if asked else self._numbers

    def tell(self, losses: Float64Array) -> None:
        """Of `Search`: nothing depends on it."""

    def probes(self) -> Numbers:
        """Of `Search`: all of them."""
        return self._numbers


class Guided:
    """What a sampler proposes, each combination once: what it proposes again is told from memory, and what the constraint
    forbids is told as having no value.
    """

    def __init__(self, sampler: Sampler, grid: Grid, trials: int, seed: int, objectives: int) -> None:
        self._sampler, self._grid, self._seed, self._objectives = sampler, grid, seed, objectives
        many = grid.many()
        self._left = trials if many is None else min(trials, many)
        self._count = 0
        self._losses: dict[int, Float64Array] = {}
        self._proposed = self._fresh = np.empty(0, dtype=np.int64)

    @property
    def planned(self) -> int:
        """Of `Search`."""
        return self._count + self._left

    def ask(self, cancel: CancelToken) -> Numbers:
        """Of `Search`."""
        for _ in range(MOST_IDLE if self._left else 0):
            cancel.raise_if_cancelled()
            self._proposed = self._sampler.propose()
            if not len(self._proposed):
                break
            new = np.array(
                [n for n in dict.fromkeys(self._proposed.tolist()) if n not in self._losses], np.int64
            )
            self._fresh = new[self._grid.fulfilled(new)][: self._left] if len(new) else new
            if len(self._fresh):
                self._left, self._count = self._left - len(self._fresh), self._count + len(self._fresh)
                return self._fresh
            self._sampler.learn(self._remembered())
        self._left = 0
        return np.empty(0, dtype=np.int64)

    def tell(self, losses: Float64Array) -> None:
        """Of `Search`."""
        self._losses.update(zip(self._fresh.tolist(), losses, strict=True))
        if self._left:
            self._sampler.learn(self._remembered())

    def probes(self) -> Numbers:
        """Of `Search`: the corners of the grid, and a sample of the rest."""
        ends = [sorted({0, length - 1}) for length in self._grid.shape]
        corners = itertools.islice(itertools.product(*ends), PROBES)
        inner = np.random.default_rng(self._seed).integers(0, self._grid.size, PROBES)
        found = np.concatenate((self._grid.numbers(np.array(list(corners))), inner))
        return np.unique(found)

    def _remembered(self) -> Float64Array:
        nothing = np.full(self._objectives, np.nan)
        return np.array([self._losses.get(number, nothing) for number in self._proposed.tolist()])


def search_of(spec: SweepSpec, grid: Grid) -> Search:
    """The search that a sweep asks for. Raises InputError for what its sampler cannot search."""
    if spec.sampler == GRID:
        return Planned(grid.all())
    trials, objectives = spec.trials or 0, len(spec.objectives)
    if spec.sampler == RANDOM:
        return Planned(grid.drawn(trials, spec.seed))
    grid.check(trials)
    return Guided(_SAMPLERS[spec.sampler](grid, spec), grid, trials, spec.seed, objectives)


def _sobol(grid: Grid, spec: SweepSpec) -> Sampler:
    from engine.research.samplers.sobol import SobolSampler

    return SobolSampler(grid, spec.trials or 0, spec.seed)


def _cmaes(grid: Grid, spec: SweepSpec) -> Sampler:
    from engine.research.samplers.cma_es import CmaEsSampler

    return CmaEsSampler(grid, spec.seed)


def _optuna(grid: Grid, spec: SweepSpec) -> Sampler:
    from engine.research.samplers.optuna_study import OptunaSampler

    return OptunaSampler(grid, spec.sampler, spec.seed, len(spec.objectives))


_SAMPLERS: Final[dict[str, Callable[[Grid, SweepSpec], Sampler]]] = {
    SOBOL: _sobol,
    CMAES: _cmaes,
    NSGA2: _optuna,
    TPE: _optuna,
}
