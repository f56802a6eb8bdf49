"""What goes into a sweep and what comes out: frozen values, columns over the trials, and their JSON shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.model.account import Costs
from engine.model.exchanges import describe
from engine.model.market import Float64Array, Int64Array, Period, Timeframe, format_time
from engine.model.parameters import ParamValue
from engine.model.ranges import range_json, read_range
from engine.model.run import skipped_checks, values_of_spec

SAMPLERS: Final = ("grid", "random")
# the metrics of which less is better; of every other one more is (a drawdown in % is negative)
LOWER_IS_BETTER: Final = frozenset(
    {"max_drawdown_days", "volatility_pct", "exposure_pct", "open_trades", "commission", "slippage"}
)
FEW_TRADES: Final = 30
TOP: Final = 10

Column = npt.NDArray[Any]


def unmade_checks() -> dict[str, dict[str, Any]]:
    """The checks of a sweep of a version that made none."""
    note = {"note": "not made by the version that made this sweep"}
    return {name: check | note for name, check in skipped_checks().items() if name != "crosscheck"}


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """One sweep to do: which values of which parameters to combine, on what, and what counts as best.

    `ranges`: the values tried, per parameter (`engine.model.ranges.parse_range` makes them from text); `params`: fixed ones.
    `constraint`: an expression over parameters that a combination must fulfil, "" for none. `trials`: how many distinct
    combinations the random sampler draws.
    """

    strategy: str
    symbol: str
    exchange: str
    timeframe: Timeframe
    period: Period
    ranges: Mapping[str, Sequence[ParamValue]]
    params: Mapping[str, Any] = field(default_factory=dict)
    costs: Costs = field(default_factory=Costs)
    constraint: str = ""
    objective: str = "sharpe"
    sampler: str = "grid"
    trials: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.ranges:
            raise InputError("nothing to sweep: give at least one parameter a range, such as fast=5:50:1")
        if self.sampler not in SAMPLERS:
            raise InputError(f"unknown sampler {self.sampler!r}; known: {', '.join(SAMPLERS)}")
        if (self.trials is not None) != (self.sampler == "random"):
            raise InputError(
                "the random sampler needs a number of trials; the grid tries every combination and takes none"
            )
        if self.trials is not None and self.trials < 1:
            raise InputError(f"trials must be at least 1, not {self.trials}")
        both = self.ranges.keys() & self.params.keys()
        if both:
            raise InputError(f"{', '.join(sorted(both))}: either a range or a fixed value, not both")

    def on(self, symbol: str) -> Self:
        """The same sweep with the market's own name."""
        return replace(self, symbol=symbol)

    def to_json(self) -> dict[str, Any]:
        """The spec for people and programs; ranges as text where that reads back as the same, else as lists."""
        return {
            "strategy": self.strategy,
            "symbol": self.symbol,
            "exchange": self.exchange,
            "timeframe": self.timeframe.name,
            **self.period.to_json(),
            "ranges": {name: range_json(values) for name, values in self.ranges.items()},
            "params": dict(self.params),
            "constraint": self.constraint,
            "objective": self.objective,
            "sampler": self.sampler,
            "trials": self.trials,
            "seed": self.seed,
            "costs": asdict(self.costs),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The spec that `to_json` described; dates and ranges as on the command line. Raises InputError."""
        values = values_of_spec(document)
        ranges = {name: read_range(given) for name, given in values["ranges"].items()}
        return cls(**values | {"ranges": ranges})


@dataclass(frozen=True, eq=False)
class SweepResult:
    """One sweep as far as it came: columns over its n trials, in the order of their numbers.

    `done` of `planned` trials were made, `failed` of them failed; n = done, but 1 (the best, or 0) in a list of sweeps.
    `period` is the effective one; `warmup` candles before it were asked for (the longest of all combinations), so
    `RunSpec(warmup=...)` repeats any trial. `numbers`: int64 (n,), which combination of the plan each was. `params`: the
    ranged parameters, `fixed`: all the others. `metrics`: float64 (n,), NaN where a figure has no meaning or the trial
    failed. `errors`: one line per failed trial, by position 0..n-1.
    `trials_of_strategy`: how many distinct trials of this strategy were ever made, these included. `checks`: of the
    candles that all trials saw, as a run's.
    """

    id: str
    spec: SweepSpec
    status: str
    unified: str
    period: Period
    warmup: int
    numbers: Int64Array
    params: Mapping[str, Column]
    fixed: Mapping[str, ParamValue]
    metrics: Mapping[str, Float64Array]
    errors: Mapping[int, str]
    planned: int
    done: int
    failed: int
    engine: str = "compiled"
    trials_of_strategy: int | None = None
    elapsed_s: float = 0.0
    created_ms: int = 0
    error: str | None = None
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=unmade_checks)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def objective(self) -> Float64Array:
        """What was maximised or minimised, (n,), NaN for none."""
        return self.metrics[self.spec.objective]

    @cached_property
    def order(self) -> Int64Array:
        """Positions of the trials, best first: equals by number, then those without a value, then the failed."""
        sign = 1.0 if self.spec.objective in LOWER_IS_BETTER else -1.0
        failed = np.zeros(len(self), dtype=np.bool_)
        failed[list(self.errors)] = True
        # lexsort is stable and puts NaN last
        return np.lexsort((self.numbers, sign * self.objective, failed)).astype(np.int64)

    @property
    def best(self) -> dict[str, Any] | None:
        """The best trial as in `top`; None when no trial has a value."""
        found = self.top(1)
        return found[0] if found and found[0]["value"] is not None else None

    def trial(self, position: int) -> dict[str, Any]:
        """One trial: `{trial, params (complete), value, metrics, error}`, None for what is not a number."""
        metrics = {name: _plain(name, column[position]) for name, column in self.metrics.items()}
        return {
            "trial": int(self.numbers[position]),
            "params": self.params_of(position),
            "value": metrics[self.spec.objective],
            "metrics": metrics,
            "error": self.errors.get(position),
        }

    def params_of(self, position: int) -> dict[str, ParamValue]:
        """The complete parameters of one trial."""
        return dict(self.fixed) | {name: column[position].item() for name, column in self.params.items()}

    def top(self, k: int = TOP) -> list[dict[str, Any]]:
        """The best `k` trials, best first; failed ones are never among them."""
        return [self.trial(at) for at in self.order[:k].tolist() if at not in self.errors]

    def heat_map(self, x: str, y: str) -> tuple[list[ParamValue], list[ParamValue], Float64Array]:
        """The values of two ranged parameters and, shape (len(ys), len(xs)), the best objective of each pair.

        NaN where no trial has a value. Raises KeyError for a parameter without a range.
        """
        (xs, column), (ys, row) = (np.unique(self.params[name], return_inverse=True) for name in (x, y))
        best = np.full((len(ys), len(xs)), np.nan)
        worse = np.fmin if self.spec.objective in LOWER_IS_BETTER else np.fmax
        worse.at(best, (row, column), self.objective)
        return xs.tolist(), ys.tolist(), best

    @property
    def warnings(self) -> list[str]:
        """What the checks found against the figures."""
        warmup, data = self.checks["warmup"], self.checks["data"]
        found = []
        if warmup["status"] == "failed":
            short = f"only {warmup['held']:,} of {warmup['wanted']:,} candles of warm-up are held"
            found.append(f"{short}: trials that ask for more of them begin with too few")
        if data["missing_candles"]:
            found.append(str(data["note"]))
        return found

    @property
    def notes(self) -> list[str]:
        """All there is to keep in mind: what the checks found first."""
        return [*self.warnings, *self.cautions]

    @property
    def cautions(self) -> list[str]:
        """What to keep in mind about the best of many, and what the figures leave out."""
        best = self.best
        told = self.done - self.failed
        found = [f"the best of {told:,} trials looks better than it is" if best else "no trial has a value"]
        if self.trials_of_strategy is not None:
            found[0] += f"; {self.trials_of_strategy:,} trials of {self.spec.strategy} have been made in all"
        trades = best["metrics"].get("trades") if best else None
        if trades is not None and trades < FEW_TRADES:
            found.append(f"the best made only {trades} trades: too few to tell skill from luck")
        if describe(self.spec.exchange).is_perpetual:
            found.append("funding not included")
        return found

    @property
    def kept(self) -> str:
        """What of it is there again, for messages."""
        return f"{self.done:,} of {self.planned:,} trials are stored as sweep {self.id[:8]}"

    def to_json(self, top: int = TOP) -> dict[str, Any]:
        """The contract's sweep: what was asked, the best and the `top` trials, as many failed ones; no columns."""
        best = self.best
        failures = sorted(self.errors)[:top]
        return {
            **self.spec.to_json(),
            **self.period.to_json(),
            "id": self.id,
            "status": self.status,
            "error": self.error,
            "unified": self.unified,
            "engine": self.engine,
            "warmup": self.warmup,
            "fixed": dict(self.fixed),
            "trials": self.done,
            "planned": self.planned,
            "failed": self.failed,
            "trials_of_strategy": self.trials_of_strategy,
            "elapsed_s": self.elapsed_s,
            "created": format_time(self.created_ms),
            "best": best and {name: best[name] for name in ("params", "value", "metrics")},
            "top": self.top(top),
            "checks": {name: dict(check) for name, check in self.checks.items()},
            "failures": [{"params": self.params_of(at), "error": self.errors[at]} for at in failures],
            "notes": self.notes,
        }


_COUNTS: Final = ("trades", "open_trades")


def _plain(name: str, value: Any) -> float | int | None:
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if name in _COUNTS else number
