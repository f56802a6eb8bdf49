"""What a badge is: one statement about a run, with a sign, a few words, and the story behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.holdings import GOOD, PLAIN, WARNING

PENDING: Final = "pending"
SIGNS: Final = {GOOD: "✓", WARNING: "⚠", PENDING: "…", PLAIN: ""}
Rows = tuple[Mapping[str, Any], ...]
Checks = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Badge:
    """One statement about a run. `short` is for a table's cell; `meaning` says what is checked, `finding` what came out
    (lines), `rows` the differences that were found, as a table.
    """

    key: str
    level: str
    text: str
    short: str = ""
    meaning: str = ""
    finding: str = ""
    rows: Rows = ()

    @property
    def label(self) -> str:
        """Sign and words: colour is never the only sign."""
        return f"{SIGNS[self.level]} {self.text}".strip()

    @property
    def short_label(self) -> str:
        """The same in as few words as may be."""
        return f"{SIGNS[self.level]} {self.short or self.text}".strip()


def maker(key: str, meaning: str, finding: str) -> Callable[..., Badge]:
    """Makes badges of one key that share their story: (level, text, short, rows)."""

    def make(level: str, text: str, short: str = "", rows: Rows = ()) -> Badge:
        return Badge(key, level, text, short or text, meaning, finding, rows)

    return make


def count(number: int, word: str) -> str:
    """1 trade, 2 trades."""
    return f"{formats.whole(number)} {word}{'' if number == 1 else 's'}"
