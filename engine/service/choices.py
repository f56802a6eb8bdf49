"""The settings that a user may choose in the window: shown with where they come from, checked, kept for the next start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from engine.errors import InputError, reason
from engine.model.setting import CHOSEN, DEFAULT, SettingSeen
from engine.service.settings_file import keep
from engine.settings import (
    CROSSCHECKED,
    VARIABLES,
    Settings,
    chosen_settings,
    default_home,
    read_settings,
    set_by,
)

_FIELDS: Final = ("home", "strategies", "workers", "run_timeout_s", "run_memory_mb", "crosscheck", "cluster")
_HOME: Final = VARIABLES["home"]


class Choices:
    """`Engine.choices`. The environment and `.env` win over what is chosen here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def all(self) -> list[SettingSeen]:
        """Every setting that can be chosen."""
        default, after = Settings(), read_settings()
        return [self._seen(name, after, default) for name in _FIELDS]

    def _seen(self, name: str, after: Settings, default: Settings) -> SettingSeen:
        variable = VARIABLES[name]
        in_use, then, plain = (_text(name, getattr(one, name)) for one in (self._settings, after, default))
        chosen = chosen_settings(_kept_in(variable, after.home)).get(variable)
        return SettingSeen(variable, in_use, then, set_by(variable) or (CHOSEN if chosen else DEFAULT), plain)

    def problem(self, variable: str, text: str) -> str:
        """Why a text is no value of a setting; empty where it is one. The empty text stands for the default."""
        name = next(name for name in _FIELDS if VARIABLES[name] == variable)
        changed: dict[str, Any] = {name: text.strip()} if text.strip() else {}
        try:
            replace(self._settings, **changed)
        except InputError as error:
            return str(error)
        return ""

    def choose(self, changes: Mapping[str, str]) -> None:
        """Keep these for the next start, by variable, in the data folder that it will have; the empty text is the default
        again. Raises InputError.
        """
        for variable, text in changes.items():
            where, problem = set_by(variable), self.problem(variable, text)
            if where:
                raise InputError(f"{variable} is set in {where} and wins; remove it there to choose here")
            if problem:
                raise InputError(f"{problem}; nothing was changed")
        if changes.get(_HOME, "").strip():
            _check_folder(Path(changes[_HOME].strip()).expanduser())
        kept = {variable: text.strip() or None for variable, text in changes.items()}
        if _HOME in kept:
            keep(default_home(), {_HOME: kept.pop(_HOME)})
        if kept:
            keep(read_settings().home, kept)


def _kept_in(variable: str, home: Path) -> Path:
    """Which data folder's file holds it: where the data folder is cannot stand in itself."""
    return default_home() if variable == _HOME else home


def _check_folder(folder: Path) -> None:
    """A program whose data folder cannot be written does not start, and could not be told another one here."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{_HOME}: {folder} cannot be made ({reason(error)}); nothing was changed"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{_HOME}: {folder} cannot be written; nothing was changed")


def _text(name: str, value: Any) -> str:
    """A value as its variable has it."""
    if name == "crosscheck":
        return {CROSSCHECKED: "on", 0: "off"}.get(value, str(value))
    if name == "strategies":
        return os.pathsep.join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "off" if value is None else str(value)
