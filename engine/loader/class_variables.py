"""The class variables of a backtesting.Strategy: which are its parameters, and why the others are none."""

import math
from typing import Any, Final

from engine.model.parameters import Param

_LARGEST: Final = 2**53  # whole numbers beyond are not exact in JSON
# what a file written for backtesting.py states about the account: `exclusive_orders = True` in its class
SETTINGS: Final = ("exclusive_orders", "hedging", "trade_on_close")
MARGIN: Final = "margin"  # likewise, a fraction: `margin = 0.1`


def native_params(strategy: type) -> dict[str, Param]:
    """The parameters of a backtesting.Strategy: its class variables that are plain numbers, truth values or texts."""
    found = {}
    for name, value in _class_variables(strategy).items():
        if _why_no_parameter(name, value) is None:
            found[name] = Param(value)
            found[name].name = name
    return found


def other_variables(strategy: type) -> list[dict[str, str]]:
    """`[{name, why}]`: the class variables of a backtesting.Strategy that are no parameters, each with the reason."""
    reasons = {name: _why_no_parameter(name, value) for name, value in _class_variables(strategy).items()}
    return [{"name": name, "why": why} for name, why in reasons.items() if why is not None]


def _class_variables(strategy: type) -> dict[str, Any]:
    """Public class variables that are values, as the class itself has them: what it overrides does not count."""
    found: dict[str, Any] = {}
    for base in reversed(strategy.__mro__):
        if base is not object and base.__module__.partition(".")[0] != "backtesting":
            found |= vars(base)
    return {name: value for name, value in found.items() if not name.startswith("_") and _is_value(value)}


def _is_value(value: Any) -> bool:
    """Not a method, a property, a class."""
    return not (isinstance(value, type) or callable(value) or hasattr(type(value), "__get__"))


def stated_margin(strategy: type) -> float | None:
    """The margin that a class states, None where it states none; anything but a fraction is its own word for something."""
    value: Any = getattr(strategy, MARGIN, None)
    return float(value) if _is_margin(value) else None


def _is_margin(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _why_no_parameter(name: str, value: Any) -> str | None:
    if (name in SETTINGS and isinstance(value, bool)) or (name == MARGIN and _is_margin(value)):
        return f"a setting of the run: {value}"
    if type(value) not in (int, float, bool, str):
        return f"of type {type(value).__name__}; a parameter is an int, float, bool or str"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not finite"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "too large a number"
    return None
