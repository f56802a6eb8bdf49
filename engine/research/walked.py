"""What a walk-forward walks: the border between its machinery and what is tried in a window, and stitched of the choices.

There are two, one strategy on one market (`RunWalked`) and the legs of a portfolio (`portfolio_walked`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from engine.backtest.metrics import Metrics
from engine.errors import InputError
from engine.model.combinations import Combinations
from engine.model.market import Int64Array, Market, Period
from engine.model.run import RunResult, RunSpec
from engine.model.simulators import REFERENCE
from engine.model.walk_forward import Window
from engine.model.window_params import WindowParams
from engine.parallel.tasks import Task, WindowTrialsTask
from engine.research.run_subject import RunGround
from engine.research.subject import Ground
from engine.research.window_figures import Account, window_figures
from engine.runs.plan import PlannedRun

if TYPE_CHECKING:
    from engine.model.portfolio_result import PortfolioResult

MakeRun = Callable[[PlannedRun], RunResult]  # runs and stores it
Spans = Sequence[tuple[int, int]]  # training and test of every window in turn, as the task wants them


@dataclass(frozen=True, slots=True, eq=False)
class Stitched:
    """The one result over all tests, a run or a portfolio; `account`: its course."""

    account: Account
    run: RunResult | None = None
    portfolio: PortfolioResult | None = None

    def bounds(self, windows: Sequence[Window]) -> list[float]:
        """The money at the beginning, and the equity at the end of each test."""
        last = np.searchsorted(self.account.time, [window.test.end for window in windows]) - 1
        return [self.account.cash, *self.account.equity[last].tolist()]

    def figures(self, window: Period, before: float) -> Metrics:
        """SUMMARY of what it did inside `window`, which began with `before`."""
        return window_figures(self.account, window, before)


class Walked(Protocol):
    """Candles are loaded."""

    @property
    def ground(self) -> Ground:
        """What the trials are made on."""

    @property
    def market(self) -> Market:
        """Under which it is stored: of a portfolio the first leg's."""

    def spans(self, windows: Sequence[Window]) -> Spans:
        """Of these windows; raises InputError where one of them holds no candle."""

    def task(
        self, sweep: str, combinations: Combinations, spans: Spans, figures: Sequence[str], memory_bytes: int
    ) -> Task[Any]:
        """A batch for a worker; its answer has `figures` and what `Ground.depends` reads."""

    def stitched(self, ruling: Sequence[WindowParams], period: Period, chosen_from: int) -> Stitched | str:
        """Made and stored, or why it failed. `ruling`: complete parameters from when on; `period`: of all tests;
        `chosen_from`: how many trials they were chosen from.
        """


@dataclass(frozen=True, slots=True)
class RunWalked:
    """One strategy on one market."""

    ground: RunGround
    make_run: MakeRun

    @property
    def market(self) -> Market:
        """Of `Walked`."""
        return self.ground.run.market

    def spans(self, windows: Sequence[Window]) -> Spans:
        """Of `Walked`: positions of the period's candles."""
        series = self.ground.series
        times, found = series.candles.within(series.period).timestamp, []
        for window in windows:
            for part in (window.train, window.test):
                start, stop = positions(times, part)
                found.append((start, stop))
        return found

    def task(
        self, sweep: str, combinations: Combinations, spans: Spans, figures: Sequence[str], memory_bytes: int
    ) -> WindowTrialsTask:
        """Of `Walked`."""
        run, series = self.ground.run, self.ground.series
        return WindowTrialsTask(
            sweep=sweep,
            strategy=run.strategy_path,
            sources=run.sources,
            combinations=combinations,
            candles=series.file,
            timeframe=run.spec.timeframe.name,
            warmup=run.warmup,
            costs=run.spec.costs,
            perpetual=series.terms.file,
            memory_bytes=memory_bytes,
            spans=spans,
            figures=figures,
        )

    def stitched(self, ruling: Sequence[WindowParams], period: Period, chosen_from: int) -> Stitched | str:
        """Of `Walked`: a run, with the warm-up of the trials in front; a native strategy has seen what they had."""
        base = self.ground.run
        warmup = base.warmup
        if base.spec.engine == REFERENCE:
            before = Period(self.ground.series.period.start, period.start)
            warmup = len(base.spec.timeframe.opens(before))
        spec = RunSpec(
            base.spec.strategy, base.market.name, base.market.exchange, base.spec.timeframe, period, {},
            base.spec.costs, base.spec.engine, warmup, windows=tuple(ruling), walk_trials=chosen_from,
        )  # fmt: skip
        run = self.make_run(replace(base, id=str(uuid.uuid4()), spec=spec, params={}, warmup=warmup))
        if run.equity is None:
            return f"the stitched run failed: {run.error}"
        candles, equity = self.ground.series.candles.within(run.period), run.equity.columns["equity"]
        charged = run.metrics.get("funding") is not None
        return Stitched(Account(candles, equity, run.trades, run.costs, run.timeframe, charged), run)


def positions(times: Int64Array, part: Period) -> tuple[int, int]:
    """Where the candles of a part begin and end; raises InputError where there is none."""
    start, stop = (int(at) for at in np.searchsorted(times, [part.start, part.end]))
    if start == stop:
        raise InputError(f"no candle from {part}: a window of it would be empty; nothing was run")
    return start, stop
