"""The part of Engine that looks at stored runs again: makes them once more, checks them against backtesting.py."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from engine.errors import BacktestError, InputError, worst
from engine.events import CancelToken, OnEvent, Progress, as_job, ignore_event
from engine.model.market import Timeframe
from engine.model.run import CANCELLED, COMPILED, FINISHED, RunResult, RunSpec
from engine.runs.compare import Rerun, compare
from engine.runs.plan import check_strategies
from engine.service.runs import RunService


class TrustService(RunService):
    """Base of Engine."""

    def rerun(
        self,
        run_id: str,
        *,
        stored_source: bool = False,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> Rerun:
        """Make a stored run again, store it as a run of its own, and compare: equal, or which inputs changed.

        The strategy is the one of that name now, or where it is gone, or with `stored_source`, the source that the run
        executed. Raises as `run`, and InputError for a run that was stopped or whose strategy is nowhere any more.
        """
        from engine.loader import StrategyFile, strategy_folders, strategy_infos
        from engine.runs.stored_strategy import current_file, write_stored

        before = self.store.run(run_id)
        if before.status == CANCELLED:
            raise InputError(
                f"run {before.id[:8]} was stopped before its end: there is nothing to compare with"
            )
        cancel = cancel or CancelToken()
        self.warm_up(on_event, cancel, 1)
        with self.scratch() as scratch:
            file, notes = current_file(before, strategy_folders(self.settings)), []
            if stored_source or file is None:
                file = write_stored(before, self.store, scratch / "strategy")
                why = "as asked" if stored_source else f"{file.name} is in no plug-in folder any more"
                notes.append(f"made from the stored source ({why})")
            infos = strategy_infos(
                [StrategyFile(before.strategy, file)], partial(self.in_workers, cancel=cancel), scratch
            )
            found = check_strategies([before.strategy], [before.strategy], infos)
            make = partial(self._made, [_spec_of(before)], found, scratch)
            (after,) = make(fetch=fetch, on_event=on_event, cancel=cancel)
        return compare(before, after, *notes)

    def cross_check(
        self, run_id: str, *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> RunResult:
        """Run a stored compiled run through backtesting.py, compare, store the check; returns the run with it.

        A run that was checked before, or cannot be (it failed, or ran on backtesting.py itself), is returned as it is. A
        check that is stopped (raises Interrupted) or cannot be stored changes nothing: it is still to be made.
        """
        run = self.store.run(run_id)
        decided = run.checks["crosscheck"]["status"] in ("passed", "failed")
        if run.status != FINISHED or run.engine != COMPILED or decided:
            return run
        job = f"check:{run.id}"
        title = f"{run.strategy} on {run.symbol}: checking against backtesting.py"

        def work() -> RunResult:
            from engine.runs.referee import make_check

            with self.scratch() as scratch:
                in_workers = partial(
                    self.in_workers,
                    cancel=cancel,
                    on_event=on_event,
                    on_progress=lambda *far: on_event(Progress(job, *far)),
                )
                check = make_check(run, self.store, self.cache, self.settings, scratch, in_workers)
            self.store.save_check(run.id, "crosscheck", check)
            return replace(run, checks={**run.checks, "crosscheck": check})

        return as_job(job, "check", title, on_event, work, subject=(run.id,))

    def cross_checks(
        self,
        run_ids: Sequence[str],
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> list[RunResult]:
        """`cross_check` of several runs at once, in the order given; raises the worst error after all others are done."""
        with ThreadPoolExecutor(self.settings.workers) as threads:
            check = partial(self.cross_check, on_event=on_event, cancel=cancel)
            futures = [threads.submit(check, run_id) for run_id in run_ids]
        errors = [error for future in futures if isinstance(error := future.exception(), BacktestError)]
        if errors:
            raise worst(errors)
        return [future.result() for future in futures]

    def pending_checks(self, limit: int = 1000) -> list[str]:
        """The ids of the runs whose cross-check is still to be made, newest first."""
        return self.store.pending_checks(limit)


def _spec_of(run: RunResult) -> RunSpec:
    """What was to be done then."""
    return RunSpec(
        run.strategy,
        run.symbol,
        run.exchange,
        Timeframe(run.timeframe),
        run.period,
        run.params,
        run.costs,
        run.engine,
        warmup=run.inputs["warmup"] if run.inputs else None,
    )
