"""Executes a plug-in file and finds its strategy class. In workers only: a plug-in is anybody's code."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.errors import BacktestError, StrategyError
from engine.strategy import Strategy

SIGNALS: Final = "signals"
NATIVE: Final = "native"


@dataclass(frozen=True, slots=True)
class LoadedStrategy:
    """A plug-in's class. `kind`: "signals" (engine.strategy.Strategy) or "native" (backtesting.Strategy).

    `sha256` covers the bytes that were executed: the file's own and those of the sibling modules it imported.
    """

    strategy: type
    kind: str
    sha256: str


def load_strategy(path: Path | str) -> type:
    """The strategy class of a plug-in file, freshly executed; raises StrategyError with file and line. For workers only."""
    return load(path).strategy


def load(path: Path | str) -> LoadedStrategy:
    """Execute a plug-in file and find its one strategy class; raises StrategyError with file and line.

    The folder is importable while the file loads. Nothing stays in the module cache, so an edited file or sibling is
    always read anew.
    """
    path = Path(path).absolute()
    try:
        source = path.read_bytes()
        module = _new_module(path, source)
        with _importable(path.parent) as siblings:
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102 - a plug-in
    except MemoryError:
        raise
    except BaseException as error:  # sys.exit() in a plug-in is its author's mistake, not our end
        raise StrategyError(located(error, path)) from error
    found = _strategy_classes(module)
    if not found:
        raise StrategyError(f"{path.name}: no class derives from Strategy")
    if len(found) > 1:
        raise StrategyError(f"{path.name}: {_names(found)} derive from Strategy; one file holds one strategy")
    kind = SIGNALS if issubclass(found[0], Strategy) else NATIVE
    return LoadedStrategy(found[0], kind, _digest(source, siblings))


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
    first = " ".join(text.split()) if len(text) <= 500 else " ".join(text[:500].split()) + "..."
    return f"{path.name}:{line}: {first}" if line else f"{path.name}: {first}"


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


@contextmanager
def _importable(folder: Path) -> Iterator[dict[str, bytes]]:
    """Make the folder's modules importable for a while; gives the source of those that were imported, by file.

    The folder comes last, so that a plug-in named like a library shadows nothing. No byte code is written: its time
    stamp in seconds would miss a quick edit.
    """
    siblings: dict[str, bytes] = {}
    known, path, dont_write = set(sys.modules), list(sys.path), sys.dont_write_bytecode
    importlib.invalidate_caches()
    sys.path.append(str(folder))
    sys.dont_write_bytecode = True
    try:
        yield siblings
    finally:
        sys.path[:], sys.dont_write_bytecode = path, dont_write
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file and name.partition(".")[0] not in known and _lies_in(Path(file), name, folder):
                del sys.modules[name]
                siblings[file] = Path(file).read_bytes()


def _lies_in(file: Path, module: str, folder: Path) -> bool:
    """Whether a module was found in `folder` itself; not in, say, an environment that happens to lie below it."""
    parts = module.count(".") + (file.stem == "__init__")
    return file.parents[parts] == folder


def _digest(source: bytes, siblings: dict[str, bytes]) -> str:
    digest = hashlib.sha256(source)
    for file in sorted(siblings):
        digest.update(siblings[file])
    return digest.hexdigest()


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
