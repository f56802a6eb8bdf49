"""What a result depends on: named one by one, hashed into a fingerprint, compared when a run is made again."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import platform
import sys
import sysconfig
import zlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from itertools import pairwise
from typing import Any, Final

import numpy as np

from engine.model.account import Costs
from engine.model.market import Candles, Period
from engine.model.window_params import WindowParams, windows_json
from engine.reproduction.own_source import code_hash, plain_source, source_of
from engine.syntax import syntax_tree

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
# the modules of this program that decide what a run says; a test holds that there are no others among what a worker imports
DECIDING: Final = (
    "engine.backtest.beside",
    "engine.backtest.break_even",
    "engine.backtest.library.broker",
    "engine.backtest.kernel.candle",
    "engine.backtest.kernel.candle_steps",
    "engine.backtest.library.coin_broker",
    "engine.backtest.library.coins",
    "engine.backtest.kernel.compiled",
    "engine.backtest.kernel.terms",
    "engine.backtest.kernel.decisions",
    "engine.backtest.kernel.excursions",
    "engine.backtest.kernel.filling",
    "engine.backtest.detail",
    "engine.backtest.evaluation",
    "engine.backtest.kernel.fine_candles",
    "engine.backtest.frame",
    "engine.backtest.metrics",
    "engine.backtest.library.native",
    "engine.backtest.library.native_windows",
    "engine.backtest.library.order_broker",
    "engine.backtest.library.order_position",
    "engine.backtest.grid",
    "engine.backtest.outcome",
    "engine.backtest.kernel.parts",
    "engine.backtest.perpetual",
    "engine.backtest.kernel.positions",
    "engine.backtest.questions",
    "engine.backtest.library.reference",
    "engine.backtest.rules",
    "engine.backtest.slippage",
    "engine.backtest.kernel.spans",
    "engine.backtest.stitching",
    "engine.backtest.kernel.seeking",
    "engine.backtest.kernel.sizing",
    "engine.backtest.kernel.state_machine",
    "engine.backtest.kernel.summary",
    "engine.backtest.kernel.worth",
    "engine.backtest.trade_metrics",
    "engine.indicators",
    "engine.indicators.loops",
    "engine.indicators.memory",
    "engine.jobs.run",
    "engine.jobs.trials",
    "engine.jobs.window_trials",
    "engine.model.account",
    "engine.model.brackets",
    "engine.model.columns",
    "engine.model.combinations",
    "engine.model.detail",
    "engine.model.filters",
    "engine.model.market",
    "engine.model.orders",
    "engine.model.perpetual",
    "engine.model.reads",
    "engine.model.simulators",
    "engine.model.slippage",
    "engine.model.trade",
    "engine.model.window_params",
    "engine.parallel.seed",
    "engine.reproduction.inputs",
    "engine.statistics.sharpe",
    "engine.statistics.trade_mean",
    "engine.strategy",
)
# and those that decide beside them what many legs on one wallet do; no run of one strategy imports any
DECIDING_TOGETHER: Final = (
    "engine.backtest.portfolio.book",
    "engine.backtest.portfolio.checks",
    "engine.backtest.portfolio.compiled",
    "engine.backtest.portfolio.figures",
    "engine.backtest.portfolio.layout",
    "engine.backtest.portfolio.sharing",
    "engine.backtest.portfolio.summary",
    "engine.backtest.portfolio.wallet",
    "engine.backtest.portfolio.weights",
    "engine.jobs.leg_signals",
    "engine.jobs.portfolio",
    "engine.jobs.portfolio_trials",
    "engine.jobs.portfolio_window_trials",
    "engine.model.portfolio_rules",
)


def engine_source(sources: Mapping[str, bytes]) -> str:
    """A short hash over the code of modules, by name: in a checkout it changes while the version stays. What is worded
    otherwise, in comments and docstrings, is the same code.
    """
    named = "".join(f"{name} {code_hash(source)}\n" for name, source in sorted(sources.items()))
    return hashlib.sha256(named.encode()).hexdigest()[:16]


# read when this process loads the code: who edits a file later does not change what runs here
_SOURCES: Final = {module: source_of(module) for module in DECIDING}
_SOURCES_TOGETHER: Final = {module: source_of(module) for module in DECIDING_TOGETHER}


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on, the platform (other machines round otherwise) and
    `engine_source` of this program.
    """
    return {
        "python": platform.python_version(),
        "platform": sysconfig.get_platform(),
        **{name: metadata.version(name) for name in LIBRARIES},
        "engine source": engine_source(_SOURCES),
    }


@functools.cache
def portfolio_source() -> str:
    """`engine_source` of what decides how legs share a wallet."""
    return engine_source(_SOURCES_TOGETHER)


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
        nodes = list(ast.walk(syntax_tree(source)))
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
    seed: int,
    perpetual: Mapping[str, Any] | None = None,
    detail: Mapping[str, str] | None = None,
    windows: Sequence[WindowParams] = (),
) -> dict[str, Any]:
    """All that a result depends on, by name, as JSON values.

    `windows`: which parameters ruled when, of a run of several.
    `perpetual`: what it is charged and margined by, where it is. `detail`: the finer candles that settled
    some, where they were asked for.
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
        "costs": {
            name: float(value) if isinstance(value, int) else value for name, value in costs.to_json().items()
        },
        "engine": engine,
        "versions": dict(versions),
        "seed": seed,
        **({"perpetual": dict(perpetual)} if perpetual else {}),
        **({"windows": windows_json(windows)} if windows else {}),
        **({} if detail is None else {"detail": dict(detail)}),
    }


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """sha256 over the inputs: equal fingerprints mean equal results."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
