"""freqtrade's backtest result: `{"strategy": {NAME: {"trades": [...]}}}`, or the list of trades alone.

Times are UTC: the open of the candle that filled. Fees are fractions, `profit_abs` is net,
positive `funding_fees` are received.
"""

from __future__ import annotations

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
    trades = tuple(_trade(entry) for entry in entries(result.get("trades"), file))
    start, end = result.get("backtest_start_ts"), result.get("backtest_end_ts")
    if not (isinstance(start, int) and isinstance(end, int)):
        start = end = None
    return TradeList("freqtrade", file, trades, _STAMPS, start=start, end=end)


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


def _trade(entry: Entry) -> TheirTrade:
    opened = entry.time("open_timestamp", "open_date")
    closed = None if entry.flag("is_open") else entry.time_or_none("close_timestamp", "close_date")
    size, enters, leaves = (
        entry.number("amount"),
        entry.number("open_rate"),
        entry.number_or_none("close_rate"),
    )
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
