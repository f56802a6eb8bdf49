"""Columns as strategies answer them: of one kind or the other, or refused by name with what was given and what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.errors import RunError
from engine.model.market import Float64Array

if TYPE_CHECKING:
    import pandas as pd

Columns: TypeAlias = "pd.DataFrame | Mapping[str, Any]"  # what a strategy answers: Series or arrays by name


def columns_of(
    answer: Any, index: pd.Index[Any], method: str, *, hint: str = "build the frame with index=candles.index"
) -> dict[str, Any]:
    """The columns that a strategy's `method` returned, a Series or array (n,) each, in order.

    Raises RunError unless `answer` is a DataFrame, or a mapping of Series and one-dimensional arrays, on `index`; `hint`:
    what is to be done about another index.
    """
    import pandas as pd

    if isinstance(answer, pd.DataFrame):
        _check_rows(len(answer), answer.index, index, method, hint)
        if not answer.columns.is_unique:
            twice = answer.columns[answer.columns.duplicated()][0]
            raise RunError(f"{method}() returned the column {twice!r} twice")
        return {str(name): column for name, column in answer.items()}
    if not isinstance(answer, Mapping):
        raise RunError(f"{method}() must return a DataFrame or a mapping of columns, not {kind_of(answer)}")
    for name, column in answer.items():
        if isinstance(column, pd.Series):
            _check_rows(len(column), column.index, index, method, hint)
        elif not isinstance(column, np.ndarray) or column.ndim != 1:
            raise RunError(
                f"{method}() column {name!r} must be a Series or a one-dimensional array, not {kind_of(column)}"
            )
        elif len(column) != len(index):
            raise RunError(
                f"{method}() column {name!r} has {len(column)} values, there are {len(index)} candles"
            )
    return {str(name): column for name, column in answer.items()}


def kind_of(given: Any) -> str:
    """What was given, for a sentence: the library too, as others have a Series and a DataFrame of their own."""
    if isinstance(given, np.ndarray):
        return f"an array of shape {given.shape}"
    kind = type(given)
    library = kind.__module__.partition(".")[0]
    return kind.__name__ if library in ("builtins", "pandas") else f"{library}'s {kind.__name__}"


def _check_rows(rows: int, found: pd.Index[Any], index: pd.Index[Any], method: str, hint: str) -> None:
    if found is not index and not found.is_(index) and not found.equals(index):
        raise RunError(
            f"{method}() returned {rows} rows with another index than the {len(index)} candles; {hint}"
        )


def float_column(column: Any, name: str, method: str) -> Float64Array:
    """A column of numbers as float64, without copying where it is that already; raises RunError naming it."""
    if column.dtype.kind not in "fiub":
        _check_numbers(column, f"{method}() column {name!r} must hold numbers")
    try:
        if isinstance(column, np.ma.MaskedArray):
            return np.ma.filled(column.astype(np.float64), np.nan)
        if isinstance(column, np.ndarray):
            # the strategy may keep what it can write into, and do so later
            return np.array(column, dtype=np.float64, copy=True if column.flags.writeable else None)
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise RunError(f"{method}() column {name!r} must hold numbers, not {column.dtype}") from None


def _check_numbers(column: Any, wanted: str) -> None:
    """Raise RunError unless a column of objects holds nothing but numbers and empty values."""
    import pandas as pd

    if column.dtype.kind != "O":
        raise RunError(f"{wanted}, not {column.dtype}")
    for at, value in enumerate(column):
        if not (isinstance(value, int | float | np.number) or value is None or value is pd.NA):
            raise RunError(f"{wanted}, not {value!r} ({kind_of(value)}) as in row {at}")


def boolean_column(column: Any, name: str) -> npt.NDArray[np.bool_]:
    """A copy of a column of signals() as bool; raises RunError naming it and the first row that is neither."""
    if column.dtype != np.bool_ or isinstance(column, np.ma.MaskedArray):
        _check_booleans(column, name)
        column = column.astype(bool)
    return np.array(column if isinstance(column, np.ndarray) else column.to_numpy())


def _check_booleans(column: Any, name: str) -> None:
    """Raise RunError unless a column of another kind holds True or False for each candle."""
    import pandas as pd

    wanted = f"signals() column {name!r} must be boolean"
    if column.dtype.kind not in "bO":
        raise RunError(f"{wanted}, not {column.dtype}; a comparison gives one")
    empty = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else pd.isna(column)
    if empty.any():
        count, first = int(np.sum(empty)), int(np.argmax(empty))
        fill = ".fillna(False).astype(bool) says no there, shift(1, fill_value=False) leaves none"
        raise RunError(f"{wanted}, but {count:,} of its values are empty, the first in row {first}; {fill}")
    if column.dtype.kind == "O":
        at = next((at for at, value in enumerate(column) if not isinstance(value, bool | np.bool_)), None)
        if at is None:
            raise RunError(f"{wanted}, not objects that are; .astype(bool) makes it so")
        other = list(column)[at]
        raise RunError(f"{wanted}, not {other!r} ({kind_of(other)}) as in row {at}; a comparison gives one")
