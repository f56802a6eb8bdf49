"""Walk-forwards: made, gone on with, kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import NotStored
from engine.events import CancelToken, OnEvent, ignore_event
from engine.model.market import Market
from engine.model.parameters import Assignment, assign
from engine.model.portfolio import PortfolioSpec, assigned
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import RunResult
from engine.model.walk_forward import BegunWalk, WalkForward, WalkForwardSpec
from engine.runs.plan import PlannedRun
from engine.service.legs import check_legs, leg_infos
from engine.service.portfolios import Portfolios
from engine.service.resources import Resources
from engine.service.runs import batch_of
from engine.service.series import Loaders, check_costs
from engine.service.strategies import Strategies

if TYPE_CHECKING:
    from engine.research.walk_plan import PlannedWalk
    from engine.research.walked import Walked


class WalkForwards:
    """`Engine.walk_forwards`."""

    def __init__(self, resources: Resources, strategies: Strategies, portfolios: Portfolios) -> None:
        self._resources, self._strategies, self._portfolios = resources, strategies, portfolios

    def make(
        self,
        spec: WalkForwardSpec,
        assignments: Sequence[Assignment] = (),
        *,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> WalkForward:
        """Fill the gaps, try every combination in every window, choose, make the stitched run, store and return it all.
        `assignments`: fixed parameters beside the spec's, as a user types them.

        Events: one job of kind "walk-forward" whose Progress counts combinations, and one of kind "run" inside it. When the
        user stops the work it is returned with status "cancelled", and `resume` goes on with it. Raises before anything runs
        for whatever is wrong with the spec.
        """
        cancel = cancel or CancelToken()
        planned = self._planned(spec, assignments, None, on_event, cancel)
        with self._resources.opened(cancel).walk_forwards.working_on(planned.sweep.id):
            return self._made(planned, fetch=fetch, on_event=on_event, cancel=cancel)

    def resume(
        self, walk_id: str, *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> WalkForward:
        """Go on with one that was stopped, killed or failed, and end as if it had not been; events as `make`.

        Raises InputError where it is finished, somebody is at work on it, or the strategy, the candles or this program have
        changed since it began: which is named, and what was tried is kept.
        """
        cancel = cancel or CancelToken()
        store = self._resources.opened(cancel).walk_forwards
        walk_id = store.get(walk_id)[0].id
        with store.working_on(walk_id):
            begun = store.begun(walk_id)
            planned = self._planned(begun.walk.spec, (), begun, on_event, cancel)
            return self._made(planned, fetch=False, on_event=on_event, cancel=cancel)

    def _planned(
        self,
        spec: WalkForwardSpec,
        assignments: Sequence[Assignment],
        begun: BegunWalk | None,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> PlannedWalk:
        from engine.research.walk_plan import plan_walk

        sweep = spec.sweep
        if sweep.portfolio is not None:
            return self._planned_legs(spec, sweep.portfolio, assignments, begun, on_event, cancel)
        info = self._strategies.chosen([sweep.strategy], on_event=on_event, cancel=cancel)[sweep.strategy]
        sweep = replace(sweep, params={**sweep.params, **assign(assignments, [info])[sweep.strategy]})

        def find_market(symbol: str) -> Market:
            self._resources.warm_up(on_event, cancel)
            return self._resources.market(symbol, sweep.exchange, cancel=cancel)

        ask = self._resources.workers(cancel).ask
        planned = plan_walk(replace(spec, sweep=sweep), info, find_market, ask, begun)
        check_costs(self._resources, sweep.costs, planned.sweep.subject.run.market)
        return planned

    def _planned_legs(
        self,
        spec: WalkForwardSpec,
        portfolio: PortfolioSpec,
        assignments: Sequence[Assignment],
        begun: BegunWalk | None,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> PlannedWalk:
        from engine.research.portfolio_plan import check_no_doubles
        from engine.research.walk_plan import plan_portfolio_walk

        resources = self._resources
        check_no_doubles(spec.sweep, [(one.strategy, one.name) for one in assignments])
        infos = leg_infos(self._strategies, portfolio, on_event, cancel)
        own = replace(spec.sweep, portfolio=assigned(portfolio, infos, assignments))
        check_legs(resources, portfolio, cancel)
        resources.warm_up(on_event, cancel, len(portfolio.legs))
        find_market = partial(resources.market, cancel=cancel)
        ask = resources.workers(cancel).ask
        return plan_portfolio_walk(replace(spec, sweep=own), infos, find_market, ask, begun)

    def _made(
        self, planned: PlannedWalk, *, fetch: bool, on_event: OnEvent, cancel: CancelToken
    ) -> WalkForward:
        from engine.research.portfolio_walked import PortfolioWalked
        from engine.research.walk_forward import WalkForwardWork
        from engine.research.walked import RunWalked

        with self._resources.scratch() as scratch:
            loaders = Loaders.of(self._resources, scratch, on_event, cancel)

            def make_run(run: PlannedRun) -> RunResult:
                batch = batch_of(self._resources, loaders, on_event, cancel, [run])
                return batch.run([run], fetch=False)[0]

            def make_portfolio(spec: PortfolioSpec, chosen_from: int) -> PortfolioResult:
                begun = planned.sweep.subject.planned.runs
                return self._portfolios.stitched(spec, begun, chosen_from, on_event=on_event, cancel=cancel)

            def walk(ground: Any) -> Walked:
                if planned.spec.sweep.portfolio is not None:
                    return PortfolioWalked(ground, make_portfolio)
                return RunWalked(ground, make_run)

            work = WalkForwardWork(
                planned,
                loaders.series,
                loaders.terms,
                self._resources.executor,
                self._resources.store.walk_forwards,
                walk,
                self._resources.workers(cancel).ask,
                timeout_s=self._resources.settings.run_timeout_s,
                on_event=on_event,
                cancel=cancel,
            )
            return work.run(fetch=fetch)

    # -- kept

    def stored(self, limit: int = 100) -> list[WalkForward]:
        """The newest stored ones, without their trials' figures and stitched runs."""
        return self._resources.store.walk_forwards.newest(limit)

    def get(self, walk_id: str) -> WalkForward:
        """A stored one with all its trials and its stitched run. A unique beginning of its id is enough."""
        store = self._resources.store
        walk, run_id = store.walk_forwards.get(walk_id)
        if run_id is None:
            return walk
        try:
            if walk.spec.sweep.portfolio is not None:
                return replace(walk, portfolio=store.portfolios.get(run_id))
            return replace(walk, run=store.runs.get(run_id))
        except NotStored:
            return walk

    def export(self, walk_id: str, folder: Path) -> list[Path]:
        """Write a stored one, and all its trials as a table, as files into `folder`."""
        from engine.reports.files import export_walk_forward

        return export_walk_forward(self.get(walk_id), folder)

    def delete(self, walk_id: str) -> None:
        """Delete a stored one at once and for good; its stitched run stays, and its trials stay counted. Raises InUse
        where it is at work.
        """
        self._resources.store.walk_forwards.delete(walk_id)

    def remove(self, walk_ids: Collection[str]) -> int:
        """Hide some; `restore` brings them back until `Engine.purge`. Returns how many. Raises InUse where one is at work;
        then none is hidden.
        """
        return self._resources.store.walk_forwards.remove(walk_ids)

    def restore(self, walk_ids: Collection[str]) -> int:
        """Bring removed ones back. Returns how many were still there."""
        return self._resources.store.walk_forwards.restore(walk_ids)
