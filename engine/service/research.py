"""What asks more of a strategy than a run: many parameters, no look-ahead."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.events import CancelToken, OnEvent, as_job, ignore_event
from engine.model.cost_surface import CostSurface, CostSurfaceSpec
from engine.model.market import Market
from engine.model.metric_definitions import DEFINITIONS, SUMMARY, MetricDefinition
from engine.model.monte_carlo import CANDLE, MonteCarloResult, MonteCarloSpec
from engine.model.parameters import Assignment, assign
from engine.model.portfolio import PortfolioSpec, assigned
from engine.model.run import LookaheadReport, RunResult, RunSpec
from engine.model.sweep import BegunSweep, SweepResult
from engine.model.sweep_spec import SweepSpec
from engine.model.sweep_statistics import SweepStatistics
from engine.runs.plan import make_plan
from engine.service.keeping import keep_sweep
from engine.service.legs import check_legs, leg_infos
from engine.service.resources import Resources
from engine.service.series import Loaders, check_costs, inputs_of
from engine.service.strategies import Strategies

if TYPE_CHECKING:
    from engine.research.ledger import PlannedSweep

OnTrials = Callable[[SweepResult], None]


def check_sweep(spec: SweepSpec) -> None:
    """Raise InputError for a constraint that cannot be read and an unknown objective, before anything is started for it."""
    from engine.research.constraint import parsed
    from engine.research.plan import check_objectives

    parsed(spec.constraint)
    check_objectives(spec)


class Research:
    """`Engine.research`."""

    def __init__(self, resources: Resources, strategies: Strategies) -> None:
        self._resources, self._strategies = resources, strategies

    def optimize(
        self,
        spec: SweepSpec,
        assignments: Sequence[Assignment] = (),
        *,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
        on_trials: OnTrials | None = None,
    ) -> SweepResult:
        """Fill the gaps, try every combination of the spec in parallel, store and return the result. `assignments`: fixed
        parameters beside the spec's, as a user types them.

        Events: one job of kind "sweep" whose Progress counts trials. `on_trials` gets all trials so far, at most five
        times a second, from the calling thread. Trials are stored every second. When the user stops the work, what is
        finished is stored and returned with status "cancelled", and `resume_sweep` goes on with it. Raises before anything
        runs for whatever is wrong with the spec.
        """
        cancel = cancel or CancelToken()
        planned = self._planned(spec, assignments, None, on_event, cancel)
        with self._resources.opened(cancel).sweeps.working_on(planned.id):
            return self._tried(planned, fetch, on_event, cancel, on_trials)

    def resume_sweep(
        self,
        sweep_id: str,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
        on_trials: OnTrials | None = None,
    ) -> SweepResult:
        """Go on with a sweep that was stopped, killed or failed, and end as if it had not been; the rest as `optimize`.

        Raises InputError where it is finished, somebody is at work on it, or the strategy, the candles or this program have
        changed since it began: which is named, and what was tried is kept.
        """
        cancel = cancel or CancelToken()
        store = self._resources.opened(cancel).sweeps
        sweep_id = store.id_of(sweep_id)
        with store.working_on(sweep_id):
            begun = store.begun(sweep_id)
            planned = self._planned(begun.sweep.spec, (), begun, on_event, cancel)
            return self._tried(planned, False, on_event, cancel, on_trials)

    def _planned(
        self,
        spec: SweepSpec,
        assignments: Sequence[Assignment],
        begun: BegunSweep | None,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> PlannedSweep[Any]:
        if spec.portfolio is not None:
            return self._planned_legs(spec, spec.portfolio, assignments, begun, on_event, cancel)
        from engine.research.plan import plan_sweep

        info = self._strategies.chosen([spec.strategy], on_event=on_event, cancel=cancel)[spec.strategy]
        spec = replace(spec, params={**spec.params, **assign(assignments, [info])[spec.strategy]})

        def find_market(symbol: str) -> Market:
            self._resources.warm_up(on_event, cancel)
            return self._resources.market(symbol, spec.exchange, cancel=cancel)

        planned = plan_sweep(spec, info, find_market, self._resources.workers(cancel).ask, begun)
        for one in planned.markets or (planned,):
            check_costs(self._resources, spec.costs, one.subject.run.market)
        return planned

    def _planned_legs(
        self,
        spec: SweepSpec,
        portfolio: PortfolioSpec,
        assignments: Sequence[Assignment],
        begun: BegunSweep | None,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> PlannedSweep[Any]:
        """A sweep over a portfolio, its legs' parameters as their strategies read them."""
        from engine.research.portfolio_plan import check_no_doubles, plan_portfolio_sweep

        resources = self._resources
        check_no_doubles(spec, [(one.strategy, one.name) for one in assignments])
        infos = leg_infos(self._strategies, portfolio, on_event, cancel)
        spec = replace(spec, portfolio=assigned(portfolio, infos, assignments))
        check_legs(resources, portfolio, cancel)
        resources.warm_up(on_event, cancel, len(portfolio.legs))
        find_market = partial(resources.market, cancel=cancel)
        return plan_portfolio_sweep(spec, infos, find_market, resources.workers(cancel).ask, begun)

    def _tried(
        self,
        planned: PlannedSweep[Any],
        fetch: bool,
        on_event: OnEvent,
        cancel: CancelToken,
        on_trials: OnTrials | None,
    ) -> SweepResult:
        from engine.research.optimize import Sweep

        with self._resources.scratch() as scratch:
            loaders = Loaders.of(self._resources, scratch, on_event, cancel)
            sweep = Sweep(
                planned,
                loaders.series,
                loaders.terms,
                self._resources.executor,
                partial(keep_sweep, self._resources.store, self._resources.unsaved),
                timeout_s=self._resources.settings.run_timeout_s,
                on_event=on_event,
                cancel=cancel,
                on_trials=on_trials,
            )
            return sweep.run(fetch=fetch)

    def lookahead(
        self,
        spec: RunSpec,
        assignments: Sequence[Assignment] = (),
        *,
        cuts: int | None = None,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> LookaheadReport:
        """Search a strategy for look-ahead: cut the future off after every candle of the spec's period (20,000 at most,
        evenly spread; or `cuts` of them) and compare what it says. Costs play a part for a backtesting.Strategy only.
        `assignments`: parameters beside the spec's, as a user types them.

        Events: one job of kind "lookahead" whose Progress counts cuts. Nothing is stored. Raises as `run`, and RunError
        where the strategy fails on the whole period.
        """
        from engine.research.lookahead import search

        cancel = cancel or CancelToken()
        infos = self._strategies.chosen([spec.strategy], on_event=on_event, cancel=cancel)
        assigned = assign(assignments, [infos[spec.strategy]])[spec.strategy]
        spec = replace(spec, params={**spec.params, **assigned})
        self._resources.warm_up(on_event, cancel)
        ask = self._resources.workers(cancel).ask
        (planned,) = make_plan([spec], infos, partial(self._resources.market, cancel=cancel), ask)
        with self._resources.scratch() as scratch:
            loader = Loaders.of(self._resources, scratch, on_event, cancel).series
            return search(planned, loader, ask, cuts, on_event, fetch=fetch)

    def monte_carlo(
        self,
        run_id: str,
        spec: MonteCarloSpec,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> MonteCarloResult:
        """Other courses that a stored run could have taken. Nothing is fetched and nothing is stored: run and spec make the
        same again.

        Events: one job of kind "monte-carlo" whose Progress counts paths. Raises InputError for a run that did not finish
        and where a method needs the run's candles or source and these have changed; RunError where the run fails on every
        path; Interrupted when the user stops it.
        """
        from engine.research.monte_carlo import check_run, resampled

        run, cancel = self._resources.store.runs.get(run_id), cancel or CancelToken()
        check_run(run)
        job = f"monte-carlo:{run.id}"

        def work() -> MonteCarloResult:
            if spec.kind.unit != CANDLE:
                return resampled(run, spec, job, on_event, cancel)
            return self._on_candles(run, spec, job, on_event, cancel)

        title = f"{run.strategy} on {run.symbol}: {spec.kind.title}"
        return as_job(job, "monte-carlo", title, on_event, work, subject=(run.id,))

    def _on_candles(
        self, run: RunResult, spec: MonteCarloSpec, job: str, on_event: OnEvent, cancel: CancelToken
    ) -> MonteCarloResult:
        from engine.research.monte_carlo import permuted
        from engine.research.synthetic_runs import on_other_candles

        resources = self._resources
        with resources.scratch() as scratch:
            inputs = inputs_of(run, resources, Loaders.of(resources, scratch, on_event, cancel), scratch)
            if not spec.kind.full_runs:
                return permuted(run, inputs.candles.within(run.period), spec, job, on_event, cancel)
            ask, timeout_s = resources.workers(cancel, on_event).ask, resources.settings.run_timeout_s
            return on_other_candles(
                run, inputs, spec, ask, resources.executor.size, timeout_s, job, on_event, cancel
            )

    def cost_surface(
        self,
        run_id: str,
        spec: CostSurfaceSpec,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> CostSurface:
        """What every pair of commission and slippage leaves of a stored run. Nothing is fetched or stored, and no trial is
        counted.

        Events: one job of kind "cost-surface" whose Progress counts runs. Raises InputError for a run that did not finish
        and where its candles or source have changed; RunError where it fails at every pair; Interrupted when the user
        stops it.
        """
        from engine.research.cost_surface import check_run, cost_surface

        resources, cancel = self._resources, cancel or CancelToken()
        run = resources.store.runs.get(run_id)
        check_run(run)
        job = f"cost-surface:{run.id}"

        def work() -> CostSurface:
            with resources.scratch() as scratch:
                loaders = Loaders.of(resources, scratch, on_event, cancel)
                inputs = inputs_of(run, resources, loaders, scratch)
                detail = loaders.detail.of_run(run, inputs.candles, inputs.terms)
                ask, timeout_s = resources.workers(cancel, on_event).ask, resources.settings.run_timeout_s
                return cost_surface(
                    run, inputs, detail, spec, ask, resources.executor.size, timeout_s, job, on_event, cancel
                )

        title = f"{run.strategy} on {run.symbol}: costs"
        return as_job(job, "cost-surface", title, on_event, work, subject=(run.id,))

    def count_trials(self, spec: SweepSpec, described: Sequence[Mapping[str, Any]]) -> int:
        """How many trials the sweep would make of what has these parameters, as Param.to_json: a strategy, or the legs
        and the wallet of a portfolio.

        Raises InputError for whatever is wrong with ranges and constraint, as `optimize` would.
        """
        from engine.research.trials import plan_trials

        return plan_trials(spec, described).planned

    def objectives(self) -> Mapping[str, MetricDefinition]:
        """The metrics that a sweep can aim at, with title, unit and definition."""
        return {name: DEFINITIONS[name] for name in SUMMARY}

    def sweeps(self, limit: int = 100) -> list[SweepResult]:
        """The newest stored sweeps, each with its best trial only."""
        return self._resources.store.sweeps.newest(limit)

    def sweep(self, sweep_id: str) -> SweepResult:
        """A stored sweep with all its trials. A unique beginning of its id is enough."""
        return self._resources.store.sweeps.get(sweep_id)

    def statistics(self, sweep: SweepResult) -> SweepStatistics:
        """Whether the best of a stored sweep, given with all its trials, is more than luck: a second for a thousand."""
        from engine.model.across import average_returns
        from engine.research.statistics import sweep_statistics

        kept = [self._resources.store.sweeps.returns(one.id) for one in sweep.markets or (sweep,)]
        return sweep_statistics(sweep, average_returns(sweep.markets, kept) if sweep.markets else kept[0])

    def export(self, sweep_id: str, folder: Path) -> list[Path]:
        """Write a stored sweep, and all its trials as a table, as files into `folder`."""
        from engine.reports.files import export_sweep

        return export_sweep(self.sweep(sweep_id), folder)

    def delete_sweep(self, sweep_id: str) -> None:
        """Delete a stored sweep at once and for good; its trials stay counted. Raises InUse where it is at work."""
        self._resources.store.sweeps.delete(sweep_id)

    def remove_sweeps(self, sweep_ids: Collection[str]) -> int:
        """Hide sweeps; `restore_sweeps` brings them back until `Engine.purge`. Returns how many. Raises InUse where
        one is at work; then none is hidden.
        """
        return self._resources.store.sweeps.remove(sweep_ids)

    def restore_sweeps(self, sweep_ids: Collection[str]) -> int:
        """Bring removed sweeps back with their trials. Returns how many were still there."""
        return self._resources.store.sweeps.restore(sweep_ids)
