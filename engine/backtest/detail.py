"""The finer candles of which some candles of a run are made: they settle what those leave open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from engine.backtest.perpetual import Perpetual
from engine.model.detail import DetailFile
from engine.model.market import Candles, Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """m finer candles, and what their market did over each of them; those of candle i of the run are at positions
    `first[i]` to before `first[i + 1]`, whole or none. `first`: int64 (n + 1,).
    """

    candles: Candles
    first: Int64Array
    perpetual: Perpetual = field(default_factory=Perpetual)

    @classmethod
    def of(cls, opens: Int64Array, fine: Candles, perpetual: Perpetual | None = None) -> Self:
        """Of a run whose n candles open at `opens`; every finer candle lies inside one of them."""
        first = np.append(np.searchsorted(fine.timestamp, opens), len(fine)).astype(np.int64)
        return cls(fine, first, perpetual or Perpetual())

    @classmethod
    def of_file(cls, file: DetailFile, opens: Int64Array) -> Self:
        """As `of`, from the files for workers."""
        fine = Candles.empty() if file.candles is None else file.candles.load()
        return cls.of(opens, fine, Perpetual.of_file(file.perpetual))
