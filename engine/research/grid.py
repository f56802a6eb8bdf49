"""All combinations of a sweep's ranges: columns of parameters, built by arithmetic on the combination's number."""

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
from engine.model.parameters import Param, ParamValue, complete
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_params import weights_fit, weights_wanted
from engine.model.ranges import Steps
from engine.model.sweep import Column
from engine.model.sweep_spec import SweepSpec
from engine.research.constraint import fulfilled

MAX_TRIALS: Final = 1_000_000
MAX_DRAWS: Final = 2_000_000  # looking for combinations that fulfil a constraint: a second or two
_ENUMERABLE: Final = 4_000_000  # a grid up to here is filtered whole before trials are drawn from it
_NUMBERABLE: Final = 2**62
_CHUNK: Final = 100_000

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of one parameter, each accepted by it."""

    param: Param
    values: Sequence[ParamValue]

    @classmethod
    def of(cls, param: Param, values: Sequence[ParamValue]) -> Axis:
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

    @property
    def ordered(self) -> bool:
        """Whether neighbours among the values are close to each other: they are numbers that rise or fall."""
        if isinstance(self.values, Steps):
            return True
        if any(isinstance(value, bool | str) for value in self.values):
            return False
        steps = np.diff(np.array(self.values, dtype=np.float64))
        return bool((steps > 0).all() or (steps < 0).all())

    def column(self, at: Numbers) -> Column:
        """The values at these positions."""
        if isinstance(self.values, Steps):  # only where everything between two accepted ends is
            column = self.values.column(at)
            return column.astype(np.float64) if isinstance(self.param.default, float) else column
        distinct, back = np.unique(at, return_inverse=True)
        return np.array([self.param.parse(self.values[i]) for i in distinct.tolist()])[back]


class Grid:
    """All combinations of some axes, numbered from 0; in the order of the numbers the last axis varies fastest."""

    def __init__(
        self,
        axes: Mapping[str, Axis],
        fixed: Mapping[str, ParamValue],
        constraint: str = "",
        weighed: PortfolioSpec | None = None,
    ) -> None:
        """`weighed`: the portfolio whose weights vary, of which a combination must have some that fit."""
        self.axes, self.fixed, self._constraint, self._weighed = axes, fixed, constraint.strip(), weighed
        self.shape = tuple(len(axis.values) for axis in axes.values())
        self.size = math.prod(self.shape)

    @classmethod
    def of(cls, spec: SweepSpec, described: Sequence[Mapping[str, Any]]) -> Grid:
        """The grid of a sweep over the parameters that a strategy describes (Param.to_json).

        Raises InputError for a value that its parameter refuses.
        """
        known = {str(one["name"]): Param.from_json(one) for one in described}
        for name, values in spec.ranges.items():
            if not len(values):
                raise InputError(f"the range of {name} holds no value")
        fixed = complete(known, {name: values[0] for name, values in spec.ranges.items()} | dict(spec.params))
        axes = {name: Axis.of(known[name], values) for name, values in spec.ranges.items()}
        rest = {name: value for name, value in fixed.items() if name not in axes}
        return cls(axes, rest, spec.constraint, spec.portfolio if spec.weights_vary else None)

    def all(self) -> Numbers:
        """Every combination that fulfils the constraint."""
        if self.size > MAX_TRIALS:
            raise InputError(
                f"{self._count} combinations ({self._factors}) are more than the {MAX_TRIALS:,} that a sweep tries; "
                "use larger steps, or another sampler with fewer trials"
            )
        return self._kept(np.arange(self.size))

    def drawn(self, trials: int, seed: int) -> Numbers:
        """`trials` distinct ones of them, or all where there are fewer; the same for the same seed."""
        self.check(trials)
        rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
        if self.size <= _ENUMERABLE:
            kept = self._kept(np.arange(self.size))
            return kept[rng.sample(range(len(kept)), min(trials, len(kept)))]
        return self.found(trials, _distinct(rng, self.size))

    def check(self, trials: int) -> None:
        """Raise InputError where so many trials are not made, or the combinations cannot be numbered."""
        if trials > MAX_TRIALS:
            raise InputError(f"{trials:,} trials are more than the {MAX_TRIALS:,} that a sweep tries")
        if self.size > _NUMBERABLE:
            raise InputError(
                f"{self._count} combinations ({self._factors}) are too many to draw from; use larger steps"
            )

    def many(self) -> int | None:
        """How many fulfil the constraint; None where counting would take long."""
        return len(self._kept(np.arange(self.size))) if self.size <= _ENUMERABLE else None

    def found(self, trials: int, numbers: Iterator[int]) -> Numbers:
        """The first `trials` of distinct numbers that fulfil the constraint; InputError where there are too few."""
        found, taken = np.empty(0, dtype=np.int64), 0
        # no more than half of a grid: distinct numbers of a small one soon come seldom, then never
        while taken < max(1, min(MAX_DRAWS, self.size // 2)):
            wanted = trials - len(found)
            if self._bound:
                wanted = _CHUNK if self.size >= 2 * _CHUNK else max(wanted, self.size // 16)
            drawn = np.fromiter(itertools.islice(numbers, min(wanted, _CHUNK)), dtype=np.int64)
            if not len(drawn):
                break
            taken += len(drawn)
            found = np.concatenate((found, drawn[self.fulfilled(drawn)]))
            if len(found) >= trials:
                return found[:trials]
        raise InputError(
            f"{self._bound}: only {len(found):,} of {taken:,} drawn combinations fulfil it, "
            f"{trials:,} trials were asked for; ask for fewer, or narrow the ranges"
        )

    def _kept(self, numbers: Numbers) -> Numbers:
        kept = numbers[self.fulfilled(numbers)]
        if not len(kept):
            raise InputError(f"{self._bound}: none of {self._count} combinations fulfils it")
        return kept

    def fulfilled(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Which of these combinations fulfil the constraint."""
        if not self._bound:
            return np.ones(len(numbers), dtype=np.bool_)
        columns = dict(self.fixed) | self.columns(numbers)
        found = fulfilled(self._constraint, columns, len(numbers))
        return found if self._weighed is None else found & weights_fit(self._weighed, columns, len(numbers))

    def columns(self, numbers: Numbers) -> dict[str, Column]:
        """The parameters of these combinations, in the order of the axes."""
        found: dict[str, Column] = {}
        for name, axis in reversed(list(self.axes.items())):
            numbers, at = np.divmod(numbers, len(axis.values))
            found[name] = axis.column(at)
        return {name: found[name] for name in self.axes}

    def places(self, numbers: Numbers) -> Numbers:
        """Where these combinations stand on each axis, shape (len(numbers), len(axes))."""
        return np.stack(np.unravel_index(numbers, self.shape), axis=1)

    def numbers(self, places: Numbers) -> Numbers:
        """The combinations that stand there: the inverse of `places`."""
        return np.asarray(np.ravel_multi_index(tuple(places.T), self.shape), dtype=np.int64)

    @property
    def _bound(self) -> str:
        """What a combination must fulfil, in words; "" where nothing is asked."""
        asked = [f"constraint {self._constraint!r}"] if self._constraint else []
        return " and ".join([*asked, *([weights_wanted(self._weighed)] if self._weighed else [])])

    @property
    def _count(self) -> str:
        return f"{self.size:,}" if self.size < 10**15 else f"{float(self.size):.1e}"

    @property
    def _factors(self) -> str:
        return " x ".join(f"{len(axis.values):,} of {name}" for name, axis in self.axes.items())


def _distinct(rng: random.Random, size: int) -> Iterator[int]:
    """Numbers below `size`, none twice, for ever: `size` is far greater than what is taken."""
    seen: set[int] = set()
    while True:
        number = rng.randrange(size)
        if number not in seen:
            seen.add(number)
            yield number
