"""What a close decides: whether an entry may be asked for, which order waits, and what protections block."""

from __future__ import annotations

import math
from typing import Any, Final

from engine.backtest.kernel.filling import on_tick
from engine.backtest.kernel.parts import code, part, step
from engine.backtest.kernel.sizing import asked, order_column
from engine.model.account import BLOCKED
from engine.model.market import DAY_MS, HOUR_MS

_LIMIT, _STOP_ENTRY = order_column("entry_limit"), order_column("entry_stop")
_EXPIRY, _RISK = order_column("entry_expiry"), order_column("risk")
_TARGET, _PART = order_column("target_1"), order_column("part_1")

_HOURS, _PER_DAY = code(BLOCKED.index("hours")), code(BLOCKED.index("trades_per_day"))
_COOLDOWN, _LOSSES = code(BLOCKED.index("cooldown")), code(BLOCKED.index("after_losses"))
_DAILY_LOSS, _DRAWDOWN = code(BLOCKED.index("daily_loss")), code(BLOCKED.index("max_drawdown"))
_NONE: Final = code(-1)

_ROUNDED: Final = 1 + 1e-9  # the most that parts may sum to


@step
def sound(
    ordered: bool,
    fixed: Any,
    columns: Any,
    rows: Any,
    i: int,
    sign: int,
    seen: float,
    stop: float,
    target: float,
) -> bool:
    """Whether the entry signalled on candle i, which closes at `seen`, asks for what can be: as `check_stops`."""
    side = 1 if sign > 0 else -1
    reference = seen
    if ordered:
        limit, entry_stop = (
            asked(fixed, columns, rows, _LIMIT, i),
            asked(fixed, columns, rows, _STOP_ENTRY, i),
        )
        if not math.isnan(limit):
            reference = limit
        if not math.isnan(entry_stop):
            if not math.isnan(limit):
                return False
            reference = entry_stop
    if side * (stop - reference) >= 0 or side * (target - reference) <= 0:
        return False
    return not ordered or _sound_targets(fixed, columns, rows, i, side, reference, stop)


@part
def _sound_targets(
    fixed: Any, columns: Any, rows: Any, i: int, side: int, reference: float, stop: float
) -> bool:
    total, before, missing = 0.0, reference, False
    for k in range(3):
        aim, share = asked(fixed, columns, rows, _TARGET + k, i), asked(fixed, columns, rows, _PART + k, i)
        if math.isnan(aim):
            missing = True
            continue
        if missing or side * (aim - before) <= 0:
            return False
        before = aim
        if not math.isnan(share):
            total += share
    return total <= _ROUNDED and not (
        math.isnan(stop) and not math.isnan(asked(fixed, columns, rows, _RISK, i))
    )


@step
def take_order(t: Any, s: Any, fixed: Any, columns: Any, rows: Any, i: int, sign: int, impact: Any) -> None:
    """The entry signalled on candle i waits: for the next open, or as an order in place of one that waited. What it means to
    its market is known by then, where that counts.
    """
    if len(impact):
        s.asked_impact = impact[i + 1]
    limit, stop = asked(fixed, columns, rows, _LIMIT, i), asked(fixed, columns, rows, _STOP_ENTRY, i)
    s.until = -1
    if math.isnan(limit) and math.isnan(stop):
        s.enter = i
        return
    expiry = asked(fixed, columns, rows, _EXPIRY, i)
    s.order, s.until = i, i + (1 if math.isnan(expiry) else int(expiry))
    s.limit = 0 if math.isnan(limit) else 1
    side = 1 if sign > 0 else -1
    s.order_price = on_tick(t, side, stop) if math.isnan(limit) else on_tick(t, -side, limit)


@part
def watch(t: Any, s: Any, i: int, value: float, times: Any) -> None:
    """What protections go by, at the close of candle i. Closes that change nothing may be left out."""
    day = times[i] // DAY_MS
    if day != s.day:
        s.day, s.day_start, s.day_lost = day, s.closing, 0
    s.closing, s.peak = value, max(s.peak, value)
    if value <= (1 - t.daily_loss) * s.day_start:
        s.day_lost = 1
    if value <= (1 - t.max_drawdown) * s.peak:
        s.fallen = 1


@part
def count_entry(s: Any, i: int, times: Any) -> None:
    """A position was entered on candle i."""
    day = times[i] // DAY_MS
    if day != s.entries_day:
        s.entries_day, s.day_entries = day, 0
    s.day_entries += 1


@step
def blocked_by(t: Any, s: Any, i: int, times: Any) -> int:
    """Which protection keeps a signal on candle i from being acted on, counting into BLOCKED; -1 = none."""
    if t.first_hour >= 0:
        hour = (times[i] + t.timeframe) % DAY_MS // HOUR_MS
        after, before = hour >= t.first_hour, hour < t.end_hour
        if not ((after and before) if t.first_hour < t.end_hour else (after or before)):
            return _HOURS
    if t.per_day > 0 and s.entries_day == times[i] // DAY_MS and s.day_entries >= t.per_day:
        return _PER_DAY
    if t.cooldown > 0 and i < s.last_exit + t.cooldown:
        return _COOLDOWN
    if i < s.paused_until:
        return _LOSSES
    if s.day_lost:
        return _DAILY_LOSS
    return _DRAWDOWN if s.fallen else _NONE
