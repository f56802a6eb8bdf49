"""The best trial of every pair of values of two varied parameters, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg

from desktop.pages.optimize.trials import Wanted
from engine.model.market import Float64Array, Int64Array
from engine.model.sweep import SweepResult

MOST_CELLS: Final = 400  # along an axis; more would not be told apart, so neighbours share one
COLOURS: Final = "viridis"  # even steps of lightness: legible to everybody, in both themes and in print
Cell = tuple[int, int]  # column, row
Axes = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """What is drawn of a sweep. Arrays of cells have the shape (len(ys), len(xs)).

    `axes`: the parameters, the second "" where only one varies; `xs`, `ys`: their values (the lowest where neighbours
    share a cell). `positions`: of each cell's best trial, -1 for none; `values`: its objective, NaN for none; `pixels`:
    uint8 RGBA, transparent for none; `levels`: what the ends of the colours mean. `columns`, `rows`: per trial, its cell.
    `first`: the position of the best trial of all that were wanted; None where none of them has a value.
    """

    sweep: SweepResult
    axes: Axes
    xs: Sequence[Any]
    ys: Sequence[Any]
    columns: Int64Array
    rows: Int64Array
    positions: Int64Array
    values: Float64Array
    pixels: npt.NDArray[np.uint8]
    levels: tuple[float, float]
    first: int | None

    def best_of(self, cell: Cell) -> int | None:
        """The position of the cell's best trial."""
        position = int(self.positions[cell[1], cell[0]])
        return position if position >= 0 else None

    def cell_of(self, position: int) -> Cell:
        """The cell of a trial."""
        return int(self.columns[position]), int(self.rows[position])

    @property
    def best(self) -> Cell | None:
        """The cell of the best trial of all; None where no trial has a value."""
        return None if self.first is None else self.cell_of(self.first)

    def has_cells_of(self, other: Grid) -> bool:
        """Whether both have the same cells."""
        return (self.axes, self.xs, self.ys) == (other.axes, other.xs, other.ys)


def grid_of(sweep: SweepResult, axes: Axes, wanted: Wanted | None = None) -> Grid:
    """The map of the wanted trials of a sweep that made at least one. Takes a while for very many: made for a thread."""
    xs, columns = _cells(sweep, axes[0])
    ys, rows = _cells(sweep, axes[1]) if axes[1] else ([""], np.zeros(len(sweep), dtype=np.int64))
    positions = np.full((len(ys), len(xs)), -1, dtype=np.int64)
    worst_first = sweep.order[::-1] if wanted is None else sweep.order[::-1][wanted[sweep.order[::-1]]]
    positions[rows[worst_first], columns[worst_first]] = worst_first  # the last one stays: the best
    values = np.where(positions >= 0, sweep.objective[positions], np.nan)
    levels = _levels(values)
    first = (
        int(worst_first[-1]) if len(worst_first) and np.isfinite(sweep.objective[worst_first[-1]]) else None
    )
    return Grid(sweep, axes, xs, ys, columns, rows, positions, values, _pixels(values, levels), levels, first)


def _cells(sweep: SweepResult, name: str) -> tuple[list[Any], Int64Array]:
    """The values along an axis, and the place of each trial's among them.

    A grid has all its values from the start, so that the map keeps its shape while it fills.
    """
    column, wanted = sweep.params[name], sweep.spec.ranges[name]
    whole = sweep.spec.sampler == "grid" and len(wanted) <= MOST_CELLS
    known = np.unique(np.array(list(wanted), dtype=column.dtype) if whole else column)
    places = np.searchsorted(known, column)
    if len(known) > MOST_CELLS:
        places = places * MOST_CELLS // len(known)
        firsts = np.unique(np.arange(len(known)) * MOST_CELLS // len(known), return_index=True)[1]
        known = known[firsts]
    return known.tolist(), places.astype(np.int64)


def _levels(values: Float64Array) -> tuple[float, float]:
    """Lowest and highest value; apart even where all are equal."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


@cache
def _colours() -> npt.NDArray[np.uint8]:
    return np.asarray(pg.colormap.get(COLOURS).getLookupTable(nPts=256, alpha=True), dtype=np.uint8)


def _pixels(values: Float64Array, levels: tuple[float, float]) -> npt.NDArray[np.uint8]:
    low, high = levels
    known = np.isfinite(values)
    shares = np.where(known, (np.where(known, values, low) - low) / (high - low), 0.0)
    pixels = _colours()[(shares * 255).astype(np.uint8)]
    pixels[~known] = 0
    return pixels
