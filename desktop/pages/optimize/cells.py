"""The best trial of every pair of values of two varied parameters, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from desktop.charts.colour_grid import Axes, Cell, ColourGrid
from desktop.pages.optimize.trials import Wanted
from engine.model.market import Int64Array
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import GRID

MOST_CELLS: Final = 400  # along an axis; more would not be told apart, so neighbours share one


@dataclass(frozen=True, eq=False)
class Grid(ColourGrid):
    """What is drawn of a sweep.

    `axes`: the parameters, the second "" where only one varies; `xs`, `ys`: the lowest where neighbours share a cell;
    `values`: the objective of each cell's best trial, `positions` its place in the sweep, -1 for none. `columns`, `rows`:
    per trial, its cell. `first`: the position of the best trial of all that were wanted; None where none of them has a
    value.
    """

    sweep: SweepResult
    columns: Int64Array
    rows: Int64Array
    positions: Int64Array
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


def grid_of(sweep: SweepResult, axes: Axes, wanted: Wanted | None = None) -> Grid:
    """The map of the wanted trials of a sweep that made at least one. Takes a while for very many: made for a thread."""
    xs, columns = _cells(sweep, axes[0])
    ys, rows = _cells(sweep, axes[1]) if axes[1] else ([""], np.zeros(len(sweep), dtype=np.int64))
    positions = np.full((len(ys), len(xs)), -1, dtype=np.int64)
    worst_first = sweep.order[::-1] if wanted is None else sweep.order[::-1][wanted[sweep.order[::-1]]]
    positions[rows[worst_first], columns[worst_first]] = worst_first  # the last one stays: the best
    values = np.where(positions >= 0, sweep.objective[positions], np.nan)
    first = (
        int(worst_first[-1]) if len(worst_first) and np.isfinite(sweep.objective[worst_first[-1]]) else None
    )
    return Grid.of(
        axes, xs, ys, values, sweep=sweep, columns=columns, rows=rows, positions=positions, first=first
    )


def _cells(sweep: SweepResult, name: str) -> tuple[list[Any], Int64Array]:
    """The values along an axis, and the place of each trial's among them.

    A grid has all its values from the start, so that the map keeps its shape while it fills.
    """
    column, wanted = sweep.params[name], sweep.spec.ranges[name]
    whole = sweep.spec.sampler == GRID and len(wanted) <= MOST_CELLS
    known = np.unique(np.array(list(wanted), dtype=column.dtype) if whole else column)
    places = np.searchsorted(known, column)
    if len(known) > MOST_CELLS:
        places = places * MOST_CELLS // len(known)
        firsts = np.unique(np.arange(len(known)) * MOST_CELLS // len(known), return_index=True)[1]
        known = known[firsts]
    return known.tolist(), places.astype(np.int64)
