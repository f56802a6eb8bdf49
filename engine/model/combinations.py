"""The parameters of many trials, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from engine.model.parameters import ParamValue


@dataclass(frozen=True, slots=True)
class Combinations:
    """Parameters of m trials: an array (m,) for each ranged one, and the others."""

    columns: Mapping[str, npt.NDArray[Any]]
    fixed: Mapping[str, ParamValue]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def some(self, chosen: slice) -> Combinations:
        """The trials at these places."""
        return Combinations({name: column[chosen] for name, column in self.columns.items()}, self.fixed)

    def __iter__(self) -> Iterator[dict[str, ParamValue]]:
        """The complete parameters of each trial."""
        for values in zip(*(column.tolist() for column in self.columns.values()), strict=True):
            yield {**self.fixed, **dict(zip(self.columns, values, strict=True))}
