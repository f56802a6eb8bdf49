"""A walk-forward as the program sees it: every combination tried in every window, the best chosen, stitched into one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import Interrupted, RunError
from engine.events import Cancelled, CancelToken, Failed, Finished, OnEvent, ProgressMeter, Started, ending
from engine.model.market import DAY_MS, Period
from engine.model.metric_definitions import SUMMARY
from engine.model.numerals import counted
from engine.model.run import CANCELLED, FAILED, FINISHED, RUNNING
from engine.model.simulators import REFERENCE
from engine.model.walk_forward import (
    FIGURES,
    IN_SAMPLE,
    OUT_OF_SAMPLE,
    WalkForward,
    Window,
    WindowResult,
)
from engine.model.window_params import WindowParams
from engine.parallel.job import Done
from engine.parallel.tasks import AskWorkers, Task
from engine.research.batches import Batches, Deal
from engine.research.grid import Numbers
from engine.research.optimize import MEMORY_BYTES
from engine.research.resuming import Paced
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
from engine.research.walk_ledger import Keeping, WalkLedger
from engine.research.walk_plan import PlannedWalk
from engine.research.walked import Spans, Stitched, Walked
from engine.runs.load import SeriesLoader
from engine.runs.terms import TermsLoader

if TYPE_CHECKING:
    from engine.parallel.executor import Executor


class WalkForwardWork:
    """One call of `engine.research.walk_forward`: owns nothing that outlives it except what it stored."""

    def __init__(
        self,
        planned: PlannedWalk,
        loader: SeriesLoader,
        terms: TermsLoader,
        executor: Executor,
        keep: Keeping,
        walk: Callable[[Any], Walked],
        ask: AskWorkers,
        *,
        timeout_s: float,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> None:
        """`walk`: of what is walked once its candles are there, a `Ground`."""
        self._planned, self._sweep, self._subject = planned, planned.sweep, planned.sweep.subject
        self._loader, self._terms, self._executor, self._keep = loader, terms, executor, keep
        self._walk, self._ask, self._timeout_s = walk, ask, timeout_s
        self._on_event, self._cancel = on_event, cancel

    def run(self, *, fetch: bool) -> WalkForward:
        """Fetch, try, choose, stitch, store. Raises for what keeps it from beginning, and where it could not be stored."""
        begun, made = self._planned.begun, self._sweep.id
        ground = self._subject.load(self._loader, self._terms, self._cancel, fetch=fetch and begun is None)
        walked, windows = self._walk(ground), self._planned.spec.windows(ground.period)
        spans = walked.spans(windows)
        ledger = WalkLedger(self._sweep, self._planned.spec, ground, windows, begun)
        tried = counted(self._sweep.trials.n, "combination")
        title = f"{self._subject.title}: {tried} in {len(windows)} windows"
        self._on_event(Started(made, "walk-forward", title, (made,)))
        try:
            if begun is None:
                self._keep.begin(ledger.result(RUNNING), walked.market)
            walk = self._keep.end(self._made(ledger, walked, windows, spans))
        except BaseException as error:
            self._on_event(ending(made, error))
            raise
        if walk.status == FINISHED:
            self._on_event(Finished(walk.id, walk))
        elif walk.status == CANCELLED:
            self._on_event(Cancelled(walk.id, walk))
        else:
            self._on_event(Failed(walk.id, walk.error or FAILED, walk))
        return walk

    # -- the trials

    def _made(
        self,
        ledger: WalkLedger,
        walked: Walked,
        windows: Sequence[Window],
        spans: Spans,
    ) -> WalkForward:
        status, error = self._tried(ledger, walked, spans)
        if status != FINISHED:
            return ledger.result(status, error)
        try:
            return self._ended(ledger, walked, windows, spans)
        except Interrupted:
            return ledger.result(CANCELLED, "stopped by the user")
        except RunError as failure:
            return ledger.result(FAILED, str(failure))

    def _tried(self, ledger: WalkLedger, walked: Walked, spans: Spans) -> tuple[str, str | None]:
        """Try all combinations that are left, storing them as they come in."""
        deal = Deal(self._executor.size, self._executor.ahead)
        deal.add(ledger.left)
        batches = Batches(
            self._executor,
            ledger,
            deal,
            lambda numbers: self._task(walked, spans, numbers, FIGURES),
            timeout_s=self._patience(walked, spans),
            cancel=self._cancel,
        )
        meter = ProgressMeter(self._sweep.id, self._sweep.trials.n, "trials", self._on_event)
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

    def _task(self, walked: Walked, spans: Spans, numbers: Numbers, figures: Sequence[str]) -> Task[Any]:
        names = {"value": self._planned.spec.sweep.objective}
        return walked.task(
            self._sweep.id,
            self._sweep.trials.combinations(numbers),
            spans,
            [names.get(name, name) for name in figures],
            MEMORY_BYTES // self._executor.side_by_side,
        )

    # -- what is made of them

    def _ended(
        self,
        ledger: WalkLedger,
        walked: Walked,
        windows: Sequence[Window],
        spans: Spans,
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
        train = self._trained(walked, spans, choices)
        ruling = [
            WindowParams(window.test.start, walk.params_of(choice.number))
            for window, choice in zip(windows, choices, strict=True)
        ]
        tests = replace(walk.period, start=windows[0].test.start)
        stitched = walked.stitched(ruling, tests, walk.planned * len(windows))
        if isinstance(stitched, str):
            raise RunError(stitched)
        results, measures = summed_up(walk, windows, choices, train, stitched)
        ended = ledger.result(FINISHED)
        return replace(
            ended, results=results, measures=measures, run=stitched.run, portfolio=stitched.portfolio
        )

    def _patience(self, walked: Walked, spans: Spans) -> float:
        """Seconds for a combination: what decides over columns is asked once for all windows; what does not, in each."""
        return self._timeout_s * (len(spans) if walked.ground.engine == REFERENCE else 1)

    def _trained(
        self, walked: Walked, spans: Spans, choices: Sequence[Choice]
    ) -> list[dict[str, float | int | None]]:
        """All figures of the chosen in their own training."""
        numbers = np.unique([choice.number for choice in choices])
        (outcome,) = self._ask(
            [self._task(walked, spans, numbers, SUMMARY)], self._patience(walked, spans) * len(numbers)
        )
        if not isinstance(outcome, Done):
            raise RunError(outcome.message)
        rows = outcome.value.figures.reshape(len(numbers), len(choices), 2, len(SUMMARY))
        found = []
        for at, choice in enumerate(choices):
            row = rows[np.searchsorted(numbers, choice.number), at, IN_SAMPLE].tolist()
            found.append({name: _plain(name, value) for name, value in zip(SUMMARY, row, strict=True)})
        return found


def _plain(name: str, value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if name in ("trades", "open_trades", "liquidations") else value


def summed_up(
    walk: WalkForward,
    windows: Sequence[Window],
    choices: Sequence[Choice],
    train: Sequence[dict[str, float | int | None]],
    stitched: Stitched,
) -> tuple[list[WindowResult], dict[str, Any]]:
    """What became of every window, and the measures over those whose test is whole."""
    bounds = stitched.bounds(windows)
    values = walk.figures[..., 0] * walk.spec.sign
    results = [
        WindowResult(
            window=window,
            number=choice.number,
            params=walk.params_of(choice.number),
            kept=choice.kept,
            train=train[at],
            test=stitched.figures(window.test, bounds[at]),
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
