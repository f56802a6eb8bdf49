"""Whether the best set of parameters stands on a plateau or on a lone peak: scores beside those of neighbouring sets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.model.market import Float64Array, Int64Array

MOST_CELLS: Final = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Of n cells: `best` has the highest score, `suggested` the highest `plateau` (equals: the first), positions 0..n-1.

    `ratio`: mean of the best one's neighbours / its score; `least`: their least / its score, both None where that is not
    above 0; `losses`: share of them that is <= 0. All None without neighbours. `plateau` (n,): mean - standard deviation of
    a cell and its neighbours, NaN for a cell without a score.
    """

    best: int
    neighbours: int
    ratio: float | None
    least: float | None
    losses: float | None
    suggested: int
    plateau: Float64Array


def neighbourhood(cells: Int64Array, scores: Float64Array) -> Neighbourhood | None:
    """Of cells (n, k), each at its own place on a grid of k parameters, with scores (n,) of which more is better, NaN for
    none. Neighbours are cells that exist and are at most one step away in every parameter.

    None without a score, and for a grid of more than 4,000,000 places.
    """
    shape = tuple((cells.max(axis=0) + 1).tolist()) if len(cells) else ()
    if not np.isfinite(scores).any() or np.prod([float(size) for size in shape]) > MOST_CELLS:
        return None
    grid = np.full(shape, np.nan)
    grid[tuple(cells.T)] = scores
    plateau = _plateau(grid)[tuple(cells.T)]
    plateau[~np.isfinite(scores)] = np.nan
    best = int(np.nanargmax(scores))
    around, top = _around(grid, cells[best]), float(scores[best])
    known = len(around) > 0
    return Neighbourhood(
        best,
        len(around),
        float(around.mean()) / top if known and top > 0 else None,
        float(around.min()) / top if known and top > 0 else None,
        float((around <= 0).mean()) if known else None,
        int(np.nanargmax(plateau)),
        plateau,
    )


def _around(grid: Float64Array, cell: Int64Array) -> Float64Array:
    """The scores of the neighbours of one cell."""
    steps = [
        [at for at in (place - 1, place, place + 1) if 0 <= at < size]
        for place, size in zip(cell.tolist(), grid.shape, strict=True)
    ]
    places = [place for place in itertools.product(*steps) if place != tuple(cell.tolist())]
    return np.array([grid[place] for place in places if np.isfinite(grid[place])])


def _plateau(grid: Float64Array) -> Float64Array:
    """Mean - standard deviation of every cell and its neighbours."""
    exists = np.isfinite(grid)
    middle = grid[exists].mean()  # around which sums of squares lose nothing
    values = np.where(exists, grid - middle, 0.0)
    count = _boxes(exists.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = _boxes(values) / count
        variance = _boxes(values * values) / count - mean * mean
        found: Float64Array = middle + mean - np.sqrt(np.maximum(variance, 0.0))
    return found


def _boxes(grid: Float64Array) -> Float64Array:
    """The sum of every cell and its neighbours, one axis after the other."""
    for axis in range(grid.ndim):
        total = grid.copy()
        ahead, behind = (np.moveaxis(total, axis, 0), np.moveaxis(grid, axis, 0))
        ahead[1:] += behind[:-1]
        ahead[:-1] += behind[1:]
        grid = total
    return grid
