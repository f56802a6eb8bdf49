"""A walk-forward as the program sees it: every combination tried in every window, the best chosen, stitched into one run."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InputError, Interrupted, RunError
from engine.events import Cancelled, CancelToken, Failed, Finished, OnEvent, ProgressMeter, Started, ending
from engine.model.market import DAY_MS, Market, Period
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import StrategyInfo
from engine.model.run import CANCELLED, FAILED, FINISHED, RUNNING, RunResult, RunSpec
from engine.model.simulators import REFERENCE
from engine.model.walk_forward import (
    FIGURES,
    IN_SAMPLE,
    OUT_OF_SAMPLE,
    BegunWalk,
    WalkForward,
    WalkForwardSpec,
    Window,
    WindowResult,
)
from engine.model.window_params import WindowParams
from engine.parallel.job import Done
from engine.parallel.tasks import AskWorkers, WindowTrialsTask
from engine.research.batches import Batches, Deal
from engine.research.grid import MAX_TRIALS, Numbers
from engine.research.ledger import PlannedSweep
from engine.research.optimize import MEMORY_BYTES, check_objective, plan_sweep
from engine.research.resuming import Paced, refuse_other_source
from engine.research.selection import (
    Choice,
    choose,
    efficiency,
    largest_share,
    mode_shares,
    rank_of,
    spearman,
    steps_of,
)
from engine.research.trials import plan_trials
from engine.research.walk_ledger import Keeping, WalkLedger
from engine.research.window_figures import window_figures
from engine.runs.load import LoadedSeries, SeriesLoader
from engine.runs.plan import PlannedRun
from engine.runs.terms import TermsLoader

if TYPE_CHECKING:
    from engine.parallel.executor import Executor

MakeRun = Callable[[PlannedRun], RunResult]  # runs and stores it


@dataclass(frozen=True, slots=True)
class PlannedWalk:
    """A walk-forward whose strategy, parameters, market and windows are known to be possible; `begun`: it goes on."""

    spec: WalkForwardSpec
    sweep: PlannedSweep
    begun: BegunWalk | None = None


def plan_walk(
    spec: WalkForwardSpec,
    info: StrategyInfo,
    find_market: Callable[[str], Market],
    ask: AskWorkers,
    begun: BegunWalk | None = None,
) -> PlannedWalk:
    """The walk-forward with its combinations. Raises InputError or StrategyError; nothing is fetched."""
    if begun is not None:
        refuse_other_source("walk-forward", begun.walk.id, begun.inputs, Path(info.path))
    windows = spec.windows(spec.sweep.timeframe.align(spec.sweep.period))
    check_objective(spec.sweep.objective)
    combinations = plan_trials(spec.sweep, info.params).planned
    if combinations * len(windows) > MAX_TRIALS:
        raise InputError(
            f"{combinations:,} combinations in {len(windows)} windows are more than the {MAX_TRIALS:,} trials that a "
            "walk-forward makes; use larger steps, longer tests, or the random sampler"
        )
    sweep = plan_sweep(spec.sweep, info, find_market, ask)
    sweep.trials.extend(CancelToken())  # a grid or a draw: all at once
    if begun is not None:
        sweep = sweep.begun_before(begun.walk.id, begun.walk.period, begun.walk.created_ms)
    return PlannedWalk(spec, sweep, begun)


class WalkForwardWork:
    """One call of `engine.research.walk_forward`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        planned: PlannedWalk,
        loader: SeriesLoader,
        terms: TermsLoader,
        executor: Executor,
        keep: Keeping,
        make_run: MakeRun,
        ask: AskWorkers,
        *,
        timeout_s: float,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> None:
        self._planned, self._sweep, self._base = planned, planned.sweep, planned.sweep.base
        self._loader, self._terms, self._executor, self._keep = loader, terms, executor, keep
        self._make_run, self._ask, self._timeout_s = make_run, ask, timeout_s
        self._on_event, self._cancel = on_event, cancel

    def run(self, *, fetch: bool) -> WalkForward:
        """Fetch, try, choose, stitch, store. Raises for what keeps it from beginning, and where it could not be stored."""
        series = self._series(fetch=fetch)
        windows = self._planned.spec.windows(series.period)
        spans = _spans(windows, series)
        ledger = WalkLedger(self._sweep, self._planned.spec, series, windows, self._planned.begun)
        title = f"{self._base.title}: {self._sweep.trials.n:,} combinations in {len(windows)} windows"
        self._on_event(Started(self._base.id, "walk-forward", title, (self._base.id,)))
        try:
            if self._planned.begun is None:
                self._keep.begin(ledger.result(RUNNING), self._base.market)
            walk = self._keep.end(self._made(ledger, series, windows, spans))
        except BaseException as error:
            self._on_event(ending(self._base.id, error))
            raise
        if walk.status == FINISHED:
            self._on_event(Finished(walk.id, walk))
        elif walk.status == CANCELLED:
            self._on_event(Cancelled(walk.id, walk))
        else:
            self._on_event(Failed(walk.id, walk.error or FAILED, walk))
        return walk

    def _series(self, *, fetch: bool) -> LoadedSeries:
        """The candles of the whole period; of one that goes on they must be those with which it began."""
        base, begun = self._base, self._planned.begun
        period = self._loader.fetched(base) if fetch and begun is None else base.period
        self._cancel.raise_if_cancelled()
        return self._terms.with_terms(base, self._loader.load(base, period), fetch=fetch)

    # -- the trials

    def _made(
        self,
        ledger: WalkLedger,
        series: LoadedSeries,
        windows: Sequence[Window],
        spans: Sequence[tuple[int, int]],
    ) -> WalkForward:
        status, error = self._tried(ledger, series, spans)
        if status != FINISHED:
            return ledger.result(status, error)
        try:
            return self._ended(ledger, series, windows, spans)
        except Interrupted:
            return ledger.result(CANCELLED, "stopped by the user")
        except RunError as failure:
            return ledger.result(FAILED, str(failure))

    def _tried(
        self, ledger: WalkLedger, series: LoadedSeries, spans: Sequence[tuple[int, int]]
    ) -> tuple[str, str | None]:
        """Try all combinations that are left, storing them as they come in."""
        deal = Deal(self._executor.size, self._executor.ahead)
        deal.add(ledger.left)
        batches = Batches(
            self._executor,
            ledger,
            deal,
            lambda numbers: self._task(series, spans, numbers, FIGURES),
            timeout_s=self._timeout_s * len(spans),
            cancel=self._cancel,
        )
        meter = ProgressMeter(self._base.id, self._sweep.trials.n, "trials", self._on_event)
        storing = Paced(lambda: self._save(ledger))

        def tell() -> None:
            meter.update(ledger.done)
            storing.look()

        try:
            return batches.run(tell)
        finally:
            self._save(ledger)

    def _save(self, ledger: WalkLedger) -> None:
        part = ledger.part()
        depends = ledger.depends
        if part is not None and depends.inputs is not None:
            self._keep.add(ledger.result(RUNNING), part, depends.inputs, list(depends.sources.values()))
            ledger.saved(part)

    def _task(
        self,
        series: LoadedSeries,
        spans: Sequence[tuple[int, int]],
        numbers: Numbers,
        figures: Sequence[str],
    ) -> WindowTrialsTask:
        base, names = self._base, {"value": self._planned.spec.sweep.objective}
        return WindowTrialsTask(
            sweep=base.id,
            strategy=base.strategy_path,
            sources=base.sources,
            combinations=self._sweep.trials.combinations(numbers),
            candles=series.file,
            timeframe=base.spec.timeframe.name,
            warmup=base.warmup,
            costs=base.spec.costs,
            perpetual=series.terms.file,
            memory_bytes=MEMORY_BYTES // self._executor.side_by_side,
            spans=spans,
            figures=[names.get(name, name) for name in figures],
        )

    # -- what is made of them

    def _ended(
        self,
        ledger: WalkLedger,
        series: LoadedSeries,
        windows: Sequence[Window],
        spans: Sequence[tuple[int, int]],
    ) -> WalkForward:
        walk = ledger.result(FINISHED)
        if len(walk.errors) == walk.planned and np.isnan(walk.figures).all():
            raise RunError(f"every combination failed; the first: {walk.errors[0]}")
        value, trades = walk.figures[:, :, IN_SAMPLE].transpose(2, 0, 1)
        choices = choose(value * walk.spec.sign, trades)
        if all(choice.kept for choice in choices):
            raise RunError(
                f"no combination traded and had a {walk.spec.sweep.objective} in any training: there is nothing to choose by"
            )
        train = self._trained(series, spans, choices)
        run = self._make_run(self._stitched(series, windows, walk, choices))
        if run.status != FINISHED:
            raise RunError(f"the stitched run failed: {run.error}")
        results, measures = summed_up(walk, series, windows, choices, train, run)
        ended = ledger.result(FINISHED)
        return replace(ended, results=results, measures=measures, run=run)

    def _trained(
        self, series: LoadedSeries, spans: Sequence[tuple[int, int]], choices: Sequence[Choice]
    ) -> list[dict[str, float | int | None]]:
        """All figures of the chosen in their own training."""
        numbers = np.unique([choice.number for choice in choices])
        (outcome,) = self._ask(
            [self._task(series, spans, numbers, SUMMARY)], self._timeout_s * len(spans) * len(numbers)
        )
        if not isinstance(outcome, Done):
            raise RunError(outcome.message)
        rows = outcome.value.figures.reshape(len(numbers), len(choices), 2, len(SUMMARY))
        found = []
        for at, choice in enumerate(choices):
            row = rows[np.searchsorted(numbers, choice.number), at, IN_SAMPLE].tolist()
            found.append({name: _plain(name, value) for name, value in zip(SUMMARY, row, strict=True)})
        return found

    def _stitched(
        self, series: LoadedSeries, windows: Sequence[Window], walk: WalkForward, choices: Sequence[Choice]
    ) -> PlannedRun:
        """The run over all tests, with the warm-up of the trials in front; a native strategy has seen what they had."""
        base, warmup = self._base, self._base.warmup
        if base.spec.engine == REFERENCE:
            before = Period(series.period.start, windows[0].test.start)
            warmup = len(base.spec.timeframe.opens(before))
        ruling = tuple(
            WindowParams(window.test.start, walk.params_of(choice.number))
            for window, choice in zip(windows, choices, strict=True)
        )
        period = replace(series.period, start=windows[0].test.start)
        spec = RunSpec(
            base.spec.strategy, base.market.name, base.market.exchange, base.spec.timeframe, period, {},
            base.spec.costs, base.spec.engine, warmup, windows=ruling,
        )  # fmt: skip
        return replace(base, id=str(uuid.uuid4()), spec=spec, params={}, warmup=warmup)


