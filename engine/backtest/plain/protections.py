"""What keeps the plain simulator from entering: protections, judged at closes."""

from __future__ import annotations

import math
from collections import Counter
from copy import copy
from dataclasses import dataclass, field

from engine.model.account import BLOCKED, Protections
from engine.model.market import DAY_MS, HOUR_MS


@dataclass(slots=True)
class Guard:
    """Watches closes, entries and exits, and says at a close what blocks an entry. A day is a UTC day of open times."""

    protect: Protections
    cash: float
    times: list[int]  # open time of each candle, ms
    timeframe_ms: int
    entries: Counter[int] = field(default_factory=Counter)  # by day
    last_exit: int | None = None
    losses: int = 0  # in a row
    paused_before: int = 0  # the candle from which a run of losses blocks no longer
    peak: float = -math.inf
    equity: float = math.nan
    day_began_with: float = math.nan
    lost_today: bool = False
    fell: bool = False
    blocked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.peak = self.equity = self.day_began_with = self.cash

    def twin(self) -> Guard:
        """A copy that goes on by itself."""
        twin = copy(self)
        twin.entries, twin.blocked = Counter(self.entries), Counter(self.blocked)
        return twin

    def day(self, i: int) -> int:
        """The day of candle i."""
        return self.times[i] // DAY_MS

    def entered(self, i: int) -> None:
        """A new position was entered on candle i."""
        self.entries[self.day(i)] += 1

    def left(self, i: int, pnl: float) -> None:
        """The position was left for good on candle i."""
        self.last_exit = i
        self.losses = self.losses + 1 if pnl < 0 else 0
        if self.protect.after_losses is not None and self.losses == self.protect.after_losses[0]:
            self.paused_before, self.losses = i + self.protect.after_losses[1], 0

    def closed(self, i: int, equity: float) -> None:
        """Candle i closed at that equity."""
        if i == 0 or self.day(i) != self.day(i - 1):
            self.day_began_with, self.lost_today = self.equity, False
        self.equity, self.peak = equity, max(self.peak, equity)
        loss, drawdown = self.protect.daily_loss, self.protect.max_drawdown
        if loss is not None and equity <= (1 - loss) * self.day_began_with:
            self.lost_today = True
        if drawdown is not None and equity <= (1 - drawdown) * self.peak:
            self.fell = True

    def blocks(self, i: int) -> bool:
        """Whether an entry signalled at the close of candle i is blocked; counts by what."""
        holds = {
            "hours": self._outside_hours(i),
            "trades_per_day": self._at_most(i),
            "cooldown": self._cooling(i),
            "after_losses": i < self.paused_before,
            "daily_loss": self.lost_today,
            "max_drawdown": self.fell,
        }
        for name in BLOCKED:
            if holds[name]:
                self.blocked[name] += 1
                return True
        return False

    def _outside_hours(self, i: int) -> bool:
        if self.protect.hours is None:
            return False
        first, end = self.protect.hours
        hour = (self.times[i] + self.timeframe_ms) % DAY_MS // HOUR_MS
        inside = first <= hour < end if first < end else hour >= first or hour < end
        return not inside

    def _at_most(self, i: int) -> bool:
        most = self.protect.trades_per_day
        return most is not None and self.entries[self.day(i)] >= most

    def _cooling(self, i: int) -> bool:
        candles = self.protect.cooldown
        return candles is not None and self.last_exit is not None and i < self.last_exit + candles
