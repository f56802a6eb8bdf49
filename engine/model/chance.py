"""What chance leaves of a run's Sharpe ratio, in words."""

from __future__ import annotations

from collections.abc import Mapping


def beside_chance(metrics: Mapping[str, float | int | None]) -> str:
    """How the Sharpe ratio of a run stands beside what the best of as many trials shows by chance; empty where it is not
    known: for a run without a Sharpe ratio, or of an older version.
    """
    sharpe, chance, trials = (metrics.get(name) for name in ("sharpe", "chance_sharpe", "trials_counted"))
    probability = metrics.get("dsr")
    if sharpe is None or chance is None or probability is None or not trials:
        return ""
    if trials == 1:
        return (
            f"The only trial here: no best of many to discount. A Sharpe ratio of {sharpe:.2f} is above 0 with a "
            f"probability of {probability:.1%}."
        )
    alike = metrics.get("dsr_eff")
    more = "" if alike is None else f", {alike:.1%} with trials that are alike counted as one"
    assumed = (
        "" if metrics.get("trials_measured") else " How far the trials lie apart is assumed, not measured."
    )
    return (
        f"Of {trials:,} trials the best Sharpe ratio expected by chance is {chance:.2f}; yours is {sharpe:.2f}. "
        f"It is more than chance with a probability of {probability:.1%}{more}.{assumed}"
    )
