"""Two stored runs side by side, and what a run's source was."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.model.run import RunResult
from engine.model.trade import Trade


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a run executed. `then`: its text, None where it was not kept; `now`: what it is compared with (the file of
    today, or the other run's), None where there is none.
    """

    name: str
    then: str | None
    now: str | None

    @property
    def is_same(self) -> bool:
        """Whether both are known and equal."""
        return self.then is not None and self.then == self.now

    def lines(self) -> Iterator[tuple[str, str]]:
        """Every line with its sign: "-" only then, "+" only now, " " in both."""
        then, now = ([] if text is None else text.splitlines() for text in (self.then, self.now))
        if self.then is None or self.now is None:
            yield from ((" ", line) for line in then or now)
            return
        matcher = difflib.SequenceMatcher(None, then, now, autojunk=False)
        for kind, first, last, begin, end in matcher.get_opcodes():
            if kind == "equal":
                yield from ((" ", line) for line in then[first:last])
                continue
            yield from (("-", line) for line in then[first:last])
            yield from (("+", line) for line in now[begin:end])


@dataclass(frozen=True, slots=True)
class TradeDifference:
    """A trade that only one of two runs made, or that came out otherwise: `columns` are the fields that differ."""

    left: Trade | None
    right: Trade | None
    columns: tuple[str, ...] = ()

    @property
    def trade(self) -> Trade:
        """The trade, the left one where both made it."""
        found = self.left or self.right
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """A metric of two runs. `difference`: right - left, None where one of them has no value."""

    name: str
    left: Any
    right: Any

    @property
    def difference(self) -> float | None:
        """Right - left."""
        if isinstance(self.left, int | float) and isinstance(self.right, int | float):
            return self.right - self.left
        return None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs, whole. `inputs`: what differs of what went in, in words; None where that is not known of one of them.

    `trades`: those that differ, by entry; `equal_trades`: how many are the same to the last bit.
    """

    left: RunResult
    right: RunResult
    inputs: tuple[str, ...] | None
    metrics: Sequence[MetricDifference]
    trades: Sequence[TradeDifference]
    equal_trades: int
    sources: Sequence[SourceFile]
