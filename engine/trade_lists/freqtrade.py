"""freqtrade's backtest result: `{"strategy": {NAME: {"trades": [...]}}}`, or the list of trades alone.

Times are UTC: the open of the candle that filled. Fees are fractions, `profit_abs` is net,
positive `funding_fees` are received.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from engine.errors import InputError
from engine.model.trade_list import LONG, SHORT, TheirTrade, TradeList
from engine.trade_lists.cells import plain_symbol
from engine.trade_lists.entries import Entry, entries

_NEEDED: Final = frozenset(("pair", "open_rate", "amount"))
_REASONS: Final = {
    "roi": "target", "stop_loss": "stop", "stoploss_on_exchange": "stop", "trailing_stop_loss": "stop",
    "exit_signal": "signal", "sell_signal": "signal", "force_exit": "end", "force_sell": "end",
    "liquidation": "liquidation",
}  # fmt: skip
_END: Final = 10**14  # ms: far beyond any year of data
_STAMPS: Final = "the open of the candle that filled"


def is_freqtrade(document: Any) -> bool:
    """Whether a JSON document is one of freqtrade's."""
    if isinstance(document, Mapping):
        return isinstance(document.get("strategy"), Mapping)
    return (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], Mapping)
        and set(document[0]) >= _NEEDED
    )


def read_freqtrade(document: Any, file: str) -> TradeList:
    """The trades of the one strategy in it; raises InputError."""
    result = {"trades": document} if isinstance(document, list) else _only(document["strategy"], file)
    found = list(entries(result.get("trades"), file))
    notes = []
    unknown = sum(_is_in_parts(entry) and _filled(entry) is None for entry in found)
    if unknown:
        notes.append(
            f"{unknown} trades were left in parts and their orders tell no sizes and prices: those of the last part count"
        )
    start, end = _period(result, file)
    return TradeList(
        "freqtrade", file, tuple(map(_trade, found)), _STAMPS, start=start, end=end, notes=tuple(notes)
    )


def _period(result: Mapping[str, Any], file: str) -> tuple[int, int] | tuple[None, None]:
    """The period that was backtested, ms; None where the result does not tell it."""
    start, end = result.get("backtest_start_ts"), result.get("backtest_end_ts")
    if start is None or end is None:
        return None, None
    if type(start) is not int or type(end) is not int or not 0 <= start <= end < _END:  # true is no number
        raise InputError(
            f"{file}: backtest_start_ts {str(start)[:30]} and backtest_end_ts {str(end)[:30]} are no period; "
            f"nothing was compared"
        )
    return start, end


def _only(strategies: Mapping[str, Any], file: str) -> Mapping[str, Any]:
    if len(strategies) != 1:
        names = ", ".join(list(strategies)[:5]) or "none"
        raise InputError(
            f"{file} holds the results of {len(strategies)} strategies ({names}); export one alone"
        )
    (result,) = strategies.values()
    if not isinstance(result, Mapping):
        raise InputError(f"{file} holds no result of a strategy; nothing was compared")
    return result


def _orders(entry: Entry, *, is_entry: bool) -> list[Mapping[str, Any]]:
    """The filled orders that enter, or leave."""
    found = entry.fields.get("orders")
    orders = found if isinstance(found, list) else []
    return [
        one
        for one in orders
        if isinstance(one, Mapping)
        and one.get("ft_is_entry") is is_entry
        and one.get("order_filled_timestamp")
    ]


def _is_in_parts(entry: Entry) -> bool:
    return len(_orders(entry, is_entry=False)) > 1


def _filled(entry: Entry) -> tuple[float, float, float] | None:
    """Size, mean price of the entries and of the exits, by the filled orders; None where they do not tell."""
    sums = []
    for is_entry in (True, False):
        orders = [Entry(entry.file, entry.row, one) for one in _orders(entry, is_entry=is_entry)]
        filled = [(one.number_or_none("amount"), one.number_or_none("safe_price")) for one in orders]
        known = [(size, price) for size, price in filled if size and price and size > 0 and price > 0]
        if not known or len(known) < len(filled):
            return None
        sums.append((math.fsum(size for size, _ in known), math.fsum(size * price for size, price in known)))
    (size, paid), (left, got) = sums
    return size, paid / size, got / left


def _trade(entry: Entry) -> TheirTrade:
    opened = entry.time("open_timestamp", "open_date")
    closed = None if entry.flag("is_open") else entry.time_or_none("close_timestamp", "close_date")
    size, enters, leaves = (
        entry.number("amount"),
        entry.number("open_rate"),
        entry.number_or_none("close_rate"),
    )
    if closed is not None and _is_in_parts(entry):
        size, enters, leaves = _filled(entry) or (size, enters, leaves)  # `amount` is of the last part
    rates = [entry.number_or_none(name) for name in ("fee_open", "fee_close")]
    values = [size * enters, 0.0 if leaves is None else size * leaves]
    fee = (
        None
        if rates[0] is None
        else sum((rate or 0.0) * value for rate, value in zip(rates, values, strict=True))
    )
    received = entry.number_or_none("funding_fees")
    reason = str(entry.fields.get("exit_reason") or entry.fields.get("sell_reason") or "")
    return TheirTrade(
        SHORT if entry.flag("is_short") else LONG, size, opened, enters, closed, leaves,
        entry.number_or_none("profit_abs"), fee, None if received is None else -received, _REASONS.get(reason, ""),
        plain_symbol(str(entry.fields.get("pair", ""))), entry.row,
    )  # fmt: skip
