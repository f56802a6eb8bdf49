"""Whether the best of a sweep is more than luck: figures over all its trials, and what they say in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine.model.market import Float64Array
from engine.model.numerals import counted

BINS: Final = 20
_DOMINANCE: Final = (
    "choosing the best of one half dominates in no order what any trial gives in the other; one bad half is enough for that",
    "choosing the best of one half gives fewer bad ends in the other than any trial would (second-order dominance)",
    "choosing the best of one half does better in the other than any trial would, at every ratio (first-order dominance)",
)


@dataclass(frozen=True, slots=True, eq=False)
class SweepStatistics:
    """What all trials of a sweep say about the best of them. None where a figure has no meaning; `notes` says why.

    `compared` of the trials kept daily returns that move and differ; `constant` and `equal` ones were left out. Over all
    ways (k) to halve the days in `blocks`: `pbo`, the share in which the best of one half is below the middle of the other;
    `prob_oos_loss`, in which it loses there; `logits` (k,) of its rank there, `chosen` and `achieved` (k,) its Sharpe ratio
    per day in both; `slope`, `intercept` of the line through these; `dominance`: of what the chosen ones achieve over what
    all trials do, first order (1), second (2) or none (0). `independent`: how many trials count as such.
    `spa`: lower, consistent and upper p value of "no trial is better than nothing". `chance_sharpe`: annualised, of the
    best of so many without skill. `nbr_*`: of the best trial's `neighbours` on the grid (mean / best, least / best, share
    <= 0). `suggested`: the trial in the middle of the best plateau, as in `SweepResult.trial`, `ranged`: its parameters
    that vary; `plateau`: mean - deviation there. `grid_median`, `grid_positive`: of the objective over all trials with one,
    and the share of it above 0. Of an objective that is better when lower no figure is a share of the best or above 0.
    """

    compared: int = 0
    constant: int = 0
    equal: int = 0
    blocks: int | None = None
    pbo: float | None = None
    prob_oos_loss: float | None = None
    slope: float | None = None
    intercept: float | None = None
    dominance: int | None = None
    logits: Float64Array = field(default_factory=lambda: np.empty(0))
    chosen: Float64Array = field(default_factory=lambda: np.empty(0))
    achieved: Float64Array = field(default_factory=lambda: np.empty(0))
    independent: float | None = None
    spa: tuple[float, float, float] | None = None
    chance_sharpe: float | None = None
    best_sharpe: float | None = None
    neighbours: int = 0
    nbr_ratio: float | None = None
    nbr_min: float | None = None
    nbr_loss: float | None = None
    suggested: Mapping[str, Any] | None = None
    ranged: tuple[str, ...] = ()
    plateau: float | None = None
    grid_median: float | None = None
    grid_positive: float | None = None
    notes: tuple[str, ...] = ()

    def histogram(self) -> tuple[Float64Array, Float64Array]:
        """How many logits lie in each of some equal bins (k,), and where these end (k + 1,); 0 is such an end."""
        reach = float(np.abs(self.logits).max()) if len(self.logits) else 1.0
        counts, edges = np.histogram(self.logits, BINS, (-reach, reach))
        return counts.astype(np.float64), edges

    def to_json(self) -> dict[str, Any]:
        """For programs: the logits as a histogram."""
        counts, edges = self.histogram()
        suggested = self.suggested
        return {
            "compared": self.compared,
            "constant": self.constant,
            "equal": self.equal,
            "blocks": self.blocks,
            "splits": len(self.logits),
            "pbo": self.pbo,
            "prob_oos_loss": self.prob_oos_loss,
            "degradation": self.slope,
            "intercept": self.intercept,
            "dominance": self.dominance,
            "logits": {"edges": edges.tolist(), "counts": counts.astype(int).tolist()}
            if len(self.logits)
            else None,
            "independent": self.independent,
            "spa": None
            if self.spa is None
            else dict(zip(("lower", "consistent", "upper"), self.spa, strict=True)),
            "chance_sharpe": self.chance_sharpe,
            "neighbours": self.neighbours,
            "nbr_ratio": self.nbr_ratio,
            "nbr_min": self.nbr_min,
            "nbr_loss": self.nbr_loss,
            "plateau": self.plateau,
            "suggested": suggested and {name: suggested[name] for name in ("trial", "params", "value")},
            "grid_median": self.grid_median,
            "grid_positive": self.grid_positive,
            "notes": list(self.notes),
        }

    @property
    def sentences(self) -> list[str]:
        """What the figures say, one after the other; then what could not be found out."""
        return [line for line in (*self._luck(), *self._ground(), *self.notes) if line]

    def _luck(self) -> list[str]:
        found = []
        if self.chance_sharpe is not None and self.best_sharpe is not None:
            found.append(
                f"by chance the best of these trials would show a Sharpe ratio of {self.chance_sharpe:.2f}; "
                f"it is {self.best_sharpe:.2f}"
            )
        if self.pbo is not None and self.prob_oos_loss is not None:
            found.append(
                f"overfitting (PBO): in {self.pbo:.0%} of {len(self.logits):,} ways to halve the days, what is best in one "
                f"half is below the middle in the other; it loses there in {self.prob_oos_loss:.0%}"
            )
        if self.dominance is not None:
            found.append(_DOMINANCE[self.dominance])
        if self.spa is not None:
            low, middle, high = self.spa
            found.append(
                f'p of "no trial is better than nothing" (SPA): {middle:.3f} ({low:.3f} to {high:.3f})'
            )
        if self.independent is not None:
            found.append(
                f"{self.compared:,} trials differ as much as {self.independent:.0f} independent ones"
            )
        return found

    def _ground(self) -> list[str]:
        found = []
        if self.nbr_ratio is not None and self.nbr_min is not None:
            found.append(
                f"{counted(self.neighbours or 0, 'neighbour')} of the best: {self.nbr_ratio:.0%} of it on average, "
                f"{self.nbr_min:.0%} at least; {self.nbr_loss:.0%} of them are not above 0"
            )
        if self.suggested is not None and self.plateau is not None:
            params = ", ".join(f"{name} {self.suggested['params'][name]}" for name in self.ranged)
            found.append(
                f"best plateau: {params} (mean - deviation of it and its neighbours {self.plateau:.2f})"
            )
        if self.grid_median is not None:
            share = "" if self.grid_positive is None else f"; {self.grid_positive:.0%} are above 0"
            found.append(f"median of all trials {self.grid_median:.2f}{share}")
        return found
