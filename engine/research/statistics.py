"""What all trials of a sweep say about the best of them, from the figures and daily returns that it kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engine.model.market import DAYS_PER_YEAR
from engine.model.sweep import LOWER_IS_BETTER, SweepResult, TrialReturns
from engine.model.sweep_spec import EVEN_SAMPLERS, GRID
from engine.model.sweep_statistics import SweepStatistics
from engine.statistics.neighbourhood import neighbourhood
from engine.statistics.overfitting import LEAST_TRIALS, blocks_for, distinct, overfitting, superiority
from engine.statistics.sharpe import chance_sharpe, effective_rank

MOST_COMPARED: Final = 2_000  # of more trials evenly chosen ones are compared: it is a second and a half


def sweep_statistics(sweep: SweepResult, kept: TrialReturns | None) -> SweepStatistics:
    """Of a sweep with all its trials. `kept`: their daily returns, None where it has none (of an older version)."""
    notes: list[str] = []
    found = _ground(sweep)
    if sweep.spec.sampler in EVEN_SAMPLERS:
        found = {**found, **_compared(kept, notes), **_chance(sweep)}
    else:
        notes.append(
            f"no overfitting, SPA, independent trials or chance measured: {sweep.spec.sampler} follows what it finds, so "
            "its trials are alike; a grid, random or sobol sweep tells"
        )
    return SweepStatistics(**found, notes=tuple(notes))


def _compared(kept: TrialReturns | None, notes: list[str]) -> dict[str, Any]:
    """What the daily returns tell."""
    if kept is None:
        notes.append(
            "no overfitting measured: the sweep kept no daily returns (no trial ended well, or an old version)"
        )
        return {}
    chosen = kept.returns[:: -(-len(kept.returns) // MOST_COMPARED)]
    if len(chosen) < len(kept.returns):
        notes.append(f"compared were {len(chosen):,} evenly chosen of {len(kept.returns):,} trials")
    returns, constant, equal = distinct(np.ascontiguousarray(chosen.T))
    days, trials = returns.shape
    found: dict[str, Any] = {"compared": trials, "constant": constant, "equal": equal}
    blocks = blocks_for(days)
    if trials < LEAST_TRIALS:
        notes.append(
            f"no overfitting measured: {trials} trials that move and differ are fewer than {LEAST_TRIALS}"
        )
        return found
    found["independent"] = effective_rank(np.ascontiguousarray(returns.T))
    best = superiority(returns)
    found["spa"] = None if best is None else (best.lower, best.consistent, best.upper)
    if blocks is None:
        notes.append(f"no overfitting measured: {days} days are fewer than the 160 that halving them needs")
        return found
    halved = overfitting(returns, blocks)
    return found | {
        "blocks": blocks,
        "pbo": halved.pbo,
        "prob_oos_loss": halved.loss,
        "slope": halved.slope,
        "intercept": halved.intercept,
        "dominance": halved.dominance,
        "logits": halved.logits,
        "chosen": halved.chosen,
        "achieved": halved.achieved,
    }


def _chance(sweep: SweepResult) -> Mapping[str, Any]:
    """What the best of so many trials would show without skill, beside what it shows."""
    sharpe = sweep.metrics.get("sharpe", np.empty(0))
    known = sharpe[np.isfinite(sharpe)]
    if len(known) < LEAST_TRIALS:
        return {}
    variance = float(np.var(known, ddof=1)) / DAYS_PER_YEAR
    chance = chance_sharpe(sweep.done - sweep.failed, variance) * math.sqrt(DAYS_PER_YEAR)
    return {"chance_sharpe": chance, "best_sharpe": float(known.max())}


def _ground(sweep: SweepResult) -> Mapping[str, Any]:
    """The objective over the grid. A sample of a grid has no neighbours that mean something."""
    values = sweep.objective
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    falls = (
        sweep.spec.objective in LOWER_IS_BETTER
    )  # then 0 is no bound between good and bad, nor is a share of the best one
    found = {"grid_median": float(np.median(known))}
    if not falls:
        found["grid_positive"] = float((known > 0).mean())
    sign = -1.0 if falls else 1.0
    cells = [np.unique(column, return_inverse=True)[1] for column in sweep.params.values()]
    near = neighbourhood(np.stack(cells, axis=1), sign * values) if sweep.spec.sampler == GRID else None
    if near is None:
        return found
    shares = {"nbr_ratio": near.ratio, "nbr_min": near.least, "nbr_loss": near.losses}
    return found | {
        **({} if falls else shares),
        "neighbours": near.neighbours,
        "suggested": sweep.trial(near.suggested),
        "ranged": tuple(sweep.params),
        "plateau": sign * float(near.plateau[near.suggested]),
    }
