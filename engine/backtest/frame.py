"""Candles as strategies see them, and the other series that they read beside them.

A strategy gets its candles as lazy copies on read-only memory: whatever it does to them with pandas is its own affair, and
nothing is copied as long as it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.backtest.beside import Beside, Side, ages, closes_of, latest_seen
from engine.errors import RunError
from engine.indicators.memory import Memory, current
from engine.model.columns import columns_of, float_column, kind_of
from engine.model.market import CandleFile, Candles
from engine.strategy import named_series

_ANSWERS: Final = "a Series, a one-dimensional array, a DataFrame or a mapping of columns"
_HINT: Final = "keep the index of the candles that compute was given"
_ONE: Final = "the column"  # what is said of a column that has no name
Array = npt.NDArray[Any]


class CandleFrame:
    """Candles as strategies see them: `table` has columns open, high, low, close, volume and a UTC index; `reading`: the
    other series that are read beside them, None where there are none.

    Make it once and use it for many evaluations; the memory is that of the candles where those are read-only.
    """

    def __init__(
        self,
        candles: Candles,
        table: pd.DataFrame | None = None,
        *,
        beside: Beside | None = None,
        begins: bool = False,
    ) -> None:
        """`begins`: of other series nothing is known but what a run loads whose first decision is the last of these."""
        self.candles: Final = candles
        self.table: Final = _table(candles) if table is None else table
        self._beside = beside
        self.reading: Final = (
            None
            if beside is None
            else Reading(candles, self.table.index, beside.known_by(candles, begins=begins))
        )

    @classmethod
    def of(cls, file: CandleFile, candles: Candles | None = None) -> CandleFrame:
        """The candles of a task, or others in their place, with what is read beside them."""
        return cls(file.load() if candles is None else candles, beside=Beside.of_file(file))

    def __len__(self) -> int:
        return len(self.candles)

    def copy(self) -> pd.DataFrame:
        """The table for one call of a strategy: a lazy copy."""
        return self.table.copy(deep=False)

    @cached_property
    def arrays(self) -> Mapping[str, Array]:
        """The columns by name, for strategies that want arrays: `timestamp`, open times (int64, ms), among them."""
        columns = {str(name): column.to_numpy() for name, column in self.table.items()}
        return {"timestamp": _frozen(np.ascontiguousarray(self.candles.timestamp)), **columns}

    def given(self, *, arrays: bool) -> Any:
        """What one call of a strategy gets as its candles."""
        return dict(self.arrays) if arrays else self.copy()

    def memory(self, max_bytes: int) -> Memory:
        """Where indicators of these candles are remembered while many parameters are tried on them."""
        memory = Memory(self.table, max_bytes)
        memory.hold([self.arrays["timestamp"]])
        return memory

    def part(self, start: int | None, stop: int | None) -> CandleFrame:
        """The candles at positions start..stop, on the same memory; of other series what was known by then."""
        candles, table = self.candles.slice(start, stop), self.table.iloc[start:stop]
        return CandleFrame(candles, table, beside=self._beside, begins=bool(start))


def _table(candles: Candles) -> pd.DataFrame:
    index = pd.DatetimeIndex(candles.timestamp.astype("datetime64[ms]"), tz="UTC", name="timestamp")
    columns = {name: _frozen(column) for name, column in candles.columns().items()}
    return pd.DataFrame(columns, index=index, copy=False)


def _frozen(column: Array) -> Array:
    """The column on read-only memory: itself where it was mapped or frozen before, else a copy."""
    column = np.array(column) if column.flags.writeable else np.asarray(column)
    column.flags.writeable = False
    return column.view()


class Reading:
    """The other series beside candles, as `Strategy.on` gives them; what is laid beside them once is kept."""

    def __init__(self, candles: Candles, index: pd.Index[Any], beside: Beside) -> None:
        self._series = {
            (side.symbol, side.timeframe): _Laid(side, candles, index, beside) for side in beside.sides
        }

    def on(self, timeframe: str, compute: Callable[[Any], Any] | None, symbol: str, *, arrays: bool) -> Any:
        """As `Strategy.on`; raises RunError for a series that was not declared."""
        asked = named_series(timeframe, symbol)
        laid = self._series.get((symbol, timeframe))
        if laid is None:
            known = ", ".join(named_series(one, of) for of, one in self._series)
            raise RunError(f"{asked} is not declared; `timeframes` and `symbols_read` declare {known}")
        if compute is None:
            return laid.columns(arrays=arrays)
        memory = current()
        with laid.remembering(memory, len(self._series)):
            answer = compute(laid.frame.given(arrays=arrays))
            return laid.beside(answer, asked, memory)


class _Laid:
    """One series and where its candles lie beside those of the run."""

    def __init__(self, side: Side, candles: Candles, index: pd.Index[Any], beside: Beside) -> None:
        self._side, self._base, self._index, self._unit = side, candles, index, beside.base
        self.frame: Final = CandleFrame(side.candles)
        self._memory: Memory | None = None

    @cached_property
    def _seen(self) -> npt.NDArray[np.int64]:
        return latest_seen(self._closes, self._base_closes)

    @cached_property
    def _closes(self) -> npt.NDArray[np.int64]:
        return closes_of(self._side.candles.timestamp, self._side.candle)

    @cached_property
    def _base_closes(self) -> npt.NDArray[np.int64]:
        return closes_of(self._base.timestamp, self._unit)

    @cached_property
    def _columns(self) -> Mapping[str, Array]:
        """The candles' own columns and their age, laid beside the run's: read-only."""
        found = {name: _frozen(self._lay(column)) for name, column in self._side.candles.columns().items()}
        return found | {"age": _frozen(ages(self._closes, self._base_closes, self._seen, self._unit))}

    def columns(self, *, arrays: bool) -> Any:
        """What a strategy gets that computes nothing on the candles themselves."""
        memory = current()
        if memory is not None:
            memory.hold(list(self._columns.values()))
        return dict(self._columns) if arrays else self._table.copy(deep=False)

    @cached_property
    def _table(self) -> pd.DataFrame:
        """Kept, so that who changes a lazy copy of it with pandas changes a copy of the column."""
        return pd.DataFrame(self._columns, index=self._index, copy=False)

    def remembering(self, memory: Memory | None, series: int) -> AbstractContextManager[None]:
        """Indicators of these candles are remembered while trials are made; all series share as much room as the candles."""
        if memory is None:
            return nullcontext()
        if self._memory is None:
            self._memory = self.frame.memory(memory.max_bytes // series)
        return self._memory.used()

    def beside(self, answer: Any, asked: str, memory: Memory | None) -> Any:
        """What was computed on the candles, laid beside the run's in the same shape."""
        single = isinstance(answer, pd.Series | np.ndarray)
        if not single and not isinstance(answer, pd.DataFrame | Mapping):
            raise RunError(f"{asked}: compute must return {_ANSWERS}, not {kind_of(answer)}")
        try:
            columns = columns_of(
                {_ONE: answer} if single else answer, self.frame.table.index, "compute", hint=_HINT
            )
            found = {name: self._column(name, column, memory) for name, column in columns.items()}
        except RunError as error:
            raise RunError(f"{asked}: {error}") from None
        if single:
            return found[_ONE]
        return pd.DataFrame(found, copy=False) if isinstance(answer, pd.DataFrame) else found

    def _column(self, name: str, column: Any, memory: Memory | None) -> Any:
        is_bool = column.dtype == np.bool_ and not isinstance(column, np.ma.MaskedArray)
        values = np.asarray(column) if is_bool else float_column(column, name, "compute")
        number = None if self._memory is None else self._memory.number_of(values)
        is_array = isinstance(column, np.ndarray)
        if memory is None or number is None:
            made = self._lay(values)  # nobody else has it
            return _frozen(made) if is_array else pd.Series(made, self._index, copy=False)
        key = ("beside", self._side.symbol, self._side.timeframe, number, is_array)
        laid = memory.recall(key)
        if laid is None:
            made = _frozen(self._lay(values))
            laid = memory.keep(key, made if is_array else pd.Series(made, self._index, copy=False), [made])
        return laid

    def _lay(self, column: Array) -> Array:
        """Of each candle of the run what the last one that had closed says: NaN, or False, where there was none."""
        nothing = False if column.dtype == np.bool_ else np.nan
        return np.append(column, nothing)[self._seen]  # the one before the first is the last
