"""What a strategy's parameters may be, and a strategy as it is listed."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Self

from engine.errors import InputError
from engine.model.numerals import read_number, read_whole

ParamValue = int | float | bool | str


class Param:
    """A typed, bounded parameter, written as a class attribute: `fast = Param(21, low=2, high=200)`.

    The type is the default's: int, float, bool, or one of `choices`. On an instance the attribute is the plain value.
    """

    def __init__(
        self,
        default: ParamValue,
        *,
        low: float | None = None,
        high: float | None = None,
        choices: tuple[ParamValue, ...] | None = None,
        help: str = "",  # noqa: A002 - the word that every form uses
    ) -> None:
        self.default, self.low, self.high, self.choices, self.help = default, low, high, choices, help
        self.name = "the default"
        if not isinstance(default, int | float | bool | str):
            raise InputError(f"a parameter is an int, float, bool or text, not {type(default).__name__}")
        self.parse(default)  # here and not in __set_name__: its errors come wrapped on Python 3.11

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object | None, owner: type) -> Any:
        return self if instance is None else vars(instance).get(self.name, self.default)

    @property
    def type_name(self) -> str:
        """int, float, bool or choice."""
        return "choice" if self.choices else type(self.default).__name__

    def parse(self, value: Any) -> ParamValue:
        """`value` (text is converted) checked against type, bounds and choices; raises InputError naming the parameter."""
        parsed = self._choice(value) if self.choices else self._typed(value)
        if self.choices or isinstance(parsed, bool | str):
            return parsed
        if (self.low is not None and parsed < self.low) or (self.high is not None and parsed > self.high):
            raise InputError(f"{self.name} must be {self._wanted()}, not {value!r}")
        return parsed

    def _choice(self, value: Any) -> ParamValue:
        assert self.choices is not None
        for choice in self.choices:
            if value == choice or str(value) == str(choice):
                return choice
        raise InputError(f"{self.name} must be one of {', '.join(map(str, self.choices))}, not {value!r}")

    def _typed(self, value: Any) -> ParamValue:
        wanted = type(self.default)
        if isinstance(value, str) and wanted is bool:
            value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
                value.strip().lower(), value
            )
        elif isinstance(value, str) and wanted in (int, float):
            try:
                value = read_whole(value) if wanted is int else read_number(value)
            except ValueError:
                raise InputError(f"{self.name} must be {self._wanted()}, not {value!r}") from None
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not wanted or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"{self.name} must be {self._wanted()}, not {value!r}")
        return value

    def _wanted(self) -> str:
        words = {"int": "a whole number", "float": "a number", "bool": "true or false"}
        text = words.get(self.type_name, self.type_name)
        if self.low is not None and self.high is not None:
            return f"{text} from {self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"{text} of at least {self.low:g}"
        if self.high is not None:
            return f"{text} of at most {self.high:g}"
        return text

    def to_json(self) -> dict[str, Any]:
        """`{name, type, default, low, high, choices, help}`."""
        return {
            "name": self.name,
            "type": self.type_name,
            "default": self.default,
            "low": self.low,
            "high": self.high,
            "choices": list(self.choices) if self.choices else None,
            "help": self.help,
        }

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Param:
        """The parameter that `to_json` described."""
        choices, bounds = described["choices"], {"low": described["low"], "high": described["high"]}
        param = cls(described["default"], **bounds, choices=tuple(choices) if choices else None)
        param.name = str(described["name"])
        return param


def complete(known: Mapping[str, Param], given: Mapping[str, Any]) -> dict[str, ParamValue]:
    """Every parameter's value: checked where given, else its default; raises InputError for an unknown name."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(known) or 'none'}"
            raise InputError(f"the strategy has no parameter {name!r}; {hint}")
    return {name: param.parse(given.get(name, param.default)) for name, param in known.items()}


