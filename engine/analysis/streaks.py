"""Wins and losses in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.analysis.columns import TradeColumns
from engine.model.market import format_time


@dataclass(frozen=True, slots=True)
class Streak:
    """Closed trades in a row, in order of their entry, that all won or all lost; `pnl` is their sum. Times: first entry,
    last exit, ms. `places`: in the run's list.
    """

    won: bool
    trades: int
    pnl: float
    start_ms: int
    end_ms: int
    places: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs, times as ISO text."""
        return {
            "won": self.won,
            "trades": self.trades,
            "pnl": self.pnl,
            "start": format_time(self.start_ms),
            "end": format_time(self.end_ms),
            "places": list(self.places),
        }


def streaks(columns: TradeColumns) -> tuple[Streak, ...]:
    """All streaks, the longest first. A break-even trade ends one and begins none."""
    closed = columns.take(~columns.is_open)
    signs = np.sign(closed.pnl)
    starts = np.flatnonzero(np.diff(signs, prepend=np.nan) != 0)
    found = [
        Streak(
            bool(signs[start] > 0),
            int(end - start),
            float(closed.pnl[start:end].sum()),
            int(closed.entry_time[start]),
            int(closed.exit_time[start:end].max()),
            tuple(closed.place[start:end].tolist()),
        )
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(signs)], strict=False)
        if signs[start]
    ]
    return tuple(sorted(found, key=lambda one: (-one.trades, one.start_ms)))
