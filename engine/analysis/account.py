"""The account over time: returns per month, rolling Sharpe ratio, drawdowns. They are of the whole run: equity cannot be
taken apart into trades.

Days and months are those of UTC, of the candles' open times, as in the metrics.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np

from engine.backtest.metrics import close_times, daily_returns
from engine.backtest.rules import ROUNDING, UNITS
from engine.model.market import DAY_MS, DAYS_PER_YEAR, STILL, Float64Array, Int64Array, Timeframe, format_time
from engine.model.run import RunResult, Series

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ROLLING_DAYS: Final = (30, 90, 180)


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """n closes: `opens` and `closes` (n,) are the instants (ms) when those candles opened and closed, `equity` (n,) money.

    `days` (d,): each UTC day from the first to the last, as the ms of its midnight; `returns` (d,) fractions.
    """

    cash: float
    opens: Int64Array
    closes: Int64Array
    equity: Float64Array
    days: Int64Array
    returns: Float64Array

    @classmethod
    def of(cls, run: RunResult) -> Self | None:
        """The account of a run; None where its equity is not there."""
        return cls.over(run.equity, run.costs.cash, run.timeframe)

    @classmethod
    def over(cls, series: Series | None, cash: float, timeframe: Timeframe) -> Self | None:
        """The account whose `equity` a series has, at the closes of candles that open at its times."""
        if series is None or not len(series.time):
            return None
        opens, equity = series.time, series.columns["equity"]
        cash = cash * UNITS / UNITS  # rounded as the engines round it
        days = np.arange(opens[0] // DAY_MS, opens[-1] // DAY_MS + 1, dtype=np.int64) * DAY_MS
        returns = daily_returns(cash, equity, opens)
        return cls(cash, opens, close_times(opens, timeframe), equity, days, returns)


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Returns in percent: `months` (years, 12), NaN outside the run, and `totals` (years,), both compounded; `total`."""

    years: tuple[int, ...]
    months: Float64Array
    totals: Float64Array
    total: float

    def to_json(self) -> dict[str, Any]:
        """`{years: [{year, months: {Jan: ...}, total_pct}], total_pct}`; a month outside the run is null."""
        rows = zip(self.years, self.months.tolist(), self.totals.tolist(), strict=True)
        years = [
            {"year": year, "months_pct": dict(zip(MONTHS, months, strict=True)), "total_pct": total}
            for year, months, total in rows
        ]
        return {"years": years, "total_pct": self.total}


def calendar(account: Account) -> Calendar:
    """Equity at the end of a month / equity at the end of the month before - 1; the first month starts from the cash."""
    months = account.opens.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    numbers = np.arange(months[0], months[-1] + 1)
    ends = account.equity[np.searchsorted(months, numbers, side="right") - 1]
    growth = _growth(np.concatenate(([account.cash], ends)))
    years = 1970 + np.arange(numbers[0] // 12, numbers[-1] // 12 + 1)
    table = np.full((len(years), 12), np.nan)
    table.flat[numbers - (years[0] - 1970) * 12] = growth
    totals = np.nanprod(table, axis=1)
    total = float(account.equity[-1] / account.cash - 1) * 100
    return Calendar(tuple(years.tolist()), (table - 1) * 100, (totals - 1) * 100, total)


def _growth(values: Float64Array) -> Float64Array:
    """Each value / the one before it, (n - 1,); 1 where nothing was left to lose."""
    growth = np.ones(len(values) - 1)
    np.divide(values[1:], values[:-1], out=growth, where=values[:-1] > 0)
    return growth


@dataclass(frozen=True, slots=True, eq=False)
class Rolling:
    """`values` (m,) over the `window` days that end with each day; `times` (m,): those days' ends, ms. NaN: no movement."""

    window: int
    times: Int64Array
    values: Float64Array

    def to_json(self) -> dict[str, Any]:
        """`{window_days, points: [[time, value]]}`."""
        points = zip(map(format_time, self.times.tolist()), self.values.tolist(), strict=True)
        return {"window_days": self.window, "points": [list(point) for point in points]}


def rolling_sharpe(account: Account, window: int) -> Rolling | None:
    """Mean / standard deviation (ddof 1) x sqrt(365) of the daily returns of each `window` days; None below so many."""
    if len(account.returns) < window:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(account.returns, window)
    deviations = windows.std(axis=1, ddof=1)
    values = np.full(len(windows), np.nan)
    np.divide(
        windows.mean(axis=1) * math.sqrt(DAYS_PER_YEAR), deviations, out=values, where=deviations > STILL
    )
    return Rolling(window, account.days[window - 1 :] + DAY_MS, values)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A stretch below the running peak. Times are closes, ms: the peak, the deepest close, and the first close that is no
    longer below (None: it never came). `days`: from the peak to the recovery, or to the end.
    """

    depth_pct: float
    money: float
    start_ms: int
    trough_ms: int
    recovery_ms: int | None
    days: float

    def to_json(self) -> dict[str, Any]:
        """For programs, times as ISO text."""
        times = {"start": self.start_ms, "trough": self.trough_ms, "recovery": self.recovery_ms}
        told = {name: None if ms is None else format_time(ms) for name, ms in times.items()}
        plain = {name: value for name, value in asdict(self).items() if not name.endswith("_ms")}
        return plain | told


def drawdowns(account: Account) -> tuple[Drawdown, ...]:
    """All stretches below the running peak, which starts at the cash, the deepest first."""
    values = np.concatenate(([account.cash], account.equity))
    times = np.concatenate((account.opens[:1], account.closes))
    peaks = np.maximum.accumulate(values)
    below = values / peaks - 1
    below[below > -ROUNDING] = 0
    edges = np.flatnonzero(np.diff(below < 0))  # falls and recoveries in turn: the first value is a peak
    falls, recoveries = edges[::2].tolist(), (edges[1::2] + 1).tolist()
    found = []
    for number, fall in enumerate(falls):
        recovered = number < len(recoveries)
        end = recoveries[number] if recovered else len(values) - 1
        trough = fall + int(below[fall : end + 1].argmin())
        days = float(times[end] - times[fall]) / DAY_MS
        found.append(
            Drawdown(
                float(below[trough]) * 100,
                float(values[trough] - peaks[trough]),
                int(times[fall]),
                int(times[trough]),
                int(times[end]) if recovered else None,
                days,
            )
        )
    return tuple(sorted(found, key=lambda one: one.depth_pct))
