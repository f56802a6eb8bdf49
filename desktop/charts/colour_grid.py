"""Values over two axes of cells, ready to be drawn as colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg

from engine.model.market import Float64Array

COLOURS: Final = "viridis"  # even steps of lightness: legible to everybody, in both themes and in print
Cell = tuple[int, int]  # column, row
Axes = tuple[str, str]


@dataclass(frozen=True, eq=False)
class ColourGrid:
    """Arrays of cells have the shape (len(ys), len(xs)). `axes`: what lies across and upwards, `xs`, `ys`: their values;
    `values`: NaN for none; `pixels`: uint8 RGBA, transparent for none; `levels`: what the ends of the colours mean.
    """

    axes: Axes
    xs: Sequence[Any]
    ys: Sequence[Any]
    values: Float64Array
    pixels: npt.NDArray[np.uint8]
    levels: tuple[float, float]

    @classmethod
    def of(cls, axes: Axes, xs: Sequence[Any], ys: Sequence[Any], values: Float64Array, **more: Any) -> Self:
        """With colours from the lowest value to the highest; `more`: what a kind of grid has beside."""
        levels = _levels(values)
        return cls(axes, xs, ys, values, _pixels(values, levels), levels, **more)

    @property
    def best(self) -> Cell | None:
        """The cell to be starred, if any."""
        return None

    def has_cells_of(self, other: ColourGrid) -> bool:
        """Whether both have the same cells."""
        return (self.axes, self.xs, self.ys) == (other.axes, other.xs, other.ys)


def _levels(values: Float64Array) -> tuple[float, float]:
    """Lowest and highest value; apart even where all are equal."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


@cache
def _colours() -> npt.NDArray[np.uint8]:
    return np.asarray(pg.colormap.get(COLOURS).getLookupTable(nPts=256, alpha=True), dtype=np.uint8)


def _pixels(values: Float64Array, levels: tuple[float, float]) -> npt.NDArray[np.uint8]:
    low, high = levels
    known = np.isfinite(values)
    shares = np.where(known, (np.where(known, values, low) - low) / (high - low), 0.0)
    pixels = _colours()[(shares * 255).astype(np.uint8)]
    pixels[~known] = 0
    return pixels
