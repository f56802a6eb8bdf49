"""Parameter presets: named sets of a strategy's parameters, one JSON file per strategy, which people can share."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from engine.errors import InputError, reason
from engine.model.parameters import Assignment, ParamValue
from engine.reports.files import safe_name, write_text

LONGEST_NAME: Final = 60
Params = Mapping[str, ParamValue]


class Presets:
    """`Engine.strategies.presets`: `STRATEGY.json` in a folder holds `{"NAME": {"parameter": value}}`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, strategy: str) -> dict[str, Params]:
        """The presets of a strategy by name; raises InputError for a file that cannot be understood."""
        path = self._path(strategy)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InputError(f"{path} cannot be read: {reason(error)}") from error
        except ValueError as error:
            raise InputError(f"{path} is no JSON ({error}); mend or remove it") from error
        if not isinstance(found, dict) or not all(map(_is_preset, found.values())):
            raise InputError(f'{path} must read {{"NAME": {{"parameter": value}}}}; mend or remove it')
        return found

    def save(self, strategy: str, name: str, params: Params) -> None:
        """Keep these parameters under a name, in place of what had it."""
        name = name.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise InputError(f"a preset's name has 1 to {LONGEST_NAME} characters; nothing was changed")
        self._write(strategy, self.of(strategy) | {name: dict(params)})

    def delete(self, strategy: str, name: str) -> None:
        """Forget a preset; nothing happens where there is none of that name."""
        self._write(strategy, {other: one for other, one in self.of(strategy).items() if other != name})

    def assignments(
        self, strategies: Collection[str], name: str, given: Sequence[Assignment]
    ) -> tuple[Assignment, ...]:
        """The preset of that name of each strategy that has one, as the user would type it, and all of `given`, which wins.

        Raises InputError where none of them has one.
        """
        sets = {strategy: self.of(strategy) for strategy in dict.fromkeys(strategies)}
        chosen = {strategy: one[name] for strategy, one in sets.items() if name in one}
        if not chosen:
            known = sorted({other for one in sets.values() for other in one})
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise InputError(f"--preset {name!r}: no selected strategy has a preset of that name; {hint}")
        taken = {(one.strategy, one.name) for one in given}
        preset = [
            Assignment(f"--preset {name!r}", strategy, param, str(value))
            for strategy, params in chosen.items()
            for param, value in params.items()
            if not {("", param), (strategy, param)} & taken
        ]
        return (*preset, *given)

    def _path(self, strategy: str) -> Path:
        return self._folder / f"{safe_name(strategy)}.json"

    def _write(self, strategy: str, presets: Mapping[str, Params]) -> None:
        write_text(self._path(strategy), json.dumps(presets, indent=2, ensure_ascii=False) + "\n")


def _is_preset(one: Any) -> bool:
    return isinstance(one, dict) and all(
        isinstance(value, int | float | bool | str) for value in one.values()
    )
