"""What comes out of a sweep: columns over the trials, and their JSON shapes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.model.market import Float64Array, Int64Array, Period, format_time, parse_time
from engine.model.numerals import counted
from engine.model.parameters import ParamValue
from engine.model.run import FINISHED, funding_left_out, skipped_checks
from engine.model.sweep_spec import SweepSpec
from engine.model.sweep_statistics import SweepStatistics
from engine.model.trial import TriedLeg

# the metrics of which less is better; of every other one more is (a drawdown in % is negative, paid funding positive)
LOWER_IS_BETTER: Final = frozenset(
    {
        "max_drawdown_days", "volatility_pct", "exposure_pct", "open_trades", "commission", "slippage", "funding",
        "liquidations",
    }
)  # fmt: skip
FEW_TRADES: Final = 30
TOP: Final = 10

Column = npt.NDArray[Any]


def unmade_checks() -> dict[str, dict[str, Any]]:
    """The checks of a sweep of a version that made none."""
    note = {"note": "not made by the version that made this sweep"}
    return {name: check | note for name, check in skipped_checks().items() if name != "crosscheck"}


@dataclass(frozen=True, slots=True, eq=False)
class TrialReturns:
    """Daily returns (k, days) of trials by their `numbers` (k,), ascending: of all that did not fail, or of evenly chosen
    ones of a large sweep.
    """

    numbers: Int64Array
    returns: Float64Array


@dataclass(frozen=True, eq=False)
class SweepResult:
    """One sweep as far as it came: columns over its n trials, in the order of their numbers.

    `done` of `planned` trials were made, `failed` of them failed; n = done, but 1 (the best, or 0) in a list of sweeps.
    `period` is the effective one; `warmup` candles before it were asked for (the longest of all combinations), and of longer
    timeframes `longer_warmup`, so `RunSpec(warmup=..., longer_warmup=...)` repeats any trial. `numbers`: int64 (n,), which
    combination of the plan each was. `params`: the ranged parameters, `fixed`: all the others. `metrics`: float64 (n,), NaN
    where a figure has no meaning or the trial failed. `errors`: one line per failed trial, by position 0..n-1.
    `trials_of_strategy`: how many distinct trials of this strategy were ever made, these included. `checks`: of the
    candles that all trials saw, as a run's. `markets`: of a sweep over several, those on each alone; then figures are across
    them, `period` holds all of theirs, and n counts the combinations that every market has tried.
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
    longer_warmup: tuple[tuple[str, int], ...] = ()
    markets: Sequence[SweepResult] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def span(self) -> Period:
        """From the first candle that was tried on to the end of the last; the whole period where that is not known."""
        span = self.checks["data"].get("span")
        return Period(parse_time(span["start"]), parse_time(span["end"])) if span else self.period

    @property
    def objective(self) -> Float64Array:
        """What was maximised or minimised, (n,), NaN for none."""
        return self.metrics[self.spec.objective]

    @property
    def losses(self) -> Float64Array:
        """The objectives as (n, 1 or 2): less is better, NaN for none."""
        return np.stack([loss_sign(name) * self.metrics[name] for name in self.spec.objectives], axis=1)

    @cached_property
    def front(self) -> Int64Array:
        """Positions of the trials that no other beats in one objective without losing in the other, best by the first
        one first; of equals the first. Empty where there is one objective.
        """
        losses = self.losses
        if losses.shape[1] < 2:
            return np.empty(0, dtype=np.int64)
        valued = np.flatnonzero(np.isfinite(losses).all(axis=1))
        ranked = valued[np.lexsort((self.numbers[valued], losses[valued, 1], losses[valued, 0]))]
        least = np.minimum.accumulate(losses[ranked, 1])
        return ranked[np.concatenate(([True], losses[ranked[1:], 1] < least[:-1]))[: len(ranked)]]

    @cached_property
    def behind(self) -> Int64Array:
        """Positions of the trials with a value in both objectives that are not on the front."""
        return np.setdiff1d(
            np.flatnonzero(np.isfinite(self.losses).all(axis=1)), self.front, assume_unique=True
        )

    @cached_property
    def order(self) -> Int64Array:
        """Positions of the trials, best first: equals by number, then those without a value, then the failed."""
        failed = np.zeros(len(self), dtype=np.bool_)
        failed[list(self.errors)] = True
        # lexsort is stable and puts NaN last
        return np.lexsort((self.numbers, loss_sign(self.spec.objective) * self.objective, failed)).astype(
            np.int64
        )

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
            **({"markets": self.values_on(position)} if self.markets else {}),
        }

    def values_on(self, position: int) -> dict[str, float | int | None]:
        """The objective of one trial on each market, by its symbol."""
        number, name = int(self.numbers[position]), self.spec.objective
        found: dict[str, float | int | None] = {}
        for one in self.markets:
            at = int(np.searchsorted(one.numbers, number))
            known = at < len(one) and int(one.numbers[at]) == number  # of a list only the best is at hand
            found[one.spec.symbol] = _plain(name, one.metrics[name][at]) if known else None
        return found

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
            if warmup["held"] >= warmup["wanted"]:
                short = f"of what is read the warm-up is not held whole ({warmup['note']})"
            found.append(f"{short}: trials that ask for more of them begin with too few")
        if data["missing_candles"]:
            found.append(str(data["note"]))
        if self.checks.get("margin", {}).get("status") == "failed":
            found.append(str(self.checks["margin"]["note"]))
        return found + self.left_out + self._periods

    @property
    def _periods(self) -> list[str]:
        """Where markets had candles of other days than the others."""
        days = [
            " to ".join(format_time(ms)[:10] for ms in (one.span.start, one.span.end)) for one in self.markets
        ]
        if len(set(days)) < 2:
            return []
        told = (f"{one.spec.symbol} {own}" for one, own in zip(self.markets, days, strict=True))
        return [f"the markets were tried over different periods: {', '.join(told)}"]

    @property
    def notes(self) -> list[str]:
        """All there is to keep in mind: what the checks found first."""
        return [*self.warnings, *self.cautions]

    @property
    def cautions(self) -> list[str]:
        """What to keep in mind about the best of many."""
        best = self.best
        told = self.done - self.failed
        found = [f"the best of {counted(told, 'trial')} looks better than it is"]
        if self.planned == 1:
            found = ["one trial: nothing was chosen"]
        if not best:
            found = ["no trial has a value"]
        if self.trials_of_strategy is not None:
            found[0] += f"; {self.trials_of_strategy:,} trials of {self.spec.strategy} have been made in all"
        trades = best["metrics"].get("trades") if best else None
        if trades is not None and trades < FEW_TRADES:
            found.append(
                f"the best made only {counted(int(trades), 'trade')}: too few to tell skill from luck"
            )
        return found

    @property
    def left_out(self) -> list[str]:
        """What the figures of all trials do not contain, or contain by assumption."""
        legs = self.spec.portfolio.legs if self.spec.portfolio else ()
        exchanges = dict.fromkeys([leg.exchange for leg in legs] or [self.spec.exchange])
        return list(dict.fromkeys(note for one in exchanges for note in funding_left_out(one, self.checks)))

    @property
    def kept(self) -> str:
        """What of it is there again, for messages; of one that did not come to its end, how it does."""
        kept = f"{self.done:,} of {self.planned:,} trials are stored as sweep {self.id[:8]}"
        return kept if self.status == FINISHED else f"{kept}, `backtest sweeps resume {self.id[:8]}` goes on"

    def to_json(self, top: int = TOP, statistics: SweepStatistics | None = None) -> dict[str, Any]:
        """The contract's sweep: what was asked, the best and the `top` trials, as many failed ones; no columns. `statistics`
        where they were asked for.
        """
        best = self.best
        failures = sorted(self.errors)[:top]
        return {
            **self.spec.to_json(),
            **self.period.to_json(),
            "id": self.id,
            "status": self.status,
            "error": self.error,
            "unified": self.unified or None,
            "engine": self.engine,
            "warmup": self.warmup,
            "longer_warmup": dict(self.longer_warmup),
            "fixed": dict(self.fixed),
            "trials": self.done,
            "planned": self.planned,
            "failed": self.failed,
            "trials_of_strategy": self.trials_of_strategy,
            "elapsed_s": self.elapsed_s,
            "created": format_time(self.created_ms),
            "best": best and {name: best[name] for name in ("params", "value", "metrics")},
            "top": self.top(top),
            "front": [self.trial(at) for at in self.front.tolist()],
            "checks": {name: dict(check) for name, check in self.checks.items()},
            "failures": [{"params": self.params_of(at), "error": self.errors[at]} for at in failures],
            "notes": self.notes,
            "statistics": statistics and statistics.to_json(),
            **({"markets": [_market_json(one) for one in self.markets]} if self.markets else {}),
        }


