"""Describes plug-in files in workers, and remembers the descriptions of files that have not changed."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from engine.loader.find import StrategyFile
from engine.loader.sources import BUNDLED, are_unchanged, may_import
from engine.model.parameters import StrategyInfo
from engine.parallel.job import Done
from engine.parallel.tasks import Answered, AskWorkers, DescribeAnswer, DescribeTask
from engine.reproduction.inputs import DECIDING
from engine.reproduction.own_source import sources_hash
from engine.whole_file import write_whole

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


def strategy_infos(
    files: Sequence[StrategyFile], ask: AskWorkers, cache_folder: Path, shipped_folder: Path | None = None
) -> list[StrategyInfo]:
    """A description of every file, in order. Starts no worker when all files are as they were the last time, or when the
    descriptions in `shipped_folder` were made; of the others it asks for no more than what changed.

    Only descriptions of working files are remembered: what broke the others may be a library that is installed later.
    """
    memory = _Memory(cache_folder, shipped_folder)
    known = memory.known(files)
    changed = [file for file in files if file.error is None and file not in known]
    outcomes = ask([DescribeTask(path=file.path) for file in changed], DESCRIBE_TIMEOUT_S)
    new = {file: _described(file, outcome) for file, outcome in zip(changed, outcomes, strict=True)}
    memory.keep({file: one for file, one in new.items() if one["error"] is None})
    return [_info(file, known.get(file) or new.get(file)) for file in files]


def known_infos(
    files: Sequence[StrategyFile], cache_folder: Path, shipped_folder: Path | None = None
) -> list[StrategyInfo]:
    """The descriptions of those files for which nobody has to be asked."""
    known = _Memory(cache_folder, shipped_folder).known(files)
    return [_info(file, known.get(file)) for file in files if file in known or file.error is not None]


class _Memory:
    """Descriptions by file, each with what it depends on beside the sources that were executed for it: this program, and
    which modules the folder had.
    """

    def __init__(self, cache_folder: Path, shipped_folder: Path | None) -> None:
        self._file = cache_folder / "strategies.json"
        self._held = _read(self._file)
        self._shipped = {} if shipped_folder is None else _read(shipped_folder / "strategies.json")
        self._program = hashlib.sha256(
            f"{_version()} {platform.python_version()} {sources_hash(_DESCRIBING)}".encode()
        ).hexdigest()
        self._modules: dict[Path, list[str]] = {}

    def known(self, files: Sequence[StrategyFile]) -> dict[StrategyFile, dict[str, Any]]:
        """The descriptions that still hold."""
        found = {}
        for file in files:
            remembered = (held.get(_place(file.path)) for held in (self._held, self._shipped))
            valid = (one for one in remembered if one is not None and self._holds(file, one))
            one = next(valid, None) if file.error is None else None
            if one is not None:
                found[file] = one
        return found

    def _holds(self, file: StrategyFile, one: Mapping[str, Any]) -> bool:
        sources, before = one.get("sources"), one.get("modules")
        if (
            one.get("program") != self._program
            or not isinstance(before, list)
            or not isinstance(sources, dict)
        ):
            return False
        if not sources or not are_unchanged(sources, file.path):
            return False
        other = set(before) ^ set(self._modules_beside(file.path))
        return not other or not may_import(other, sources, file.path)

    def keep(self, new: Mapping[StrategyFile, dict[str, Any]]) -> None:
        """Remember descriptions beside those that are held; those of files that are gone are forgotten."""
        if not new:
            return
        kept = {place: one for place, one in self._held.items() if _is_file(place)}
        for file, one in new.items():
            kept[_place(file.path)] = one | {
                "program": self._program,
                "modules": self._modules_beside(file.path),
            }
        _write(self._file, kept)

    def _modules_beside(self, path: Path) -> list[str]:
        """The top-level modules and packages that a file may import from its folder."""
        folder = path.parent
        if folder not in self._modules:
            found = [*folder.glob("*.py"), *folder.glob("*/*.py")]
            self._modules[folder] = sorted({Path(one.relative_to(folder).parts[0]).stem for one in found})
        return self._modules[folder]


def _place(path: Path) -> str:
    """A file by its path; a bundled one by its name, as what is shipped may be moved with the program."""
    is_bundled = path.parent in (BUNDLED, BUNDLED.resolve())
    return f"{BUNDLED.name}/{path.name}" if is_bundled else str(path)


def _is_file(place: str) -> bool:
    return (BUNDLED.parent / place).is_file()  # an absolute one stays what it is


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
        timeframes=tuple(found.get("timeframes", ())),
        symbols_read=tuple(found.get("symbols_read", ())),
        build_timeframes=found.get("build_timeframes", False),
        warmups=found.get("warmups", {}),
    )


def _version() -> str:
    try:
        return version("backtest-desktop")
    except PackageNotFoundError:
        return ""


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """The remembered descriptions; none when the file is absent or damaged."""
    try:
        cache = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(cache, dict):
        return {}
    return {place: one for place, one in cache.items() if isinstance(one, dict) and "program" in one}


def _write(file: Path, cache: Mapping[str, dict[str, Any]]) -> None:
    try:
        write_whole(file, json.dumps(cache))
    except OSError as error:
        _LOG.warning("descriptions of strategies are not remembered: %s", error)
