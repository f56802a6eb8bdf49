"""The compiled engine: the rules of a run as one numba kernel, equal to backtesting.py trade by trade.

It counts in the reference engine's units and in its order of operations, so figures agree to the last bits. The kernels are
compiled once per installation, when this module is first imported, and loaded from NUMBA_CACHE_DIR by every later process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from engine.backtest.outcome import Outcome, TradeTable
from engine.backtest.rules import (
    ALMOST_ALL,
    EXIT_LONG,
    EXIT_SHORT,
    OPEN,
    REASONS,
    REVERSE,
    RUIN,
    STOP_LOSS,
    TAKE_PROFIT,
    UNITS,
    Report,
    check_stops,
    ignore_report,
)
from engine.model.account import Costs
from engine.model.market import Candles, Float64Array, Int64Array
from engine.strategy import Signals

Column = npt.NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])

# rows of the two tables that `simulate` fills, a column per trade
PLACES: Final = ("side", "entry", "exit", "signal", "reason")
AMOUNTS: Final = (
    "size", "entry_price", "exit_price", "pnl", "commission", "slippage", "mae_pct", "mfe_pct",
)  # fmt: skip

_EXIT_LONG, _EXIT_SHORT = REASONS.index(EXIT_LONG), REASONS.index(EXIT_SHORT)
_STOP, _TARGET = REASONS.index(STOP_LOSS), REASONS.index(TAKE_PROFIT)
_REVERSE, _RUIN, _OPEN = REASONS.index(REVERSE), REASONS.index(RUIN), REASONS.index(OPEN)

_SAFE_QUOTIENT: Final = 2.0**50

_PRICES = types.Array(types.float64, 1, "C", readonly=True)
_FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
_ENTRIES = types.Array(types.int16, 1, "C", readonly=True)

# Nothing here allocates, so nothing needs counted references (_nrt): counting those of a dozen arrays for every trade would
# take half of the time.
_OPTIONS: Final[Any] = {"cache": True, "nogil": True, "_nrt": False}
_part: Callable[[F], F] = numba.njit(**_OPTIONS, forceinline=True)


def run_compiled(
    candles: Candles,
    signals: Signals,
    costs: Costs,
    reverse: bool = False,
    report: Report = ignore_report,
) -> Outcome:
    """Trade `signals` over `candles` (both of the period only, of equal length, at least one candle).

    Raises RunError where an entry's stop or target lies on the wrong side of its signal candle's close.
    """
    n = len(candles)
    assert n == len(signals.entry) > 0, "the kernel does not look where it reads"
    equity = np.empty(n)
    places, amounts = trade_space(int(np.count_nonzero(signals.entry)))
    prices, wanted, money = price_columns(candles), signal_columns(signals), cost_values(costs)
    count, shortfall, refused = simulate(*prices, *wanted, *money, reverse, True, equity, places, amounts)
    if refused >= 0:
        check_stops(candles, signals, refused)
    equity /= UNITS
    report(n, n, "candles")
    columns: dict[str, Any] = dict(zip(PLACES, places[:, :count], strict=True))
    columns |= dict(zip(AMOUNTS, amounts[:, :count], strict=True))
    return Outcome(TradeTable.of(candles, signals.names, **columns), equity, shortfall / UNITS)


def trade_space(capacity: int) -> tuple[Int64Array, Float64Array]:
    """Room for `capacity` trades: `places` and `amounts` of `simulate`. No run has more trades than entry signals."""
    return np.empty((len(PLACES), capacity), dtype=np.int64), np.empty((len(AMOUNTS), capacity))


def price_columns(candles: Candles) -> tuple[Column, Column, Column, Column]:
    """Open, high, low and close as `simulate` takes them: contiguous plain arrays (columns of a mapped file are not)."""
    return _plain(candles.open), _plain(candles.high), _plain(candles.low), _plain(candles.close)


def signal_columns(signals: Signals) -> tuple[Column, Column, Column, Column, Column]:
    """Entry, exits, stop and target as `simulate` takes them."""
    exits = _plain(signals.exit_long), _plain(signals.exit_short)
    return _plain(signals.entry), *exits, _plain(signals.stop_loss), _plain(signals.take_profit)


def _plain(column: Column) -> Column:
    return np.ascontiguousarray(column)


def cost_values(costs: Costs) -> tuple[float, float, float, float]:
    """Cash, commission, size and slippage as `simulate` takes them."""
    return (
        float(costs.cash),
        float(costs.commission),
        float(min(costs.size, ALMOST_ALL)),
        float(costs.slippage),
    )


@_part
def _floor_division(above: float, below: float) -> float:
    """above // below to the last bit, several times as fast where rounding cannot have changed the answer."""
    quotient = above / below
    units = math.floor(quotient)
    return units if units != quotient and quotient < _SAFE_QUOTIENT else above // below


