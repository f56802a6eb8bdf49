"""A stored run and the same run made once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.model.run import RunResult


@dataclass(frozen=True, slots=True)
class Rerun:
    """A stored run made again as `result`, a run of its own. `changed`: inputs, in words; `differences`: as found by
    `runs.compare.differences`.

    `notes` says what people must know beside: from where the source came, what older runs did not record.
    """

    kind: ClassVar[str] = "run"
    before: RunResult
    result: RunResult
    changed: tuple[str, ...]
    differences: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether metrics, trades, signals, equity and indicators are the same to the last bit."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """The contract's run, and how it compares."""
        return self.result.to_json() | {
            "rerun_of": self.before.id,
            "equal": self.equal,
            "changed": list(self.changed),
            "differences": [dict(row) for row in self.differences],
            "notes": [*self.result.notes, *self.notes],
        }
