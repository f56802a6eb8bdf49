"""What the Optimize tab holds as frozen values: ranges, constraint, objective, sampler. Saved and restored as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from desktop.pages.setup.values import Setup
from engine.errors import InputError
from engine.model.ranges import range_of, range_text
from engine.model.sweep_spec import ACROSS, GRID, SAMPLERS, SweepSpec

_WANTED_VALUES: Final = 20
_VARIED_AT_FIRST: Final = 2
NUMERIC: Final = ("int", "float")


@dataclass(frozen=True, slots=True)
class RangeChoice:
    """How a parameter is treated: varied or fixed, and between which numbers (unused for choices and truth values): int for
    whole ones, of any size, else float.
    """

    varied: bool = False
    low: float = 0
    high: float = 0
    step: float = 1

    def of(self, param: Mapping[str, Any]) -> RangeChoice:
        """The same with numbers as the parameter has them."""
        if param["type"] not in NUMERIC:
            return self
        low, high, step = (number(param, one) for one in (self.low, self.high, self.step))
        return replace(self, low=low, high=high, step=step)


@dataclass(frozen=True, slots=True)
class SweepChoice:
    """The tab's own choices for one strategy, or for the portfolio; all else is the set-up's, or the portfolio's."""

    ranges: Mapping[str, RangeChoice] = field(default_factory=dict)
    constraint: str = ""
    objective: str = "sharpe"
    sampler: str = GRID
    trials: int = 1000
    seed: int = 0
    second_objective: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` understands."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> SweepChoice | None:
        """The choice as saved, or None where it does not make sense any more."""
        try:
            found = cls(
                ranges={str(name): RangeChoice(**one) for name, one in value["ranges"].items()},
                constraint=str(value["constraint"]),
                objective=str(value["objective"]),
                sampler=str(value["sampler"]),
                trials=int(value["trials"]),
                seed=int(value["seed"]),
                second_objective=str(value.get("second_objective", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return found if found.sampler in SAMPLERS else None

    def completed(self, params: Sequence[Mapping[str, Any]]) -> SweepChoice:
        """The same with a range for each of these parameters, and for no other."""
        first = [str(param["name"]) for param in params if param["type"] in NUMERIC][:_VARIED_AT_FIRST]
        ranges = {}
        for param in params:
            name = str(param["name"])
            made = replace(default_range(param), varied=name in first and not self.ranges)
            ranges[name] = self.ranges.get(name, made).of(param)
        return replace(self, ranges=ranges)

    def with_plan_of(self, spec: SweepSpec, params: Sequence[Mapping[str, Any]]) -> SweepChoice:
        """The same with what a sweep varied of these parameters, its constraint, objective and sampler."""
        ranges = {}
        for param in params:
            name = str(param["name"])
            numbers = range_text(spec.ranges[name]).split(":") if name in spec.ranges else []
            known = replace(self.ranges[name], varied=name in spec.ranges)
            ranges[name] = (
                RangeChoice(True, *(_read(param, one) for one in numbers)) if len(numbers) == 3 else known
            )
        return replace(
            self, ranges=ranges, constraint=spec.constraint, objective=spec.objective, sampler=spec.sampler,
            trials=self.trials if spec.trials is None else spec.trials, seed=spec.seed,
            second_objective=spec.second_objective,
        )  # fmt: skip

    def asked(self, params: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The fields of a SweepSpec that say what is asked of a sweep over these parameters, whatever it is of; raises
        InputError for a range that is none, or where nothing is varied.
        """
        ranges = {
            str(param["name"]): values_of(param, self.ranges[str(param["name"])])
            for param in params
            if self.ranges[str(param["name"])].varied
        }
        if not ranges:
            raise InputError("Vary at least one parameter")
        return {
            "ranges": ranges, "constraint": self.constraint.strip(), "objective": self.objective,
            "sampler": self.sampler, "trials": None if self.sampler == GRID else self.trials, "seed": self.seed,
            "second_objective": self.second_objective,
        }  # fmt: skip


def market_choices(symbols: Sequence[str]) -> list[tuple[str, str]]:
    """On what a sweep can be done, in words and as `SweepSpec.across`: one symbol, or all of several."""
    every = [(f"{how} of all {len(symbols)}", how) for how in ACROSS] if len(symbols) > 1 else []
    return [*((symbol, "") for symbol in symbols), *every]


def values_of(param: Mapping[str, Any], choice: RangeChoice) -> Any:
    """The values that a varied parameter takes; raises InputError for a range that is none."""
    if param["type"] == "bool":
        return (False, True)
    if param["type"] == "choice":
        return tuple(param["choices"])
    if choice.low > choice.high:
        raise InputError(f"{param['name']}: From is above To")
    if choice.step <= 0:
        raise InputError(f"{param['name']}: the step must be above 0")
    return range_of(choice.low, choice.high, choice.step)


def setup_of(spec: SweepSpec, engine: str) -> Setup:
    """The set-up that a sweep was made with; `engine`: what runs are made by, which a sweep does not say."""
    return Setup(
        spec.exchange, spec.symbols or (spec.symbol,), spec.timeframe.name, spec.period.start, spec.period.end,
        (spec.strategy,), {spec.strategy: dict(spec.params)}, spec.costs, engine,
    )  # fmt: skip


def _read(param: Mapping[str, Any], text: str) -> float:
    return int(Decimal(text)) if param["type"] == "int" else float(text)


def number(param: Mapping[str, Any], value: float) -> float:
    """A number as the parameter has it, int or float; as it is where it is one already."""
    if param["type"] == "int":
        return value if isinstance(value, int) else round(value)
    return float(value)


def default_range(param: Mapping[str, Any]) -> RangeChoice:
    """From half to twice the default within the parameter's bounds, in about twenty round steps."""
    if param["type"] not in NUMERIC:
        return RangeChoice()
    whole, default = param["type"] == "int", param["default"]
    ends = sorted((default // 2 if whole else default / 2, default * 2)) if default else [0, 10]
    low = ends[0] if param["low"] is None else max(ends[0], param["low"])
    high = ends[1] if param["high"] is None else min(ends[1], param["high"])
    step = round_step((high - low) / _WANTED_VALUES)
    if whole:
        low, high, step = math.ceil(low), math.floor(high), max(1, int(step))
    else:
        low = max(low, float(f"{math.floor(low / step + 1e-9) * step:.10g}"))
    return RangeChoice(low=number(param, low), high=number(param, max(low, high)), step=number(param, step))


def round_step(wanted: float) -> float:
    """The smallest of 1, 2, 5 x 10^k that is not below `wanted`."""
    if not math.isfinite(wanted) or wanted <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(
        float(f"{factor * power:.10g}") for factor in (1, 2, 5, 10) if factor * power >= wanted * (1 - 1e-9)
    )
