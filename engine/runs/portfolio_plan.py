"""A portfolio that is about to be made: what was asked for, and each leg as a run whose inputs are known to exist."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.model.numerals import counted
from engine.model.parameters import StrategyInfo
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_rules import WEIGHT
from engine.model.run import RunSpec
from engine.model.window_params import WindowParams
from engine.parallel.tasks import AskWorkers
from engine.runs.plan import FindMarket, PlannedRun, make_plan


@dataclass(frozen=True, slots=True)
class PlannedPortfolio:
    """A portfolio whose strategies, parameters and markets are known to exist; `runs`: each leg as a run of its own, whose
    spec has `windows` where its parameters change with time; `walk_trials`: how many trials these were chosen from.
    """

    spec: PortfolioSpec
    runs: tuple[PlannedRun, ...]
    id: str
    walk_trials: int | None = None

    @property
    def title(self) -> str:
        """One short line for people."""
        return f"{self.spec.name}: {counted(len(self.runs), 'leg')}"

    @property
    def weights(self) -> tuple[float, ...]:
        """What each leg asks of the equity at first."""
        return self.spec.stages[0][1].weights

    @property
    def ruling_weights(self) -> list[tuple[WindowParams, ...]]:
        """Of each leg, which weight rules from when on; empty where one rules throughout."""
        told = [
            [WindowParams(start, {WEIGHT: one}) for one in stage.weights] for start, stage in self.spec.stages
        ]
        return [
            one if len({ruling.params[WEIGHT] for ruling in one}) > 1 else ()
            for one in zip(*told, strict=True)
        ]


def plan_portfolio(
    spec: PortfolioSpec, infos: Mapping[str, StrategyInfo], find_market: FindMarket, ask: AskWorkers
) -> PlannedPortfolio:
    """The portfolio with an id of its own. Raises as `make_plan`; nothing is fetched."""
    stages = [(start, stage.run_specs()) for start, stage in spec.stages]
    asked: dict[tuple[int, str], RunSpec] = {}
    for _, specs in stages:
        for number, one in enumerate(specs):
            asked.setdefault(_key(number, one), one)
    plan = dict(zip(asked, make_plan(list(asked.values()), infos, find_market, ask), strict=True))
    runs = [
        _over_windows([(start, plan[_key(number, specs[number])]) for start, specs in stages])
        for number in range(len(spec.legs))
    ]
    return PlannedPortfolio(spec, tuple(runs), str(uuid.uuid4()))


def _key(number: int, spec: RunSpec) -> tuple[int, str]:
    return number, repr(sorted(spec.params.items()))


def _over_windows(ruling: Sequence[tuple[int, PlannedRun]]) -> PlannedRun:
    """One leg as one run, by which of these parameters rule from when on; its warm-up is the longest of all."""
    planned = {run.id: run for _, run in ruling}
    first = next((run for run in planned.values() if run.problem is not None), ruling[0][1])
    if len({repr(sorted(run.params.items())) for run in planned.values()}) == 1:
        return first
    wanted = first.reading.warmup
    for run in planned.values():
        wanted = wanted.longest(run.reading.warmup)
    windows = tuple(WindowParams(start, run.params) for start, run in ruling)
    return replace(
        first,
        spec=replace(first.spec, params={}, windows=windows),
        params={},
        warmup=max(run.warmup for run in planned.values()),
        reading=replace(first.reading, warmup=wanted),
    )
