"""A process for the code of one plug-in file, which finds in it the libraries that it names and no others.

The well-known ones take a second to import: a worker imports them once, and each process is forked with them.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.loader.sources import begun_with, go_on_with, read_source
from engine.parallel.isolated import FORKS, Process, in_worker, isolated, kept
from engine.reproduction.inputs import imported_modules

_KNOWN: Final = frozenset({"backtesting", "pandas_ta_classic"})


@dataclass(frozen=True, slots=True)
class _Traces:
    """What importing one library left on pandas' classes."""

    attributes: tuple[tuple[type, str], ...]


_imported: Final[dict[str, _Traces]] = {}


@contextmanager
def strategy_process(path: Path, timeout_s: float | None = None) -> Iterator[Process]:
    """A fresh process for the strategy of a plug-in file; `timeout_s` for all its calls, beside the limit of the job."""
    if in_worker():
        _import_libraries(path)
    with isolated(timeout_s) as process:
        _prepare(process, path)
        yield process


def kept_process(path: Path, sweep: str, key: str = "") -> Process:
    """As `strategy_process`, but the one that answered before for the same sweep and key: it remembers."""
    if in_worker():
        _import_libraries(path)
    process = kept(sweep, key)
    _prepare(process, path)
    return process


def _prepare(process: Process, path: Path) -> None:
    if in_worker():
        if not FORKS:  # a forked one has what this one has
            process.call(go_on_with, begun_with())
        process.call(_hide_libraries, path)


def _import_libraries(path: Path) -> None:
    """Import what the file names and is known: a plug-in is anybody's code, these are not, and do the same everywhere."""
    if not FORKS:
        return  # the process will be started and not forked, and have none of this one's
    for name in sorted(_named_libraries(path) - _imported.keys()):
        attributes = _attributes()
        with (
            contextlib.suppress(Exception),
            warnings.catch_warnings(),
        ):  # the plug-in's own import will say so
            importlib.import_module(name)
        new = tuple((kind, one) for kind, names in _attributes().items() for one in names - attributes[kind])
        _imported[name] = _Traces(new)


def _hide_libraries(path: Path) -> None:
    """Take accessors away that only others' libraries gave to pandas: so the plug-in fails, or works, as it would alone.

    Where a module beside it imports such a library, that is executed again. One that gave nothing is left alone: it is found
    by importing it and not otherwise, and a second copy of its classes would be another's.
    """
    for name in _imported.keys() - _named_libraries(path):
        if not _imported[name].attributes:
            continue
        for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[module]
        for kind, attribute in _imported[name].attributes:
            with contextlib.suppress(AttributeError):
                delattr(kind, attribute)


def _named_libraries(path: Path) -> frozenset[str]:
    """The known libraries that a file's import statements name."""
    try:
        return imported_modules(read_source(path)) & _KNOWN
    except OSError:
        return frozenset()


def _attributes() -> Mapping[Any, set[str]]:
    """What the classes have that such a library may give accessors to."""
    import pandas as pd  # in workers only: the program itself asks for names of strategies without it

    return {kind: set(vars(kind)) for kind in (pd.DataFrame, pd.Series, pd.Index)}
