"""What a worker needs to look inside candles: finer candles of some of them, as files."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.market import CandleFile
from engine.model.perpetual import PerpetualFile


@dataclass(frozen=True, slots=True)
class DetailFile:
    """Finer candles of a period, of some of its candles all; what their market did over each. None: there are none."""

    candles: CandleFile | None = None
    perpetual: PerpetualFile | None = None
