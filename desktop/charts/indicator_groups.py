"""Where an indicator belongs: on the prices, or in a pane below. A strategy may say it; without a word it is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.model.plots import HIDDEN, PRICE, Plot

Floats = npt.NDArray[np.float64]
MOST_LOWER_PANES: Final = 4
_SAMPLE: Final = 5000
_FLAG_VALUES: Final = 3  # a column of so few distinct values is a state, not a curve
_FARTHEST: Final = 0.3  # from the candles' own range, of its prices: a curve beyond that would squeeze them
_NARROW: Final = 0.02
_NEAR, _FAR, _TOGETHER = 0.15, 0.35, 0.8
_OSCILLATES: Final = "0 to 100"
_OTHERS: Final = "Other indicators"


@dataclass(frozen=True, slots=True)
class Grouping:
    """Names of the indicators on the price pane, in each pane below, and those not drawn unless asked for; how each is drawn
    of which the strategy says so.
    """

    on_price: tuple[str, ...]
    lower: tuple[tuple[str, ...], ...]
    flags: tuple[str, ...]
    plots: Mapping[str, Plot] = field(default_factory=dict)


def group_indicators(
    columns: Mapping[str, Floats], close: Floats, plots: Mapping[str, Plot] | None = None
) -> Grouping:
    """Sort indicator columns into panes: as `plots` says, the others by the range of their values."""
    said = {name: plot for name, plot in (plots or {}).items() if name in columns}
    on_price, flags = [], []
    lower: dict[str, list[str]] = {}
    for name, values in columns.items():
        pane = said[name].pane if name in said else _guess(values, close)
        if pane == PRICE:
            on_price.append(name)
        elif pane == HIDDEN:
            flags.append(name)
        else:
            lower.setdefault(pane, []).append(name)
    ordered = sorted(
        lower, key=lambda pane: (pane == _OTHERS, pane == _OSCILLATES)
    )  # what was said comes first
    groups = [tuple(lower[pane]) for pane in ordered]
    most = MOST_LOWER_PANES - 2  # beside what is left over, and flags when they are asked for
    left = tuple(name for group in groups[most:] for name in group)
    return Grouping(tuple(on_price), (*groups[:most], left) if left else tuple(groups), tuple(flags), said)


def _guess(values: Floats, close: Floats) -> str:
    """Asked in this order: a state; an oscillator between 0 and 100; a price; anything else."""
    sample = values[:: max(1, len(values) // _SAMPLE)]
    finite = sample[np.isfinite(sample)]
    if len(finite) < 2 or len(np.unique(finite)) <= _FLAG_VALUES:
        return HIDDEN
    if _oscillates(finite) and not _follows(values, close):
        return _OSCILLATES
    return PRICE if _looks_like_price(finite, close) else _OTHERS


def _oscillates(finite: Floats) -> bool:
    return bool(finite.min() >= -0.5 and finite.max() <= 100.5 and finite.max() > 2)


def _follows(values: Floats, close: Floats) -> bool:
    """Whether a column goes with the prices candle by candle, as an average of them does and an oscillator cannot."""
    if len(values) != len(close):
        return False
    every = max(1, len(values) // _SAMPLE)
    values, close = values[::every], close[::every]
    known = np.isfinite(values) & (close > 0)
    if np.count_nonzero(known) < 2:
        return False
    mine, theirs = values[known], close[known]
    away = np.sort(np.abs(mine / theirs - 1.0))
    most, half = float(away[int(len(away) * 0.9)]), float(away[len(away) // 2])
    return most < _NEAR or (half < _FAR and float(np.corrcoef(mine, theirs)[0, 1]) > _TOGETHER)


def _looks_like_price(finite: Floats, close: Floats) -> bool:
    """Whether a curve fits beside the candles without squeezing them."""
    if not len(close):
        return False
    low, high = float(close.min()), float(close.max())
    spread = float(finite.max() - finite.min())
    near = finite.min() >= low * (1 - _FARTHEST) and finite.max() <= high * (1 + _FARTHEST)
    return bool(near and spread >= (high - low) * _NARROW)
