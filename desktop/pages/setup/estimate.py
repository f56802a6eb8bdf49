"""How long a set-up will take on this machine: by what stored runs took, and by how fast candles came the last time."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from desktop.tables import formats
from engine.errors import InputError
from engine.model.coverage import Coverage
from engine.model.parameters import StrategyInfo
from engine.model.run import FINISHED, RunResult
from engine.model.simulators import choose_engine

_NEWEST: Final = 20  # runs of a strategy: the machine and the strategy may have been others before
_BEYOND: Final = 4.0  # how many times more or fewer candles than were ever run still say something


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be done, as far as it is known. `candles`: of all series once; `to_fetch`: of them not held, None while
    nobody knows.
    """

    candles: int
    to_fetch: int | None

    @property
    def held(self) -> float | None:
        """The part of the candles for which the exchange need not be asked, 0 to 1."""
        if self.to_fetch is None or not self.candles:
            return None
        return 1 - self.to_fetch / self.candles

    @classmethod
    def of(cls, coverages: Iterable[Coverage]) -> Load:
        """The sum over series whose coverage is known."""
        found = list(coverages)
        gaps = (one.timeframe.count(gap) for one in found for gap in one.gaps)
        return cls(sum(one.expected for one in found), sum(gaps))


def run_times(
    runs: Collection[RunResult], strategy: StrategyInfo, engine: str, candles: Sequence[int]
) -> list[float] | None:
    """Seconds of work for a run of a strategy on each of these numbers of candles; None where no run of it was made on
    about as many.
    """
    try:
        wanted = choose_engine(engine, native=strategy.kind == "native")
    except InputError:
        return None
    made = [
        run for run in runs
        if run.strategy == strategy.name and run.status == FINISHED and run.engine == wanted and run.elapsed_s > 0
    ]  # fmt: skip
    newest = sorted(made, key=lambda run: run.created_ms)[-_NEWEST:]
    sizes = np.array([run.timeframe.count(run.period) for run in newest], dtype=np.float64)
    taken = np.array([run.elapsed_s for run in newest])[sizes > 0]
    sizes = sizes[sizes > 0]
    wished = np.asarray(candles, dtype=np.float64)
    if not len(sizes) or (wished > sizes.max() * _BEYOND).any() or (wished < sizes.min() / _BEYOND).any():
        return None
    known = np.unique(sizes)
    usual = [float(np.median(taken[sizes == size])) for size in known]
    times: list[float] = (np.interp(wished, known, usual) * np.maximum(1.0, wished / known[-1])).tolist()
    return times


def total_s(run_s: Sequence[float], workers: int, to_fetch: int, fetch_per_s: float | None) -> float | None:
    """Seconds for everything: fetching, then the runs, which the workers share. None where candles are to be fetched and
    nobody knows how fast.
    """
    if to_fetch and not fetch_per_s:
        return None
    fetching = to_fetch / fetch_per_s if fetch_per_s else 0.0
    return fetching + max(sum(run_s) / max(1, workers), max(run_s, default=0.0))


def rates_of(saved: object) -> dict[str, float]:
    """Candles per second by exchange, as they were kept; empty where that makes no sense."""
    if not isinstance(saved, Mapping):
        return {}
    return {
        str(name): float(rate)
        for name, rate in saved.items()
        if isinstance(rate, int | float) and 0 < rate < 1e9
    }


def words(load: Load, seconds: float | None) -> str:
    """1.2 M candles · 84 % held · about 12 s; what is not known is left out."""
    parts = [f"{formats.compact(load.candles)} candle{'' if load.candles == 1 else 's'}"]
    if load.held is not None:
        parts.append(f"{formats.whole(math.floor(load.held * 100))} % held")
    if seconds is not None:
        parts.append(f"about {_about(seconds)}")
    return " · ".join(parts)


def _about(seconds: float) -> str:
    for limit, unit in ((3600, "h"), (60, "min")):
        if seconds >= limit:
            return f"{formats.number(seconds / limit, 1 if seconds < 10 * limit else 0)} {unit}"
    return f"{math.ceil(seconds)} s"