@_part
def _hold_free(
    close: Any, entry: Any, exit_long: Any, exit_short: Any, side: int, first: int, units: float, price: float,
    money: float, reverse: bool, equity: Any,
) -> tuple[int, int]:  # fmt: skip
    """Hold from candle `first` on, without stop and target: (candle of the exit, reason). Writes the equity meanwhile."""
    last = len(close) - 1
    for k in range(first, last + 1):
        asked = exit_long[k] if side > 0 else exit_short[k]
        if k == last or asked or (reverse and side * entry[k] < 0):
            break
    signed, ruined = side * units, 0
    basis = signed * price
    for i in range(first, k + 1):
        value = money + (close[i] * signed - basis)
        equity[i] = value
        ruined |= value <= 0
    if ruined:
        for k in range(first, last + 1):
            if equity[k] <= 0:
                return k, _RUIN
    if k == last:
        return k, _OPEN
    if reverse and side * entry[k] < 0:
        return k + 1, _REVERSE
    return k + 1, _EXIT_LONG if side > 0 else _EXIT_SHORT


@_part
def _hold_guarded(
    opened: Any, high: Any, low: Any, close: Any, entry: Any, exit_long: Any, exit_short: Any, side: int,
    first: int, units: float, price: float, money: float, reverse: bool, stop: float, target: float, equity: Any,
) -> tuple[int, int]:  # fmt: skip
    """As `_hold_free`, watching a stop and a target; NaN = none, as every comparison with it is false."""
    last = len(close) - 1
    signed = side * units
    basis = signed * price
    for i in range(first, last + 1):
        if side * (opened[i] - stop) <= 0:
            return i, _STOP
        if side * (opened[i] - target) >= 0:
            return i, _TARGET
        if side * ((low[i] if side > 0 else high[i]) - stop) <= 0:
            return i, _STOP
        if side * ((high[i] if side > 0 else low[i]) - target) >= 0:
            return i, _TARGET
        value = money + (close[i] * signed - basis)
        equity[i] = value
        if value <= 0:
            return i, _RUIN
        if i < last and reverse and side * entry[i] < 0:
            return i + 1, _REVERSE
        if i < last and (exit_long[i] if side > 0 else exit_short[i]):
            return i + 1, _EXIT_LONG if side > 0 else _EXIT_SHORT
    return last, _OPEN


@_part
def _hold(
    opened: Any, high: Any, low: Any, close: Any, entry: Any, exit_long: Any, exit_short: Any, side: int,
    first: int, units: float, price: float, money: float, reverse: bool, stop: float, target: float, equity: Any,
) -> tuple[int, int]:  # fmt: skip
    """Hold a position until something ends it."""
    if math.isnan(stop) and math.isnan(target):
        return _hold_free(
            close, entry, exit_long, exit_short, side, first, units, price, money, reverse, equity
        )
    return _hold_guarded(
        opened, high, low, close, entry, exit_long, exit_short, side, first, units, price, money, reverse, stop,
        target, equity,
    )  # fmt: skip


@_part
def _exit_price(
    opened: float, close: float, side: int, reason: int, stop: float, target: float
) -> tuple[float, bool]:
    """(price before slippage, whether it was reached inside the candle) of an exit on a candle of that open and close."""
    if reason in (_OPEN, _RUIN):
        return close, False
    if reason == _STOP and side * (opened - stop) > 0:
        return stop, True
    if reason == _TARGET and side * (opened - target) < 0:
        return target, True
    return opened, False


@_part
def _excursions(
    high: Any, low: Any, side: int, first: int, last: int, price: float, exit_price: float, reason: int,
    inside: bool,
) -> tuple[float, float]:  # fmt: skip
    """(mae_pct, mfe_pct): semantics section 5."""
    lowest, highest = min(price, exit_price), max(price, exit_price)
    for i in range(first, last):
        lowest, highest = min(lowest, low[i]), max(highest, high[i])
    at_close = reason in (_OPEN, _RUIN)
    left_below = (reason == _STOP) == (side > 0)
    if at_close or (inside and not left_below):
        lowest = min(lowest, low[last])
    if at_close or (inside and left_below):
        highest = max(highest, high[last])
    down, up = (lowest / price - 1) * 100, (highest / price - 1) * 100
    return (down, up) if side > 0 else (0.0 - up, 0.0 - down)


