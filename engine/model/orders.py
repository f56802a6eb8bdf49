"""What a strategy may ask of its orders beside entries, exits, stop and target: optional columns, checked once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import RunError
from engine.model.columns import boolean_column, float_column
from engine.model.market import Float64Array, Int64Array

PRICES: Final = ("entry_limit", "entry_stop", "stop_now", "target_1", "target_2", "target_3")
DISTANCES: Final = ("trail", "trail_from", "break_even")  # of prices
FRACTIONS: Final = ("size", "risk", "part_1", "part_2", "part_3", "add_size")  # above 0, at most 1
COUNTS: Final = ("entry_expiry", "max_adds", "max_candles")  # whole numbers from 1 on
_MOST: Final = 1e9  # what is counted as a whole number
ORDER_COLUMNS: Final = (*PRICES, *DISTANCES, *FRACTIONS, *COUNTS)
ADD_COLUMN: Final = re.compile(r"add_(\w+)_(buy|sell)")
TARGETS: Final = ("target_1", "target_2", "target_3")


def is_order_column(name: str) -> bool:
    """Whether a column of `signals` is one of these."""
    return name in ORDER_COLUMNS or ADD_COLUMN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """Checked order columns over n candles. Column ORDER_COLUMNS[k] is `columns[rows[k]]`, or where `rows[k]` is -1 the
    constant `fixed[k]`; NaN = none.

    `fixed`: float64 and `rows`: int64, both (len(ORDER_COLUMNS),); `columns`: float64 (m, n). `add`: int16 (n,), 0 = none,
    +(k+1) = add to a long by `add_names[k]`, -(k+1) to a short; earlier columns win.
    """

    fixed: Float64Array
    columns: Float64Array
    rows: Int64Array
    add_names: tuple[str, ...]
    add: npt.NDArray[np.int16]

    @classmethod
    def check(cls, given: Mapping[str, Any], n: int) -> Orders | None:
        """From the order columns among those that `signals` returned, each an array (n,), a Series or a number; None where
        there are none. Raises RunError naming the column at fault and its first row.
        """
        fixed, rows = np.full(len(ORDER_COLUMNS), np.nan), np.full(len(ORDER_COLUMNS), -1, dtype=np.int64)
        columns: list[Float64Array] = []
        for k, name in enumerate(ORDER_COLUMNS):
            if name not in given:
                continue
            values = _values(given[name], name)
            if values.ndim:
                rows[k] = len(columns)
                columns.append(values)
            else:
                fixed[k] = values
        adds = {name: boolean_column(given[name], name) for name in given if ADD_COLUMN.fullmatch(name)}
        if not columns and not adds and np.isnan(fixed).all():
            return None
        if adds and "add_size" not in given:
            raise RunError(
                f"signals() column {next(iter(adds))!r} needs add_size: the fraction of the equity that it adds"
            )
        stacked = np.stack(columns) if columns else np.empty((0, n))
        return cls(fixed, stacked, rows, tuple(adds), _coded(adds, n))

    def value(self, name: str, i: int) -> float:
        """That column's value on candle i, NaN = none."""
        k = ORDER_COLUMNS.index(name)
        row = int(self.rows[k])
        return float(self.fixed[k] if row < 0 else self.columns[row, i])

    def slice(self, start: int | None, stop: int | None) -> Orders:
        """Those of the candles at positions start..stop."""
        cut = slice(start, stop)
        columns = np.ascontiguousarray(self.columns[:, cut])
        return Orders(self.fixed, columns, self.rows, self.add_names, self.add[cut])

    def named(self) -> Mapping[str, npt.NDArray[Any]]:
        """Every column that was given, by name, each (n,): what a look-ahead check compares."""
        n = len(self.add)
        found: dict[str, npt.NDArray[Any]] = {}
        for k, name in enumerate(ORDER_COLUMNS):
            if self.rows[k] >= 0:
                found[name] = self.columns[self.rows[k]]
            elif not np.isnan(self.fixed[k]):
                found[name] = np.broadcast_to(self.fixed[k], n)
        for k, name in enumerate(self.add_names):
            found[name] = np.abs(self.add) == k + 1
        return found

    def plain(self) -> dict[str, Any]:
        """As plain values and arrays, for another process."""
        return {
            "fixed": self.fixed,
            "columns": list(self.columns),
            "rows": self.rows,
            "add_names": list(self.add_names),
            "add": self.add,
        }

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any], n: int) -> Orders:
        """Of what `plain` gave over n candles; raises RunError where the lengths are others."""
        columns, rows = plain["columns"], plain["rows"]
        shapes = [plain["fixed"].shape, rows.shape, plain["add"].shape, *(column.shape for column in columns)]
        own = (len(ORDER_COLUMNS),)
        if shapes != [own, own, *[(n,)] * (1 + len(columns))] or rows.max() >= len(columns):
            raise RunError(
                "the strategy's process answered in order columns of other lengths than its candles"
            )
        stacked = np.stack(columns) if columns else np.empty((0, n))
        return cls(plain["fixed"], stacked, rows, tuple(plain["add_names"]), plain["add"])


def _values(given: Any, name: str) -> Float64Array:
    """The column as float64, (n,) or () for a number; raises RunError where a value makes no sense."""
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        values = np.array(float(given))
    elif getattr(given, "dtype", None) is None or given.dtype.kind == "b":
        raise RunError(
            f"signals() column {name!r} must hold numbers, not {getattr(given, 'dtype', type(given).__name__)}"
        )
    else:
        values = np.array(float_column(given, name, "signals"))
    wrong = _wrong(values, name)
    if wrong.any():
        at = np.flatnonzero(np.atleast_1d(wrong))[0]
        where = f" as in row {at}" if values.ndim else ""
        raise RunError(
            f"signals() column {name!r} must hold {_wanted(name)}, or NaN for none, not {np.atleast_1d(values)[at]:g}{where}"
        )
    return values


def _wrong(values: Float64Array, name: str) -> npt.NDArray[np.bool_]:
    wrong = np.isinf(values) | (values <= 0)
    if name in FRACTIONS:
        wrong |= values > 1
    elif name in COUNTS:
        wrong |= ~np.isnan(values) & ((values != np.floor(values)) | (values > _MOST))
    return np.asarray(wrong)


def _wanted(name: str) -> str:
    if name in PRICES:
        return "prices above 0"
    if name in DISTANCES:
        return "distances of prices above 0"
    return "fractions above 0 and at most 1" if name in FRACTIONS else "whole numbers from 1 on"


def _coded(adds: Mapping[str, npt.NDArray[np.bool_]], n: int) -> npt.NDArray[np.int16]:
    coded = np.zeros(n, dtype=np.int16)
    for k, (name, fires) in reversed(list(enumerate(adds.items()))):  # earlier columns win
        coded[fires] = (k + 1) if name.endswith("_buy") else -(k + 1)
    return coded
