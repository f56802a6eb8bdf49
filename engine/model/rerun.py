"""What is stored, and the same made once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar


class Remade(Protocol):
    """What can be made again: a run, a portfolio."""

    @property
    def id(self) -> str:
        """Its name in the database."""

    @property
    def notes(self) -> list[str]:
        """What its figures leave out."""

    def to_json(self) -> dict[str, Any]:
        """Its document."""


ResultT = TypeVar("ResultT", bound=Remade)


@dataclass(frozen=True, slots=True)
class Rerun(Generic[ResultT]):
    """What is stored made again as `result`, which is stored too. `changed`: inputs, in words; `differences`: as found by
    `runs.compare.differences`.

    `notes` says what people must know beside: from where the source came, what older runs did not record.
    """

    kind: ClassVar[str] = "run"
    before: ResultT
    result: ResultT
    changed: tuple[str, ...]
    differences: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether metrics, trades and every series are the same to the last bit; of a run signals and indicators too."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """The contract's document of the result, and how it compares."""
        return self.result.to_json() | {
            "rerun_of": self.before.id,
            "equal": self.equal,
            "changed": list(self.changed),
            "differences": [dict(row) for row in self.differences],
            "notes": [*self.result.notes, *self.notes],
        }
