"""What chance leaves of a run's Sharpe ratio, in words."""

from __future__ import annotations

from collections.abc import Mapping


def beside_chance(metrics: Mapping[str, float | int | None], *, stitched: bool = False) -> str:
    """How the Sharpe ratio of a run stands beside what the best of as many trials shows by chance; empty where it is not
    known: for a run without a Sharpe ratio, or of an older version.

    `stitched`: a run of a walk-forward. What it is judged by are walk-forwards; how many trials its own made is said first.
    """
    sharpe, chance, trials = (metrics.get(name) for name in ("sharpe", "chance_sharpe", "trials_counted"))
    probability = metrics.get("dsr")
    if sharpe is None or chance is None or probability is None or not trials:
        return ""
    one, chosen = ("walk-forward", _chosen_from(metrics.get("walk_trials"))) if stitched else ("trial", "")
    if trials == 1:
        return (
            f"{chosen}The only {one} here: no best of many to discount. A Sharpe ratio of {sharpe:.2f} is above 0 with a "
            f"probability of {probability:.1%}."
        )
    alike = metrics.get("dsr_eff")
    more = "" if alike is None else f", {alike:.1%} with trials that are alike counted as one"
    measured = metrics.get("trials_measured")
    assumed = "" if measured else f" How far the {one}s lie apart is assumed, not measured."
    return (
        f"{chosen}Of {trials:,} {one}s the best Sharpe ratio expected by chance is {chance:.2f}; yours is {sharpe:.2f}. "
        f"It is more than chance with a probability of {probability:.1%}{more}.{assumed}"
    )


def _chosen_from(trials: float | int | None) -> str:
    """Before a stitched run's sentence. `trials`: None for one of an older version."""
    count = "" if trials is None else f"{trials:,} "
    return f"Its parameters were chosen from {count}trials in trainings, each before its test. "
