"""Describes plug-in files in workers, and remembers the descriptions of files that have not changed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from engine.loader.find import StrategyFile
from engine.loader.sources import are_unchanged
from engine.model.parameters import StrategyInfo
from engine.parallel.job import Done
from engine.parallel.tasks import Answered, AskWorkers, DescribeAnswer, DescribeTask
from engine.reproduction.inputs import DECIDING
from engine.reproduction.own_source import sources_hash

DESCRIBE_TIMEOUT_S: Final = 20.0
_DESCRIBING: Final = (
    "engine.jobs.describe",
    "engine.loader.class_variables",
    "engine.loader.libraries",
    "engine.loader.load",
    "engine.loader.sources",
    "engine.model.numerals",
    "engine.model.parameters",
    "engine.model.plots",
    "engine.parallel.tasks",  # the shape of a description
    *DECIDING,  # what a plug-in may import and read while it is loaded
)
_LOG: Final = logging.getLogger(__name__)


def strategy_infos(files: Sequence[StrategyFile], ask: AskWorkers, cache_folder: Path) -> list[StrategyInfo]:
    """A description of every file, in order. Starts no worker when all files are as they were the last time.

    Only descriptions of working files are remembered: what broke the others may be a library that is installed later.
    """
    cache_file = cache_folder / "strategies.json"
    cache = _read(cache_file)
    usable = [file for file in files if file.error is None]
    keys = dict(zip(usable, _keys(usable), strict=True))
    known = {file: cache[keys[file]] for file in usable if _is_as_described(file, cache.get(keys[file]))}
    changed = [file for file in usable if file not in known]
    outcomes = ask([DescribeTask(path=file.path) for file in changed], DESCRIBE_TIMEOUT_S)
    described = known | {
        file: _described(file, outcome) for file, outcome in zip(changed, outcomes, strict=True)
    }
    if changed:
        _write(cache_file, {keys[file]: one for file, one in described.items() if one["error"] is None})
    return [_info(file, described.get(file)) for file in files]


def _is_as_described(file: StrategyFile, described: dict[str, Any] | None) -> bool:
    sources = (described or {}).get("sources")
    return bool(sources) and isinstance(sources, dict) and are_unchanged(sources, file.path)


def _described(file: StrategyFile, outcome: Answered[DescribeAnswer]) -> dict[str, Any]:
    """What the worker found out; or, where the file ended the worker, what is known of that."""
    if isinstance(outcome, Done):
        return asdict(outcome.value)
    return {"error": f"{file.path.name}: {outcome.message}", "traceback": outcome.traceback or None}


def _info(file: StrategyFile, described: dict[str, Any] | None) -> StrategyInfo:
    found = described or {"error": file.error}
    return StrategyInfo(
        name=file.name,
        title=found.get("title") or file.name,
        description=found.get("description", ""),
        params=tuple(found.get("params", ())),
        path=str(file.path),
        kind=found.get("kind", "signals"),
        error=found["error"],
        traceback=found.get("traceback"),
        not_params=tuple(found.get("not_params", ())),
        plots=found.get("plots", {}),
    )


def _keys(files: Sequence[StrategyFile]) -> list[str]:
    """One key per file, over what its description depends on beside the sources that it executed: this program, and what
    else the folder has to import.
    """
    base = f"{_version()} {platform.python_version()} {sources_hash(_DESCRIBING)}"
    names = {folder: _names(folder) for folder in {file.path.parent for file in files}}
    return [
        hashlib.sha256(f"{base} {names[file.path.parent]} {file.path}".encode()).hexdigest() for file in files
    ]


def _version() -> str:
    try:
        return version("backtest-desktop")
    except PackageNotFoundError:
        return ""


def _names(folder: Path) -> list[str]:
    """The modules that a file in the folder may import, one package deep."""
    found = [*folder.glob("*.py"), *folder.glob("*/*.py")]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """The remembered descriptions; none when the file is absent or damaged."""
    try:
        cache = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(cache, dict):
        return {}
    return {key: one for key, one in cache.items() if isinstance(one, dict) and "error" in one}


def _write(file: Path, cache: dict[str, dict[str, Any]]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix="strategies-", delete=False) as new:
            json.dump(cache, new)
        os.replace(new.name, file)  # noqa: PTH105 - whole or not at all
    except OSError as error:
        _LOG.warning("descriptions of strategies are not remembered: %s", error)
