"""What a result depends on: named one by one, hashed into a fingerprint, compared when a run is made again."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import platform
import random
import sys
import sysconfig
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

import engine
from engine.market import Candles, Period
from engine.runs import Costs

SEED: Final = 0
LIBRARIES: Final = (
    "backtest-desktop",
    "backtesting",
    "llvmlite",
    "numba",
    "numpy",
    "pandas",
    "pandas-ta-classic",
)
# modules that tell nothing more: of Python, of this program, and of the libraries above
_KNOWN_MODULES: Final = sys.stdlib_module_names | {
    "engine", "strategies", *(name.replace("-", "_") for name in LIBRARIES),
}  # fmt: skip
# what changes the figures of a library as soon as it is installed
_USED_BY: Final = {"pandas_ta_classic": "talib"}
# the files of this program that decide what a run says
DECIDING: Final = (
    "backtest/*.py", "columns.py", "indicators/*.py", "market.py", "reproduction.py", "runs.py", "strategy.py",
)  # fmt: skip


def seed_random() -> None:
    """Make the shared generators of `random` and numpy start where they start in every evaluation of a strategy."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - the generator that plug-ins share


def plain_source(source: bytes) -> bytes:
    """Source as it is hashed and kept: with the line ends that Python sees, whatever the file has."""
    return source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def engine_source(folder: Path) -> str:
    """A short hash over the DECIDING files below `folder`: in a checkout they change while the version stays."""
    state = hashlib.sha256()
    for file in sorted(file for pattern in DECIDING for file in folder.glob(pattern)):
        source = plain_source(file.read_bytes())
        state.update(f"{file.relative_to(folder).as_posix()} {len(source)}\n".encode() + source)
    return state.hexdigest()[:16]


# read when this process loads the code: who edits a file later does not change what runs here
_ENGINE_SOURCE: Final = engine_source(Path(engine.__file__).parent)


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on, the platform (other machines round otherwise) and
    `engine_source` of this program.
    """
    return {
        "python": platform.python_version(),
        "platform": sysconfig.get_platform(),
        **{name: metadata.version(name) for name in LIBRARIES},
        "engine source": _ENGINE_SOURCE,
    }


def versions_for(sources: Mapping[str, bytes]) -> dict[str, str]:
    """`versions`, and those of the other libraries that a strategy's `sources` (by file name) import themselves."""
    own = {name.partition("/")[0].removesuffix(".py") for name in sources}
    names = set().union(*map(imported_modules, sources.values()))
    names |= {_USED_BY[name] for name in names & _USED_BY.keys()}
    wanted = names - own - _KNOWN_MODULES
    installed = _distributions() if wanted else {}
    found = sorted({one for name in wanted for one in installed.get(name, ())})
    return versions() | {name: metadata.version(name) for name in found}


_distributions = functools.cache(metadata.packages_distributions)


@functools.lru_cache(maxsize=64)
def imported_modules(source: bytes) -> frozenset[str]:
    """The top-level modules that a file names in its import statements."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):  # of a run that failed by it
        return frozenset()
    full = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    full += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return frozenset(name.partition(".")[0] for name in full)


def hashes(sources: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 of each file's `plain_source`."""
    return {name: hashlib.sha256(plain_source(source)).hexdigest() for name, source in sources.items()}


def candle_inputs(candles: Candles) -> dict[str, Any]:
    """How candles enter a fingerprint: their hash to the last bit, and per UTC month their count and a sum, "744 0f3c12ab",
    so that it can be said later which ones changed.
    """
    month = candles.timestamp.astype("datetime64[ms]").astype("datetime64[M]")
    starts = np.flatnonzero(np.diff(month, prepend=np.datetime64("1960-01", "M"))).tolist()
    parts = {}
    for start, stop in pairwise([*starts, len(candles)]):
        part, total = candles.slice(start, stop), 0
        for column in (part.timestamp, *part.columns().values()):
            total = zlib.crc32(np.ascontiguousarray(column).data, total)
        parts[str(month[start])] = f"{len(part)} {total:08x}"
    return {"sha256": candles.sha256(), "months": parts}


def run_inputs(
    *,
    candles: Mapping[str, Any],
    period: Period,
    timeframe: str,
    warmup: int,
    source: Mapping[str, str],
    params: Mapping[str, Any],
    costs: Costs,
    engine: str,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """All that a result depends on, by name, as JSON values.

    `candles`: of `candle_inputs`, warm-up included; `warmup`: how many of them were wanted; `source`: of `hashes`.
    """
    return {
        "candles": dict(candles),
        "period": period.to_json(),
        "timeframe": timeframe,
        "warmup": warmup,
        "source": dict(source),
        "params": dict(params),
        # 10000 and 10000.0 are one cash, and one fingerprint
        "costs": {name: float(value) for name, value in asdict(costs).items()},
        "engine": engine,
        "versions": dict(versions),
        "seed": SEED,
    }


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """sha256 over the inputs: equal fingerprints mean equal results."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def fingerprints(inputs: Mapping[str, Any], params: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The 32 bytes of `fingerprint` of the inputs with each of these params in place of theirs, at a tenth of the cost."""
    hole = "\0params"
    text = json.dumps({**inputs, "params": hole}, sort_keys=True)
    head, tail = (part.encode() for part in text.split(json.dumps(hole)))
    begun = hashlib.sha256(head)
    for one in params:
        digest = begun.copy()
        digest.update(json.dumps(one, sort_keys=True).encode())
        digest.update(tail)
        yield digest.digest()
