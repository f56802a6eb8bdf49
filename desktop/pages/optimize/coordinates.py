"""The trials of a sweep as lines over parallel axes: where each line crosses them, which are wanted, and their picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from desktop.pages.optimize.trials import Wanted, metric_title
from desktop.tables.metrics import metric_text
from desktop.tables.run_names import value_text
from engine.model.market import Float64Array, Int64Array
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import GRID

MOST_LINES: Final = 20_000  # of more the best half of them is drawn, and a sample of the rest
STRENGTHS: Final = 16  # of colour: the better a trial, the stronger
_FIGURES: Final = ("return_pct", "max_drawdown_pct", "trades")
Brushes = Mapping[str, tuple[float, float]]  # per axis, from and to in its places


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter, or a figure of each trial. Places along it are values; of `choices` (none for numbers) their numbers."""

    name: str
    title: str
    low: float
    high: float
    choices: tuple[Any, ...] = ()
    is_figure: bool = False
    is_whole: bool = False

    def share(self, place: float) -> float:
        """How far up a place is: 0 to 1 between the ends."""
        return (place - self.low) / (self.high - self.low)

    def place(self, share: float) -> float:
        """The place so far up; at an end there is no bound, so that better trials to come are not left out."""
        if 0 < share < 1:
            return self.low + share * (self.high - self.low)
        return -math.inf if share <= 0 else math.inf

    def text(self, place: float) -> str:
        """A place in words."""
        if self.choices:
            return value_text(self.choices[min(len(self.choices) - 1, max(0, round(place)))])
        if self.is_figure:
            return str(metric_text(self.name)(place))
        return str(round(place)) if self.is_whole else f"{place:.6g}"


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines of m trials over k axes, worst first. `positions` (m,): whose they are; `shares` (m, k): how far up each
    crosses, NaN where the trial has no value there; `strengths` (m,): 0 to STRENGTHS - 1.
    """

    sweep: SweepResult
    axes: tuple[Axis, ...]
    positions: Int64Array
    shares: npt.NDArray[np.float32]
    strengths: npt.NDArray[np.uint8]


def axes_of(sweep: SweepResult, definitions: Mapping[str, Any]) -> tuple[Axis, ...]:
    """What was varied, what was aimed at, and the figures people look at first."""
    figures = [name for name in (*sweep.spec.objectives, *_FIGURES) if name in sweep.metrics]
    params = [_param_axis(sweep, name) for name in sweep.params]
    return (*params, *(_figure_axis(sweep, name, definitions) for name in dict.fromkeys(figures)))


def _param_axis(sweep: SweepResult, name: str) -> Axis:
    column, values = sweep.params[name], sweep.spec.ranges[name]
    if column.dtype.kind not in "iuf":
        choices = tuple(values)
        return Axis(name, name, -0.5, len(choices) - 0.5, choices)
    ends = [values[0], values[-1]] if sweep.spec.sampler == GRID else [column.min(), column.max()]
    return Axis(name, name, *_apart(float(min(ends)), float(max(ends))), is_whole=column.dtype.kind in "iu")


def _figure_axis(sweep: SweepResult, name: str, definitions: Mapping[str, Any]) -> Axis:
    known = sweep.metrics[name][np.isfinite(sweep.metrics[name])]
    ends = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    return Axis(name, metric_title(name, definitions), *_apart(*ends), is_figure=True)


def _apart(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def places(sweep: SweepResult, axis: Axis) -> Float64Array:
    """Where each trial is along an axis, (n,); NaN where it has no value."""
    if axis.name not in sweep.params:
        return sweep.metrics[axis.name]
    column = sweep.params[axis.name]
    if not axis.choices:
        return column.astype(np.float64)
    known, at = np.unique(column, return_inverse=True)
    numbers = [axis.choices.index(one) for one in known.tolist()]
    return np.array(numbers, dtype=np.float64)[at]


def wanted_by(sweep: SweepResult, axes: Sequence[Axis], brushes: Brushes) -> Wanted | None:
    """Which trials all brushes hold; None where nothing is brushed."""
    wanted: Wanted | None = None
    for axis in axes:
        if axis.name in brushes:
            low, high = brushes[axis.name]
            at = places(sweep, axis)
            held = (at >= low) & (at <= high)
            wanted = held if wanted is None else wanted & held
    return wanted


def lines_of(sweep: SweepResult, axes: tuple[Axis, ...]) -> Lines:
    """The lines of a sweep's trials, failed ones left out. Takes a while for very many: made for a thread."""
    positions = sweep.order[: len(sweep) - len(sweep.errors)][::-1]
    if len(positions) > MOST_LINES:
        half = MOST_LINES // 2
        spread = np.linspace(0, len(positions) - half - 1, half).astype(np.int64)
        positions = np.concatenate([positions[spread], positions[-half:]])
    shares = np.column_stack([
        ((places(sweep, axis)[positions] - axis.low) / (axis.high - axis.low)).astype(np.float32)
        for axis in axes
    ])  # fmt: skip
    has_value = np.isfinite(sweep.objective[positions])
    rank = np.cumsum(has_value) / max(1, has_value.sum())
    strengths = np.where(has_value, np.ceil(rank * STRENGTHS) - 1, 0).astype(np.uint8)
    return Lines(sweep, axes, positions, shares, strengths)


