"""What of a perpetual's market a worker needs beside its candles: a file that travels as that of the candles does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from engine.model.brackets import Brackets
from engine.model.filters import Filters
from engine.model.market import Float64Array
from engine.syntax import mapped_array


@dataclass(frozen=True, slots=True)
class PerpetualFile:
    """Columns over the candles of a period: row k of the float64 array (m, n) in the file is `names[k]`. `brackets`: rows of
    (floor, maintenance margin rate, most leverage), none without leverage. `filters`: of the exchange, None = not needed or
    not known; `filtered`: whether orders are held to them.
    """

    path: Path
    names: tuple[str, ...]
    brackets: tuple[tuple[float, float, float], ...] = ()
    filters: Filters | None = None
    filtered: bool = False

    @classmethod
    def write(
        cls,
        path: Path,
        columns: Mapping[str, Float64Array],
        brackets: Brackets | None,
        filters: Filters | None = None,
        *,
        filtered: bool = False,
    ) -> Self:
        """Write columns (n,) by name, and what is told beside them."""
        rows = np.stack(list(columns.values())) if columns else np.empty((0, 0))
        with path.open("wb") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(rows), allow_pickle=False)
        table = () if brackets is None else tuple(zip(*_columns(brackets), strict=True))
        return cls(path, tuple(columns), table, filters, filtered)

    def load(self) -> dict[str, Float64Array]:
        """The columns by name, mapped."""
        if not self.names:
            return {}
        return dict(zip(self.names, mapped_array(self.path), strict=True))

    def load_brackets(self) -> Brackets | None:
        """The brackets, None where there are none."""
        return Brackets.of(list(self.brackets)) if self.brackets else None


def _columns(brackets: Brackets) -> tuple[list[float], list[float], list[float]]:
    return brackets.floor.tolist(), brackets.rate.tolist(), brackets.leverage.tolist()
