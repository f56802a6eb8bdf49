"""Where an indicator belongs: on the prices, or in a pane below with others of its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_LOWER_PANES: Final = 2
_SAMPLE: Final = 5000
_FLAG_VALUES: Final = 3  # a column of so few distinct values is a state, not a curve


@dataclass(frozen=True, slots=True)
class Grouping:
    """Names of the indicators on the price pane, in each pane below, and those not drawn unless asked for."""

    on_price: tuple[str, ...]
    lower: tuple[tuple[str, ...], ...]
    flags: tuple[str, ...]


def group_indicators(columns: Mapping[str, Floats], close: Floats) -> Grouping:
    """Sort indicator columns into panes by the range of their values."""
    on_price, flags = [], []
    bounded, others = [], []
    for name, values in columns.items():
        sample = values[:: max(1, len(values) // _SAMPLE)]
        finite = sample[np.isfinite(sample)]
        if len(finite) < 2 or _is_flag(finite):
            flags.append(name)
        elif _looks_like_price(finite, close):
            on_price.append(name)
        elif finite.min() >= -0.5 and finite.max() <= 100.5 and finite.max() > 2:
            bounded.append(name)
        else:
            others.append(name)
    lower = tuple(tuple(group) for group in (bounded, others) if group)
    return Grouping(tuple(on_price), lower[:MOST_LOWER_PANES], tuple(flags))


def _is_flag(finite: Floats) -> bool:
    return len(np.unique(finite)) <= _FLAG_VALUES


def _looks_like_price(finite: Floats, close: Floats) -> bool:
    if not len(close):
        return False
    low, high = float(close.min()), float(close.max())
    middle = float(
        np.sort(finite)[len(finite) // 2]
    )  # np.median would import numpy.ma first, a visible pause
    spread = float(finite.max() - finite.min())
    return low * 0.7 <= middle <= high * 1.3 and spread >= (high - low) * 0.02
