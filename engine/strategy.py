"""All that the author of a strategy sees: `Strategy` and `Param`; and `Signals`, what the engines make of the answer."""

from __future__ import annotations

import difflib
import functools
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.errors import InputError, RunError
from engine.market import Float64Array

if TYPE_CHECKING:
    import pandas as pd

ParamValue = int | float | bool | str
Columns: TypeAlias = "pd.DataFrame | Mapping[str, Any]"  # what a strategy answers: Series or arrays by name


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
                value = wanted(value)
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
        raw = {name: _booleans(column, name) for name, column in columns.items() if name not in PRICE_COLUMNS}
        names = tuple(name for name in raw if ENTRY_COLUMN.fullmatch(name))
        if not names:
            raise RunError("signals() returned no column named signal_<name>_buy or signal_<name>_sell")
        n = len(candles)
        return cls(
            names,
            _entries(raw, names, n),
            raw["exit_long"] if "exit_long" in raw else _nowhere(n),
            raw["exit_short"] if "exit_short" in raw else _nowhere(n),
            _prices(columns, "stop_loss", n),
            _prices(columns, "take_profit", n),
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


def columns_of(answer: Any, index: pd.Index[Any], method: str) -> dict[str, Any]:
    """The columns that a strategy's `method` returned, a Series or array (n,) each, in order.

    Raises RunError unless `answer` is a DataFrame, or a mapping of Series and one-dimensional arrays, on `index`.
    """
    import pandas as pd

    if isinstance(answer, pd.DataFrame):
        _check_rows(len(answer), answer.index, index, method)
        if not answer.columns.is_unique:
            twice = answer.columns[answer.columns.duplicated()][0]
            raise RunError(f"{method}() returned the column {twice!r} twice")
        return {str(name): column for name, column in answer.items()}
    if not isinstance(answer, Mapping):
        raise RunError(
            f"{method}() must return a DataFrame or a mapping of columns, not {type(answer).__name__}"
        )
    for name, column in answer.items():
        if isinstance(column, pd.Series):
            _check_rows(len(column), column.index, index, method)
        elif not isinstance(column, np.ndarray) or column.ndim != 1:
            raise RunError(
                f"{method}() column {name!r} must be a Series or a one-dimensional array, not {_kind(column)}"
            )
        elif len(column) != len(index):
            raise RunError(
                f"{method}() column {name!r} has {len(column)} values, there are {len(index)} candles"
            )
    return {str(name): column for name, column in answer.items()}


def _kind(column: Any) -> str:
    return f"an array of shape {column.shape}" if isinstance(column, np.ndarray) else type(column).__name__


def _check_rows(rows: int, found: pd.Index[Any], index: pd.Index[Any], method: str) -> None:
    if found is not index and not found.is_(index) and not found.equals(index):
        raise RunError(
            f"{method}() returned {rows} rows with another index than the {len(index)} candles; "
            "build the frame with index=candles.index"
        )


def float_column(column: Any, name: str, method: str) -> Float64Array:
    """A column of numbers as float64, without copying where it is that already; raises RunError naming it."""
    try:
        if isinstance(column, np.ndarray):
            # the strategy may keep what it can write into, and do so later
            return np.array(column, dtype=np.float64, copy=True if column.flags.writeable else None)
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise RunError(f"{method}() column {name!r} must hold numbers, not {column.dtype}") from None


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


def _booleans(column: Any, name: str) -> npt.NDArray[np.bool_]:
    if column.dtype != np.bool_:
        if str(column.dtype) != "boolean" or column.isna().any():
            raise RunError(
                f"signals() column {name!r} must be boolean, not {column.dtype}; a comparison gives one"
            )
        column = column.astype(bool)
    return np.array(column if isinstance(column, np.ndarray) else column.to_numpy())


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
    try:
        values = np.array(columns[name], dtype=np.float64)
    except (TypeError, ValueError):
        raise RunError(f"signals() column {name!r} must hold prices, not {columns[name].dtype}") from None
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
