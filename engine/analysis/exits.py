"""Which parameter of a strategy is its stop or its target, told in percent or as a fraction of the price.

A stop changes what a position becomes and every trade after it, so what one would have made is never drawn from finished
trades: the strategy runs again with it. That takes a parameter; no stop is laid over a strategy from outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

STOP: Final = "stop"
TARGET: Final = "target"
_WORDS: Final = {
    STOP: re.compile(r"\b(stops?|stop ?loss|sl)\b"),
    TARGET: re.compile(r"\b(targets?|take ?profit|tp)\b"),
}
_PERCENT: Final = re.compile(r"\b(pct|percent|percentage)\b|%")
_FRACTION: Final = re.compile(r"\b(fraction|share|ratio of the (close|price))\b")
_MOVES: Final = re.compile(r"\btrail")
_RISKS: Final = re.compile(
    r"\b(equity|account|capital|cash|balance)\b"
)  # a size, by what is lost at the stop


@dataclass(frozen=True, slots=True)
class ExitParameter:
    """A parameter that is a distance from the entry. `per_percent`: its value for one percent."""

    name: str
    per_percent: float
    is_whole: bool
    low: float | None
    high: float | None

    def value(self, level_pct: float) -> float | int:
        """The parameter's value for a distance of so many percent, in the parameter's own type and within its bounds."""
        value = level_pct * self.per_percent
        value = max(value, self.low) if self.low is not None else value
        value = min(value, self.high) if self.high is not None else value
        return round(value) if self.is_whole else float(f"{value:.6g}")


@dataclass(frozen=True, slots=True)
class ExitChoice:
    """The parameter that is the stop (or target); where there is none, `why` says so in one line."""

    parameter: ExitParameter | None
    why: str = ""


def exit_choice(kind: str, strategy: str, params: Iterable[Mapping[str, Any]]) -> ExitChoice:
    """The parameter of a strategy that sets its stop or target; `params` as the engine describes them (Param.to_json)."""
    others = []
    for param in params:
        told = f"{param['name']} {param.get('help') or ''}".replace("_", " ").lower()
        if param["type"] not in ("int", "float") or not _WORDS[kind].search(told) or _MOVES.search(told):
            continue
        if _RISKS.search(told):
            continue
        per_percent = 1.0 if _PERCENT.search(told) else 0.01 if _FRACTION.search(told) else None
        if per_percent is not None:
            is_whole = param["type"] == "int"
            parameter = ExitParameter(
                param["name"], per_percent, is_whole, param.get("low"), param.get("high")
            )
            return ExitChoice(parameter)
        others.append(str(param["name"]))
    if others:
        return ExitChoice(None, f"{others[0]} of {strategy} is not told in percent: change it in the set-up")
    return ExitChoice(
        None,
        f"{strategy} has no parameter that is a {kind} in percent (such as {kind}_pct), "
        "and none is laid over it",
    )