@dataclass(frozen=True, slots=True, eq=False)
class SweepPart:
    """Trials that are not stored yet: where they stand in their SweepResult (m, ascending), what each tried (None: it
    failed), daily returns of those that keep them. `stored`: how many trials are, None where the sweep itself is not.
    `legs`: what trials of a portfolio tried of strategies by themselves.
    """

    positions: Int64Array
    identities: Sequence[bytes | None]
    returns: TrialReturns | None = None
    stored: int | None = None
    legs: Collection[TriedLeg] = ()


@dataclass(frozen=True, slots=True, eq=False)
class BegunSweep:
    """A stored sweep that had not ended, with what it depends on (None: no worker had answered yet). `markets`: of one over
    several, as far as they were begun.
    """

    sweep: SweepResult
    inputs: Mapping[str, Any] | None
    returns: TrialReturns | None
    markets: Sequence[BegunSweep] = ()


def _market_json(sweep: SweepResult) -> dict[str, Any]:
    """What of a sweep over several markets is said of one of them."""
    best = sweep.best
    return {
        "symbol": sweep.spec.symbol,
        "unified": sweep.unified,
        **sweep.period.to_json(),
        "trials": sweep.done,
        "failed": sweep.failed,
        "best": best and {name: best[name] for name in ("params", "value", "metrics")},
        "checks": {name: dict(check) for name, check in sweep.checks.items()},
        "notes": sweep.warnings,
    }


def loss_sign(metric: str) -> float:
    """What a metric is multiplied by so that less is better."""
    return 1.0 if metric in LOWER_IS_BETTER else -1.0


_COUNTS: Final = ("trades", "open_trades")


def _plain(name: str, value: Any) -> float | int | None:
    number = float(value)
    if not math.isfinite(number):
        return None
    return (
        int(number) if name in _COUNTS and number.is_integer() else number
    )  # a mean over markets is not whole
