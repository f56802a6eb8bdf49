"""The job that describes a plug-in file: executes it, reads its parameters and tries it on generated candles."""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.errors import RunError, StrategyError
from engine.loader.load import NATIVE, SIGNALS, LoadedStrategy, located, open_strategy
from engine.market import HOUR_MS, Candles, parse_time
from engine.strategy import Param, Signals, Strategy, columns_of, float_column

_FEWEST_CANDLES: Final = 600
_MOST_CANDLES: Final = 20_000  # keeps a trial under a second whatever warm-up is asked for
_LONGEST_WARMUP: Final = 1_000_000
_LARGEST: Final = 2**53  # whole numbers beyond are not exact in JSON
# what a file written for backtesting.py states about the account: `exclusive_orders = True` in its class
SETTINGS: Final = ("exclusive_orders", "hedging", "trade_on_close")


def describe_job(task: dict[str, Any], report: Callable[..., None]) -> dict[str, Any]:  # noqa: ARG001 - a job's shape
    """For `{path}`: `{title, description, params, kind, error, traceback}` of the file, `error` None when it works."""
    path = Path(task["path"])
    info: dict[str, Any] = {"title": path.stem, "description": "", "params": [], "kind": SIGNALS}
    info |= {"error": None, "traceback": None}
    try:
        with open_strategy(path) as loaded:
            info |= _description(loaded, path.stem)
            _try(loaded, path)
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


def _try(loaded: LoadedStrategy, path: Path) -> None:
    missing = getattr(loaded.strategy, "__abstractmethods__", None)
    if missing:
        line = inspect.getsourcelines(loaded.strategy)[1]
        raise StrategyError(
            f"{path.name}:{line}: {loaded.strategy.__name__} does not define {min(missing)}()"
        )
    if (
        loaded.kind == SIGNALS
    ):  # a native one is tried by its first run: it may need an account like that one's
        _try_signals(loaded.strategy(), path)


def _try_signals(strategy: Strategy, path: Path) -> None:
    with _answer_of(strategy.warmup, path):
        warmup: Any = strategy.warmup()
        if not isinstance(warmup, int) or not 0 <= warmup <= _LONGEST_WARMUP:
            raise RunError(
                f"warmup() must return a whole number of candles from 0 to {_LONGEST_WARMUP:,}, not {warmup!r}"
            )
    candles = sample_candles(min(_MOST_CANDLES, max(_FEWEST_CANDLES, 2 * warmup))).frame()
    given: Any = {name: column.to_numpy() for name, column in candles.items()} if strategy.arrays else candles
    with _answer_of(strategy.indicators, path):
        indicators = strategy.indicators(given.copy())
        for name, column in columns_of(indicators, candles.index, "indicators").items():
            float_column(column, name, "indicators")
    with _answer_of(strategy.signals, path):
        Signals.check(strategy.signals(given.copy(), indicators), candles)


@contextmanager
def _answer_of(method: Any, path: Path) -> Iterator[None]:
    """Point to the method whose answer cannot be used: the error that says so was not raised in the plug-in."""
    try:
        yield
    except RunError as error:
        code = method.__func__.__code__
        line = code.co_firstlineno if code.co_filename == str(path) else None
        raise StrategyError(located(error, path, line)) from error


def sample_candles(count: int) -> Candles:
    """`count` generated hours from Monday 2024-01-01 with rises, falls and calm: the same in every process."""
    random = np.random.default_rng(20240101)
    hours = np.arange(count)
    drift = 0.002 * np.sin(hours / 40)
    close = 100 * np.exp(np.cumsum(drift + random.normal(0, 0.008, count)))
    opened = np.concatenate(([100.0], close[:-1]))
    reach = 1 + np.abs(random.normal(0, 0.004, (2, count)))
    return Candles(
        timestamp=parse_time("2024-01-01") + hours.astype(np.int64) * HOUR_MS,
        open=opened,
        high=np.maximum(opened, close) * reach[0],
        low=np.minimum(opened, close) / reach[1],
        close=close,
        volume=random.uniform(10, 1000, count),
    )