def picture_of(
    lines: Lines, wanted: Wanted | None, xs: Sequence[int], height: int, colours: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """The lines as uint8 RGBA of shape (height, xs[-1] + 1, 4), the axes at the columns `xs`.

    `colours` (STRENGTHS + 2, 4): of no line, of one that is not wanted, of the others from the weakest on. Better lines lie
    on worse ones, unwanted ones below all. 10,000 lines over 6 axes take a tenth of a second: made for a thread.
    """
    canvas = np.zeros((height, xs[-1] + 1), dtype=np.uint8)
    codes = lines.strengths + np.uint8(2)
    if wanted is not None:
        codes = np.where(wanted[lines.positions], codes, np.uint8(1))
    above = np.argsort(codes == 1, kind="stable")
    order = np.concatenate([above[(codes == 1)[above]], above[(codes != 1)[above]]])
    tops = (1 - np.clip(lines.shares[order], 0, 1)) * (height - 1)
    codes = codes[order]
    for number in range(len(xs) - 1):
        known = np.isfinite(tops[:, number]) & np.isfinite(tops[:, number + 1])
        _draw_between(
            canvas, tops[known, number], tops[known, number + 1], codes[known], xs[number], xs[number + 1]
        )
    return np.asarray(colours[canvas])


def _draw_between(
    canvas: npt.NDArray[np.uint8],
    left: npt.NDArray[np.float32],
    right: npt.NDArray[np.float32],
    codes: npt.NDArray[np.uint8],
    x0: int,
    x1: int,
) -> None:
    """Lines from one axis to the next, in steps so small that steep ones have no holes; a later one covers earlier ones."""
    steps = max(x1 - x0, len(canvas))
    for share in np.linspace(0, 1, steps + 1, dtype=np.float32).tolist():
        rows = (left + (right - left) * np.float32(share) + np.float32(0.5)).astype(np.int32)
        canvas[rows, round(x0 + share * (x1 - x0))] = codes


def nearest(lines: Lines, wanted: Wanted | None, at: float, share: float) -> tuple[int, float] | None:
    """The trial whose line is nearest to a point, `at` axes from the left and so far up; and how far off it is in shares."""
    left = min(max(0, int(at)), len(lines.axes) - 2)
    part = at - left
    there = lines.shares[:, left] * (1 - part) + lines.shares[:, left + 1] * part
    off = np.abs(there - share)
    if wanted is not None:
        off = np.where(wanted[lines.positions], off, np.nan)
    if not np.isfinite(off).any():
        return None
    best = len(off) - 1 - int(np.nanargmin(off[::-1]))  # of equals the best trial, which is the last
    return int(lines.positions[best]), float(off[best])
