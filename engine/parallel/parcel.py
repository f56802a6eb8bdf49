"""A job on its way to another machine: what is asked, and the contents that it needs there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.parallel.content import Content, ContentFolder


class Unfit(Exception):
    """This machine cannot do the job as the one that asks would: why, in words. Another may be able to."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """`letter` names the contents that it needs by their sha256."""

    letter: bytes
    contents: Mapping[str, Content]


class Places:
    """Which folders of this machine stand for which of whoever asked; `as_there` puts theirs into what is answered."""

    def __init__(self, there_of: Mapping[str, str]) -> None:
        self._there_of = {here: there for here, there in there_of.items() if here != there}
        longest_first = sorted(map(re.escape, self._there_of), key=len, reverse=True)
        # a whole path, not the end or the beginning of another's name; all at once, as one may hold another
        self._pattern = re.compile(rf"(?<![\w./\\-])(?:{'|'.join(longest_first)})(?![\w.-])")

    def as_there(self, value: Any) -> Any:
        """Plain data with their folders in its texts."""
        if isinstance(value, str) and self._there_of:
            return self._pattern.sub(lambda found: self._there_of[found[0]], value)
        if isinstance(value, dict):
            return {self.as_there(key): self.as_there(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.as_there(item) for item in value]
        return value


Pack = Callable[[object], Parcel]
Unpack = Callable[[bytes, ContentFolder], tuple[object, Places]]  # raises Unfit


def differences(wanted: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What differs, in words: "numpy 2.3.1 there, 2.4.0 here"; "" for nothing."""
    names = [name for name in sorted({*wanted, *there}) if wanted.get(name) != there.get(name)]
    return ", ".join(
        f"{name} {there.get(name, 'missing')} there, {wanted.get(name, 'missing')} here" for name in names
    )
