"""The job that describes a plug-in file: executes it and reads its parameters."""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from engine.errors import StrategyError
from engine.loader.libraries import strategy_process
from engine.loader.load import NATIVE, SIGNALS, LoadedStrategy, located, open_strategy
from engine.reproduction import hashes
from engine.strategy import Param, Strategy

_LARGEST: Final = 2**53  # whole numbers beyond are not exact in JSON
# what a file written for backtesting.py states about the account: `exclusive_orders = True` in its class
SETTINGS: Final = ("exclusive_orders", "hedging", "trade_on_close")


def describe_job(task: dict[str, Any], report: Callable[..., None]) -> dict[str, Any]:  # noqa: ARG001 - a job's shape
    """For `{path}`: `{title, description, params, kind, error, traceback, sources}` of the file, `error` None when it loads;
    `sources`: the sha256 of each file that was executed for it, by name.

    Whether it computes anything is for its runs to find out: it may need other candles than any that could be made up.
    """
    path = Path(task["path"])
    with strategy_process(path) as process:
        description: dict[str, Any] = process.call(_described, path)
    return description


def _described(path: Path) -> dict[str, Any]:
    info: dict[str, Any] = {"title": path.stem, "description": "", "params": [], "kind": SIGNALS}
    info |= {"error": None, "traceback": None}
    try:
        with open_strategy(path) as loaded:
            info |= _description(loaded, path.stem)
            _check_complete(loaded, path)
            info["sources"] = hashes(loaded.sources)
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a plug-in raises is a fact about the plug-in
        info["error"] = str(error) if isinstance(error, StrategyError) else located(error, path)
        info["traceback"] = "".join(traceback.format_exception(error.__cause__ or error))
    return info


def _description(loaded: LoadedStrategy, name: str) -> dict[str, Any]:
    title, _, rest = inspect.cleandoc(loaded.strategy.__doc__ or name).partition("\n")
    params = (
        loaded.strategy.params() if issubclass(loaded.strategy, Strategy) else native_params(loaded.strategy)
    )
    return {
        "title": title.strip(),
        "description": rest.strip(),
        "params": [param.to_json() for param in params.values()],
        "not_params": other_variables(loaded.strategy) if loaded.kind == NATIVE else [],
        "kind": loaded.kind,
    }


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


def _why_no_parameter(name: str, value: Any) -> str | None:
    if name in SETTINGS and isinstance(value, bool):
        return f"a setting of the run: {value}"
    if type(value) not in (int, float, bool, str):
        return f"of type {type(value).__name__}; a parameter is an int, float, bool or str"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not finite"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "too large a number"
    return None


def _check_complete(loaded: LoadedStrategy, path: Path) -> None:
    missing = getattr(loaded.strategy, "__abstractmethods__", None)
    if missing:
        line = inspect.getsourcelines(loaded.strategy)[1]
        raise StrategyError(
            f"{path.name}:{line}: {loaded.strategy.__name__} does not define {min(missing)}()"
        )
