"""What runs are called: by what tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from desktop.tables import formats
from desktop.workspace import Defaults, Workspace
from engine.model.run import RunResult

WALKED: Final = "walk-forward"
_MOST_PARAMS: Final = 6


def value_text(value: Any) -> str:
    """A parameter's value, exactly as it is."""
    return repr(value) if isinstance(value, float) else str(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in a line: fast 9, slow 21."""
    shown = [f"{name} {value_text(value)}" for name, value in params.items()]
    more = f" and {len(shown) - _MOST_PARAMS} more" if len(shown) > _MOST_PARAMS else ""
    return ", ".join(shown[:_MOST_PARAMS]) + more


def run_name(run: RunResult, defaults: Defaults) -> str:
    """The strategy, and the parameters that are not its defaults as far as those are known."""
    if run.windows:
        return f"{run.strategy} · {WALKED}"
    known = defaults.get(run.strategy)
    if known is None:
        return run.strategy
    changed = {name: value for name, value in run.params.items() if name in known and value != known[name]}
    return f"{run.strategy} · {params_text(changed)}" if changed else run.strategy


def name_in(workspace: Workspace, run: RunResult) -> str:
    """What a run is called alone: the name that the user gave it, else its own."""
    return workspace.remark(run.id).name or run_name(run, workspace.defaults)


def names_in(workspace: Workspace, runs: Sequence[RunResult]) -> list[str]:
    """What runs are called beside each other: the names that the user gave, else what tells them apart."""
    return distinct_names(runs, {run.id: workspace.remark(run.id).name for run in runs})


def period_text(run: RunResult) -> str:
    """The days of a run, both included."""
    return f"{formats.day(run.period.start)} – {formats.day(run.period.end - 1)}"


def distinct_names(runs: Sequence[RunResult], given: Mapping[str, str] | None = None) -> list[str]:
    """A name for each run, by strategy and whatever else differs between them; no two are the same. `given`: names by id
    that some have already.
    """
    names = [f"{run.strategy} {WALKED}" if run.windows else run.strategy for run in runs]
    aspects: tuple[Callable[[RunResult], str], ...] = (
        lambda run: run.symbol,
        lambda run: run.timeframe.name,
        lambda run: run.exchange,
        period_text,
        lambda run: run.engine,
    )
    for aspect in aspects:
        told = [aspect(run) for run in runs]
        if len(set(told)) > 1:
            names = [f"{name} {text}" for name, text in zip(names, told, strict=True)]
    differing = _differing_params(runs)
    names = [
        " · ".join(
            part
            for part in (
                name,
                params_text({p: run.params[p] for p in differing[run.strategy] if p in run.params}),
            )
            if part
        )
        for name, run in zip(names, runs, strict=True)
    ]
    names = [(given or {}).get(run.id) or name for run, name in zip(runs, names, strict=True)]
    names = _told_apart(names, [_costs_text(run, runs) for run in runs])
    names = _told_apart(names, [formats.second(run.created_ms) for run in runs])
    return _told_apart(names, [run.id[:8] for run in runs])


def _differing_params(runs: Sequence[RunResult]) -> dict[str, list[str]]:
    """Per strategy, the parameters that its runs do not share."""
    found: dict[str, list[str]] = {}
    for strategy in {run.strategy for run in runs}:
        own = [run for run in runs if run.strategy == strategy]
        names = dict.fromkeys(name for run in own for name in run.params)
        found[strategy] = [
            name for name in names if len({value_text(run.params.get(name)) for run in own}) > 1
        ]
    return found


def _costs_text(run: RunResult, runs: Sequence[RunResult]) -> str:
    mine, all_of = run.costs.told(), [other.costs.told() for other in runs]
    return params_text(
        {name: value for name, value in mine.items() if any(other.get(name) != value for other in all_of)}
    )


def _told_apart(names: list[str], more: list[str]) -> list[str]:
    """The same names where they differ, else with more words."""
    return [
        f"{name} · {words}" if words and names.count(name) > 1 else name
        for name, words in zip(names, more, strict=True)
    ]
