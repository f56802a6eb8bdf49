"""The analysis of a run as tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.cli.terminal import print_line, table

_SHOWN: Final = {
    "side": "by side", "signal": "by entry signal", "reason": "by exit reason", "month": "by month of the exit (UTC)",
    "weekday": "by weekday of the entry (UTC)", "holding": "by candles held", "trend": "by trend at the entry",
    "volatility": "by volatility at the entry",
}  # fmt: skip
_GROUP: Final = {
    "trades": "trades", "win_rate_pct": "win %", "profit_factor": "profit f.", "pnl": "sum", "mean_pnl": "mean",
    "share_pct": "share %",
}  # fmt: skip
_MOST: Final = 10  # drawdowns and streaks; --json has all


def analysis_tables(found: Mapping[str, Any]) -> None:
    """The main tables of `Analysis.to_json`, with Bitcoin beside it."""
    if found["calendar"] is not None:
        _months(found["calendar"])
    for key, title in _SHOWN.items():
        rows = [
            (group["label"], *(group[name] for name in _GROUP))
            for group in found["groups"].get(key, ())
            if group["trades"]
        ]
        if rows:
            table(title, ("", *_GROUP.values()), rows)
    _stretches(found)
    _markets(found)


def _months(calendar: Mapping[str, Any]) -> None:
    """A month outside the run is NaN, and shown as none."""
    rows = [
        (str(row["year"]), *map(_known, row["months_pct"].values()), row["total_pct"])
        for row in calendar["years"]
    ]
    names = calendar["years"][0]["months_pct"]
    table("returns in %, of the account", ("", *names, "year"), rows)
    print_line(f"all months compounded: {calendar['total_pct']:,.2f} %")


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _minute(time: str | None) -> str:
    return "–" if time is None else time[:16]


def _stretches(found: Mapping[str, Any]) -> None:
    falls = [
        (
            *(_minute(fall[name]) for name in ("start", "trough", "recovery")),
            fall["depth_pct"],
            fall["money"],
            fall["days"],
        )
        for fall in found["drawdowns"][:_MOST]
    ]
    if falls:
        table("deepest drawdowns", ("peak", "trough", "recovery", "depth %", "money", "days"), falls, left=3)
    rows: Sequence[tuple[Any, ...]] = [
        (
            "wins" if one["won"] else "losses",
            _minute(one["start"]),
            _minute(one["end"]),
            one["trades"],
            one["pnl"],
        )
        for one in found["streaks"][:_MOST]
    ]
    if rows:
        table("longest streaks", ("", "first entry", "last exit", "trades", "sum"), rows, left=3)


def _markets(found: Mapping[str, Any]) -> None:
    beside = [found["market"], found["bitcoin"]["relation"]]
    columns = {
        "market": "market",
        "days": "days",
        "alpha_pct": "alpha %",
        "beta": "beta",
        "correlation": "correlation",
    }
    rows = [tuple(one[name] for name in columns) for one in beside if one is not None]
    if rows:
        table("daily returns beside the market's", tuple(columns.values()), rows)
