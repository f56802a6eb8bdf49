"""Jesse's closed trades, JSON or CSV with the same names. `fee` and `PNL` are money, PNL net.

Times are ms UTC: the moment of the fill. A market order fills at the close of the candle that decided, which is the open of
the next one; what rests, at the end of its minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from engine.model.trade_list import TheirTrade, TradeList
from engine.trade_lists.cells import plain_symbol
from engine.trade_lists.entries import Entry, entries
from engine.trade_lists.table import Table

_NEEDED: Final = frozenset(("type", "entry_price", "exit_price", "qty", "opened_at", "closed_at"))
_NUMBERS: Final = ("entry_price", "exit_price", "qty", "fee", "PNL")
_TIMES: Final = ("opened_at", "closed_at")
_NONE: Final = ("", "0", "none", "nan", "null")
_STAMPS: Final = "the moment of the fill"


def is_jesse(document: Any) -> bool:
    """Whether a JSON document is one of Jesse's; a list without trades cannot be told from any other."""
    found = document.get("trades") if isinstance(document, Mapping) else document
    return (
        isinstance(found, list) and bool(found) and isinstance(found[0], Mapping) and set(found[0]) >= _NEEDED
    )


def is_jesse_table(table: Table) -> bool:
    """Whether a table has Jesse's columns."""
    return set(table.header) >= _NEEDED


def read_jesse(document: Any, file: str) -> TradeList:
    """The trades of a JSON document; raises InputError."""
    found = document.get("trades") if isinstance(document, Mapping) else document
    return TradeList("jesse", file, tuple(_trade(entry) for entry in entries(found, file)), _STAMPS)


def read_jesse_table(table: Table) -> TradeList:
    """The trades of a CSV; raises InputError."""
    rows = (
        Entry(table.file, row, _fields(table, line, cells))
        for row, (line, cells) in enumerate(table.rows, start=1)
    )
    return TradeList("jesse", table.file, tuple(map(_trade, rows)), _STAMPS)


def _fields(table: Table, line: int, cells: Sequence[str]) -> dict[str, Any]:
    """A row as the object that the JSON has: numbers with the file's decimal mark, times as ms."""
    fields: dict[str, Any] = dict(zip(table.header, cells, strict=False))
    for at, name in enumerate(table.header):
        if name in _NUMBERS:
            fields[name] = table.number(line, cells, at)
        elif name in _TIMES:
            text = table.text(cells, at)
            fields[name] = None if text.lower() in _NONE else table.moment(line, cells, at, UTC)
    return fields


def _trade(entry: Entry) -> TheirTrade:
    side = entry.side("type")
    leaves = entry.number_or_none("exit_price")
    closed = entry.time_or_none("closed_at")
    return TheirTrade(
        side, abs(entry.number("qty")), entry.time("opened_at"), entry.number("entry_price"),
        closed, leaves if closed is not None else None, entry.number_or_none("PNL"), entry.number_or_none("fee"),
        symbol=plain_symbol(str(entry.fields.get("symbol", ""))), row=entry.row,
    )  # fmt: skip
