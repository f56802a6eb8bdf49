"""Runs: made, kept, made again and compared, checked against backtesting.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BacktestError, InputError, worst
from engine.events import CancelToken, OnEvent, Progress, as_job, ignore_event
from engine.model.comparison import RunComparison, SourceFile
from engine.model.market import Period
from engine.model.metric_definitions import DEFINITIONS, MetricDefinition
from engine.model.parameters import StrategyInfo
from engine.model.remark import Remark
from engine.model.rerun import Rerun
from engine.model.run import CANCELLED, FINISHED, RunRequest, RunResult, RunSpec, SeenCandles
from engine.model.simulators import COMPILED
from engine.model.trade_comparison import DEFAULT_TOLERANCE, DEFAULT_WITHIN
from engine.runs.batch import Batch
from engine.runs.compare import compare, side_by_side
from engine.runs.plan import PlannedRun, check_strategies, distinct, make_plan
from engine.service.keeping import KeepRuns
from engine.service.resources import Resources
from engine.service.series import Loaders, check_costs
from engine.service.strategies import Strategies

if TYPE_CHECKING:
    from engine.analysis.analysis import Analysis
    from engine.analysis.market import Bitcoin
    from engine.model.trade_comparison import TradeListComparison
    from engine.reports.html import Reported


def batch_of(
    resources: Resources,
    loaders: Loaders,
    on_event: OnEvent,
    cancel: CancelToken,
    plan: Sequence[PlannedRun] = (),
) -> Batch:
    """What makes and stores runs in one call. `plan`: those that count as tried at once."""
    return Batch(
        loaders.series,
        loaders.terms,
        loaders.detail,
        resources.executor,
        KeepRuns(resources.store, resources.unsaved, plan),
        timeout_s=resources.settings.run_timeout_s,
        most_checked=resources.settings.crosscheck,
        on_event=on_event,
        cancel=cancel,
    )


class Runs:
    """`Engine.runs`."""

    def __init__(self, resources: Resources, strategies: Strategies) -> None:
        self._resources, self._strategies = resources, strategies

    def warm_up(
        self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None, workers: int | None = None
    ) -> None:
        """Start the workers, or no more than are needed, so that the first run finds them ready; compile what is not yet
        compiled, which is said.
        """
        self._resources.warm_up(on_event, cancel, workers)

    def prepare(self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None) -> None:
        """Compile what is not yet compiled, which is said, and start no worker where nothing is."""
        self._resources.prepare(on_event, cancel)

    def metric_definitions(self) -> dict[str, MetricDefinition]:
        """Title, unit and definition of every metric."""
        return dict(DEFINITIONS)

    def run(
        self,
        wanted: RunRequest | Sequence[RunSpec],
        *,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> list[RunResult]:
        """Fill the gaps, run all that is wanted in parallel, store and return the results: in the order of the specs; of a
        request symbol by symbol.

        Raises before anything runs when a symbol, strategy or parameter is unknown or a strategy does not load. A run
        that fails is a result with that status. When the user stops the work, or candles cannot be had for some runs,
        the others are finished and stored first; then Interrupted, ExchangeError, DatabaseError or InputError is raised.
        """
        cancel = cancel or CancelToken()
        find = partial(self._strategies.chosen, on_event=on_event, cancel=cancel)
        if isinstance(wanted, RunRequest):
            infos = find(wanted.strategies)
            specs: Sequence[RunSpec] = wanted.specs(infos)
        else:
            infos = find([spec.strategy for spec in wanted])
            specs = wanted
        self._resources.warm_up(on_event, cancel, len(specs))
        plan = self._plan(specs, infos, cancel)
        if isinstance(wanted, RunRequest):
            plan = distinct(plan)
        with self._resources.scratch() as scratch:
            return self._made(plan, scratch, fetch=fetch, on_event=on_event, cancel=cancel)

    def _plan(
        self, specs: Sequence[RunSpec], infos: Mapping[str, StrategyInfo], cancel: CancelToken
    ) -> list[PlannedRun]:
        find_market = partial(self._resources.market, cancel=cancel)
        plan = make_plan(specs, infos, find_market, self._resources.workers(cancel).ask)
        for planned in plan:
            check_costs(self._resources, planned.spec.costs, planned.market)
        return plan

    def _made(
        self,
        plan: Sequence[PlannedRun],
        scratch: Path,
        *,
        fetch: bool,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> list[RunResult]:
        loaders = Loaders.of(self._resources, scratch, on_event, cancel)
        return batch_of(self._resources, loaders, on_event, cancel, plan).run(plan, fetch=fetch)

    def get(self, run_id: str) -> RunResult:
        """A stored run, exactly as it was. A unique beginning of its id is enough."""
        return self._resources.store.runs.get(run_id)

    def data_changed(self, result: RunResult) -> bool | None:
        """Whether what is held now differs from what a stored run saw: its candles, warm-up included, and what it read
        beside them; where it was charged funding or had a margin, settlements, mark prices and brackets.

        None where it is not known which ones those were. Quick while the series is as it was.
        """
        if result.seen is None:
            return None
        return (
            self._candles_changed(result, result.seen)
            or self._beside_changed(result)
            or self._terms_changed(result)
        )

    def _candles_changed(self, result: RunResult, seen: SeenCandles) -> bool:
        market, timeframe = result.market, result.timeframe
        if seen.version and seen.version == self._resources.store.verification.version(market, timeframe):
            return False
        period = Period(seen.start_ms, result.period.end)
        return self._resources.cache.load(market, timeframe, period).candles.sha256() != seen.sha256

    def _beside_changed(self, result: RunResult) -> bool:
        from engine.runs.stored_inputs import held_beside

        pairs = held_beside(result, self._resources.cache)
        return any(held is not None and held.candles.sha256() != read["sha256"] for read, held in pairs)

    def _terms_changed(self, result: RunResult) -> bool:
        seen = (result.inputs or {}).get("perpetual")
        if not seen:
            return False
        candles = self._resources.cache.load(result.market, result.timeframe, result.period).candles
        with self._resources.scratch() as scratch:
            terms = Loaders.of(self._resources, scratch, ignore_event, CancelToken()).terms
            return dict(terms.of_run(result, candles).inputs) != dict(seen)

    def analysis(self, result: RunResult) -> Analysis:
        """What the trades, equity and held candles of a stored run say about it; see `engine.analysis`."""
        from engine.analysis.analysis import analyse

        held = self._resources.cache.load(result.market, result.timeframe, result.period).candles
        return analyse(result, held)

    def bitcoin(self, result: RunResult) -> Bitcoin:
        """A stored run's account beside Bitcoin on its exchange, from held candles; nothing is fetched."""
        from engine.service.bitcoin import beside_bitcoin

        return beside_bitcoin(self._resources, result)

    def bitcoin_period(self, result: RunResult) -> Period:
        """The period of daily candles of Bitcoin that `bitcoin` needs to know all days of a run."""
        from engine.service.bitcoin import bitcoin_period

        return bitcoin_period(result)

    def stored(
        self, limit: int = 100, *, with_trades: bool = False, before: RunResult | None = None
    ) -> list[RunResult]:
        """The newest stored runs, or the newest of those made before another: without equity and indicators, and without
        trades unless asked for.
        """
        return self._resources.store.runs.newest(limit, with_trades=with_trades, before=before)

    def compare(self, left_id: str, right_id: str) -> RunComparison:
        """Two stored runs side by side: inputs, metrics, trades and sources that differ."""
        from engine.runs.stored_strategy import both

        left, right = self.get(left_id), self.get(right_id)
        return side_by_side(left, right, both(left, right, self._resources.store))

    def compare_trades(
        self,
        run_id: str,
        trades: Path | str,
        *,
        zone: str = "UTC",
        tolerance: float = DEFAULT_TOLERANCE,
        within: int = DEFAULT_WITHIN,
        cancel: CancelToken | None = None,
    ) -> TradeListComparison:
        """A stored run's trades beside another program's: a file, or the text of one. See `engine.trade_lists`.

        `zone`: of times that name none. Raises InputError for a file that is not understood, and where nothing overlaps;
        Interrupted when `cancel` is set.
        """
        from engine.trade_lists.comparing import compare_trades
        from engine.trade_lists.opening import trade_list_text
        from engine.trade_lists.reading import read_trade_list

        run = self.get(run_id)
        text, name = (
            (trade_list_text(trades), trades.name) if isinstance(trades, Path) else (trades, "the text")
        )
        found = read_trade_list(text, name, zone)
        go_on = None if cancel is None else cancel.raise_if_cancelled
        return compare_trades(run, found, tolerance=tolerance, within=within, go_on=go_on)

    def sources(self, run_id: str) -> list[SourceFile]:
        """The files that a stored run executed, beside what they hold today."""
        from engine.runs.stored_strategy import then_and_now

        return then_and_now(self.get(run_id), self._resources.store, self._resources.strategy_folders)

    def report(self, run_ids: Sequence[str]) -> str:
        """Stored runs, each once, as one HTML page that needs nothing else."""
        from engine.reports.html import report

        found = {run.id: run for run in map(self.get, run_ids)}
        remarks = self.remarks()
        return report([self._reported(run, remarks.get(run.id, Remark())) for run in found.values()])

    def _reported(self, run: RunResult, remark: Remark) -> Reported:
        from engine.reports.html import Reported
        from engine.runs.stored_strategy import texts_of

        candles = self._resources.cache.load(run.market, run.timeframe, run.period).candles
        sources = texts_of(run, self._resources.store)
        return Reported(run, remark, candles if len(candles) else None, self.data_changed(run), sources)

    def write_report(self, run_ids: Sequence[str], path: Path) -> None:
        """Write `report` as a file, whole or not at all; one that is there is replaced."""
        from engine.reports.files import write_text

        write_text(path, self.report(run_ids))

    def delete(self, run_id: str) -> None:
        """Delete a stored run at once and for good."""
        self._resources.store.runs.delete(run_id)

    def remove(self, run_ids: Collection[str]) -> int:
        """Hide runs; `restore` brings them back until `Engine.purge`. What they tried stays counted. Returns how many."""
        return self._resources.store.runs.remove(run_ids)

    def restore(self, run_ids: Collection[str]) -> int:
        """Bring removed runs back, exactly as they were. Returns how many were still there."""
        return self._resources.store.runs.restore(run_ids)

    def remarks(self) -> dict[str, Remark]:
        """What the user noted and pinned, by run id."""
        return self._resources.store.runs.remarks()

    def remark(self, run_id: str, remark: Remark) -> None:
        """Replace what is noted of a run; raises InputError when it was deleted."""
        self._resources.store.runs.save_remark(run_id, remark)

    def export(self, run_ids: Sequence[str], folder: Path) -> list[Path]:
        """Write trades, equity and the whole run as files into `folder`; of several runs also one table of all."""
        from engine.reports.files import export_run, export_table

        runs: list[RunResult] = []
        paths: list[Path] = []
        for run_id in self._resources.store.runs.ids(run_ids):  # all are found before anything is written
            run = self.get(run_id)
            paths += export_run(run, folder)
            runs.append(replace(run, trades=(), equity=None, indicators=None))
        return paths if len(runs) < 2 else [*paths, export_table(runs, folder)]

    # -- once more

    def rerun(
        self,
        run_id: str,
        *,
        stored_source: bool = False,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> Rerun[RunResult]:
        """Make a stored run again, store it as a run of its own, and compare: equal, or which inputs changed.

        The strategy is the one of that name now, or where it is gone, or with `stored_source`, the source that the run
        executed. Raises as `run`, and InputError for a run that was stopped or whose strategy is nowhere any more.
        """
        from engine.loader import StrategyFile, strategy_infos
        from engine.runs.stored_strategy import current_file, write_stored

        before = self._resources.store.runs.get(run_id)
        if before.status == CANCELLED:
            raise InputError(
                f"run {before.id[:8]} was stopped before its end: there is nothing to compare with"
            )
        cancel = cancel or CancelToken()
        self._resources.warm_up(on_event, cancel, 1)
        with self._resources.scratch() as scratch:
            file, notes = current_file(before, self._resources.strategy_folders), []
            if stored_source or file is None:
                file = write_stored(before, self._resources.store, scratch / "strategy")
                why = "as asked" if stored_source else f"{file.name} is in no plug-in folder any more"
                notes.append(f"made from the stored source ({why})")
            infos = strategy_infos(
                [StrategyFile(before.strategy, file)], self._resources.workers(cancel).ask, scratch
            )
            found = check_strategies([before.strategy], [before.strategy], infos)
            plan = self._plan([before.spec], found, cancel)
            (after,) = self._made(plan, scratch, fetch=fetch, on_event=on_event, cancel=cancel)
        return compare(before, after, *notes)

    def cross_check(
        self, run_id: str, *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> RunResult:
        """Run a stored compiled run through backtesting.py, compare, store the check; returns the run with it.

        A run that was checked before, or cannot be (it failed, or ran on backtesting.py itself), is returned as it is. A
        check that is stopped (raises Interrupted) or cannot be stored changes nothing: it is still to be made.
        """
        run = self._resources.store.runs.get(run_id)
        decided = run.checks["crosscheck"]["status"] in ("passed", "failed")
        if run.status != FINISHED or run.engine != COMPILED or decided:
            return run
        job = f"check:{run.id}"
        title = f"{run.strategy} on {run.symbol}: checking with another simulator"

        def work() -> RunResult:
            from engine.runs.referee import make_check

            with self._resources.scratch() as scratch:
                loaders = Loaders.of(self._resources, scratch, on_event, cancel or CancelToken())
                check = make_check(
                    run,
                    self._resources.store,
                    self._resources.cache,
                    loaders.terms,
                    loaders.detail,
                    self._resources.strategy_folders,
                    scratch,
                    self._resources.settings.run_timeout_s,
                    self._resources.workers(cancel, on_event).ask,
                    lambda *far: on_event(Progress(job, *far)),
                )
            self._resources.store.runs.save_check(run.id, "crosscheck", check)
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
        with ThreadPoolExecutor(self._resources.settings.workers) as threads:
            check = partial(self.cross_check, on_event=on_event, cancel=cancel)
            futures = [threads.submit(check, run_id) for run_id in run_ids]
        errors = [error for future in futures if isinstance(error := future.exception(), BacktestError)]
        if errors:
            raise worst(errors)
        return [future.result() for future in futures]

    def pending_checks(self, limit: int = 1000) -> list[str]:
        """The ids of the runs whose cross-check is still to be made, newest first."""
        return self._resources.store.runs.pending_checks(limit)
