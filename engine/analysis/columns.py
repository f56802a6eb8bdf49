"""Trades of a run as numpy columns, so that everything about them is counted at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from engine.model.market import Float64Array, Int64Array
from engine.model.trade import Trade
from engine.model.trade_filter import TradeFilter

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TradeColumns:
    """k trades as columns (k,) in order of their entry; `place` is the position in the run's list. Units as in `Trade`."""

    place: Int64Array
    is_long: Flags
    is_open: Flags
    pnl: Float64Array
    return_pct: Float64Array
    mae_pct: Float64Array
    mfe_pct: Float64Array
    entry_time: Int64Array
    exit_time: Int64Array
    candles: Int64Array
    signal: npt.NDArray[np.str_]
    reason: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.place)

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> Self:
        """All trades of a run."""

        def column(name: str, dtype: Any) -> Any:
            return np.array([getattr(trade, name) for trade in trades], dtype=dtype)

        reason = column("exit_reason", np.str_)
        return cls(
            place=np.arange(len(trades), dtype=np.int64),
            is_long=column("side", np.str_) == "long",
            is_open=reason == "open",
            **{name: column(name, np.float64) for name in ("pnl", "return_pct", "mae_pct", "mfe_pct")},
            **{name: column(name, np.int64) for name in ("entry_time", "exit_time", "candles")},
            signal=column("entry_signal", np.str_),
            reason=reason,
        )

    def take(self, which: Flags) -> Self:
        """Only those trades."""
        return type(self)(*(getattr(self, field.name)[which] for field in fields(self)))


def joined(parts: Sequence[TradeColumns]) -> TradeColumns:
    """The trades of several runs after each other; at least one part."""
    names = [field.name for field in fields(TradeColumns)]
    return TradeColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def passing(trades: Sequence[Trade], wanted: TradeFilter, beside_holes: Collection[int] = ()) -> Flags:
    """Which trades a filter admits, bool (k,). `beside_holes`: places of trades that stand beside a hole."""
    if wanted == TradeFilter():
        return np.ones(len(trades), dtype=np.bool_)
    admitted = (
        wanted.admits(place, trade, beside_hole=place in beside_holes) for place, trade in enumerate(trades)
    )
    return np.fromiter(admitted, np.bool_, len(trades))
