"""All that the author of a strategy sees: `Strategy` and `Param`; and `Signals`, what the engines make of the answer."""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt

from engine.errors import RunError
from engine.model.account import BOTH
from engine.model.columns import Columns as Columns  # authors import it from here
from engine.model.columns import boolean_column, columns_of, float_column
from engine.model.market import Float64Array
from engine.model.orders import ORDER_COLUMNS, Orders, is_order_column
from engine.model.parameters import Param as Param
from engine.model.parameters import ParamValue, complete

if TYPE_CHECKING:
    import pandas as pd


class Reader(Protocol):
    """The other series of a strategy while it is asked."""

    def on(self, timeframe: str, compute: Callable[[Any], Any] | None, symbol: str, *, arrays: bool) -> Any:
        """As `Strategy.on`."""


_reader: ContextVar[Reader | None] = ContextVar("reader", default=None)


@contextmanager
def reading(reader: Reader) -> Iterator[None]:
    """While this lasts, `Strategy.on` reads from there."""
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


class Strategy(ABC):
    """A trading strategy over whole columns. Subclass it once per file; the docstring's first line is the title.

    The engine acts on a signal of candle i at the open of candle i+1, enters only when flat, and never looks back:
    a strategy says where it would act, the engine decides whether it can. Set `reverse = True` to let an opposite
    entry close and turn the position on one open.

    A class attribute `plots` says where columns of `indicators` are drawn; without it that is guessed from their values:
    `plots = {"rsi": {"pane": "RSI", "low": 0, "high": 100, "levels": (30, 70)}, "upper": {"pane": "price", "style":
    "dashed"}, "state": "hidden"}`. A pane is "price" (on the candles), "hidden" (only when asked for), or a title that
    columns share; a style is line, dashed or area. It decides no figure.
    """

    reverse: ClassVar[bool] = False
    # True: `candles` and `indicators` are dicts of read-only numpy arrays in place of pandas, which costs far less; the open
    # times are candles["timestamp"], int64 ms
    arrays: ClassVar[bool] = False
    # longer candles, and other symbols of the exchange, that `on` gives: `timeframes = ("4h", "1d")`; True: longer ones are
    # built of the candles of the run, and only whole ones, in place of fetching the exchange's own
    timeframes: ClassVar[tuple[str, ...]] = ()
    symbols_read: ClassVar[tuple[str, ...]] = ()
    build_timeframes: ClassVar[bool] = False

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

    def warmup(self) -> int | Mapping[str, int]:
        """How many candles before the period are needed before the first decision can be trusted; of several timeframes
        each in its own candles: `{"": 200, "4h": 60}`, "" being that of the run.
        """
        return 0

    def on(
        self, timeframe: str = "", compute: Callable[[Any], Any] | None = None, *, symbol: str = ""
    ) -> Any:
        """Another series beside the candles, as it was known at the close of each: the last candle of `timeframe` that had
        closed by then. One of `timeframes`, of the own symbol or one of `symbols_read`; without a timeframe that of the run.

        Its columns and `age`, how many candles of the run have passed since it closed (0: it closed with this one); or what
        `compute` makes of its candles, laid beside ours: a column for a column, a table for a table. NaN, or False, where
        none had closed yet. Within `indicators` and `signals` only. Raises RunError for what is not declared.
        """
        _check_asked(timeframe, compute, symbol)
        reader = _reader.get()
        if reader is None:
            raise RunError(_unread(self, timeframe, symbol))
        return reader.on(timeframe, compute, symbol, arrays=self.arrays)

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
        prices `stop_loss`, `take_profit`, and the columns of `engine.model.orders` (there a number will do as well).
        A DataFrame or a dict, as above; `indicators` is what `indicators` gave.
        """


def _check_asked(timeframe: Any, compute: Any, symbol: Any) -> None:
    """Raise RunError where `on` is called with what it cannot take, saying how it is written."""
    if not isinstance(timeframe, str):
        raise RunError(f'on() takes one timeframe, on("4h"), not {timeframe!r}')
    if not isinstance(symbol, str):
        raise RunError(f'on() takes one symbol, symbol="BTCUSDT", or none at all, not {symbol!r}')
    if compute is not None and not callable(compute):
        asked = named_series(timeframe, symbol)
        raise RunError(
            f"{asked} takes a function of its candles beside that, such as lambda c: ..., not {compute!r}"
        )


def _unread(strategy: Strategy, timeframe: str, symbol: str) -> str:
    asked = named_series(timeframe, symbol)
    if strategy.timeframes or strategy.symbols_read:
        return f"{asked} is known in indicators() and signals() only"
    return f'{asked} is not declared: the class lacks timeframes = ("{timeframe or "4h"}",), or symbols_read'


def named_series(timeframe: str, symbol: str) -> str:
    """How a strategy asks for a series, for sentences: on("4h", symbol="BTCUSDT")."""
    given = (f'"{timeframe}"' if timeframe else "", f'symbol="{symbol}"' if symbol else "")
    return f"on({', '.join(filter(None, given))})"


ENTRY_COLUMN: Final = re.compile(r"signal_\w+_(buy|sell)")
EXIT_COLUMNS: Final = ("exit_long", "exit_short")
PRICE_COLUMNS: Final = ("stop_loss", "take_profit")


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Checked signals over n candles, ready for an engine.

    `entry`: int16 (n,), 0 = none, +(k+1) = enter long by entry column k, -(k+1) = enter short by it, priority applied.
    `exit_long`, `exit_short`: bool (n,). `stop_loss`, `take_profit`: float64 (n,), NaN = none.
    `raw`: every boolean column as given, for counting. `orders`: None = every entry is a market order.
    """

    names: tuple[str, ...]
    entry: npt.NDArray[np.int16]
    exit_long: npt.NDArray[np.bool_]
    exit_short: npt.NDArray[np.bool_]
    stop_loss: Float64Array
    take_profit: Float64Array
    raw: Mapping[str, npt.NDArray[np.bool_]]
    orders: Orders | None = None

    @classmethod
    def check(cls, answer: Any, candles: pd.DataFrame) -> Signals:
        """From what `Strategy.signals` returned over `candles`; raises RunError naming the column at fault."""
        numbers, answer = _numbers_apart(answer)
        columns = columns_of(answer, candles.index, "signals")
        wanted = {name: columns.pop(name) for name in list(columns) if is_order_column(name)} | numbers
        _check_names(columns)
        raw = {
            name: boolean_column(column, name)
            for name, column in columns.items()
            if name not in PRICE_COLUMNS
        }
        if not any(ENTRY_COLUMN.fullmatch(name) for name in raw):
            raise RunError("signals() returned no column named signal_<name>_buy or signal_<name>_sell")
        n = len(candles)
        orders = Orders.check(wanted, n) if wanted else None
        return cls.of(raw, _prices(columns, "stop_loss", n), _prices(columns, "take_profit", n), orders)

    @classmethod
    def of(
        cls,
        raw: Mapping[str, npt.NDArray[np.bool_]],
        stop_loss: Float64Array,
        take_profit: Float64Array,
        orders: Orders | None = None,
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
            orders,
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
            None if self.orders is None else self.orders.slice(start, stop),
        )

    def only(self, side: str, reverse: bool) -> Signals:
        """Of one side: entries of the other are left out, or where the strategy turns its position only close it."""
        if side == BOTH:
            return self
        sign = 1 if side == "long" else -1
        other = self.entry * sign < 0
        exits = {1: self.exit_long, -1: self.exit_short}
        if reverse:
            exits[sign] = exits[sign] | other
        entry = np.where(other, 0, self.entry).astype(np.int16)
        return replace(self, entry=entry, exit_long=exits[1], exit_short=exits[-1])