def _spans(windows: Sequence[Window], series: LoadedSeries) -> list[tuple[int, int]]:
    """Training and test of every window in turn, as positions of the period's candles."""
    times, found = series.candles.within(series.period).timestamp, []
    for window in windows:
        for part in (window.train, window.test):
            start, stop = (int(at) for at in np.searchsorted(times, [part.start, part.end]))
            if start == stop:
                raise InputError(f"no candle between {part}: a window of it would be empty; nothing was run")
            found.append((start, stop))
    return found


def _plain(name: str, value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if name in ("trades", "open_trades", "liquidations") else value


def summed_up(
    walk: WalkForward,
    series: LoadedSeries,
    windows: Sequence[Window],
    choices: Sequence[Choice],
    train: Sequence[dict[str, float | int | None]],
    run: RunResult,
) -> tuple[list[WindowResult], dict[str, Any]]:
    """What became of every window, and the measures over those whose test is whole."""
    candles, cash = series.candles.within(run.period), run.costs.cash
    assert run.equity is not None
    last = np.searchsorted(candles.timestamp, [window.test.end for window in windows]) - 1
    bounds = [cash, *run.equity.columns["equity"][last].tolist()]
    values = walk.figures[..., 0] * walk.spec.sign
    results = [
        WindowResult(
            window=window,
            number=choice.number,
            params=walk.params_of(choice.number),
            kept=choice.kept,
            train=train[at],
            test=window_figures(run, candles, window.test, bounds[at]),
            rank=rank_of(values[:, at, OUT_OF_SAMPLE], choice.number),
            rho=spearman(values[:, at, IN_SAMPLE], values[:, at, OUT_OF_SAMPLE]),
        )
        for at, (window, choice) in enumerate(zip(windows, choices, strict=True))
    ]
    return results, _measures(walk, results, bounds)


def _measures(walk: WalkForward, results: Sequence[WindowResult], bounds: Sequence[float]) -> dict[str, Any]:
    whole = [at for at, one in enumerate(results) if not one.window.partial]
    profits = [bounds[at + 1] - bounds[at] for at in whole]
    cash = bounds[0]
    tests = [
        (bounds[at + 1] / bounds[at] if bounds[at] > 0 else 0.0, _days(results[at].window.test))
        for at in whole
    ]
    trains = [
        (float(results[at].train["final_equity"] or 0.0) / cash, _days(results[at].window.train))
        for at in whole
    ]
    numbers = [one.number for one in results]
    return {
        "wfe": efficiency(tests, trains),
        "oos_rank": _mean([results[at].rank for at in whole]),
        "is_oos_rho": _mean([results[at].rho for at in whole]),
        "param_step": steps_of(walk.columns, numbers),
        "param_mode_share": mode_shares(walk.columns, numbers),
        "profitable_windows": sum(profit > 0 for profit in profits) / len(profits),
        "largest_window_share": largest_share(profits),
    }  # fmt: skip


def _days(period: Period) -> float:
    return (period.end - period.start) / DAY_MS


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
