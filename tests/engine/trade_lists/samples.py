"""Trade lists as other programs write them, made up: of a run's trades, or line by line in the tests beside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from engine.model.market import format_time
from engine.model.trade import Trade

Writer = Callable[[Sequence[Trade]], str]


def about(value: float, rel: float | None = None, abs: float | None = None) -> Any:  # noqa: A002 - pytest's word
    """Equal but for rounding, in whatever it stands."""
    return pytest.approx(value, rel=rel, abs=abs)


def as_freqtrade(trades: Sequence[Trade], pair: str = "SAMPLE/USDT", **result: Any) -> str:
    """A backtest result of one strategy."""
    made = [
        {
            "pair": pair, "amount": one.size, "open_rate": one.entry_price, "close_rate": one.exit_price,
            "fee_open": rate(one), "fee_close": rate(one), "profit_abs": one.pnl, "is_short": one.side == "short",
            "open_date": format_time(one.entry_time), "close_date": format_time(one.exit_time), "is_open": False,
            "open_timestamp": one.entry_time, "close_timestamp": one.exit_time, "exit_reason": "exit_signal",
        }
        for one in trades
    ]  # fmt: skip
    return json.dumps({"strategy": {"Sample": {"trades": made} | result}, "strategy_comparison": []})


def as_jesse(trades: Sequence[Trade]) -> str:
    """The JSON that a backtest exports."""
    return json.dumps({"trades": [_jesse(one) for one in trades]})


def as_jesse_csv(trades: Sequence[Trade]) -> str:
    """The CSV of the same names."""
    return table(list(map(_jesse, trades)), list(_jesse(trades[0])))


def _jesse(one: Trade) -> dict[str, Any]:
    return {
        "id": f"id-{one.entry_time}", "strategy_name": "Sample", "symbol": "SAMPLE-USDT", "exchange": "Sandbox",
        "type": one.side, "entry_price": one.entry_price, "exit_price": one.exit_price, "qty": one.size,
        "fee": one.commission, "size": one.size * one.entry_price, "PNL": one.pnl, "PNL_percentage": one.return_pct,
        "holding_period": (one.exit_time - one.entry_time) // 1000, "opened_at": one.entry_time,
        "closed_at": one.exit_time,
    }  # fmt: skip


def as_tradingview(trades: Sequence[Trade]) -> str:
    """The newest layout: exit before entry, the newest trade first."""
    rows = []
    for number, one in reversed(list(enumerate(trades, start=1))):
        same = {
            "Size (qty)": one.size, "Size (value)": one.size * one.entry_price, "Net PnL USDT": one.pnl,
            "Return %": one.return_pct, "Commission USDT": one.commission,
        }  # fmt: skip
        for what, time, price in (
            ("Exit", one.exit_time, one.exit_price),
            ("Entry", one.entry_time, one.entry_price),
        ):
            moment = format_time(time)[:16].replace("T", " ")
            said = {
                "Trade number": number,
                "Type": f"{what} {one.side}",
                "Date and time": moment,
                "Signal": "x",
            }
            rows.append(said | {"Price USDT": price} | same)
    return "\ufeff" + table(rows, list(rows[0]))


def as_backtesting_py(trades: Sequence[Trade]) -> str:
    """`stats._trades.to_csv()`."""
    rows = [
        {
            "": number, "Size": one.size * (1 if one.side == "long" else -1), "EntryBar": 0, "ExitBar": 1,
            "EntryPrice": one.entry_price, "ExitPrice": one.exit_price, "SL": "", "TP": "", "PnL": one.pnl,
            "Commission": one.commission, "ReturnPct": one.return_pct / 100,
            "EntryTime": format_time(one.entry_time)[:19].replace("T", " "),
            "ExitTime": format_time(one.exit_time)[:19].replace("T", " "), "Duration": "1 days", "Tag": "",
        }
        for number, one in enumerate(trades)
    ]  # fmt: skip
    return table(rows, list(rows[0]))


def as_binance_futures(trades: Sequence[Trade]) -> str:
    """A fill a row, the newest first; the fee of each fill by its value."""
    rows = []
    for one in trades:
        buys = ("BUY", "SELL") if one.side == "long" else ("SELL", "BUY")
        prices, times = (one.entry_price, one.exit_price), (one.entry_time, one.exit_time)
        fills = list(zip(buys, prices, times, strict=True))
        for number, (side, price, time) in enumerate(fills):
            gross = one.pnl + one.commission + (one.funding or 0.0) if number else 0.0  # told before both
            rows.append({
                "Date(UTC)": format_time(time)[:19].replace("T", " "), "Symbol": "SAMPLEUSDT", "Side": side,
                "Price": price, "Quantity": one.size, "Amount": one.size * price,
                "Fee": rate(one) * one.size * price, "Fee Coin": "USDT", "Realized Profit": gross, "Quote Asset": "USDT",
            })  # fmt: skip
    return table(rows[::-1], list(rows[0]))


def rate(trade: Trade) -> float:
    """The fraction that its fills paid."""
    return trade.commission / (trade.size * (trade.entry_price + trade.exit_price))


def table(rows: Iterable[dict[str, Any]], names: Sequence[str], delimiter: str = ",") -> str:
    """A CSV with these columns, floats to their last digit."""
    out = io.StringIO()
    writer = csv.DictWriter(out, names, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: repr(value) if isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    )
    return out.getvalue()


WRITERS: dict[str, Writer] = {
    "freqtrade": as_freqtrade, "jesse": as_jesse, "jesse csv": as_jesse_csv, "tradingview": as_tradingview,
    "backtesting.py": as_backtesting_py, "binance-futures": as_binance_futures,
}  # fmt: skip
