"""Executes a plug-in file and finds its strategy class. In workers only: a plug-in is anybody's code."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import BacktestError, StrategyError, one_line
from engine.loader.sources import importable, read_source
from engine.reproduction.own_source import plain_source
from engine.strategy import Strategy

SIGNALS: Final = "signals"
NATIVE: Final = "native"
_INSTEAD: Final = {
    "pandas_ta": "pandas_ta_classic is here: import pandas_ta_classic as ta",
    "talib": "pandas_ta_classic and engine.indicators are here",
    "ta": "pandas_ta_classic and engine.indicators are here",
}


@dataclass(frozen=True, slots=True)
class LoadedStrategy:
    """A plug-in's class. `kind`: "signals" (engine.strategy.Strategy) or "native" (backtesting.Strategy).

    `sources` holds the bytes that were executed, by file name: the plug-in's own and those of the modules that it imported
    from its folder or the bundled strategies; more come when its methods import more.
    """

    strategy: type
    kind: str
    sources: Mapping[str, bytes]

    def executed(self) -> dict[str, npt.NDArray[np.uint8]]:
        """The bytes of `sources` until now, with plain line ends."""
        return {
            name: np.frombuffer(plain_source(source), dtype=np.uint8) for name, source in self.sources.items()
        }


def load_strategy(path: Path | str) -> type:
    """The strategy class of a plug-in file, freshly executed; raises StrategyError with file and line. For workers only."""
    return load(path).strategy


def load(path: Path | str) -> LoadedStrategy:
    """As `open_strategy`, but its methods cannot import anything more from its folder."""
    with open_strategy(path) as loaded:
        return loaded


@contextmanager
def open_strategy(path: Path | str) -> Iterator[LoadedStrategy]:
    """Execute a plug-in file and find its one strategy class; raises StrategyError with file and line.

    Inside the block its folder is importable. Nothing stays in the module cache, so an edited file or module is always
    read anew.
    """
    path = Path(path).absolute()
    with importable(path.parent) as sources:
        module = _executed(path, sources)
        found = _strategy_classes(module)
        if not found:
            raise StrategyError(f"{path.name}: no class derives from Strategy")
        if len(found) > 1:
            raise StrategyError(
                f"{path.name}: {_names(found)} derive from Strategy; one file holds one strategy"
            )
        yield LoadedStrategy(found[0], SIGNALS if issubclass(found[0], Strategy) else NATIVE, sources)


def _executed(path: Path, sources: dict[str, bytes]) -> types.ModuleType:
    try:
        source = sources[path.name] = read_source(path)
        module = _new_module(path, source)
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102 - a plug-in
    except MemoryError:
        raise
    except BaseException as error:  # sys.exit() in a plug-in is its author's mistake, not our end
        raise StrategyError(located(error, path)) from error
    return module


def located(error: BaseException, path: Path | str, line: int | None = None) -> str:
    """One line for people: "file.py:LINE: ImportError: No module named 'x'", with the line in the plug-in's own file.

    `line` is used when the error's traceback does not pass through the file. Our own errors are shown without class name.
    """
    path = Path(path).absolute()
    if isinstance(error, SyntaxError) and error.filename in (None, str(path)):
        line, text = error.lineno, f"invalid syntax: {error.msg}" if "syntax" not in error.msg else error.msg
    else:
        line = _own_line(error, path) or line
        text = str(error) if isinstance(error, BacktestError) else f"{type(error).__name__}: {error}"
        text += _instead(error)
    first = one_line(text) if len(text) <= 500 else one_line(text[:500]) + "..."
    return f"{path.name}:{line}: {first}" if line else f"{path.name}: {first}"


def _instead(error: BaseException) -> str:
    """What is here in place of a module that is not; pandas_ta has no release for every Python that we run on."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f"; {_INSTEAD[missing]}" if missing in _INSTEAD else ""


def _own_line(error: BaseException, path: Path) -> int | None:
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(path):
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _new_module(path: Path, source: bytes) -> types.ModuleType:
    name = f"strategy_{path.stem}_{hashlib.sha256(os.fsencode(path) + source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and typing look a class's module up there, also later
    return module


def _strategy_classes(module: types.ModuleType) -> list[type]:
    """The strategy classes that the module itself defines and derives nothing further from."""
    roots: tuple[Any, ...] = (Strategy,)
    if "backtesting" in sys.modules:  # a class can only derive from it when the file has imported it
        roots += (sys.modules["backtesting"].Strategy,)
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, roots) and value.__module__ == module.__name__
    ]
    own = list(dict.fromkeys(own))
    return [one for one in own if not any(other is not one and issubclass(other, one) for other in own)]


def _names(classes: list[type]) -> str:
    return " and ".join(one.__name__ for one in classes)
