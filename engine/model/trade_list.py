"""A list of trades as another program tells it: one symbol or several, times in ms UTC, prices and sizes as in the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.model.market import format_time

LONG, SHORT = "long", "short"
NAMED: Final = "as the file names it"  # the zone of times that name their own
TRADE_LISTS: Final[Mapping[str, str]] = {
    "freqtrade": "freqtrade (backtest result, JSON or the zip with it)",
    "jesse": "Jesse (trades, JSON or CSV)",
    "tradingview": 'TradingView ("List of trades", CSV, English)',
    "binance-futures": "Binance futures (trade history, CSV)",
    "binance-spot": "Binance spot (trade history, CSV)",
    "backtesting.py": "backtesting.py (stats._trades.to_csv())",
}


@dataclass(frozen=True, slots=True)
class TheirTrade:
    """A round trip, flat to flat. `entry_time`, `exit_time`: ms, as the file stamps them (`TradeList.stamps`); prices: means
    where there are several fills; `size` in coins; `pnl` net, in money; `fee` in money, `funding` paid is positive.

    None: the file does not say. Without `exit_time` it is still open. `exit_reason`: signal, stop, target, liquidation, end,
    or empty where the file's words name none of these. `row`: where it stands in the file, from 1.
    """

    side: str
    size: float
    entry_time: int
    entry_price: float
    exit_time: int | None = None
    exit_price: float | None = None
    pnl: float | None = None
    fee: float | None = None
    funding: float | None = None
    exit_reason: str = ""
    symbol: str = ""
    row: int = 0

    @property
    def sign(self) -> int:
        """1 of a long, -1 of a short."""
        return 1 if self.side == LONG else -1

    @property
    def price_pnl(self) -> float:
        """What the price alone made; of an open one nothing yet."""
        return (
            0.0 if self.exit_price is None else self.sign * self.size * (self.exit_price - self.entry_price)
        )

    @property
    def cost(self) -> float:
        """The fee: told, or what prices and net profit leave; 0 where neither is known."""
        if self.fee is not None:
            return self.fee
        return 0.0 if self.pnl is None else self.price_pnl - self.pnl - (self.funding or 0.0)

    @property
    def reckoned(self) -> float:
        """The net profit that its own prices, fee and funding make."""
        return self.price_pnl - self.cost - (self.funding or 0.0)

    @property
    def net(self) -> float:
        """The net profit: told, or reckoned."""
        return self.reckoned if self.pnl is None else self.pnl

    def to_json(self) -> dict[str, Any]:
        """Times as ISO text."""
        return {
            "side": self.side, "size": self.size, "entry_time": format_time(self.entry_time),
            "entry_price": self.entry_price,
            "exit_time": None if self.exit_time is None else format_time(self.exit_time),
            "exit_price": self.exit_price, "pnl": self.pnl, "fee": self.fee, "funding": self.funding,
            "exit_reason": self.exit_reason, "row": self.row,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class TradeList:
    """What a file holds. `kind`: a key of TRADE_LISTS; `stamps`: what its times are, in words; `start`, `end`: the period
    that it says it covers, ms; `notes`: what was left out or assumed; `asks_zone`: times name no zone, and `zone` is what
    was asked for.
    """

    kind: str
    file: str
    trades: tuple[TheirTrade, ...]
    stamps: str
    zone: str = "UTC"
    start: int | None = None
    end: int | None = None
    notes: tuple[str, ...] = field(default=())
    asks_zone: bool = False


def is_trade(trade: TheirTrade) -> bool:
    """Whether it has a size and prices that can be reckoned with."""
    prices = [trade.size, trade.entry_price, *(() if trade.exit_price is None else (trade.exit_price,))]
    return all(math.isfinite(value) and value > 0 for value in prices)
