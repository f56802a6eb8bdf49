"""Plug-in files: found and read in the program (`find`, `infos`), executed in workers only (`load`)."""

from engine.loader.find import StrategyFile, find_strategy_files
from engine.loader.infos import known_infos, strategy_infos
from engine.loader.libraries import kept_process, strategy_process
from engine.loader.load import LoadedStrategy, load, load_strategy, located, open_strategy
from engine.loader.sources import BUNDLED
from engine.loader.template import template

__all__ = [
    "BUNDLED",
    "LoadedStrategy",
    "StrategyFile",
    "find_strategy_files",
    "kept_process",
    "known_infos",
    "load",
    "load_strategy",
    "located",
    "open_strategy",
    "strategy_infos",
    "strategy_process",
    "template",
]
