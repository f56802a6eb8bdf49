"""All that the author of a strategy sees: `Strategy` and `Param`; and `Signals`, what the engines make of the answer."""

from __future__ import annotations

import difflib
import functools
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from engine.columns import Columns as Columns  # authors import it from here
from engine.columns import boolean_column, columns_of, float_column
from engine.errors import InputError, RunError
from engine.market import Float64Array
from engine.numerals import read_number, read_whole

if TYPE_CHECKING:
    import pandas as pd

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


class Strategy(ABC):
    """A trading strategy over whole columns. Subclass it once per file; the docstring's first line is the title.

    The engine acts on a signal of candle i at the open of candle i+1, enters only when flat, and never looks back:
    a strategy says where it would act, the engine decides whether it can. Set `reverse = True` to let an opposite
    entry close and turn the position on one open.
    """

    reverse: ClassVar[bool] = False
    # True: `candles` and `indicators` are dicts of read-only numpy arrays in place of pandas, which costs far less
    arrays: ClassVar[bool] = False

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        vars(self).update(complete(self.params(), params or {}))

    @classmethod
    def params(cls) -> dict[str, Param]:
        """The declared parameters by name, in the order written (a base class's first)."""
        found: dict[str, Param] = {}
        for base in reversed(cls.__mro__):
            found |= {name: value for name, value in vars(base).items() if isinstance(value, Param)}
        return found

    def values(self) -> dict[str, ParamValue]:
        """Every parameter's value, defaults included."""
        return {name: getattr(self, name) for name in self.params()}

    def warmup(self) -> int:
        """How many candles before the period are needed before the first decision can be trusted."""
        return 0

    def indicators(self, candles: pd.DataFrame) -> Columns:
        """Columns to draw and to use, one value per row of `candles` (open, high, low, close, volume; UTC index).

        A DataFrame with the index of `candles`, or a dict of its Series or arrays by name: that costs less.
        """
        if self.arrays:
            return {}
        return candles.iloc[:, :0]  # a frame: strategies without indicators may begin theirs with it

    @abstractmethod
    def signals(self, candles: pd.DataFrame, indicators: Any) -> Columns:
        """Boolean columns `signal_<name>_buy`, `signal_<name>_sell`, `exit_long`, `exit_short`; and, where wanted,
        prices `stop_loss`, `take_profit`. A DataFrame or a dict, as above; `indicators` is what `indicators` gave.
        """


ENTRY_COLUMN: Final = re.compile(r"signal_\w+_(buy|sell)")
EXIT_COLUMNS: Final = ("exit_long", "exit_short")
PRICE_COLUMNS: Final = ("stop_loss", "take_profit")


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Checked signals over n candles, ready for an engine.

    `entry`: int16 (n,), 0 = none, +(k+1) = enter long by entry column k, -(k+1) = enter short by it, priority applied.
    `exit_long`, `exit_short`: bool (n,). `stop_loss`, `take_profit`: float64 (n,), NaN = none.
    `raw`: every boolean column as given, for counting.
    """

    names: tuple[str, ...]
    entry: npt.NDArray[np.int16]
    exit_long: npt.NDArray[np.bool_]
    exit_short: npt.NDArray[np.bool_]
    stop_loss: Float64Array
    take_profit: Float64Array
    raw: Mapping[str, npt.NDArray[np.bool_]]

    @classmethod
    def check(cls, answer: Any, candles: pd.DataFrame) -> Signals:
        """From what `Strategy.signals` returned over `candles`; raises RunError naming the column at fault."""
        columns = columns_of(answer, candles.index, "signals")
        _check_names(columns)
        raw = {
            name: boolean_column(column, name)
            for name, column in columns.items()
            if name not in PRICE_COLUMNS
        }
        if not any(ENTRY_COLUMN.fullmatch(name) for name in raw):
            raise RunError("signals() returned no column named signal_<name>_buy or signal_<name>_sell")
        n = len(candles)
        return cls.of(raw, _prices(columns, "stop_loss", n), _prices(columns, "take_profit", n))

    @classmethod
    def of(
        cls, raw: Mapping[str, npt.NDArray[np.bool_]], stop_loss: Float64Array, take_profit: Float64Array
    ) -> Signals:
        """From checked columns, in the order of their priority; all (n,)."""
        names, n = tuple(name for name in raw if ENTRY_COLUMN.fullmatch(name)), len(stop_loss)
        return cls(
            names,
            _entries(raw, names, n),
            raw["exit_long"] if "exit_long" in raw else _nowhere(n),
            raw["exit_short"] if "exit_short" in raw else _nowhere(n),
            stop_loss,
            take_profit,
            raw,
        )

    def slice(self, start: int | None, stop: int | None) -> Signals:
        """The signals of the candles at positions start..stop (views, no copy)."""
        cut = slice(start, stop)
        return Signals(
            self.names,
            self.entry[cut],
            self.exit_long[cut],
            self.exit_short[cut],
            self.stop_loss[cut],
            self.take_profit[cut],
            {name: column[cut] for name, column in self.raw.items()},
        )


def _check_names(columns: Mapping[str, Any]) -> None:
    for name in columns:
        if name not in EXIT_COLUMNS and name not in PRICE_COLUMNS and not ENTRY_COLUMN.fullmatch(name):
            raise RunError(
                f"signals() returned the column {name!r}; allowed are signal_<name>_buy, signal_<name>_sell, "
                "exit_long, exit_short, stop_loss, take_profit"
            )


def _entries(
    raw: Mapping[str, npt.NDArray[np.bool_]], names: tuple[str, ...], n: int
) -> npt.NDArray[np.int16]:
    # arithmetic on bytes takes microseconds where writing through a mask takes a hundred; 127 is the most a byte counts to
    small = np.int8 if len(names) < 128 else np.int16
    entry: npt.NDArray[Any] = np.zeros(n, dtype=small)
    for k in reversed(range(len(names))):  # earlier columns win, so they are written last
        fires, code = raw[names[k]].view(np.int8), (k + 1) if names[k].endswith("_buy") else -(k + 1)
        entry *= 1 - fires
        entry += fires * small(code)
    return entry.astype(np.int16)


@functools.lru_cache(maxsize=4)
def _nowhere(n: int) -> npt.NDArray[np.bool_]:
    """A column that is never true, shared by all who have none of their own: read-only."""
    never = np.zeros(n, dtype=np.bool_)
    never.flags.writeable = False
    return never


@functools.lru_cache(maxsize=4)
def _no_price(n: int) -> Float64Array:
    """A column without any price, shared as `_nowhere`."""
    none = np.full(n, np.nan)
    none.flags.writeable = False
    return none


def _prices(columns: Mapping[str, Any], name: str, n: int) -> Float64Array:
    if name not in columns:
        return _no_price(n)
    column = columns[name]
    if column.dtype.kind == "b":
        raise RunError(f"signals() column {name!r} must hold prices, not {column.dtype}")
    values = np.array(float_column(column, name, "signals"))
    if np.isinf(values).any() or (values <= 0).any():
        raise RunError(f"signals() column {name!r} must hold prices above 0, or NaN for none")
    return values


@dataclass(frozen=True, slots=True)
class StrategyInfo:
    """A strategy as listed. `error` is one line with file and line number when it does not load, else None.

    `kind` is "signals" (this module's Strategy) or "native" (a backtesting.Strategy subclass). `params`: Param.to_json.
    `not_params`: `{name, why}` of a native one's class variables that are no parameters.
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
            "kind": self.kind,
            "path": self.path,
            "error": self.error,
        }