@_part
def _write(
    places: Any, amounts: Any, k: int, side: int, first: int, leave: int, signal: int, reason: int, units: float,
    price: float, fill: float, bare: float, slippage: float, pnl: float, fees: float,
) -> None:  # fmt: skip
    """Write trade k down, without its excursions."""
    places[0, k], places[1, k], places[2, k], places[3, k], places[4, k] = side, first, leave, signal, reason
    amounts[0, k], amounts[1, k], amounts[2, k] = units / UNITS, price, fill
    amounts[3, k], amounts[4, k] = pnl / UNITS, fees / UNITS
    lost = abs(price - price / (1 + side * slippage)) + abs(fill - bare)
    amounts[5, k] = units / UNITS * lost


@numba.njit(
    (
        *[_PRICES] * 4,
        _ENTRIES,
        *[_FLAGS] * 2,
        *[_PRICES] * 2,
        *[types.float64] * 4,
        *[types.boolean] * 2,
        types.float64[::1],
        types.int64[:, ::1],
        types.float64[:, ::1],
    ),
    **_OPTIONS,
)
def simulate(
    opened: Any, high: Any, low: Any, close: Any, entry: Any, exit_long: Any, exit_short: Any, stop_loss: Any,
    take_profit: Any, cash: float, commission: float, size: float, slippage: float, reverse: bool,
    excursions: bool, equity: Any, places: Any, amounts: Any,
) -> tuple[int, float, int]:  # fmt: skip
    """Semantics sections 3 to 5 over n >= 1 candles; returns (trades, shortfall, refused).

    Prices, signals and costs as `price_columns`, `signal_columns` and `cost_values` give them. Fills `equity` (n,) and the
    first columns of `places` and `amounts` (rows PLACES and AMOUNTS; the last two only where `excursions`). `equity` and
    shortfall are in units, UNITS times the money; amounts are not. `refused`: -1, or the candle whose entry has a stop or
    target on the wrong side; then nothing else counts.
    """
    last = len(close) - 1
    money = cash * UNITS
    count = i = 0
    while True:  # flat at the close of candle i; the equity before it is written
        first = i
        while i < last and entry[i] == 0:
            i += 1
        equity[first : i + 1] = money
        if i == last:
            return count, 0.0, -1
        signal, reason = i, _REVERSE
        while (
            reason == _REVERSE
        ):  # an entry signalled at the close of `signal` wants the open of the next candle
            side = 1 if entry[signal] > 0 else -1
            stop, target, seen = stop_loss[signal], take_profit[signal], close[signal]
            if side * (stop - seen) >= 0 or side * (target - seen) <= 0:
                return count, 0.0, signal
            i = signal + 1
            price = opened[i] * (1 + side * slippage)
            # backtesting.py's own expression, so that the last bits agree
            units = _floor_division(max(0.0, money) * size, price + size * opened[i] * commission / size)
            if units < 1:
                break
            paid = units * price * commission
            money -= paid
            leave, reason = _hold(
                opened, high, low, close, entry, exit_long, exit_short, side, i, units, price, money, reverse, stop,
                target, equity,
            )  # fmt: skip
            bare, inside = _exit_price(opened[leave], close[leave], side, reason, stop, target)
            held = reason == _OPEN  # marked at the last close: not filled, nothing paid
            fill = bare if held else bare * (1 - side * slippage)
            fee = 0.0 if held else units * fill * commission
            gained = side * units * (fill - price)
            _write(
                places, amounts, count, side, i, leave, abs(entry[signal]) - 1, reason, units, price, fill, bare,
                slippage, gained - (fee + paid), fee + paid,
            )  # fmt: skip
            if excursions:
                amounts[6, count], amounts[7, count] = _excursions(
                    high, low, side, i, leave, price, fill, reason, inside
                )
            money += gained - fee
            count, i, signal = count + 1, leave, leave - 1
        if reason == _OPEN:
            return count, 0.0, -1
        if reason == _RUIN or money <= 0:
            equity[i:] = 0.0
            return count, 0.0 - money, -1
