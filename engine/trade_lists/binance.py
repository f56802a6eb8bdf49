"""Binance's trade histories, futures and spot: rows are fills, which are folded into round trips, flat to flat.

Times are UTC unless the column's name says otherwise, to the second of the fill. Futures tell `Realized Profit` before fees.
Spot takes fees of what is bought, so that a position ends where no more than such a fee is left of it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

from engine.model.trade_list import NAMED, TradeList
from engine.trade_lists.cells import number_of, plain_symbol, zone_of
from engine.trade_lists.fills import Fill, Folding
from engine.trade_lists.table import Table, plain

_TIME: Final = re.compile(r"(?:date|time)(utc(\+?-?[0-9:]*))?")
_NEEDED: Final = (
    ("symbol", "pair", "market"),
    ("side", "type"),
    ("quantity", "executed", "qty", "filled", "amount"),
    ("price",),
    ("fee", "commission"),
)
_ID: Final = ("tradeid", "id")
_DUST: Final = 0.002  # of the most that was held: twice the dearest fee that is taken of what is bought
_QUOTES: Final = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "EUR", "TRY")


def is_binance(table: Table) -> bool:
    """Whether a table has the columns of a trade history."""
    return _Columns.of(table) is not None


def read_binance(table: Table) -> TradeList:
    """Its fills as round trips; raises InputError, naming the line."""
    at = _Columns.of(table)
    assert at is not None
    fills, notes = _fills(table, at)
    is_futures = table.find("realizedprofit") is not None
    folding = Folding(0.0 if is_futures else _DUST)
    for fill in sorted(fills, key=lambda one: one.time):
        folding.add(fill)
    trades, more = folding.ended()
    kind = "binance-futures" if is_futures else "binance-spot"
    asks = at.zone is None and table.asks_zone(at.time)
    zone = str(at.zone or table.zone) if at.zone is not None or asks else NAMED
    return TradeList(
        kind, table.file, trades, "the second of the fill", zone, notes=(*notes, *more), asks_zone=asks
    )


def _time_column(table: Table) -> tuple[int, tzinfo | None] | None:
    """Which column it is, and the zone that its name tells."""
    for at, name in enumerate(table.header):
        word = re.sub(r"[^a-z0-9+:-]", "", name.lower())
        match = _TIME.fullmatch(word)
        if match is not None:
            zone = zone_of(match[2]) if match[2] else UTC if match[1] else None
            return at, zone
    return None


def _fills(table: Table, at: _Columns) -> tuple[list[Fill], list[str]]:
    found: list[Fill] = []
    ids, same = set(), Counter[tuple[str, ...]]()
    id_at, dropped = table.find(*_ID), 0
    for line, cells in table.rows:
        same[cells] += 1
        if id_at is not None and id_at < len(cells) and cells[id_at].strip():
            if cells[id_at] in ids:
                dropped += 1
                continue
            ids.add(cells[id_at])
        found.append(_fill(table, line, cells, at))
    if len(found) > 1 and found[0].time > found[-1].time:  # the newest first; those of one second too
        found.reverse()
    notes = [f"{dropped} rows repeat a trade id and were left out"] if dropped else []
    twice = sum(count - 1 for count in same.values())
    if twice and not dropped:
        notes.append(f"{twice} rows are equal to another one: each was taken as a fill of its own")
    return found, notes


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where things stand; None: nowhere."""

    time: int
    zone: tzinfo | None
    symbol: int
    side: int
    size: int
    price: int
    fee: int
    coin: int | None
    realized: int | None
    leg: int | None

    @classmethod
    def of(cls, table: Table) -> _Columns | None:
        """Those of a trade history; None where one that is needed is not there."""
        time = _time_column(table)
        symbol, side, size, price, fee = (table.find(*words) for words in _NEEDED)
        if time is None or symbol is None or side is None or size is None or price is None or fee is None:
            return None
        coin = table.find("feecoin", "commissionasset", "feeasset")
        realized, leg = table.find("realizedprofit"), table.find("positionside")
        return cls(*time, symbol, side, size, price, fee, coin, realized, leg)


def _fill(table: Table, line: int, cells: tuple[str, ...], at: _Columns) -> Fill:
    side = plain(table.text(cells, at.side))
    if side not in ("buy", "sell"):
        raise table.wrong(line, f"Side is {side[:20]!r}; BUY and SELL are understood")
    symbol = plain_symbol(table.text(cells, at.symbol))
    size, price = abs(table.need(line, cells, at.size)), table.need(line, cells, at.price)
    fee = abs(table.number(line, cells, at.fee) or 0.0)
    coin = table.text(cells, at.coin).upper() or _unit(table, table.text(cells, at.fee))
    base, quote = _parts(symbol)
    realized, leg = table.number(line, cells, at.realized), plain(table.text(cells, at.leg))
    return Fill(
        table.moment(line, cells, at.time, at.zone), symbol, size if side == "buy" else -size, price,
        fee if coin in ("", quote) else fee * price if coin == base else None,
        fee if coin == base and base and at.realized is None else 0.0, realized, line,
        leg if leg in ("long", "short") else "",
    )  # fmt: skip


def _unit(table: Table, cell: str) -> str:
    try:
        return number_of(cell, table.mark)[1].upper()
    except ValueError:
        return ""


def _parts(symbol: str) -> tuple[str, str]:
    quote = next((one for one in _QUOTES if symbol.endswith(one) and symbol != one), "")
    return symbol.removesuffix(quote), quote
