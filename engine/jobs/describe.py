"""The job that describes a plug-in file: executes it and reads its parameters."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any

from engine.backtest.rules import Report
from engine.errors import InputError, RunError, StrategyError
from engine.loader.class_variables import native_params, other_variables
from engine.loader.libraries import strategy_process
from engine.loader.load import NATIVE, SIGNALS, LoadedStrategy, located, open_strategy
from engine.model.parameters import Param
from engine.model.plots import read_plots
from engine.model.reads import Reads
from engine.parallel.tasks import DescribeAnswer, DescribeTask
from engine.reproduction.inputs import hashes
from engine.strategy import Strategy


def describe_job(task: DescribeTask, _report: Report) -> DescribeAnswer:
    """What a plug-in file declares, or why it does not load.

    Whether it computes anything is for its runs to find out: it may need other candles than any that could be made up.
    """
    with strategy_process(task.path) as process:
        return DescribeAnswer(**process.call(_described, task.path))


def _described(path: Path) -> dict[str, Any]:
    info: dict[str, Any] = {"title": path.stem, "description": "", "params": [], "not_params": []}
    info |= {"kind": SIGNALS, "error": None, "traceback": None, "sources": {}, "plots": {}}
    info |= {"timeframes": [], "symbols_read": [], "build_timeframes": False, "warmups": {}}
    try:
        with open_strategy(path) as loaded:
            info |= _description(loaded, path.stem)
            _check_complete(loaded, path)
            info["plots"] = _plots(loaded, path)
            info |= _reads(loaded, path)
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


def _plots(loaded: LoadedStrategy, path: Path) -> dict[str, Any]:
    """Where columns are drawn. It is read here and nowhere else: what is drawn where decides no figure."""
    said = getattr(loaded.strategy, "plots", {})
    if loaded.kind == NATIVE or isinstance(said, Param):  # theirs may mean anything
        return {}
    try:
        found = read_plots(said)
    except InputError as error:
        line = inspect.getsourcelines(loaded.strategy)[1]
        raise StrategyError(f"{path.name}:{line}: {error}") from None
    return {column: plot.to_json() for column, plot in found.items()}


def _reads(loaded: LoadedStrategy, path: Path) -> dict[str, Any]:
    """What is read beside the candles, and the warm-up of each timeframe by the defaults: nothing where nothing is read."""
    if not issubclass(loaded.strategy, Strategy):
        return {}
    try:
        reads = Reads.declared(loaded.strategy)
    except InputError as error:
        line = inspect.getsourcelines(loaded.strategy)[1]
        raise StrategyError(f"{path.name}:{line}: {error}") from None
    if not reads:
        return {}
    series = {"timeframes": list(reads.timeframes), "symbols_read": list(reads.symbols)}
    return {**series, "build_timeframes": reads.build, "warmups": _warmups(loaded.strategy, path)}


def _warmups(kind: type[Strategy], path: Path) -> dict[str, int]:
    """Nothing where the strategy cannot say by its defaults: a run of it fails there, alone and with the reason."""
    from engine.backtest.evaluation import ask_warmup, asking

    try:
        with asking(path):
            strategy = kind({})
        return ask_warmup(strategy, path).to_json()
    except RunError:
        return {}


def _check_complete(loaded: LoadedStrategy, path: Path) -> None:
    missing = getattr(loaded.strategy, "__abstractmethods__", None)
    if missing:
        line = inspect.getsourcelines(loaded.strategy)[1]
        raise StrategyError(
            f"{path.name}:{line}: {loaded.strategy.__name__} does not define {min(missing)}()"
        )
