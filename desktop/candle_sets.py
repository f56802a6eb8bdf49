"""The candles behind the shown runs, each distinct set once: compared runs mostly stand on the same ones."""

from __future__ import annotations

from typing import Final

from engine.model.market import Candles, Period
from engine.model.run import RunResult

MAX_SETS: Final = 12
SetKey = tuple[str, str, str, Period, int]


def set_key(run: RunResult) -> SetKey:
    """Which candles a run needs: series, period, and the version of the series that it saw."""
    version = 0 if run.seen is None else run.seen.version
    return run.exchange, run.symbol, run.timeframe.name, run.period, version


class CandleSets:
    """The newest sets; the oldest go first."""

    def __init__(self) -> None:
        self._sets: dict[SetKey, Candles] = {}

    def get(self, run: RunResult) -> Candles | None:
        """The candles of a run's period, once loaded."""
        return self._sets.get(set_key(run))

    def put(self, run: RunResult, candles: Candles) -> bool:
        """Keep the candles of a run; False where the very same ones are kept already."""
        key = set_key(run)
        if self._sets.get(key) is candles:
            return False
        self._sets.pop(key, None)
        self._sets[key] = candles
        while len(self._sets) > MAX_SETS:
            self._sets.pop(next(iter(self._sets)))
        return True
