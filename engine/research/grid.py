"""Which combinations a sweep tries: columns of parameters, built by arithmetic on the combination's number."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.model.combinations import Combinations
from engine.model.parameters import Param, ParamValue, complete
from engine.model.ranges import Steps
from engine.model.sweep import Column, SweepSpec
from engine.research.constraint import fulfilled

MAX_TRIALS: Final = 1_000_000
MAX_DRAWS: Final = 2_000_000  # looking for combinations that fulfil a constraint: a second or two
_ENUMERABLE: Final = 4_000_000  # a grid up to here is filtered whole before trials are drawn from it
_NUMBERABLE: Final = 2**62
_CHUNK: Final = 100_000

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """n distinct combinations: `columns` (n,) of the ranged parameters, `fixed` values of all the others."""

    columns: Mapping[str, Column]
    fixed: Mapping[str, ParamValue]
    n: int

    def combinations(self, chosen: Numbers | slice) -> Combinations:
        """Some of them."""
        return Combinations({name: column[chosen] for name, column in self.columns.items()}, dict(self.fixed))


def plan_trials(spec: SweepSpec, described: Sequence[Mapping[str, Any]]) -> Trials:
    """The combinations of a sweep over the parameters that a strategy describes (Param.to_json), in a repeatable order.

    In a grid the last range varies fastest; random trials come in the order in which they were drawn. Raises InputError for
    a value that its parameter refuses, for too many trials, and for a constraint that cannot be read or leaves nothing.
    """
    known = {str(one["name"]): Param.from_json(one) for one in described}
    for name, values in spec.ranges.items():
        if not len(values):
            raise InputError(f"the range of {name} holds no value")
    fixed = complete(known, {name: values[0] for name, values in spec.ranges.items()} | dict(spec.params))
    axes = {name: _Axis.of(known[name], values) for name, values in spec.ranges.items()}
    grid = _Grid(axes, {name: value for name, value in fixed.items() if name not in axes}, spec.constraint)
    columns = grid.all() if spec.trials is None else grid.drawn(spec.trials, spec.seed)
    return Trials(columns, grid.fixed, len(next(iter(columns.values()))))


@dataclass(frozen=True, slots=True)
class _Axis:
    """The values of one parameter, each accepted by it."""

    param: Param
    values: Sequence[ParamValue]

    @classmethod
    def of(cls, param: Param, values: Sequence[ParamValue]) -> _Axis:
        """Checked: between two accepted ends of steps everything is accepted."""
        if isinstance(values, Steps) and param.choices is None:
            param.parse(values[0])
            param.parse(values[-1])
            return cls(param, values)
        if len(values) > MAX_TRIALS:
            raise InputError(
                f"the range of {param.name} lists {len(values):,} values, more than {MAX_TRIALS:,}"
            )
        parsed = tuple(dict.fromkeys(param.parse(value) for value in values))
        kinds = {type(value) for value in parsed}
        if len(kinds) > 1 and not kinds <= {int, float}:
            raise InputError(f"the range of {param.name} mixes kinds of values; sweep one kind, or fix it")
        return cls(param, parsed)

    def column(self, at: Numbers) -> Column:
        """The values at these positions."""
        if isinstance(self.values, Steps):  # only where everything between two accepted ends is
            column = self.values.column(at)
            return column.astype(np.float64) if isinstance(self.param.default, float) else column
        distinct, back = np.unique(at, return_inverse=True)
        return np.array([self.param.parse(self.values[i]) for i in distinct.tolist()])[back]


class _Grid:
    """All combinations of some axes, numbered from 0."""

    def __init__(self, axes: Mapping[str, _Axis], fixed: Mapping[str, ParamValue], constraint: str) -> None:
        self._axes, self.fixed, self._constraint = axes, fixed, constraint
        self._size = math.prod(len(axis.values) for axis in axes.values())

    def all(self) -> dict[str, Column]:
        """Every combination that fulfils the constraint."""
        if self._size > MAX_TRIALS:
            raise InputError(
                f"{self._count} combinations ({self._factors}) are more than the {MAX_TRIALS:,} that a sweep tries; "
                "use larger steps, or the random sampler with fewer trials"
            )
        return self._columns(self._kept(np.arange(self._size)))

    def drawn(self, trials: int, seed: int) -> dict[str, Column]:
        """`trials` distinct ones of them, or all where there are fewer; the same for the same seed."""
        if trials > MAX_TRIALS:
            raise InputError(f"{trials:,} trials are more than the {MAX_TRIALS:,} that a sweep tries")
        if self._size > _NUMBERABLE:
            raise InputError(
                f"{self._count} combinations ({self._factors}) are too many to draw from; use larger steps"
            )
        rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
        if self._size <= _ENUMERABLE:
            kept = self._kept(np.arange(self._size))
            return self._columns(kept[rng.sample(range(len(kept)), min(trials, len(kept)))])
        return self._columns(self._found(trials, _distinct(rng, self._size)))

    def _found(self, trials: int, numbers: Iterator[int]) -> Numbers:
        """The first `trials` of the numbers whose combinations fulfil the constraint."""
        found = np.empty(0, dtype=np.int64)
        for _ in range(0, MAX_DRAWS, _CHUNK):
            chunk = _CHUNK if self._constraint.strip() else trials - len(found)
            drawn = np.fromiter(itertools.islice(numbers, min(chunk, _CHUNK)), dtype=np.int64)
            found = np.concatenate((found, drawn[self._fulfilled(drawn)]))
            if len(found) >= trials:
                return found[:trials]
        raise InputError(
            f"constraint {self._constraint!r}: only {len(found):,} of {MAX_DRAWS:,} drawn combinations fulfil it, "
            f"{trials:,} trials were asked for; ask for fewer, or narrow the ranges"
        )

    def _kept(self, numbers: Numbers) -> Numbers:
        kept = numbers[self._fulfilled(numbers)]
        if not len(kept):
            raise InputError(
                f"constraint {self._constraint!r}: none of {self._count} combinations fulfils it"
            )
        return kept

    def _fulfilled(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        if not self._constraint.strip():
            return np.ones(len(numbers), dtype=np.bool_)
        return fulfilled(self._constraint, dict(self.fixed) | self._columns(numbers), len(numbers))

    def _columns(self, numbers: Numbers) -> dict[str, Column]:
        """The parameters of these combinations, in the order of the axes."""
        found: dict[str, Column] = {}
        for name, axis in reversed(list(self._axes.items())):
            numbers, at = np.divmod(numbers, len(axis.values))
            found[name] = axis.column(at)
        return {name: found[name] for name in self._axes}

    @property
    def _count(self) -> str:
        return f"{self._size:,}" if self._size < 10**15 else f"{float(self._size):.1e}"

    @property
    def _factors(self) -> str:
        return " x ".join(f"{len(axis.values):,} of {name}" for name, axis in self._axes.items())


def _distinct(rng: random.Random, size: int) -> Iterator[int]:
    """Numbers below `size`, none twice, for ever: `size` is far greater than what is taken."""
    seen: set[int] = set()
    while True:
        number = rng.randrange(size)
        if number not in seen:
            seen.add(number)
            yield number
