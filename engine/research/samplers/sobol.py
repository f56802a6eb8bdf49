"""Sobol points all over the grid, then everything around the best of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import numpy as np
from scipy.stats import qmc

from engine.errors import InputError
from engine.model.market import Float64Array
from engine.research.grid import Grid, Numbers

PLATEAUS: Final = 10  # whose surroundings are tried whole
_CANDIDATES: Final = 200  # of the best points, which may be plateaus
_LOCAL_AXES: Final = 5  # in more dimensions neighbours differ in two places at most
_CHUNK: Final = 4_096


class SobolSampler:
    """Three quarters of the trials or more are scrambled Sobol points; the others are neighbours, grid steps of one in any
    direction, of the points whose surroundings are best. Where those are too few, more points follow.
    """

    def __init__(self, grid: Grid, trials: int, seed: int) -> None:
        self._grid, self._steps = grid, _steps(len(grid.shape))
        many = grid.many()
        trials = trials if many is None else min(trials, many)
        around = min(trials // 4, PLATEAUS * len(self._steps))
        # the sequence leaves places of a small grid out for long: there a drawn sample covers it as well
        if many is not None and many < 8 * trials:
            self._points = grid.drawn(trials - around, seed)
            self._more: Iterator[Numbers] = (grid.drawn(many, seed) for _ in range(1))
        else:
            sequence = _sobol(grid, seed)
            self._points = grid.found(trials - around, sequence)
            self._more = _further(grid, around, sequence)
        self._losses: Float64Array | None = None

    def propose(self) -> Numbers:
        """Of `Sampler`: the points; then their surroundings, the best first; then more points."""
        if self._losses is None:
            return self._points
        losses, self._losses = self._losses, self._losses[:0]
        near = self._around(losses) if len(losses) else self._points[:0]
        return near if len(near) else next(self._more, self._points[:0])

    def learn(self, losses: Float64Array) -> None:
        """Of `Sampler`."""
        self._losses = losses[:, 0] if self._losses is None else self._losses

    def _around(self, losses: Float64Array) -> Numbers:
        places, shape = self._grid.places(self._points), np.array(self._grid.shape)
        found = []
        for best in self._plateaus(places, losses):
            near = places[best] + self._steps
            found.append(self._grid.numbers(near[((near >= 0) & (near < shape)).all(axis=1)]))
        return np.concatenate(found) if found else self._points[:0]

    def _plateaus(self, places: Numbers, losses: Float64Array) -> list[int]:
        """The best points by the mean of their own loss and those of the points next to them, no two side by side."""
        valued = np.flatnonzero(np.isfinite(losses))
        unit = places[valued] / np.maximum(np.array(self._grid.shape) - 1, 1)
        near = min(len(valued), 2 * places.shape[1] + 1)
        candidates = np.argsort(losses[valued], kind="stable")[:_CANDIDATES]
        means = []
        for candidate in candidates.tolist():
            distance = np.abs(unit - unit[candidate]).max(axis=1)
            means.append(losses[valued[np.argsort(distance, kind="stable")[:near]]].mean())
        chosen: list[int] = []
        for at in valued[candidates[np.argsort(means, kind="stable")]].tolist():
            if len(chosen) < PLATEAUS and (np.abs(places[chosen] - places[at]).max(axis=1) > 1).all():
                chosen.append(at)
        return chosen


def _steps(axes: int) -> Numbers:
    steps = np.array([
        step for step in itertools.product((-1, 0, 1), repeat=axes) if any(step)
    ] if axes <= _LOCAL_AXES else list(_two_at_most(axes)))  # fmt: skip
    return steps.astype(np.int64)


def _two_at_most(axes: int) -> Iterator[list[int]]:
    for one, other in itertools.combinations_with_replacement(range(axes), 2):
        for a, b in itertools.product((-1, 1), repeat=2):
            step = [0] * axes
            step[other], step[one] = b, a
            if one != other or a == b:
                yield step


def _further(grid: Grid, size: int, sequence: Iterator[int]) -> Iterator[Numbers]:
    """The next points of a sequence, `size` at a time, as long as some are found that fulfil the constraint."""
    with suppress(InputError):
        while True:
            yield grid.found(size, sequence)


def _sobol(grid: Grid, seed: int) -> Iterator[int]:
    """Numbers of Sobol points in the grid, none twice."""
    points, shape, seen = qmc.Sobol(len(grid.shape), rng=seed), np.array(grid.shape), set[int]()
    while True:
        places = np.minimum((points.random(_CHUNK) * shape).astype(np.int64), shape - 1)
        for number in grid.numbers(places).tolist():
            if number not in seen:
                seen.add(number)
                yield number
