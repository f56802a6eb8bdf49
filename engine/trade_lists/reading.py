"""Reads a trade list of another program, recognised by what is in it and not by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo
from typing import Any, Final

from engine.errors import InputError
from engine.model.trade_list import TRADE_LISTS, TheirTrade, TradeList, is_trade
from engine.trade_lists.backtesting_py import is_backtesting_py, read_backtesting_py
from engine.trade_lists.binance import is_binance, read_binance
from engine.trade_lists.cells import in_second_hour, zone_of
from engine.trade_lists.freqtrade import is_freqtrade, read_freqtrade
from engine.trade_lists.jesse import is_jesse, is_jesse_table, read_jesse, read_jesse_table
from engine.trade_lists.round_trips import round_trips
from engine.trade_lists.table import Table, read_table
from engine.trade_lists.tradingview import is_tradingview, read_tradingview

_TABLES: Final[tuple[tuple[Callable[[Table], bool], Callable[[Table], TradeList]], ...]] = (
    (is_tradingview, read_tradingview),
    (is_backtesting_py, read_backtesting_py),
    (is_jesse_table, read_jesse_table),
    (is_binance, read_binance),
)
_ONCE: Final = (
    "freqtrade",
    "jesse",
)  # hold one position of a symbol at a time: equal trades are a repetition
_ASSUMED: Final = {
    ".": "the file does not tell thousands from decimals: a decimal point was assumed, 1,234 is 1234",
    ",": "the file does not tell thousands from decimals: a decimal comma was assumed, 1.234 is 1234",
}
_SHOWN_NAMES: Final = 8


def read_trade_list(text: str, file: str, zone: str = "UTC") -> TradeList:
    """The round trips in a text, by their entries; `zone`: of times that name none. Raises InputError, which says what was
    found and what is understood.
    """
    if not text.strip():
        raise InputError(f"{file} is empty: no trades to compare with")
    where = zone_of(zone)
    if text.lstrip()[:1] in "{[":
        found = _of_json(_document(text, file), file)
    else:
        table = read_table(text, file, where)
        found = next((read(table) for fits, read in _TABLES if fits(table)), None)  # type: ignore[assignment]
        if found is None:
            raise _unknown(file, f"columns {_named(table.header)}")
        if table.assumed:
            found = _noted(found, _ASSUMED[table.mark])
    if not found.asks_zone and str(where) != "UTC":
        found = _noted(found, f"{zone} was not used: the file's times are of a known zone, {found.zone}")
    return _tidied(found, where)


def _noted(found: TradeList, *notes: str) -> TradeList:
    return replace(found, notes=(*found.notes, *notes))


def _document(text: str, file: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{file} is no whole JSON document ({str(error)[:100]}); nothing was compared"
        ) from None


def _of_json(document: Any, file: str) -> TradeList:
    if is_freqtrade(document):
        return read_freqtrade(document, file)
    if is_jesse(document):
        return read_jesse(document, file)
    names = list(document) if isinstance(document, dict) else [f"a list of {len(document)}"]
    raise _unknown(file, f"JSON with {_named(names)}")


def _named(names: Any) -> str:
    shown = ", ".join(f"{str(name)[:30]}" for name in list(names)[:_SHOWN_NAMES])
    return f"{shown}, …" if len(names) > _SHOWN_NAMES else shown or "nothing"


def _unknown(file: str, found: str) -> InputError:
    return InputError(
        f"{file} is no list of trades that is known: it has {found}; understood are {'; '.join(TRADE_LISTS.values())}"
    )


def _tidied(found: TradeList, zone: tzinfo) -> TradeList:
    """Round trips alone, with what was left out said."""
    notes = list(found.notes)
    trades = [trade for trade in found.trades if is_trade(trade)]
    if len(trades) < len(found.trades):
        notes.append(
            f"{len(found.trades) - len(trades)} rows have no size or price above 0 and were left out"
        )
    if found.asks_zone:
        trades = [_in_order(trade, zone) for trade in trades]
    backward = list(filter(_is_backward, trades))
    if backward:
        row = backward[0].row
        raise InputError(
            f"{found.file}: the trade of row {row} leaves before it enters; nothing was compared"
        )
    if found.kind in _ONCE:
        once = list({_content(trade): trade for trade in reversed(trades)}.values())[::-1]
        if len(once) < len(trades):
            notes.append(f"{len(trades) - len(once)} trades are in the file twice; each counts once")
        trades, more = _ended(once)
        notes += more
    joined = round_trips(trades)
    if len(joined) < len(trades):
        notes.append(
            f"{len(trades)} rows are {len(joined)} round trips: parts held at the same time count as one position"
        )
    return replace(found, trades=tuple(joined), notes=tuple(notes))


def _is_backward(trade: TheirTrade) -> bool:
    return trade.exit_time is not None and trade.exit_time < trade.entry_time


def _in_order(trade: TheirTrade, zone: tzinfo) -> TheirTrade:
    """Where a clock was set back, an exit that seems to come before its entry is of the hour's second time."""
    if trade.exit_time is None or not _is_backward(trade):
        return trade
    return replace(trade, exit_time=in_second_hour(trade.exit_time, zone))


def _ended(trades: list[TheirTrade]) -> tuple[list[TheirTrade], list[str]]:
    """Trades of programs that hold one position of a symbol at a time: what is open while a later one begins ends there."""
    following: dict[str, TheirTrade] = {}
    ended, rows = [], []
    for trade in sorted(trades, key=lambda one: one.entry_time, reverse=True):
        later = following.get(trade.symbol)
        following[trade.symbol] = trade
        if trade.exit_time is None and later is not None and later.entry_time > trade.entry_time:
            rows.append(trade.row)
            leaves = trade.exit_price or later.entry_price
            trade = replace(trade, exit_time=later.entry_time, exit_price=leaves)
        ended.append(trade)
    if not rows:
        return trades, []
    count = f"{len(rows)} trades are not closed though later ones follow, first that of row {min(rows)}"
    return ended, [f"{count}: each was taken to end where the next one enters"]


def _content(trade: TheirTrade) -> TheirTrade:
    return replace(trade, row=0)
