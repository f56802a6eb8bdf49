"""What the compiled simulators are made with: how numba compiles them, the arrays they take, and a division."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from numba import types

F = TypeVar("F", bound=Callable[..., Any])
Column = npt.NDArray[Any]

# rows of the two tables that a kernel fills, a column per trade
PLACES: Final = ("side", "entry", "exit", "signal", "reason")
AMOUNTS: Final = (
    "size", "entry_price", "exit_price", "pnl", "commission", "slippage", "mae_pct", "mfe_pct",
)  # fmt: skip
# and of those that the kernels of other terms fill
TERM_PLACES: Final = (*PLACES, "ambiguous", "settled")
TERM_AMOUNTS: Final = (*AMOUNTS, "funding")

PRICES: Final = types.Array(types.float64, 1, "C", readonly=True)
FLAGS: Final = types.Array(types.boolean, 1, "C", readonly=True)
SIGNS: Final = types.Array(types.int16, 1, "C", readonly=True)
WORTHS: Final = types.Array(types.float64, 2, "C", readonly=True)

# Nothing in them allocates, so nothing needs counted references (_nrt): counting those of a dozen arrays for every trade
# would take half of the time.
OPTIONS: Final[Any] = {"cache": True, "nogil": True, "_nrt": False}
part: Callable[[F], F] = numba.njit(**OPTIONS, forceinline=True)  # stands where it is called
step: Callable[[F], F] = numba.njit(**OPTIONS)  # is called: what happens seldom


def code(number: int) -> int:
    """A constant of kernels. A plain int is a type of its own to numba, which would compile a function anew for each."""
    constant: Any = np.int64(number)
    return cast("int", constant)


_SAFE_QUOTIENT: Final = 2.0**50


@part
def floor_division(above: float, below: float) -> float:
    """above // below to the last bit, several times as fast where rounding cannot have changed the answer."""
    quotient = above / below
    units = math.floor(quotient)
    return units if units != quotient and quotient < _SAFE_QUOTIENT else above // below


def plain(column: Column) -> Column:
    """As kernels take it: contiguous (columns of a mapped file are not)."""
    return np.ascontiguousarray(column)
