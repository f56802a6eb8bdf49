"""Which files a plug-in is made of: its own and those of its folder that it may import, read without executing them."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Final

import engine
from engine.loader.sources import BUNDLED
from engine.syntax import syntax_tree

_MOST_MODULES: Final = 2_000


def sources_of(plug_in: Path) -> dict[str, bytes]:
    """The bytes of a plug-in file and of every module of its folder that it may import, by name: "_lib.py", "package/a.py".

    A module is found by import statements, and by texts that are its name, for `importlib.import_module("_lib")`; a package
    comes whole. What cannot be read is left out: the job will say so.
    """
    folder, found = plug_in.parent, dict[str, bytes]()
    left = [plug_in]
    while left and len(found) < _MOST_MODULES:
        file = left.pop()
        name = file.relative_to(folder).as_posix()
        if name in found:
            continue
        try:
            found[name] = file.read_bytes()
        except OSError:
            continue
        for module in _named_modules(found[name]):
            left += _files_of(folder, module)
    return found


def _files_of(folder: Path, module: str) -> list[Path]:
    """The files of a module or package in the folder; none where it is not there, or is a part of this program."""
    package = folder / module
    if package in (BUNDLED, Path(engine.__file__).parent):
        return []
    files = [package.with_suffix(".py")]
    if package.is_dir():
        files += sorted(package.rglob("*.py"))[:_MOST_MODULES]
    return [file for file in files if file.is_file()]


@functools.lru_cache(maxsize=256)
def _named_modules(source: bytes) -> frozenset[str]:
    """The top-level modules that a file names, in import statements or as a text."""
    try:
        nodes = list(ast.walk(syntax_tree(source)))
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    names += [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    first = (name.partition(".")[0] for name in names if len(name) < 200)
    return frozenset(name for name in first if name.isidentifier())
