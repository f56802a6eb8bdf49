"""Python source: read as such; and what some of our own modules say, as a hash, by name, so that one that moves counts."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import engine
from engine.syntax import syntax_tree

_FOLDER: Final = Path(engine.__file__).parents[1]


def source_of(module: str) -> bytes:
    """The source of one of our modules, which is not imported for it; raises ModuleNotFoundError where there is none."""
    path = _FOLDER.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return plain_source(file.read_bytes())
    raise ModuleNotFoundError(f"there is no module {module}; did it move?", name=module)


def plain_source(source: bytes) -> bytes:
    """Source as it is hashed and kept: with the line ends that Python sees, whatever the file has."""
    return source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def sources_hash(modules: Iterable[str]) -> str:
    """One hash over the sources of these modules, to the last byte."""
    state = hashlib.sha256()
    for module in sorted(modules):
        source = source_of(module)
        state.update(f"{module} {len(source)}\n".encode() + source)
    return state.hexdigest()


@lru_cache(maxsize=256)
def code_hash(source: bytes) -> str:
    """A hash over what the code does: docstrings, comments, line breaks and positions play no part, nor does the Python
    that reads it as long as it reads the same.
    """
    state = hashlib.sha256()
    for part in _parts(syntax_tree(source)):
        state.update(part.encode())
    return state.hexdigest()


def _parts(node: Any) -> Iterator[str]:
    """The tree as text. Empty fields are left out, because later versions of Python add such."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "body" and isinstance(value, list) and _begins_with_docstring(node):
                value = value[1:]
            if value is not None and value != []:
                yield f".{name}("
                yield from _parts(value)
                yield ")"
    elif isinstance(node, list):
        for item in node:
            yield from _parts(item)
            yield ","
    else:
        yield repr(node)


def _begins_with_docstring(node: ast.AST) -> bool:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None
