"""A walk-forward before anything is loaded for it: its combinations and windows, of one strategy or a portfolio's legs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.events import CancelToken
from engine.model.market import Market
from engine.model.parameters import StrategyInfo
from engine.model.portfolio_params import described
from engine.model.portfolio_rules import WALLET
from engine.model.walk_forward import BegunWalk, WalkForwardSpec
from engine.parallel.tasks import AskWorkers
from engine.research.grid import MAX_TRIALS
from engine.research.ledger import PlannedSweep
from engine.research.plan import check_objectives, plan_sweep
from engine.research.portfolio_plan import begun_before, plan_portfolio_sweep, refuse_other_sources
from engine.research.resuming import refuse_other_source
from engine.research.trials import plan_trials
from engine.runs.plan import FindMarket


@dataclass(frozen=True, slots=True)
class PlannedWalk:
    """A walk-forward whose strategies, parameters, markets and windows are known to be possible; `begun`: it goes on."""

    spec: WalkForwardSpec
    sweep: PlannedSweep[Any]
    begun: BegunWalk | None = None


def plan_walk(
    spec: WalkForwardSpec,
    info: StrategyInfo,
    find_market: Callable[[str], Market],
    ask: AskWorkers,
    begun: BegunWalk | None = None,
) -> PlannedWalk:
    """That of one strategy, with its combinations. Raises InputError or StrategyError; nothing is fetched."""
    if begun is not None:
        refuse_other_source("walk-forward", begun.walk.id, begun.inputs, Path(info.path))
    _check_windows(spec, info.params)
    sweep = plan_sweep(spec.sweep, info, find_market, ask)
    sweep.trials.extend(CancelToken())  # a grid or a draw: all at once
    if begun is not None:
        subject = sweep.subject.begun_before(begun.walk.id, begun.walk.period)
        return PlannedWalk(spec, replace(sweep, subject=subject, created_ms=begun.walk.created_ms), begun)
    return PlannedWalk(spec, sweep)


def plan_portfolio_walk(
    spec: WalkForwardSpec,
    infos: Mapping[str, StrategyInfo],
    find_market: FindMarket,
    ask: AskWorkers,
    begun: BegunWalk | None = None,
) -> PlannedWalk:
    """That of a portfolio's legs. Raises InputError or StrategyError; nothing is fetched."""
    portfolio = spec.sweep.portfolio
    assert portfolio is not None
    if begun is not None:
        refuse_other_sources("walk-forward", begun.walk.id, begun.inputs, portfolio, infos)
    params = described(portfolio, infos, list(spec.sweep.ranges))
    _check_windows(spec, params)
    owners = {name.rpartition(".")[0] for name in spec.sweep.ranges}
    if WALLET in owners and WALLET not in [leg.name for leg in portfolio.legs]:
        raise InputError(
            "the rules of the wallet cannot change from window to window; give ranges to legs, or sweep them with optimize"
        )
    sweep = plan_portfolio_sweep(spec.sweep, infos, find_market, ask)
    sweep.trials.extend(CancelToken())
    if begun is not None:
        subject = begun_before(sweep.subject, begun.walk.id, begun.inputs)
        return PlannedWalk(spec, replace(sweep, subject=subject, created_ms=begun.walk.created_ms), begun)
    return PlannedWalk(spec, sweep)


def _check_windows(spec: WalkForwardSpec, params: Any) -> None:
    """Raise InputError where there are no such windows, or more to try than a walk-forward tries."""
    windows = spec.windows(spec.sweep.timeframe.align(spec.sweep.period))
    check_objectives(spec.sweep)
    combinations = plan_trials(spec.sweep, params).planned
    if combinations * len(windows) > MAX_TRIALS:
        raise InputError(
            f"{combinations:,} combinations in {len(windows)} windows are more than the {MAX_TRIALS:,} trials that a "
            "walk-forward makes; use larger steps, longer tests, or the random sampler"
        )
