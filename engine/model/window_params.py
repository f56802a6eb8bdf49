"""Parameters that rule from a time on: a run may be made with several of them, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from engine.model.market import format_time, parse_time
from engine.model.parameters import ParamValue

MOST_WINDOWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class WindowParams:
    """Complete `params` that rule from the candle that opens at `start_ms` on, until the next of them do."""

    start_ms: int
    params: Mapping[str, ParamValue]

    def to_json(self) -> dict[str, Any]:
        """`{start, params}`."""
        return {"start": format_time(self.start_ms), "params": dict(self.params)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` described."""
        return cls(parse_time(document["start"]), document["params"])


def windows_json(windows: Sequence[WindowParams]) -> list[dict[str, Any]]:
    """`to_json` of each."""
    return [window.to_json() for window in windows]