@dataclass(frozen=True, slots=True)
class StrategyInfo:
    """A strategy as listed. `error` is one line with file and line number when it does not load, else None.

    `kind` is "signals" (an engine.strategy.Strategy) or "native" (a backtesting.Strategy subclass). `params`: Param.to_json.
    `not_params`: `{name, why}` of a native one's class variables that are no parameters. `plots`: where columns are drawn,
    `{column: Plot.to_json}`, of those of which it says so. `timeframes`, `symbols_read`, `build_timeframes`: what it reads
    beside the candles that it trades; then `warmups`, candles by timeframe ("" = the run's), is what it wants with its
    defaults.
    """

    name: str
    title: str
    description: str
    params: tuple[Mapping[str, Any], ...]
    path: str
    kind: str = "signals"
    error: str | None = None
    traceback: str | None = None
    not_params: tuple[Mapping[str, str], ...] = ()
    plots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    timeframes: tuple[str, ...] = ()
    symbols_read: tuple[str, ...] = ()
    build_timeframes: bool = False
    warmups: Mapping[str, int] = field(default_factory=dict)

    @property
    def reading(self) -> str:
        """What it reads, in words: "reads 4h (60 candles warm-up), BTCUSDT"; empty where it reads nothing."""
        warm = {name: f" ({count:,} candles warm-up)" for name, count in self.warmups.items() if count}
        series = [*(name + warm.get(name, "") for name in self.timeframes), *self.symbols_read]
        built = ", built of the candles of the run" if self.build_timeframes and self.timeframes else ""
        return f"reads {', '.join(series)}{built}" if series else ""

    @property
    def error_line(self) -> int | None:
        """The line of the strategy's file that `error` names, from 1; None where it names none."""
        found = re.match(rf"{re.escape(PurePath(self.path).name)}:(\d+): ", self.error or "")
        return int(found[1]) if found else None

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise InputError where a parameter refuses the value given for it, as every run would."""
        for described in self.params:
            name = described["name"]
            try:
                if name in given:
                    Param.from_json(described).parse(given[name])
            except InputError as error:
                raise InputError(f"{self.name}: {error}; nothing was run") from None

    def to_json(self) -> dict[str, Any]:
        """The contract's strategy."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "params": [dict(param) for param in self.params],
            "not_params": [dict(other) for other in self.not_params],
            "plots": {column: dict(plot) for column, plot in self.plots.items()},
            "kind": self.kind,
            "path": self.path,
            "timeframes": list(self.timeframes),
            "symbols_read": list(self.symbols_read),
            "build_timeframes": self.build_timeframes,
            "warmups": dict(self.warmups),
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Assignment:
    """A parameter as a user sets it: `strategy` is the one that it names, "" for every selected one that has it.

    `text` is how it was set, for messages.
    """

    text: str
    strategy: str
    name: str
    value: str

    @classmethod
    def parse_all(cls, texts: Iterable[str]) -> tuple[Self, ...]:
        """One for every `k=v` and `STRATEGY.k=v`; raises InputError for what is neither."""
        return tuple(map(cls._parse, texts))

    @classmethod
    def from_json(cls, document: Mapping[str, ParamValue]) -> tuple[Self, ...]:
        """One for every `{k: v}` and `{"STRATEGY.k": v}`, values as their text would be; raises InputError for others."""
        return tuple(cls._of(f"params: {key!r}", key, str(value)) for key, value in document.items())

    @classmethod
    def _parse(cls, text: str) -> Self:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--param {text!r} must read name=value or STRATEGY.name=value")
        return cls._of(f"--param {text!r}", key, value.strip())

    @classmethod
    def _of(cls, text: str, key: str, value: str) -> Self:
        strategy, dot, name = key.strip().rpartition(".")
        if not name or (dot and not strategy):
            raise InputError(f"{text} must read name=value or STRATEGY.name=value")
        return cls(text, strategy, name, value)


def assign(
    assignments: Sequence[Assignment], infos: Sequence[StrategyInfo], what: str = "strategy"
) -> dict[str, dict[str, str]]:
    """The parameters that each of the selected strategies gets, by its name; an assignment that names it wins.

    Raises InputError when one goes nowhere, is given twice, or has a value that the strategy refuses.
    """
    known = {info.name: [str(param["name"]) for param in info.params] for info in infos}
    general: dict[str, dict[str, str]] = {name: {} for name in known}
    special: dict[str, dict[str, str]] = {name: {} for name in known}
    for one in assignments:
        for taker in _takers(one, known, what):
            given = (special if one.strategy else general)[taker]
            if one.name in given:
                raise InputError(f"{one.text}: {one.name} is given twice")
            given[one.name] = one.value
    assigned = {name: general[name] | special[name] for name in known}
    for info in infos:
        info.check(assigned[info.name])
    return assigned


def _takers(one: Assignment, known: Mapping[str, Sequence[str]], what: str) -> list[str]:
    """The strategies that an assignment goes to; `known`: the parameters of each that is selected."""
    if one.strategy and one.strategy not in known:
        raise InputError(f"{one.text}: the {what} {one.strategy!r} is not selected")
    meant = [one.strategy] if one.strategy else list(known)
    takers = [taker for taker in meant if one.name in known[taker]]
    if not takers:
        offered = sorted({param for taker in meant for param in known[taker]})
        near = difflib.get_close_matches(one.name, offered, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(offered) or 'none'}"
        raise InputError(f"{one.text}: no selected {what} has a parameter {one.name!r}; {hint}")
    return takers
