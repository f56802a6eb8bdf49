"""Jesse's closed trades, JSON or CSV with the same names. `fee` and `PNL` are money, PNL net.

Times are ms UTC: the moment of the fill. A market order fills at the close of the candle that decided, which is the open of
the next one; what rests, at the end of its minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.model.trade_list import LONG, SHORT, TheirTrade, TradeList
from engine.trade_lists.cells import plain_symbol
from engine.trade_lists.entries import Entry, entries
from engine.trade_lists.table import Table

_NEEDED: Final = frozenset(("type", "entry_price", "exit_price", "qty", "opened_at", "closed_at"))
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
        Entry(table.file, row, dict(zip(table.header, cells, strict=False)))
        for row, (_, cells) in enumerate(table.rows, start=1)
    )
    return TradeList("jesse", table.file, tuple(map(_trade, rows)), _STAMPS)


def _trade(entry: Entry) -> TheirTrade:
    leaves = entry.number_or_none("exit_price")
    closed = entry.time_or_none("closed_at")
    return TheirTrade(
        SHORT if str(entry.fields.get("type", "")).lower() == SHORT else LONG,
        abs(entry.number("qty")), entry.time("opened_at"), entry.number("entry_price"),
        closed, leaves if closed is not None else None, entry.number_or_none("PNL"), entry.number_or_none("fee"),
        symbol=plain_symbol(str(entry.fields.get("symbol", ""))), row=entry.row,
    )  # fmt: skip
