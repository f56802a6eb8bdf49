"""A sweep over several markets as one: each combination's figures on all of them become one figure, and one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, Final

import numpy as np

from engine.model.market import DAY_MS, Float64Array, Period
from engine.model.sweep import LOWER_IS_BETTER, SweepResult, TrialReturns
from engine.model.sweep_spec import MEAN, MEDIAN, WORST, SweepSpec

Over = Callable[[Float64Array], Float64Array]  # of (markets, n) that less is better of, one of each column

OVER: Final[Mapping[str, Over]] = {
    MEAN: lambda losses: losses.mean(axis=0),
    MEDIAN: lambda losses: np.median(losses, axis=0),
    WORST: lambda losses: losses.max(axis=0),
}
_WORST_FIRST: Final = ("failed", "pending", "skipped", "passed")


def across(spec: SweepSpec, sweeps: Sequence[SweepResult], **more: Any) -> SweepResult:
    """The sweep of `spec` from those on each of its markets, in their order; `more`: what else of it differs from theirs.

    A combination is in it that every market has tried. One that failed or has no value on a market has none at all.
    """
    first = sweeps[0]
    numbers = reduce(np.intersect1d, [one.numbers for one in sweeps])
    places = [np.searchsorted(one.numbers, numbers) for one in sweeps]
    metrics = {
        name: _figure(
            spec.across, name, [one.metrics[name][at] for one, at in zip(sweeps, places, strict=True)]
        )
        for name in first.metrics
    }
    errors: dict[int, str] = {}
    for one, at in zip(sweeps, places, strict=True):
        for position in np.flatnonzero(np.isin(at, list(one.errors))).tolist():
            errors.setdefault(position, f"{one.spec.symbol}: {one.errors[int(at[position])]}")
    for column in metrics.values():
        column[list(errors)] = np.nan
    return replace(
        first,
        spec=spec,
        period=Period(min(one.period.start for one in sweeps), max(one.period.end for one in sweeps)),
        numbers=numbers,
        params={name: column[places[0]] for name, column in first.params.items()},
        metrics=metrics,
        errors=dict(sorted(errors.items())),
        done=len(numbers),
        failed=len(errors),
        trials_of_strategy=_most(one.trials_of_strategy for one in sweeps),
        checks=_checks(sweeps),
        markets=tuple(sweeps),
        **more,
    )


def _most(counts: Iterable[int | None]) -> int | None:
    return max((count for count in counts if count is not None), default=None)


def _figure(how: str, name: str, columns: Sequence[Float64Array]) -> Float64Array:
    """NaN where one of the markets has none."""
    sign = 1.0 if name in LOWER_IS_BETTER else -1.0
    found: Float64Array = sign * OVER[how](sign * np.array(columns))
    return found


def _checks(sweeps: Sequence[SweepResult]) -> dict[str, dict[str, Any]]:
    """Of each check the worst of all markets, its note naming the market."""
    found = worst_checks([(one.spec.symbol, one.checks) for one in sweeps])
    found["data"].pop("span", None)  # each market has its own
    return found


def worst_checks(
    named: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]],
) -> dict[str, dict[str, Any]]:
    """Of each check of several the worst, its note saying by name whose it is."""
    found: dict[str, dict[str, Any]] = {}
    for check in dict.fromkeys(check for _, checks in named for check in checks):
        held = [(name, checks[check]) for name, checks in named if check in checks]
        name, worst = min(held, key=lambda pair: _WORST_FIRST.index(str(pair[1]["status"])))
        note = {"note": f"{name}: {worst['note']}"} if worst.get("note") else {}
        found[check] = {**worst, **note}
    return found


def average_returns(
    sweeps: Sequence[SweepResult], kept: Sequence[TrialReturns | None]
) -> TrialReturns | None:
    """Daily returns of an account that holds equal parts of every market, balanced each day: of the trials that all of them
    kept, over the days that all of them have. None where one kept none, or they share no day.
    """
    known = [one for one in kept if one is not None]
    if len(known) < len(sweeps):
        return None
    numbers = reduce(np.intersect1d, [one.numbers for one in known])
    starts = [one.span.start // DAY_MS for one in sweeps]  # the day of the first column
    begin = max(starts)
    end = min(start + one.returns.shape[1] for start, one in zip(starts, known, strict=True))
    if not len(numbers) or end <= begin:
        return None
    rows = [
        one.returns[np.searchsorted(one.numbers, numbers), begin - start : end - start]
        for start, one in zip(starts, known, strict=True)
    ]
    return TrialReturns(numbers, np.mean(rows, axis=0))
