"""The trials of one sweep, in the order in which they are tried; a search adds to them while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.events import CancelToken
from engine.model.combinations import Combinations
from engine.model.parameters import ParamValue
from engine.model.sweep import Column
from engine.model.sweep_spec import SweepSpec
from engine.research.grid import Grid, Numbers
from engine.research.search import Search, search_of


class Trials:
    """Distinct combinations, numbered 0..n-1, of the `planned` that will be tried at most.

    `columns` (n,) hold the ranged parameters, `fixed` the values of all others.
    """

    def __init__(self, grid: Grid, search: Search) -> None:
        self._grid, self._search = grid, search
        self.columns: Mapping[str, Column] = grid.columns(np.empty(0, dtype=np.int64))
        self.n = 0

    @property
    def planned(self) -> int:
        """How many there will be; less where nothing new is found any more."""
        return self._search.planned

    @property
    def fixed(self) -> Mapping[str, ParamValue]:
        """Parameters without a range."""
        return self._grid.fixed

    def extend(self, cancel: CancelToken) -> bool:
        """Add what is to be tried next; whether there was something. Raises Interrupted once the work is to stop."""
        fresh = self._search.ask(cancel)
        if not len(fresh):
            return False
        added = self._grid.columns(fresh)
        self.columns = {
            name: np.concatenate((column, added[name])) if self.n else added[name]
            for name, column in self.columns.items()
        }
        self.n += len(fresh)
        return True

    def told(self, losses: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        """Tell the search what came of those that `extend` added last: (their number, objectives), less is better."""
        self._search.tell(losses)

    def probes(self) -> Combinations:
        """Combinations that stand for all that may be tried, where they are not known beforehand."""
        return Combinations(self._grid.columns(self._search.probes()), dict(self.fixed))

    def combinations(self, chosen: Numbers | slice) -> Combinations:
        """Some of them."""
        return Combinations({name: column[chosen] for name, column in self.columns.items()}, dict(self.fixed))


def plan_trials(spec: SweepSpec, described: Sequence[Mapping[str, Any]]) -> Trials:
    """The trials of a sweep over the parameters that a strategy describes (Param.to_json), in a repeatable order.

    In a grid the last range varies fastest; random trials come in the order in which they were drawn. Raises InputError for
    a value that its parameter refuses, for too many trials, and for a constraint that cannot be read or leaves nothing.
    """
    grid = Grid.of(spec, described)
    return Trials(grid, search_of(spec, grid))
