"""Remembers indicators while many parameter sets are tried on the same candles."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

MAX_BYTES: Final = 512 * 1024**2

Array = npt.NDArray[Any]
# where an array lies and how long it is: as long as it is held and nobody can write there, it says what it holds
Place = tuple[int, int]


class Memory:
    """Results of indicator functions on the columns of one table of candles, the least recently used forgotten first.

    A result is remembered only where every input is proven to be what it was: a column of the table on read-only memory,
    or an earlier result that is still held here. Results lie on read-only memory too and are handed out as lazy copies:
    who changes one with pandas has changed a copy, which is at another place and therefore unknown.
    """

    def __init__(self, candles: pd.DataFrame, max_bytes: int = MAX_BYTES) -> None:
        self.index: Final = candles.index
        self.max_bytes: Final = max_bytes
        self.bytes = 0
        self._given = {
            name: column.to_numpy() for name, column in candles.items()
        }  # held, so never elsewhere
        # known arrays by their number, which is never given twice: memory that was forgotten is soon another array's, and
        # what was made of the one before must not be taken for its own
        self._numbers = itertools.count()
        self._known: dict[Place, int] = {}
        self._learn(
            column for column in self._given.values() if column.flags.c_contiguous and _is_lasting(column)
        )
        self._held: list[Array] = []
        self._results: OrderedDict[Hashable, tuple[Any, list[Array]]] = OrderedDict()

    def key(
        self, name: Hashable, inputs: Sequence[Array], numbers: tuple[float, ...], index: pd.Index[Any] | None
    ) -> Hashable | None:
        """Under what a result is remembered; None where it must not be."""
        known = tuple(self.number_of(column) for column in inputs)
        if (index is not None and not index.is_(self.index)) or None in known:
            return None
        return name, numbers, known, index is None

    def number_of(self, column: Array) -> int | None:
        """What stands for an array that is proven to be what it was; None for any other."""
        return self._known.get(place(column))

    def hold(self, columns: Sequence[Array]) -> None:
        """Know these too, which stay as long as this does: what is computed on them is remembered."""
        new = [column for column in columns if self.number_of(column) is None and _is_lasting(column)]
        self._held += new
        self._learn(new)

    def recall(self, key: Hashable) -> Any:
        """A remembered result as `keep` gives it, or None."""
        found = self._results.get(key)
        if found is None:
            return None
        self._results.move_to_end(key)
        return _lent(found[0])

    def keep(self, key: Hashable, result: Any, columns: list[Array]) -> Any:
        """Remember a result and the arrays that it lies on; gives what may be handed out of it."""
        self._results[key] = result, columns
        self._learn(columns)
        self.bytes += sum(column.nbytes for column in columns)
        while self.bytes > self.max_bytes and len(self._results) > 1:
            _, (_, forgotten) = self._results.popitem(last=False)
            for column in forgotten:
                del self._known[place(column)]
            self.bytes -= sum(column.nbytes for column in forgotten)
        return _lent(result)

    def _learn(self, columns: Iterable[Array]) -> None:
        self._known.update((place(column), next(self._numbers)) for column in columns)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Indicators remember and recall here while this lasts."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Memory | None] = ContextVar("memory", default=None)


def current() -> Memory | None:
    """The memory of the scope that this code runs in."""
    return _current.get()


@contextmanager
def remembered(candles: pd.DataFrame, max_bytes: int = MAX_BYTES) -> Iterator[Memory]:
    """While this lasts, indicators of the columns of `candles` are computed once per set of arguments.

    `candles` must lie on read-only memory, as CandleFrame.table does; nothing is remembered of a table that does not.
    """
    memory = Memory(candles, max_bytes)
    with memory.used():
        yield memory


def place(column: Array) -> Place:
    """Where a contiguous array lies."""
    return column.__array_interface__["data"][0], len(column)


def _lent(result: Any) -> Any:
    """What a strategy may have of a result: an array itself, as nobody can write there, else a copy without the columns'."""
    if isinstance(result, np.ndarray):
        return result
    if isinstance(result, dict):
        return {name: _lent(column) for name, column in result.items()}
    return result.copy(deep=False)


def _is_lasting(column: Any) -> bool:
    """Whether nobody can write where an array lies: it is a view of read-only memory all the way down."""
    while isinstance(column, np.ndarray):
        if column.flags.writeable:
            return False
        column = column.base
    return True
