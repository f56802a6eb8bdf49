"""Sizes in coins for strategies written for backtesting.py, which knows whole units only.

The library reads a size below 1 as a fraction of the account. So a size that came from a position or a trade must say
that it is in coins, however small: it is a float of a type of its own, as long as it is still a size.
"""

from __future__ import annotations

from typing import Any, SupportsIndex, overload

import numpy as np

from engine.backtest.rules import UNITS

_EXACT = 2.0**52  # units: beyond, floats of coins are as coarse as the grid itself


class Coins(float):
    """A number of coins, a whole number of 1e-8 where it was traded.

    It stays one when it is negated, rounded, added to, or multiplied with or divided by a plain number. Times a value of
    the market (numpy's, as all of `data` and `self.I` are) it is money, and divided by coins a ratio: plain numbers.
    Sums land on the grid, so that what is left of 0.3 after 0.1 is 0.2.
    """

    __slots__ = ()

    def __neg__(self) -> Coins:
        return Coins(float.__neg__(self))

    def __pos__(self) -> Coins:
        return self

    def __abs__(self) -> Coins:
        return Coins(float.__abs__(self))

    @overload
    def __round__(self, ndigits: None = None, /) -> int: ...
    @overload
    def __round__(self, ndigits: SupportsIndex, /) -> Coins: ...
    def __round__(self, ndigits: SupportsIndex | None = None, /) -> int | Coins:
        return float.__round__(self) if ndigits is None else Coins(float.__round__(self, ndigits))

    def __add__(self, other: Any) -> Any:
        return _sum(float.__add__(self, other))

    def __radd__(self, other: Any) -> Any:
        return _sum(float.__radd__(self, other))

    def __sub__(self, other: Any) -> Any:
        return _sum(float.__sub__(self, other))

    def __rsub__(self, other: Any) -> Any:
        return _sum(float.__rsub__(self, other))

    def __mul__(self, other: Any) -> Any:
        return _part(float.__mul__(self, other), other)

    def __rmul__(self, other: Any) -> Any:
        return _part(float.__rmul__(self, other), other)

    def __truediv__(self, other: Any) -> Any:
        return _part(float.__truediv__(self, other), other)


def _sum(value: Any) -> Any:
    return value if value is NotImplemented else Coins(on_grid(value))


def _part(value: Any, other: Any) -> Any:
    return value if value is NotImplemented or isinstance(other, Coins | np.generic) else Coins(value)


def on_grid(coins: float) -> float:
    """The nearest whole number of 1e-8 coin."""
    units = coins * UNITS
    return round(units) / UNITS if abs(units) < _EXACT else float(coins)


def traded(coins: float) -> int | Coins:
    """A size as the strategy sees it: whole coins as the library has them, an int; else coins on the grid."""
    return int(coins) if coins == int(coins) else Coins(on_grid(coins))
