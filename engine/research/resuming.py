"""What sweeps and walk-forwards share that are stored as they grow, and gone on with when they were stopped or killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

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


A = TypeVar("A", contravariant=True)


class Depends(Protocol[A]):
    """What something that is tried depends on besides its parameters, as plain values (`inputs`)."""

    def now(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """As its candles and files are now; `before`: as they were, which says of what files."""

    def executed(self, answer: A) -> dict[str, bytes]:
        """The files that a worker executed for a batch, by name."""

    def told(self, answer: A) -> Mapping[str, Any]:
        """By what a worker says of itself and of what it executed."""

    def changes(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
        """What differs, in words."""


class RunDepends:
    """What the trials of one strategy on one market depend on."""

    def __init__(self, base: PlannedRun, series: LoadedSeries) -> None:
        self._base, self._series = base, series

    def now(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of `Depends`."""
        sources = sources_at(before["source"], self._base.strategy_path)
        return inputs_of(
            self._base, self._series, {}, self._base.spec.engine, versions_for(sources), hashes(sources)
        )

    def executed(self, answer: TrialsAnswer | WindowTrialsAnswer) -> dict[str, bytes]:
        """Of `Depends`."""
        return {name: source.tobytes() for name, source in answer.sources.items()}

    def told(self, answer: TrialsAnswer | WindowTrialsAnswer) -> Mapping[str, Any]:
        """Of `Depends`."""
        source = hashes(self.executed(answer))
        return inputs_of(self._base, self._series, {}, answer.engine, answer.versions, source)

    def changes(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
        """Of `Depends`."""
        return changes(before, now)


class Dependence:
    """What all batches of one sweep or walk-forward depend on besides the parameters, those of an earlier program too.

    `inputs`: as `Depends` says them, None before the first answer; `sources`: the files that workers of this program
    executed.
    """

    def __init__(
        self,
        kind: str,
        made: str,
        depends: Depends[Any],
        before: Mapping[str, Any] | None = None,
        on: str = "",
    ) -> None:
        """`made`: its id; `before`: `inputs` of the program that began it; `on`: as of `refuse_changes`. Raises InputError
        naming what has changed since.
        """
        self._kind, self._made, self._depends, self._on = kind, made, depends, on
        self.inputs, self.sources = before, dict[str, bytes]()
        self._source: Mapping[str, str] = {}
        if before is not None:
            self._refuse(before, depends.now(before))

    def check(self, answer: Any) -> Mapping[str, str]:
        """The hashes of what a batch executed; raises RunError or InputError where those before executed something else."""
        sources = self._depends.executed(answer)
        source = hashes(sources)
        if self.sources and self.inputs is not None:
            if source != self._source:
                raise RunError(f"the strategy's file was changed while the {self._kind} ran; run it again")
            return source
        now = self._depends.told(answer)
        if self.inputs is not None:
            self._refuse(self.inputs, now)
        self.sources, self._source, self.inputs = sources, source, now
        return source

    def _refuse(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        refuse_changes(self._kind, self._made, self._depends.changes(before, now), self._on)


def refuse_changes(kind: str, made: str, since: Sequence[str], on: str = "") -> None:
    """Raise InputError naming what a sweep or walk-forward that goes on depends on and has changed since it began; `on`: on
    which market, in front of it.
    """
    if since:
        named = on + "; ".join(since)
        raise InputError(f"{kind} {made[:8]} cannot go on: {named}; what was tried is kept, start a new one")


def refuse_other_source(kind: str, made: str, before: Mapping[str, Any] | None, strategy: Path) -> None:
    """The same for the strategy's files alone, before any of its code is asked; `before` None: nothing is known."""
    if before is not None:
        now = {**before, "source": hashes(sources_at(before["source"], strategy))}
        refuse_changes(kind, made, changes(before, now))
