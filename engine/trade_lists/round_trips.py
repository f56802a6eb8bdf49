"""Parts of one position as one round trip, flat to flat, as a run's trades are: some programs list each part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from engine.model.trade_list import TheirTrade


def round_trips(trades: Iterable[TheirTrade]) -> list[TheirTrade]:
    """Trades by their entries; those of one symbol and side that are held at the same time are one."""
    made: list[TheirTrade] = []
    leg = attrgetter("symbol", "side")
    for _, same in groupby(sorted(trades, key=lambda one: (*leg(one), one.entry_time, one.row)), key=leg):
        parts: list[TheirTrade] = []
        until = -math.inf
        for part in same:
            if parts and part.entry_time >= until and part.entry_time != parts[0].entry_time:
                made.append(_joined(parts))
                parts, until = [], -math.inf
            parts.append(part)
            until = max(until, math.inf if part.exit_time is None else part.exit_time)
        made.append(_joined(parts))
    return sorted(made, key=lambda one: (one.entry_time, one.row))


def _joined(parts: Sequence[TheirTrade]) -> TheirTrade:
    """Sums of sizes and money, means of prices; what one part does not tell is not known of all."""
    if len(parts) == 1:
        return parts[0]
    size = math.fsum(part.size for part in parts)
    exits = [part.exit_time for part in parts]
    last = max(parts, key=lambda part: math.inf if part.exit_time is None else part.exit_time)
    return replace(
        parts[0],
        size=size,
        entry_price=math.fsum(part.size * part.entry_price for part in parts) / size,
        exit_time=None if None in exits else last.exit_time,
        exit_price=_mean([(part.size, part.exit_price) for part in parts], size),
        pnl=_sum([part.pnl for part in parts]),
        fee=_sum([part.fee for part in parts]),
        funding=_sum([part.funding for part in parts]),
        exit_reason=last.exit_reason,
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def _mean(weighted: Sequence[tuple[float, float | None]], size: float) -> float | None:
    total = _sum([None if price is None else weight * price for weight, price in weighted])
    return None if total is None else total / size
