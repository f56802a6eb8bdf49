"""Lengths of time as people write them: 180d, 12h, 30m, 4w."""

from __future__ import annotations

import math
from typing import Final

from engine.errors import InputError
from engine.model.market import DAY_MS, HOUR_MS
from engine.model.numerals import read_number

_UNITS: Final = {"m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}


def parse_duration(text: str, name: str) -> int:
    """Milliseconds of "180d", "12h", "30m", "4w", or "0"; raises InputError that says how to write `name`."""
    bare = text.strip()
    unit = _UNITS.get(bare[-1:])
    try:
        value = read_number(bare[:-1]) if unit else read_number(bare)
    except ValueError:
        value = math.nan
    if math.isnan(value) or (unit is None and value != 0):
        raise InputError(f"{name} must be a length such as 180d, 12h or 4w, not {text!r}")
    ms = value * (unit or 1)
    if not 0 <= ms <= 36_500 * DAY_MS:
        raise InputError(f"{name} must be from 0 to 36500d, not {text!r}")
    return round(ms)


def duration_text(ms: int) -> str:
    """As `parse_duration` reads it."""
    for unit in ("d", "h"):
        if ms and ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms / _UNITS['m']:g}m" if ms else "0"
