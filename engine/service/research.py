"""What asks more of a strategy than a run: many parameters, no look-ahead."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.events import CancelToken, OnEvent, ignore_event
from engine.model.market import Market
from engine.model.metric_definitions import DEFINITIONS, SUMMARY, MetricDefinition
from engine.model.parameters import Assignment, assign
from engine.model.run import LookaheadReport, RunSpec
from engine.model.sweep import SweepResult, SweepSpec
from engine.runs.load import SeriesLoader
from engine.runs.plan import make_plan
from engine.service.keeping import keep_sweep
from engine.service.resources import Resources
from engine.service.strategies import Strategies

OnTrials = Callable[[SweepResult], None]


def check_sweep(spec: SweepSpec) -> None:
    """Raise InputError for a constraint that cannot be read and an unknown objective, before anything is started for it."""
    from engine.research.constraint import parsed
    from engine.research.optimize import check_objective

    parsed(spec.constraint)
    check_objective(spec.objective)


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
        times a second, from the calling thread. When the user stops the work, what is finished is stored and returned
        with status "cancelled". Raises before anything runs for whatever is wrong with the spec.
        """
        from engine.research.optimize import Sweep, plan_sweep

        cancel = cancel or CancelToken()
        info = self._strategies.chosen([spec.strategy], on_event=on_event, cancel=cancel)[spec.strategy]
        spec = replace(spec, params={**spec.params, **assign(assignments, [info])[spec.strategy]})

        def find_market() -> Market:
            self._resources.warm_up(on_event, cancel)
            return self._resources.market(spec.symbol, spec.exchange, cancel=cancel)

        planned = plan_sweep(spec, info, find_market, self._resources.workers(cancel).ask)
        with self._resources.scratch() as scratch:
            sweep = Sweep(
                planned,
                SeriesLoader(
                    self._resources.fetcher, self._resources.cache, scratch, on_event=on_event, cancel=cancel
                ),
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
            loader = SeriesLoader(
                self._resources.fetcher, self._resources.cache, scratch, on_event=on_event, cancel=cancel
            )
            return search(planned, loader, ask, cuts, on_event, fetch=fetch)

    def count_trials(self, spec: SweepSpec, described: Sequence[Mapping[str, Any]]) -> int:
        """How many trials the sweep would make of a strategy with these parameters (`StrategyInfo.params`).

        Raises InputError for whatever is wrong with ranges and constraint, as `optimize` would.
        """
        from engine.research.grid import plan_trials

        return plan_trials(spec, described).n

    def objectives(self) -> Mapping[str, MetricDefinition]:
        """The metrics that a sweep can aim at, with title, unit and definition."""
        return {name: DEFINITIONS[name] for name in SUMMARY}

    def sweeps(self, limit: int = 100) -> list[SweepResult]:
        """The newest stored sweeps, each with its best trial only."""
        return self._resources.store.sweeps.newest(limit)

    def sweep(self, sweep_id: str) -> SweepResult:
        """A stored sweep with all its trials. A unique beginning of its id is enough."""
        return self._resources.store.sweeps.get(sweep_id)

    def export(self, sweep_id: str, folder: Path) -> list[Path]:
        """Write a stored sweep, and all its trials as a table, as files into `folder`."""
        from engine.reports.files import export_sweep

        return export_sweep(self.sweep(sweep_id), folder)

    def delete_sweep(self, sweep_id: str) -> None:
        """Delete a stored sweep at once and for good; its trials stay counted."""
        self._resources.store.sweeps.delete(sweep_id)

    def remove_sweeps(self, sweep_ids: Collection[str]) -> int:
        """Hide sweeps; `restore_sweeps` brings them back until `Engine.purge`. Returns how many."""
        return self._resources.store.sweeps.remove(sweep_ids)

    def restore_sweeps(self, sweep_ids: Collection[str]) -> int:
        """Bring removed sweeps back with their trials. Returns how many were still there."""
        return self._resources.store.sweeps.restore(sweep_ids)
