"""A trade: the one list of its columns, which JSON, CSV, tables and what is stored follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from engine.model.market import format_time


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill of a trade. `time`: open time of its candle, ms; `price` slipped; `size` in coins, + enters, - leaves;
    `reason`: entry, add, or why it left; `commission` in money.
    """

    time: int
    price: float
    size: float
    reason: str
    commission: float

    def to_json(self) -> dict[str, Any]:
        """The contract's fill, its time as ISO text."""
        return asdict(self) | {"time": format_time(self.time)}


@dataclass(frozen=True, slots=True)
class Trade:
    """A round trip, flat to flat. Prices are the slipped fills (means where there are several), times are open times, ms.

    `pnl` is net of commission, slippage and funding: `price_pnl` - these (None: an older version did not keep it); `funding`
    paid is positive, None = not charged. `exit_reason`: of the last fill: exit_long, exit_short, stop_loss, trailing_stop,
    take_profit, target_1..3, time, reverse, liquidation, ruin, window_end, rebalance, or open (marked at the last close).
    `ambiguous`: a candle of it can be read in two ways (None: not looked at). `fills`: none where it is one market entry
    and one exit.
    """

    side: str
    size: float
    entry_time: int
    entry_price: float
    exit_time: int
    exit_price: float
    pnl: float
    return_pct: float
    commission: float
    funding: float | None
    entry_signal: str
    exit_reason: str
    candles: int
    mae_pct: float
    mfe_pct: float
    slippage: float | None = None
    price_pnl: float | None = None
    liquidated: bool = False
    ambiguous: bool | None = None
    fills: tuple[Fill, ...] = ()

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[Any]]) -> tuple[Self, ...]:
        """A trade per row, from a column (k,) per field; `fills` a list of plain rows each."""
        fills = [tuple(Fill(*row) for row in rows) for rows in columns["fills"]]
        told = {**columns, "fills": fills}
        return tuple(map(cls, *(told[name] for name in cls.__slots__)))

    def to_json(self) -> dict[str, Any]:
        """The contract's trade, times as ISO text."""
        return asdict(self) | {
            "entry_time": format_time(self.entry_time),
            "exit_time": format_time(self.exit_time),
            "fills": [fill.to_json() for fill in self.fills],
        }


# what a row of a table has no room for
NESTED: Final = ("fills",)
COLUMNS: Final = tuple(field.name for field in fields(Trade) if field.name not in NESTED)
