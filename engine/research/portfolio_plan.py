"""A sweep over a portfolio before anything is loaded for it: its combinations, each leg with its longest warm-up."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import InputError, RunError
from engine.model.combinations import Combinations
from engine.model.market import Period
from engine.model.parameters import StrategyInfo
from engine.model.portfolio import LegSpec, PortfolioSpec
from engine.model.portfolio_params import described
from engine.model.portfolio_rules import WEIGHED, WEIGHT
from engine.model.sweep import BegunSweep
from engine.model.sweep_spec import SweepSpec
from engine.parallel.tasks import AskWorkers
from engine.reproduction.inputs import hashes
from engine.research.ledger import PlannedSweep
from engine.research.plan import WARMUP_TIMEOUT_S, check_objectives, longest_of, warmup_tasks
from engine.research.portfolio_subject import PortfolioSubject
from engine.research.resuming import refuse_changes
from engine.research.trials import plan_trials
from engine.runs.compare_portfolios import portfolio_changes
from engine.runs.plan import FindMarket, PlannedRun, make_plan, read_by
from engine.runs.portfolio_plan import PlannedPortfolio
from engine.runs.stored_strategy import sources_at


def plan_portfolio_sweep(
    spec: SweepSpec,
    infos: Mapping[str, StrategyInfo],
    find_market: FindMarket,
    ask: AskWorkers,
    begun: BegunSweep | None = None,
) -> PlannedSweep[PortfolioSubject]:
    """The sweep of a portfolio whose strategies are `infos`. `begun`: it goes on.

    Raises InputError or StrategyError; nothing is fetched.
    """
    portfolio = spec.portfolio
    assert portfolio is not None
    if begun is not None:
        refuse_other_sources("sweep", begun.sweep.id, begun.inputs, portfolio, infos)
    check_objectives(spec)
    trials = plan_trials(spec, described(portfolio, infos, list(spec.ranges)))
    runs = make_plan(portfolio.run_specs(), infos, find_market, ask)
    sweep = begun.sweep.id if begun else str(uuid.uuid4())
    runs = _with_longest(sweep, spec, runs, trials.probes(), infos, find_market, ask)
    subject = PortfolioSubject(PlannedPortfolio(portfolio, tuple(runs), sweep))
    if begun is not None:
        subject = begun_before(subject, sweep, begun.inputs)
    created_ms = begun.sweep.created_ms if begun else time.time_ns() // 1_000_000
    return PlannedSweep(spec, trials, subject, created_ms, begun)


def begun_before(subject: PortfolioSubject, made: str, inputs: Mapping[str, Any] | None) -> PortfolioSubject:
    """As one that was begun under that id, each leg over the period that it had then; `inputs` None: nothing was tried."""
    planned = subject.planned
    runs = planned.runs
    if inputs is not None:
        legs = planned.spec.legs
        runs = tuple(_as_begun(leg, run, inputs) for leg, run in zip(legs, runs, strict=True))
    return replace(subject, planned=replace(planned, runs=runs, id=made))


def _as_begun(leg: LegSpec, run: PlannedRun, inputs: Mapping[str, Any]) -> PlannedRun:
    """The leg over the period that it had when the sweep began."""
    told = inputs["legs"][leg.name]["period"]
    return replace(run, spec=replace(run.spec, period=Period.parse(told["start"], told["end"])))


def refuse_other_sources(
    kind: str,
    made: str,
    inputs: Mapping[str, Any] | None,
    portfolio: PortfolioSpec,
    infos: Mapping[str, StrategyInfo],
) -> None:
    """Where a leg's files have changed since, before any of their code is asked; `inputs` None: nothing is known."""
    if inputs is None:
        return
    legs = {}
    for leg in portfolio.legs:
        before = inputs["legs"][leg.name]
        sources = sources_at(before["source"], Path(infos[leg.strategy].path))
        legs[leg.name] = {**before, "source": hashes(sources)}
    since = tuple(portfolio_changes(inputs, {**inputs, "legs": legs}))
    refuse_changes(kind, made, since)


def _with_longest(
    sweep: str,
    spec: SweepSpec,
    runs: Sequence[PlannedRun],
    probes: Combinations,
    infos: Mapping[str, StrategyInfo],
    find_market: FindMarket,
    ask: AskWorkers,
) -> list[PlannedRun]:
    """Each leg with the longest warm-up that any of its combinations asks for; all legs are asked at once."""
    assert spec.portfolio is not None
    legs, weighs = spec.portfolio.legs, spec.portfolio.allocation in WEIGHED
    tasks = []
    for leg, run in zip(legs, runs, strict=True):
        own = _own(probes, leg.name, weighs)
        if not own.columns and run.problem is not None:
            raise RunError(f"leg {leg.name!r}: {run.problem.message}; nothing was run")
        asked_for = f"{sweep} {leg.name}"  # a process for each: no leg may find what another left
        info = infos[leg.strategy]
        tasks.append(warmup_tasks(asked_for, own, info, run.sources) if own.columns else [])
    answers = iter(ask([task for own in tasks for task in own], WARMUP_TIMEOUT_S))
    found = []
    for leg, run, asked in zip(legs, runs, tasks, strict=True):
        told = [next(answers) for _ in asked]
        if told:
            reads, longest = longest_of(told, f"leg {leg.name!r}")
            reading = read_by(reads, longest.to_json(), run.spec, find_market)
            warmup = reading.warmup.building(reading.reads, leg.timeframe)
            found.append(replace(run, reading=reading, warmup=warmup, problem=None))
        else:
            found.append(run)
    return found


def _own(probes: Combinations, leg: str, weighs: bool) -> Combinations:
    """What of combinations varies of one leg, each once, beside what is fixed of it; its weight is none of its
    strategy's.
    """

    def is_own(name: str) -> bool:
        owner, _, own = name.rpartition(".")
        return owner == leg and not (weighs and own == WEIGHT)

    prefix = f"{leg}."
    columns = {name.removeprefix(prefix): one for name, one in probes.columns.items() if is_own(name)}
    fixed = {name.removeprefix(prefix): value for name, value in probes.fixed.items() if is_own(name)}
    cells = np.zeros(len(probes), dtype=np.int64)
    for column in columns.values():
        values, at = np.unique(column, return_inverse=True)
        cells = cells * len(values) + at
    first = np.sort(np.unique(cells, return_index=True)[1])
    return Combinations({name: column[first] for name, column in columns.items()}, fixed)


def check_no_doubles(spec: SweepSpec, given: Sequence[tuple[str, str]]) -> None:
    """Raise InputError where a parameter of a leg, `(leg, name)`, has a fixed value beside its range."""
    both = sorted(f"{leg}.{name}" for leg, name in given if f"{leg}.{name}" in spec.ranges)
    if both:
        raise InputError(f"{', '.join(both)}: either a range or a fixed value, not both")
