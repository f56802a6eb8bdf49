"""Finds plug-in files and reads them without executing anything in them."""

from __future__ import annotations

import ast
import functools
import keyword
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.loader.load import located
from engine.syntax import syntax_tree

_ROOTS: Final = ("engine.strategy.Strategy", "backtesting.Strategy", "backtesting.backtesting.Strategy")


@dataclass(frozen=True, slots=True)
class StrategyFile:
    """A plug-in file. `name` is the file's stem; `error` is one line when it cannot hold a usable strategy."""

    name: str
    path: Path
    error: str | None = None


def find_strategy_files(folders: Iterable[Path]) -> list[StrategyFile]:
    """Every `*.py` of the folders whose name does not begin with _, in the order of the folders, then by name.

    A file whose name is taken by an earlier folder is listed with an error. Folders that do not exist hold nothing.
    """
    found: dict[str, Path] = {}
    files = []
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for path in sorted(folder.glob("[!_.]*.py")):
            if not path.is_file():
                continue
            error = _name_error(path) or _taken(path, found) or _content_error(path)
            found.setdefault(path.stem, path)
            files.append(StrategyFile(path.stem, path, error))
    return files


def is_strategy_name(name: str) -> bool:
    """Whether a file of that name would be found as a strategy."""
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name) and not name.startswith("_")


def _name_error(path: Path) -> str | None:
    if is_strategy_name(path.stem):
        return None
    return f"{path.name}: the name of a strategy's file may only hold letters, digits and _, as in my_strategy.py"


def _taken(path: Path, found: Mapping[str, Path]) -> str | None:
    if path.stem not in found:
        return None
    return f"{path.name}: the name is taken by {found[path.stem]}; rename one of the two"


def _content_error(path: Path) -> str | None:
    try:
        return _source_error(path, path.read_bytes())
    except OSError as error:
        return f"{path.name}: cannot be read ({type(error).__name__}: {error})"


@functools.lru_cache(maxsize=256)  # all files are looked through for every run, and hardly one has changed
def _source_error(path: Path, source: bytes) -> str | None:
    try:
        tree = syntax_tree(source, str(path))
    except SyntaxError as error:
        return located(error, path)
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{path.name}: cannot be read ({type(error).__name__}: {error})"
    certain, possible = _strategy_classes(tree)
    if len(certain) > 1:
        return f"{path.name}: {' and '.join(certain)} derive from Strategy; one file holds one strategy"
    return None if certain or possible else f"{path.name}: no class derives from Strategy"


def _strategy_classes(tree: ast.Module) -> tuple[list[str], bool]:
    """Names of the classes that surely derive from a Strategy and have no heirs; and whether others might.

    A base that comes from the plug-in's own modules can only be judged by executing them.
    """
    origins = _imported_names(tree)
    certain: dict[str, None] = {}
    parents: set[str] = set()
    possible = False
    for node in _classes(tree.body):
        for base in map(ast.unparse, node.bases):
            first, _, rest = base.partition(".")
            origin = ".".join(filter(None, (origins.get(first, ""), rest)))
            if base in certain or _is_root(origin):
                certain[node.name] = None
                parents.add(base)
            elif first in origins and origin.partition(".")[0] not in sys.stdlib_module_names:
                possible = True
    return [name for name in certain if name not in parents], possible or "*" in origins


def _is_root(origin: str) -> bool:
    return origin in _ROOTS or (origin.startswith("backtesting.lib.") and origin.endswith("Strategy"))


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What each name that the file imports stands for: {"Strategy": "engine.strategy.Strategy", ...}."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
    return names


def _classes(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef]:
    """The classes of a module, also those under `if` and `try`."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _classes(node.body)
            yield from _classes(getattr(node, "orelse", ()))
