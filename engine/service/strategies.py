"""The strategies that there are, and new ones."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from engine.errors import InputError, reason
from engine.events import CancelToken, OnEvent, ignore_event
from engine.jobs.kernels import made_with_environment
from engine.loader import StrategyFile, find_strategy_files, known_infos, strategy_infos, template
from engine.loader.template import MARKET
from engine.model.coverage import Coverage
from engine.model.market import Period, Timeframe
from engine.model.parameters import StrategyInfo
from engine.model.reads import Reads, Warmup, series_of, warmup_start
from engine.reports.files import write_text
from engine.runs.plan import check_strategies
from engine.service.presets import Presets
from engine.service.resources import Resources

_DEEP: Final = ("*", "*/*")  # packages, and those in them
_MOST_FOLDERS: Final = 200  # a folder that holds an environment is not watched whole
_MOST_FILES: Final = 2_000


class Strategies:
    """`Engine.strategies`."""

    def __init__(self, resources: Resources) -> None:
        self._resources, self._settings = resources, resources.settings
        self.presets = Presets(self._settings.home / "presets")

    def all(
        self, *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> list[StrategyInfo]:
        """Every strategy found, the broken ones with their error. Starts a worker when a file is new or changed."""
        return self._described(self._files(), on_event, cancel)

    def known(self) -> list[StrategyInfo]:
        """Those of them that are as they were described before, here or with the environment: nothing is executed."""
        return known_infos(self._files(), self._settings.cache_folder, made_with_environment())

    def chosen(
        self, names: Collection[str], *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> dict[str, StrategyInfo]:
        """The strategies of these names, without looking into any other file.

        Raises InputError for an unknown name, StrategyError for one that does not load.
        """
        files = self._files()
        wanted = [file for file in files if file.name in names]
        infos = self._described(wanted, on_event, cancel)
        return check_strategies(names, [file.name for file in files], infos)

    def held_beside(
        self,
        info: StrategyInfo,
        symbols: Collection[str],
        exchange: str,
        timeframe: Timeframe,
        period: Period,
    ) -> dict[str, Coverage]:
        """What is held of each series that runs of a strategy would fetch beside their candles, by its title; warm-up by its
        defaults included. Raises InputError where such a run cannot read them.
        """
        reads = Reads(info.timeframes, info.symbols_read, info.build_timeframes)
        reads.check(timeframe, exchange, info.name)
        found: dict[str, Coverage] = {}
        for symbol in symbols if reads else ():
            markets = [self._resources.market(one, exchange) for one in (symbol, *reads.symbols)]
            for read in series_of(reads, Warmup.from_json(info.warmups), timeframe, markets):
                if read.title not in found and not read.is_built:
                    whole = read.period(timeframe, timeframe.align(period))
                    span = Period(warmup_start(read.candle, whole.start, read.wanted), whole.end)
                    found[read.title] = self._resources.fetcher.status(read.market, read.candle, span)
        return found

    def files(self) -> dict[str, tuple[int, int, int]]:
        """The folders in which strategies and their modules are looked for, and the files there, by path: when each was
        written (ns), its size and its number. What differs the next time has changed. The user's own folder is made.
        """
        with contextlib.suppress(OSError):
            self._settings.user_strategies.mkdir(parents=True, exist_ok=True)
        roots = [folder for folder in self._resources.strategy_folders if folder.is_dir()]
        inner = (
            part for root in roots for deep in _DEEP for part in root.glob(deep) if _is_inner(part, root)
        )
        folders = list(dict.fromkeys([*roots, *islice(inner, _MOST_FOLDERS)]))
        files = (file for folder in folders for file in folder.glob("*.py"))
        return _state([*folders, *islice(files, _MOST_FILES)])

    def source(self, path: Path) -> str:
        """What the file of a strategy says; raises InputError where it cannot be read."""
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise InputError(f"{path} cannot be read: {reason(error)}") from error

    def _files(self) -> list[StrategyFile]:
        return find_strategy_files(self._resources.strategy_folders)

    def _described(
        self, files: list[StrategyFile], on_event: OnEvent, cancel: CancelToken | None
    ) -> list[StrategyInfo]:
        ask = self._resources.workers(cancel, on_event).ask
        return strategy_infos(files, ask, self._settings.cache_folder, made_with_environment())

    def new(self, name: str, kind: str = MARKET) -> Path:
        """Write a working template of that kind (`engine.loader.KINDS`) into the user's plug-in folder."""
        if not name.isidentifier() or name.startswith("_") or not name.isascii():
            raise InputError(f"{name!r} cannot name a strategy; use letters, digits and _, e.g. my_strategy")
        path = self._settings.user_strategies / f"{name}.py"
        taken = next((file.path for file in self._files() if file.name == name), None)
        if path.exists() or taken:
            raise InputError(f"there is already a strategy {name!r} in {taken or path}; nothing was changed")
        write_text(path, template(name, kind))
        return path


def _is_inner(folder: Path, root: Path) -> bool:
    names = folder.relative_to(root).parts
    return folder.is_dir() and not any(name.startswith((".", "__")) for name in names)


def _state(paths: Iterable[Path]) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in paths:
        with contextlib.suppress(OSError):  # gone meanwhile
            state = path.stat()
            found[str(path)] = (
                (0, 0, state.st_ino) if path.is_dir() else (state.st_mtime_ns, state.st_size, state.st_ino)
            )
    return found
