"""backtesting.py's `stats._trades.to_csv()`: times are what the candles are stamped with, sizes are negative of shorts.

A position that is left in parts is several trades. PnL is net of Commission, in some versions before it,
which the figures tell; the oldest have no such column and take commission out of the prices.
"""

from __future__ import annotations

import math
from typing import Final

from engine.model.trade_list import LONG, NAMED, SHORT, TheirTrade, TradeList
from engine.trade_lists.table import Table

_NEEDED: Final = ("Size", "EntryPrice", "ExitPrice", "EntryTime", "ExitTime")
_STAMPS: Final = "the stamp of the candle that filled"


def is_backtesting_py(table: Table) -> bool:
    """Whether a table has its columns."""
    return set(_NEEDED) <= set(table.header)


def read_backtesting_py(table: Table) -> TradeList:
    """Its trades; raises InputError, naming the line."""
    size_at, *prices_at = (table.header.index(name) for name in _NEEDED[:3])
    entry_at, exit_at = (table.header.index(name) for name in _NEEDED[3:])
    pnl_at, fee_at = table.find("pnl"), table.find("commission")
    trades = []
    for line, cells in table.rows:
        size = table.need(line, cells, size_at)
        enters, leaves = (table.need(line, cells, at) for at in prices_at)
        pnl, fee = (table.number(line, cells, at) for at in (pnl_at, fee_at))
        price_pnl = size * (leaves - enters)
        if fee and pnl is not None and math.isclose(pnl, price_pnl, rel_tol=1e-9, abs_tol=1e-9):
            pnl = price_pnl - fee  # some versions tell it before commission
        times = (table.moment(line, cells, at) for at in (entry_at, exit_at))
        entered, left = times
        trades.append(
            TheirTrade(
                SHORT if size < 0 else LONG, abs(size), entered, enters, left, leaves, pnl, fee, row=line
            )
        )
    note = "the file names no symbol: all its trades are taken to be the run's"
    asks = table.asks_zone(entry_at)
    zone = str(table.zone) if asks else NAMED
    return TradeList(
        "backtesting.py", table.file, tuple(trades), _STAMPS, zone, notes=(note,), asks_zone=asks
    )
