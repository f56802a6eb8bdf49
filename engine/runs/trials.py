"""What the number of trials leaves of a run's Sharpe ratio."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from engine.model.market import DAY_MS, DAYS_PER_YEAR
from engine.model.run import RunResult
from engine.model.sweep import TrialReturns
from engine.model.trial import Tried
from engine.statistics.sharpe import (
    Sharpe,
    assumed_variance,
    chance_sharpe,
    effective_rank,
    least_backtest_years,
)

LEAST_MEASURED: Final = 10  # of fewer trials the spread tells nothing
MOST_COMPARED: Final = 1_000  # of which it is found out how alike they are


def with_trials(run: RunResult, tried: Tried) -> RunResult:
    """A finished run with its figures of chance, by what was tried beside it until now."""
    return replace(run, metrics={**run.metrics, **_figures(run, tried)})


def independent_trials(
    returns_of: Callable[[str], TrialReturns | None], sweeps: Sequence[str]
) -> float | None:
    """How many of the trials of sweeps over one period count as independent, by the returns that they kept: of many, evenly
    chosen ones. None for fewer than 10.
    """
    kept = [found.returns for found in map(returns_of, sweeps) if found is not None]
    if not kept:
        return None
    days = Counter(one.shape[1] for one in kept).most_common(1)[0][0]
    returns = np.concatenate([one for one in kept if one.shape[1] == days])
    if len(returns) < LEAST_MEASURED:
        return None
    return effective_rank(returns[:: -(-len(returns) // MOST_COMPARED)])


def _figures(run: RunResult, tried: Tried) -> Mapping[str, float | int | None]:
    measured = tried.measured >= LEAST_MEASURED and tried.variance is not None
    found: dict[str, float | int | None] = {
        "trials_counted": tried.counted,
        "trials_ever": tried.ever,
        "trials_measured": tried.measured if measured else 0,
        "walk_trials": tried.of_walk,
    }
    sharpe, annual = _sharpe(run), run.metrics.get("sharpe")
    if sharpe is None or annual is None:
        return found
    daily = (tried.variance or 0.0) / DAYS_PER_YEAR if measured else assumed_variance(sharpe.observations)
    independent = 1.0 if tried.counted == 1 else tried.independent
    return found | {
        "dsr": sharpe.deflated(tried.counted, daily),
        "dsr_eff": None if independent is None else sharpe.deflated(min(independent, tried.counted), daily),
        "chance_sharpe": chance_sharpe(tried.counted, daily) * math.sqrt(DAYS_PER_YEAR),
        "min_btl_years": least_backtest_years(tried.counted, annual),
    }


def _sharpe(run: RunResult) -> Sharpe | None:
    """The run's ratio as `backtest.metrics` measured it."""
    annual, skew, excess = (run.metrics.get(name) for name in ("sharpe", "skew", "kurtosis"))
    if (
        annual is None
        or skew is None
        or excess is None
        or run.metrics.get("psr") is None
        or run.equity is None
    ):
        return None
    first, last = run.equity.time[[0, -1]] // DAY_MS
    return Sharpe(annual / math.sqrt(DAYS_PER_YEAR), int(last - first) + 1, skew, excess + 3)
