"""A setting as a user sees it: what it is, where that comes from, and what the next start makes of it."""

from __future__ import annotations

from dataclasses import dataclass

CHOSEN = "chosen"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class SettingSeen:
    """One setting, by the variable that sets it; all values as texts.

    `in_use`: what this program began with; `at_next_start`: what the next one finds. `source` of that: "the environment" or
    ".env", which win and cannot be changed here, CHOSEN in the window, or DEFAULT.
    """

    variable: str
    in_use: str
    at_next_start: str
    source: str
    default: str

    @property
    def is_fixed(self) -> bool:
        """Whether it is set where only its owner can change it."""
        return self.source not in (CHOSEN, DEFAULT)

    @property
    def needs_restart(self) -> bool:
        """Whether the next start will differ."""
        return self.in_use != self.at_next_start
