"""What sweeps and walk-forwards share that are stored as they grow, and gone on with when they were stopped or killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from engine.errors import InputError, RunError
from engine.parallel.tasks import TrialsAnswer, WindowTrialsAnswer
from engine.reproduction.inputs import hashes, versions_for
from engine.runs.compare import changes
from engine.runs.load import LoadedSeries
from engine.runs.plan import PlannedRun
from engine.runs.record import inputs_of
from engine.runs.stored_strategy import sources_at

SAVE_S: Final = 1.0  # between two parts that are stored
_SHARE: Final = 0.05  # of the time may go into storing, and as much into showing, where that takes long


class Paced:
    """Storing or showing what is being made, now and then: every so many seconds, or less often where that takes long."""

    def __init__(self, act: Callable[[], None], every_s: float = SAVE_S) -> None:
        self._act, self._every_s = act, every_s
        self._next = time.monotonic() + every_s

    def look(self) -> None:
        """Do it where it is time."""
        began = time.monotonic()
        if began >= self._next:
            self._act()
            ended = time.monotonic()
            self._next = ended + max(self._every_s, (ended - began) / _SHARE)


class Dependence:
    """What all batches of one sweep or walk-forward depend on besides the parameters, those of an earlier program too.

    `inputs`: as `engine.reproduction.inputs.run_inputs`, None before the first answer; `sources`: the strategy's files that
    workers of this program executed.
    """

    def __init__(
        self,
        kind: str,
        base: PlannedRun,
        series: LoadedSeries,
        before: Mapping[str, Any] | None = None,
        part_of: str | None = None,
    ) -> None:
        """`before`: `inputs` of the program that began it; `part_of`: the id, which users know, of the sweep over several
        markets of which it is one. Raises InputError naming what has changed since.
        """
        self._kind, self._base, self._series = kind, base, series
        self._id, self._on = part_of or base.id, f"{base.spec.symbol}: " if part_of else ""
        self.inputs, self.sources = before, dict[str, bytes]()
        if before is not None:
            sources = sources_at(before["source"], base.strategy_path)
            now = inputs_of(base, series, {}, base.spec.engine, versions_for(sources), hashes(sources))
            refuse_changes(kind, self._id, before, now, self._on)

    def check(self, answer: TrialsAnswer | WindowTrialsAnswer) -> Mapping[str, str]:
        """The hashes of what a batch executed; raises RunError or InputError where those before executed something else."""
        sources = {name: source.tobytes() for name, source in answer.sources.items()}
        source = hashes(sources)
        if self.sources and self.inputs is not None:
            if source != self.inputs["source"]:
                raise RunError(f"the strategy's file was changed while the {self._kind} ran; run it again")
            return source
        now = inputs_of(self._base, self._series, {}, answer.engine, answer.versions, source)
        if self.inputs is not None:
            refuse_changes(self._kind, self._id, self.inputs, now, self._on)
        self.sources, self.inputs = sources, now
        return source


def refuse_changes(
    kind: str, made: str, before: Mapping[str, Any], now: Mapping[str, Any], on: str = ""
) -> None:
    """Raise InputError naming what a sweep or walk-forward that goes on depends on and has changed since it began; `on`: on
    which market, in front of it.
    """
    since = changes(before, now)
    if since:
        named = on + "; ".join(since)
        raise InputError(f"{kind} {made[:8]} cannot go on: {named}; what was tried is kept, start a new one")


def refuse_other_source(kind: str, made: str, before: Mapping[str, Any] | None, strategy: Path) -> None:
    """The same for the strategy's files alone, before any of its code is asked; `before` None: nothing is known."""
    if before is not None:
        now = {**before, "source": hashes(sources_at(before["source"], strategy))}
        refuse_changes(kind, made, before, now)
