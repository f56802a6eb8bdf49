"""Python's own parser, one thread at a time: of source, of expressions, and of the heads of numpy's files.

Python 3.11 counts wrongly where two threads parse at once: "SystemError: AST constructor recursion depth mismatch" (CPython
issue 106905). `numpy.load` parses too, the few words with which a file begins.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

_PARSER: Final = threading.RLock()


@contextmanager
def parser() -> Iterator[None]:
    """Nobody else parses meanwhile, of those who ask."""
    with _PARSER:
        yield


def syntax_tree(source: str | bytes, name: str = "<source>") -> ast.Module:
    """`ast.parse`."""
    with _PARSER:
        return ast.parse(source, name)


def expression_tree(text: str) -> ast.Expression:
    """The same of a single expression."""
    with _PARSER:
        return ast.parse(text, mode="eval")


def mapped_array(path: Path) -> Any:
    """The array in a file of `numpy.save`, mapped and read-only; raises OSError, ValueError."""
    with _PARSER:
        return np.load(path, mmap_mode="r", allow_pickle=False)


def read_array(file: BinaryIO) -> Any:
    """The next array in an open file, as `numpy.lib.format` writes them; raises ValueError."""
    with _PARSER:
        return np.lib.format.read_array(file, allow_pickle=False)
