"""Trades in groups: what each group earned, how often it won, and which trades it is made of.

A position that is open at the end is a trade with its value at the last close: it counts among trades, sum and mean, and not
for win rate and profit factor, as in the metrics. So the sums of the groups are the run's net profit (of a ruined account,
net profit - shortfall), and their trades are its trades.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import numpy as np

from engine.analysis.columns import TradeColumns
from engine.model.market import DAY_MS, HOUR_MS, Float64Array, Int64Array

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HELD: Final = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_MOST_BINS: Final = 24
_FIRST_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True)
class Group:
    """`pnl`, `mean_pnl`: money. `mean_return_pct`: of the entry's value. `win_rate_pct`: wins / closed trades.

    `profit_factor`: money won / money lost by closed trades, None without losses. `share_pct`: pnl in percent of what all
    listed trades made together, whose sign is left out; None where that is nothing. `places`: in the run's list.
    """

    label: str
    trades: int
    open_trades: int
    wins: int
    losses: int
    win_rate_pct: float | None
    profit_factor: float | None
    pnl: float
    mean_pnl: float | None
    mean_return_pct: float | None
    share_pct: float | None
    places: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        names = [name for name in self.__slots__ if name != "places"]
        return {name: getattr(self, name) for name in names} | {"places": list(self.places)}


def grouped(columns: TradeColumns, codes: Int64Array, labels: Sequence[str]) -> tuple[Group, ...]:
    """A group per label, empty ones too; `codes` (k,) count into `labels`."""

    def per_group(weights: Any = None) -> Any:
        return np.bincount(codes, weights, minlength=len(labels))

    closed = ~columns.is_open
    won, lost = closed & (columns.pnl > 0), closed & (columns.pnl < 0)
    counts, ended = per_group(), per_group(closed)
    wins, losses = per_group(won), per_group(lost)
    gained, given = per_group(columns.pnl * won), -per_group(columns.pnl * lost)
    sums, returns = per_group(columns.pnl), per_group(columns.return_pct)
    total = abs(float(columns.pnl.sum()))
    in_order = np.argsort(codes, kind="stable")
    places = np.split(columns.place[in_order], np.cumsum(counts)[:-1]) if len(labels) else []
    return tuple(
        Group(
            label,
            int(counts[k]),
            int(counts[k] - ended[k]),
            int(wins[k]),
            int(losses[k]),
            _part(wins[k] * 100, ended[k]),
            _part(gained[k], given[k]),
            float(sums[k]),
            _part(sums[k], counts[k]),
            _part(returns[k], counts[k]),
            _part(sums[k] * 100, total),
            tuple(places[k].tolist()),
        )
        for k, label in enumerate(labels)
    )


def everything(columns: TradeColumns, label: str = "All") -> Group:
    """All trades as one group."""
    return grouped(columns, np.zeros(len(columns), dtype=np.int64), [label])[0]


def _part(above: float, below: float) -> float | None:
    return float(above / below) if below else None


# -- what trades are grouped by

Codes = tuple[Int64Array, list[str]]
Zone = tzinfo | None  # None: this machine's own


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something to group by: its name in JSON and filters, its title, what it is in words, and how it is told."""

    key: str
    title: str
    told: str
    codes: Callable[[TradeColumns, Zone], Codes]


def _named(names: Any) -> Codes:
    labels, codes = np.unique(names, return_inverse=True)
    return codes.astype(np.int64), [str(label).replace("_", " ") for label in labels]


def _side(columns: TradeColumns, zone: Zone) -> Codes:
    del zone
    return np.where(columns.is_long, 0, 1).astype(np.int64), ["Long", "Short"]


def _signal(columns: TradeColumns, zone: Zone) -> Codes:
    del zone
    codes, labels = _named(columns.signal)
    return codes, [label.removeprefix("signal ") for label in labels]


def _reason(columns: TradeColumns, zone: Zone) -> Codes:
    del zone
    return _named(columns.reason)


def _month(columns: TradeColumns, zone: Zone) -> Codes:
    months = clock_ms(columns.exit_time, zone).astype("datetime64[ms]").astype("datetime64[M]")
    return _named(months.astype(np.str_))


