"""CMA-ES: a cloud of points that moves and stretches towards what was good (Hansen; the library `cmaes`)."""

from __future__ import annotations

from typing import Final

import numpy as np
from cmaes import CMA

from engine.errors import InputError
from engine.model.market import Float64Array
from engine.research.grid import Grid, Numbers

POPULATION: Final = 64
_WIDTH: Final = 0.25  # of the first cloud, of each range


class CmaEsSampler:
    """Searches the unit cube, a range an axis. Where the cloud has shrunk to nothing a larger one begins."""

    def __init__(self, grid: Grid, seed: int) -> None:
        if len(grid.shape) < 2:
            raise InputError("CMA-ES needs at least two ranges; try every value of one with the grid")
        for name, axis in grid.axes.items():
            if not axis.ordered:
                raise InputError(
                    f"CMA-ES needs ranges of numbers; {name} is a choice: fix it, or use tpe or nsga2"
                )
        self._grid, self._seed, self._begun = grid, seed, 0
        self._cloud = self._new()
        self._points: list[Float64Array] = []

    def propose(self) -> Numbers:
        """Of `Sampler`."""
        shape = np.array(self._grid.shape)
        self._points = [self._cloud.ask() for _ in range(self._cloud.population_size)]
        return self._grid.numbers(np.minimum((np.array(self._points) * shape).astype(np.int64), shape - 1))

    def learn(self, losses: Float64Array) -> None:
        """Of `Sampler`: what has no value counts as the worst of its generation."""
        column = losses[:, 0]
        known = column[np.isfinite(column)]
        worst = known.max() if len(known) else 0.0
        filled = np.where(np.isfinite(column), column, worst)
        self._cloud.tell(list(zip(self._points, filled.tolist(), strict=True)))
        if self._cloud.should_stop():
            self._cloud = self._new()

    def _new(self) -> CMA:
        axes, self._begun = len(self._grid.shape), self._begun + 1
        mean = (
            np.full(axes, 0.5)
            if self._begun == 1
            else np.random.default_rng(self._seed + self._begun).random(axes)
        )
        return CMA(
            mean, _WIDTH, np.array([[0.0, 1.0]] * axes), seed=(self._seed + self._begun) % 2**32,
            population_size=POPULATION * 2 ** min(self._begun - 1, 3),
        )  # fmt: skip
