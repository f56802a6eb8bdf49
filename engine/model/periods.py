"""Arithmetic of periods: merged, left over, cut."""

from collections.abc import Iterable, Sequence

from engine.model.market import Period


def merge(periods: Iterable[Period]) -> list[Period]:
    """The same instants as sorted, disjoint, non-adjacent, non-empty periods."""
    merged: list[Period] = []
    for period in sorted(periods):
        if period.start >= period.end:
            continue
        if merged and period.start <= merged[-1].end:
            merged[-1] = Period(merged[-1].start, max(merged[-1].end, period.end))
        else:
            merged.append(period)
    return merged


def subtract(period: Period, others: Sequence[Period]) -> list[Period]:
    """What is left of `period` without `others`."""
    left = []
    cursor = period.start
    for other in merge(others):
        if other.start > cursor:
            left.append(Period(cursor, min(other.start, period.end)))
        cursor = max(cursor, other.end)
        if cursor >= period.end:
            break
    if cursor < period.end:
        left.append(Period(cursor, period.end))
    return merge(left)


def clipped(periods: Iterable[Period], to: Period) -> list[Period]:
    """The parts of periods inside another one, without empty ones."""
    parts = (period.clip(to) for period in periods)
    return [part for part in parts if part.start < part.end]