def _weekday(columns: TradeColumns, zone: Zone) -> Codes:
    days = clock_ms(columns.entry_time, zone) // DAY_MS
    return (days + _FIRST_WEEKDAY) % 7, list(WEEKDAYS)


def _hour(columns: TradeColumns, zone: Zone) -> Codes:
    hours = clock_ms(columns.entry_time, zone) // HOUR_MS % 24
    return hours, [f"{hour:02d}" for hour in range(24)]


def _holding(columns: TradeColumns, zone: Zone) -> Codes:
    del zone
    if not len(columns):
        return columns.candles, []
    codes = np.searchsorted(_HELD, columns.candles, side="right") - 1
    first, last = int(codes.min()), int(codes.max())
    ends = [*_HELD[1:], None]
    labels = [_between(_HELD[at], ends[at]) for at in range(first, last + 1)]
    return (codes - first).astype(np.int64), labels


def _between(start: int, end: int | None) -> str:
    if end is None:
        return f"{start}+"
    return str(start) if end == start + 1 else f"{start}–{end - 1}"


def _result_pct(columns: TradeColumns, zone: Zone) -> Codes:
    del zone
    return binned(columns.return_pct)


def _result(columns: TradeColumns, zone: Zone) -> Codes:
    del zone
    return binned(columns.pnl)


DIMENSIONS: Final[Mapping[str, Dimension]] = {
    one.key: one
    for one in (
        Dimension("side", "Side", "Long or short.", _side),
        Dimension("signal", "Entry signal", "The column of the strategy that asked for the entry.", _signal),
        Dimension("reason", "Exit reason", "Why the position ended; open: it was held at the end.", _reason),
        Dimension("month", "Month", "The month of the exit, when the result was made.", _month),
        Dimension("weekday", "Weekday", "The weekday of the entry.", _weekday),
        Dimension("hour", "Hour", "The hour of the day of the entry.", _hour),
        Dimension("holding", "Holding time", "Candles from the entry's to the exit's.", _holding),
        Dimension("result_pct", "Result in %", "P&L in percent of the entry's value, after commission; 0 is an edge.",
                  _result_pct),
        Dimension("result", "Result", "P&L in money, after commission; 0 is an edge.", _result),
    )
}  # fmt: skip


def clock_ms(times: Int64Array, zone: Zone) -> Int64Array:
    """What a clock in `zone` shows at these times, as ms since 1970-01-01 00:00 on that clock."""
    if zone is UTC or not len(times):
        return times
    hours, codes = np.unique(times // HOUR_MS, return_inverse=True)
    moments = (
        datetime.fromtimestamp(hour * HOUR_MS / 1000, tz=UTC).astimezone(zone) for hour in hours.tolist()
    )
    offsets = [round(offset.total_seconds() * 1000) if (offset := m.utcoffset()) else 0 for m in moments]
    return times + np.array(offsets, dtype=np.int64)[codes]


def binned(values: Float64Array) -> Codes:
    """Equal steps of a round width with 0 among the edges; the outermost 1 % on each side share an open bin."""
    if not len(values):
        return np.zeros(0, dtype=np.int64), []
    low, high = (float(bound) for bound in np.percentile(values, (1, 99)))
    step = _round_up((high - low) / (_MOST_BINS - 2)) or _round_up(abs(high)) or 1.0
    first, last = int(np.floor(low / step)), int(np.floor(high / step))
    numbers = np.clip(np.floor(values / step), first - 1, last + 1).astype(np.int64)
    start, end = int(numbers.min()), int(numbers.max())
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))

    def edge(number: int) -> str:
        return f"{number * step + 0.0:,.{digits}f}".replace("-", "−")

    def label(number: int) -> str:
        if number < first:
            return f"< {edge(first)}"
        return f"≥ {edge(number)}" if number > last else f"{edge(number)} … {edge(number + 1)}"

    return numbers - start, [label(number) for number in range(start, end + 1)]


def _round_up(width: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... that is not smaller; 0 for 0."""
    if not width > 0 or not np.isfinite(width):
        return 0.0
    power = float(10.0 ** np.floor(np.log10(width)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= width * (1 - 1e-9))
