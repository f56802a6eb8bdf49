"""Where and how the columns of a strategy's indicators are drawn; no figure depends on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from engine.errors import InputError

PRICE: Final = "price"
HIDDEN: Final = "hidden"
LEVELS: Final = (
    "stop_loss",
    "take_profit",
)  # prices that a strategy says; stored beside its indicators, drawn per trade
STYLES: Final = ("line", "dashed", "area")


@dataclass(frozen=True, slots=True)
class Plot:
    """How one column is drawn. `pane`: "price" for on the candles, "hidden" for only when asked for, any other text is the
    title of a pane below, which columns of the same title share. `style`: one of STYLES. `low`, `high`: what the pane shows
    at least; `levels`: horizontal lines in it.
    """

    pane: str = PRICE
    style: str = STYLES[0]
    low: float | None = None
    high: float | None = None
    levels: tuple[float, ...] = ()

    @classmethod
    def read(cls, column: str, said: Any) -> Self:
        """From what a strategy says of a column: a pane's name, or a dict of these fields; raises InputError naming both."""
        given = {"pane": said} if isinstance(said, str) else said
        known = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping) or not set(given) <= set(known):
            raise InputError(
                f"plots[{column!r}] must be a pane's name or a dict of {', '.join(known)}, not {said!r}"
            )
        pane, style = given.get("pane", PRICE), given.get("style", STYLES[0])
        if not isinstance(pane, str) or not pane.strip():
            raise InputError(f"plots[{column!r}]: pane must be a name, not {pane!r}")
        if style not in STYLES:
            raise InputError(f"plots[{column!r}]: style must be one of {', '.join(STYLES)}, not {style!r}")
        levels = given.get("levels", ())
        if isinstance(levels, int | float):
            levels = (levels,)
        if not isinstance(levels, list | tuple):
            raise InputError(f"plots[{column!r}]: levels must be numbers, not {levels!r}")
        low, high = (_number(column, name, given.get(name)) for name in ("low", "high"))
        return cls(pane.strip(), style, low, high, tuple(_level(column, level) for level in levels))

    def to_json(self) -> dict[str, Any]:
        """A dict that `read` understands."""
        return asdict(self) | {"levels": list(self.levels)}


def read_plots(said: Any) -> dict[str, Plot]:
    """From a strategy's `plots`, by column; raises InputError for what is none."""
    if not isinstance(said, Mapping) or not all(isinstance(column, str) for column in said):
        raise InputError(f"plots must be a dict of columns by name, not {said!r}")
    return {column: Plot.read(column, one) for column, one in said.items()}


def _number(column: str, name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"plots[{column!r}]: {name} must be a number, not {value!r}")
    return float(value)


def _level(column: str, value: Any) -> float:
    level = _number(column, "a level", value)
    if level is None:
        raise InputError(f"plots[{column!r}]: a level must be a number, not None")
    return level
