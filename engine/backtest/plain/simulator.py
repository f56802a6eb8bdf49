"""The referee: the rules of docs/rules.md once more, in plain Python, to be read and not to be fast.

Every candle is the same few steps in the same order (`course.py`), then its close here. It shares no line with the compiled
engine, whose trades it must find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.backtest.detail import Detail
from engine.backtest.outcome import Outcome, Walked
from engine.backtest.perpetual import Perpetual
from engine.backtest.plain.account import Account
from engine.backtest.plain.course import Course
from engine.backtest.plain.places import Places
from engine.backtest.plain.protections import Guard
from engine.backtest.plain.trades import told
from engine.backtest.rules import DEFAULT, RUIN, UNITS, Report, ignore_report
from engine.model.account import Costs
from engine.model.market import Candles
from engine.strategy import Signals


def run_plain(
    candles: Candles,
    signals: Signals,
    costs: Costs,
    reverse: bool = False,
    report: Report = ignore_report,
    *,
    perpetual: Perpetual | None = None,
    reading: int = DEFAULT,
    timeframe_ms: int | None = None,
    detail: Detail | None = None,
) -> Outcome:
    """Trade `signals` over `candles` (both of the period only, of equal length, at least one candle).

    `reading`: how a candle that could be read two ways is read: AGAINST the trader, DEFAULT, or IN_FAVOUR. `timeframe_ms`:
    of the candles, None = the smallest distance of two; `detail`: finer candles of some of them. Raises RunError naming the
    candle of an entry that cannot be.
    """
    n, times = len(candles), candles.timestamp.tolist()
    assert n == len(signals.entry) > 0
    if timeframe_ms is None:
        timeframe_ms = int(np.diff(candles.timestamp).min(initial=times[-1] - times[0]))
    guard = Guard(costs.protect, costs.cash * UNITS, times, timeframe_ms)
    places = Places.of(candles, perpetual or Perpetual(), detail)
    account, wanted = Account(places, costs, guard), signals.only(costs.side, reverse)
    run = _Run(Course(places, wanted, account, reverse, reading), looks_inside=detail is not None)
    run.play()
    report(n, n, "candles")
    account = run.course.account
    shortfall = (0.0 - account.money) / UNITS if account.over else 0.0
    walked = run.told_inside(candles) if run.looks_inside else None
    return told(account, candles, signals.names, np.array(run.equity) / UNITS, shortfall, walked)


@dataclass(slots=True)
class _Run:
    """A run from candle to candle."""

    course: Course
    looks_inside: bool
    walked: list[int] = field(default_factory=list)  # candles played by their finer ones
    doubted: list[int] = field(default_factory=list)  # that have none, and would be
    equity: list[float] = field(default_factory=list)

    @property
    def account(self) -> Account:
        """As it is now."""
        return self.course.account

    def play(self) -> None:
        """Every candle of the run, until it is over."""
        n = len(self.course.signals.entry)
        for i in range(n):
            if self.looks_inside:
                self._look_inside(i)
            else:
                self._candle(i, [i])
            if self.account.over:
                self.equity += [0.0] * (n - i)
                return
            if i < n - 1:
                self.course.decide(i)

    def _candle(self, i: int, course: Sequence[int]) -> None:
        """Candle i: its open, what happens in the course of it, its close; broken off where the run is over."""
        self.course.leave_at_open(i)
        self.course.arrive_at_open(i)
        for place in course:
            if place != course[0]:
                self.course.go_on(place)
            if not self.account.over:
                self.course.inside(place)
                self.course.outlast(place)
        if not self.account.over:
            self._at_close(i)

    def _look_inside(self, i: int) -> None:
        """Candle i; where it hangs on what came first inside it, once more by its finer ones."""
        course = self.course
        before, waiting, closes = course.account, course.waiting, len(self.equity)
        course.account, course.two_ways = before.twin(), False
        self._candle(i, [i])
        if not (course.two_ways or course.account.hangs):
            return
        inside = course.places.within[i]
        (self.walked if inside else self.doubted).append(i)
        if inside:
            two_ways = course.two_ways
            course.account, course.waiting = before, waiting
            del self.equity[closes:]
            held = [] if before.position is None else [before.position]
            known = len(before.positions)
            self._candle(i, inside)
            for position in [*held, *before.positions[known:]] if two_ways else []:
                position.settled |= bool({position.place, *position.path} & {*inside})

    def told_inside(self, candles: Candles) -> Walked:
        """Which candles were looked into, or should have been, and which trades that left nothing open of."""
        settled = [position.settled and not position.ambiguous for position in self.account.positions]
        walked, doubted = (np.array(found, dtype=np.int64) for found in (self.walked, self.doubted))
        times = candles.timestamp
        return Walked(times[walked], times[doubted], np.array(settled, dtype=np.bool_))

    def _at_close(self, i: int) -> None:
        """The equity; without margin, ruin."""
        account, close = self.account, float(self.course.candles.close[i])
        position = account.position
        if position is not None and account.equity(close) <= 0 and not account.margined:
            account.leave_at_close(position, i, close, RUIN)
            account.over = True
            return
        self.equity.append(account.equity(close))
        account.guard.closed(i, self.equity[-1])
