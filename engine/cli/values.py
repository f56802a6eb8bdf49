"""What options take: numbers as people write them, places with a name. Typer takes 1_0 for 10 and '' for this folder."""

# ruff: noqa: PTH110, PTH112 - unlike those of pathlib they raise nothing for a name that is too long

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from engine.model.numerals import read_number, read_whole


def whole_option(*names: str, help: str, low: int | None = None, high: int | None = None) -> Any:  # noqa: A002 - Typer's word
    """An option for a whole number within bounds, both included."""
    parse = _bounded(read_whole, "a whole number", low, high)
    return typer.Option(*names, parser=parse, metavar="INTEGER", min=low, max=high, help=help)


def number_option(*names: str, help: str, low: float | None = None, high: float | None = None) -> Any:  # noqa: A002 - Typer's word
    """An option for a number within bounds, both included."""
    parse = _bounded(read_number, "a number", low, high)
    return typer.Option(*names, parser=parse, metavar="NUMBER", min=low, max=high, help=help)


def file_option(*names: str, help: str) -> Any:  # noqa: A002 - Typer's word
    """An option for a file: neither nameless nor a folder."""
    return typer.Option(*names, parser=_file, metavar="FILE", help=help)


def folder_option(*names: str, help: str) -> Any:  # noqa: A002 - Typer's word
    """An option for a folder to write into: not nameless, and no file."""
    return typer.Option(*names, parser=_folder, metavar="FOLDER", help=help)


def file_argument(*, help: str) -> Any:  # noqa: A002 - Typer's word
    """An argument for a file to be read."""
    return typer.Argument(parser=_file, metavar="FILE", help=help)


def _bounded(
    read: Callable[[str], Any], what: str, low: float | None, high: float | None
) -> Callable[[Any], Any]:
    least, most = (
        f"at {word} {end:,}" if end is not None else "" for word, end in (("least", low), ("most", high))
    )
    bounds = " and ".join(filter(None, (least, most)))
    wanted = f"{what} of {bounds}" if bounds else what

    def parse(given: Any) -> Any:
        try:
            value = read(given) if isinstance(given, str) else given
        except ValueError:
            raise _refusal(f"{given!r} is not {wanted}") from None
        if (
            not math.isfinite(value)
            or (low is not None and value < low)
            or (high is not None and value > high)
        ):
            raise _refusal(f"{given} is not {wanted}")
        return value

    return parse


def _file(given: Any) -> Path:
    path = _named(given, "a file")
    if os.path.isdir(path) or str(given).endswith(("/", "\\")):
        raise _refusal(f"{given} is a folder; name a file")
    return path


def _folder(given: Any) -> Path:
    path = _named(given, "a folder")
    above = next((one for one in (path, *path.parents) if os.path.exists(one)), path)
    if os.path.exists(above) and not os.path.isdir(above):
        raise _refusal(f"{above} is a file; name a folder")
    return path


def _named(given: Any, what: str) -> Path:
    if not str(given).strip():
        raise _refusal(f"the name is empty; name {what}")
    return Path(given)


def _refusal(text: str) -> Exception:
    """What Typer shows as it stands, behind the option's name."""
    return typer.BadParameter(text)
