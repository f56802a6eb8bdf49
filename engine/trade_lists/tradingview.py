"""TradingView's "List of trades": an entry and an exit row per trade, joined by its number, in the order of any version.

Times are the chart's wall clock and the open of the candle that filled. Profit is net of commission; older layouts have no
column of it. A position that is left in parts is several trades with the same entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.model.trade_list import LONG, SHORT, TheirTrade, TradeList
from engine.trade_lists.table import Table

_COLUMNS: Final = {
    "number": ("trade", "tradenumber"),
    "type": ("type",),
    "time": ("dateandtime", "datetime"),
    "price": ("price", "price*"),
    "size": ("sizeqty", "positionsizeqty", "contracts", "quantity", "qty"),
}
_MORE: Final = {
    "signal": ("signal",),
    "pnl": ("netpl", "netpl*", "netpnl", "netpnl*", "pl", "profit", "pl*", "profit*"),
    "fee": ("commission", "commission*", "commissions*"),
}
_REASONS: Final = {"margincall": "liquidation", "open": "end"}
_STAMPS: Final = "the open of the candle that filled"


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    time: int
    price: float
    size: float
    pnl: float | None
    fee: float | None
    signal: str
    is_short: bool


def is_tradingview(table: Table) -> bool:
    """Whether a table has the columns that every layout has."""
    return all(table.find(*words) is not None for words in _COLUMNS.values())


def read_tradingview(table: Table) -> TradeList:
    """Entries and exits joined; raises InputError, naming the line."""
    at: dict[str, Any] = {name: table.find(*words) for name, words in (_COLUMNS | _MORE).items()}
    sides: dict[str, dict[str, _Row]] = {}
    for line, cells in table.rows:
        number, what = table.text(cells, at["number"]), table.text(cells, at["type"]).lower()
        role = next((role for role in ("entry", "exit") if role in what), None)
        if role is None or not ("long" in what or "short" in what):
            raise table.wrong(
                line, f"Type is {what[:30]!r}; Entry long, Exit long, Entry short, Exit short are understood"
            )
        known = sides.setdefault(number, {})
        if role == "exit" and not table.text(cells, at["price"]):
            continue  # still open, and not marked
        row = _row(table, line, cells, at, is_short="short" in what)
        if known.setdefault(role, row) != row and (known[role].time, known[role].price) != (
            row.time,
            row.price,
        ):
            raise table.wrong(line, f"trade {number} has a second {role}")
    notes = ["the file names no symbol: all its trades are taken to be the run's"]
    if at["fee"] is None:
        notes.append("the file has no commission: the fee is what its prices and its net profit leave")
    return _joined(table, sides, notes)


def _row(table: Table, line: int, cells: tuple[str, ...], at: Mapping[str, Any], *, is_short: bool) -> _Row:
    return _Row(
        line, table.moment(line, cells, at["time"]), table.need(line, cells, at["price"]),
        abs(table.need(line, cells, at["size"])), table.number(line, cells, at["pnl"]),
        table.number(line, cells, at["fee"]), table.text(cells, at["signal"]), is_short,
    )  # fmt: skip


def _joined(table: Table, sides: Mapping[str, Mapping[str, _Row]], notes: list[str]) -> TradeList:
    trades, orphans = [], 0
    for rows in sides.values():
        entry = rows.get("entry")
        if entry is None:
            orphans += 1
            continue
        trades.append(_trade(entry, rows.get("exit")))
    if orphans:
        notes.append(f"{orphans} exits have no entry in the file and were left out")
    return TradeList(
        "tradingview", table.file, tuple(trades), _STAMPS, str(table.zone), notes=tuple(notes), asks_zone=True
    )


def _trade(entry: _Row, leaves: _Row | None) -> TheirTrade:
    side = SHORT if entry.is_short else LONG
    if leaves is None:
        return TheirTrade(side, entry.size, entry.time, entry.price, row=entry.line)
    reason = _REASONS.get(leaves.signal.lower().replace(" ", ""), "")
    is_open = leaves.signal.lower() == "open"  # marked at the last price
    # exit rows carry the profit; newer layouts repeat it, and the commission of both fills, in the entry's row
    pnl = leaves.pnl if leaves.pnl is not None else entry.pnl
    fee = leaves.fee if leaves.fee is not None else entry.fee
    return TheirTrade(
        side, leaves.size, entry.time, entry.price, None if is_open else leaves.time, leaves.price, pnl, fee,
        exit_reason=reason, row=entry.line,
    )  # fmt: skip
