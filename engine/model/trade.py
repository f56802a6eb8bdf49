"""A trade: the one list of its columns, which JSON, CSV, tables and what is stored follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from engine.model.market import format_time


@dataclass(frozen=True, slots=True)
class Trade:
    """A round trip. Prices are the slipped fills; `pnl` is net of both commissions; times are open times, ms.

    `exit_reason`: exit_long, exit_short, stop_loss, take_profit, reverse, ruin, or open (marked at the last close).
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

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[Any]]) -> tuple[Self, ...]:
        """A trade per row, from a column (k,) per field."""
        return tuple(map(cls, *(columns[name] for name in cls.__slots__)))

    def to_json(self) -> dict[str, Any]:
        """The contract's trade, times as ISO text."""
        return asdict(self) | {
            "entry_time": format_time(self.entry_time),
            "exit_time": format_time(self.exit_time),
        }
