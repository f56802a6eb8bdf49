"""The strategies that there are, and new ones."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from engine.errors import InputError
from engine.events import CancelToken, OnEvent, ignore_event
from engine.loader import find_strategy_files, strategy_infos, template
from engine.model.parameters import StrategyInfo
from engine.reports.files import write_text
from engine.runs.plan import check_strategies
from engine.service.resources import Resources


class Strategies:
    """`Engine.strategies`."""

    def __init__(self, resources: Resources) -> None:
        self._resources, self._settings = resources, resources.settings

    def all(
        self, *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> list[StrategyInfo]:
        """Every strategy found, the broken ones with their error. Starts a worker when a file is new or changed."""
        files = find_strategy_files(self._resources.strategy_folders)
        ask = self._resources.workers(cancel, on_event).ask
        return strategy_infos(files, ask, self._settings.cache_folder)

    def chosen(
        self, names: Collection[str], *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> dict[str, StrategyInfo]:
        """The strategies of these names, without looking into any other file.

        Raises InputError for an unknown name, StrategyError for one that does not load.
        """
        files = find_strategy_files(self._resources.strategy_folders)
        wanted = [file for file in files if file.name in names]
        ask = self._resources.workers(cancel, on_event).ask
        infos = strategy_infos(wanted, ask, self._settings.cache_folder)
        return check_strategies(names, [file.name for file in files], infos)

    def new(self, name: str) -> Path:
        """Write a working template into the user's plug-in folder."""
        if not name.isidentifier() or name.startswith("_") or not name.isascii():
            raise InputError(f"{name!r} cannot name a strategy; use letters, digits and _, e.g. my_strategy")
        path = self._settings.user_strategies / f"{name}.py"
        taken = next((info.path for info in self.all() if info.name == name), None)
        if path.exists() or taken:
            raise InputError(f"there is already a strategy {name!r} in {taken or path}; nothing was changed")
        write_text(path, template(name))
        return path
