"""A portfolio's TOML file: read with the line and column of what is wrong in it, written so that it reads the same."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.errors import InputError, reason
from engine.model.portfolio import PortfolioFault, PortfolioSpec
from engine.model.portfolio_document import LEGS, SHARED, WINDOWS, document_of, spec_of

_LEG, _WINDOW = "leg", "window"  # as their tables are called there
_TABLES: Final = ((_LEG, LEGS), (_WINDOW, WINDOWS))
_MOST_BYTES: Final = 1_000_000
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEADER: Final = re.compile(r"\s*\[(\[)?\s*([^\]#]*?)\s*\]")


@dataclass(frozen=True, slots=True)
class PortfolioFile:
    """A file as it was read: `name` for messages, its text, and the portfolio in it."""

    name: str
    text: str
    spec: PortfolioSpec

    @contextmanager
    def located(self) -> Iterator[None]:
        """What turns out to be wrong with the portfolio inside is said with its place in the file."""
        try:
            yield
        except PortfolioFault as fault:
            raise InputError(_placed(self.name, self.text, fault)) from fault


def read_portfolio(path: Path) -> PortfolioFile:
    """The portfolio in a file; raises InputError that names line and column."""
    return parse_portfolio(text_of(path), path.name)


def text_of(path: Path) -> str:
    """What stands in a portfolio's file, be it right or wrong; raises InputError."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    if len(raw) > _MOST_BYTES:
        raise InputError(f"{path.name} is larger than a megabyte: it is no portfolio")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 text; save it as UTF-8") from error


def parse_portfolio(text: str, name: str) -> PortfolioFile:
    """The portfolio in a text; `name` stands for it in messages. Raises InputError that names line and column."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a thousand brackets
        raise InputError(f"{name}: {error}") from error
    try:
        return PortfolioFile(name, text, spec_of(_with_tables(document)))
    except PortfolioFault as fault:
        raise InputError(_placed(name, text, fault)) from fault


def _with_tables(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its tables of legs and windows under the names that they have elsewhere."""
    for table, elsewhere in _TABLES:
        if elsewhere in document:
            raise PortfolioFault(f"unknown key {elsewhere!r}; did you mean [[{table}]]?", elsewhere)
        given = document.pop(table, [])
        if not isinstance(given, list):
            raise PortfolioFault(f"a {table} is a table of its own: write [[{table}]] above its keys", table)
        document[elsewhere] = given
    return document


def _placed(name: str, text: str, fault: PortfolioFault) -> str:
    if fault.window is None:
        line, column = place_of(text, fault.key, fault.leg)
    else:
        line, column = place_of(text, fault.key, fault.window, _WINDOW)
    return f"{name}, line {line}, column {column}: {fault}"


def place_of(text: str, key: str | None, leg: int | None, kind: str = _LEG) -> tuple[int, int]:
    """(line, column), from 1, of a key: of the whole portfolio, or of leg number `leg` (from 0) and its parameters. Where it
    is not written there, of the portfolio's that it stands for; else of the leg; else the beginning. `kind`: the tables that
    are counted, legs or windows.
    """
    legs, inside, found, shared = -1, True, (1, 1), None
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            table = header[2].strip("\"' ")
            begins = bool(header[1]) and table == kind
            legs += begins
            inside = table.partition(".")[0].strip() == kind
            if begins and legs == leg:
                found = (number, line.index("[") + 1)
        elif key is not None and inside and (column := _column(line, key)) is not None:
            if legs == (-1 if leg is None else leg):
                return number, column
            if legs == -1 and key in SHARED:
                shared = (number, column)
    return shared or found


def _column(line: str, key: str) -> int | None:
    """Where a line sets the key, from 1: at its start, or inside an inline table."""
    bare = line.split("#", 1)[0]
    at = re.search(rf"(?:^|[\s{{,.])[\"']?(?P<key>{re.escape(key)})[\"']?\s*=", bare)
    return None if at is None else at.start("key") + 1


def portfolio_text(spec: PortfolioSpec) -> str:
    """The file of a portfolio: `parse_portfolio` reads the same out of it."""
    document = document_of(spec)
    held = [(table, document.pop(elsewhere, ())) for table, elsewhere in _TABLES]
    tables = [_lines(document), *(f"[[{name}]]\n{_lines(one)}" for name, given in held for one in given)]
    return "\n\n".join(tables) + "\n"


def _lines(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{_key(name)} = {_value(value)}" for name, value in values.items() if value is not None)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items()) + " }"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A basic string: what JSON escapes, TOML reads; beside it only DEL must be."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