def _numbers_apart(answer: Any) -> tuple[dict[str, Any], Any]:
    """The order columns that are one number for all candles, and the answer without them."""
    if not isinstance(answer, Mapping):
        return {}, answer
    numbers = {
        name: value
        for name, value in answer.items()
        if isinstance(value, int | float | np.number)
        and not isinstance(value, bool)
        and name in ORDER_COLUMNS
    }
    return numbers, {
        name: value for name, value in answer.items() if name not in numbers
    } if numbers else answer


def _check_names(columns: Mapping[str, Any]) -> None:
    for name in columns:
        if name not in EXIT_COLUMNS and name not in PRICE_COLUMNS and not ENTRY_COLUMN.fullmatch(name):
            raise RunError(
                f"signals() returned the column {name!r}; allowed are signal_<name>_buy, signal_<name>_sell, "
                "exit_long, exit_short, stop_loss, take_profit, and those of orders (entry_limit, trail, target_1, ...)"
            )


def _entries(
    raw: Mapping[str, npt.NDArray[np.bool_]], names: tuple[str, ...], n: int
) -> npt.NDArray[np.int16]:
    # arithmetic on bytes takes microseconds where writing through a mask takes a hundred; 127 is the most a byte counts to
    small = np.int8 if len(names) < 128 else np.int16
    entry: npt.NDArray[Any] | None = None
    for k in reversed(range(len(names))):  # earlier columns win, so they are written last
        fires, code = raw[names[k]].view(np.int8), (k + 1) if names[k].endswith("_buy") else -(k + 1)
        said = fires * small(code)
        if entry is None:
            entry = said
        else:
            entry *= 1 - fires
            entry += said
    return np.zeros(n, dtype=np.int16) if entry is None else entry.astype(np.int16)


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
