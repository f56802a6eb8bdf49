"""What both engines go by: the unit they trade in, why a position ends, which stops are refused and how, and the bounds
below which a figure has no meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np

from engine.backtest.perpetual import Perpetual
from engine.errors import RunError
from engine.model.account import Costs, Protections
from engine.model.market import Candles, short_time
from engine.model.orders import TARGETS
from engine.strategy import Signals

# Sizes are whole units of 1e-8 coin; money is counted 1e8 times as large, so prices stay real.
UNITS: Final = 1e8
# All of the account: backtesting.py reads a size of 1 as one unit, so it is the float just below for both engines.
ALMOST_ALL: Final = 1 - 2.0**-52

# a fall below the peak that is so small a fraction of it is only rounding
ROUNDING: Final = 1e-12

STOP_LOSS: Final = "stop_loss"
TAKE_PROFIT: Final = "take_profit"
REVERSE: Final = "reverse"
RUIN: Final = "ruin"
OPEN: Final = "open"
EXIT_LONG: Final = "exit_long"
EXIT_SHORT: Final = "exit_short"
TRAILING_STOP: Final = "trailing_stop"  # a stop that was moved, by whatever
TIME: Final = "time"
LIQUIDATION: Final = "liquidation"
WINDOW_END: Final = "window_end"  # of a walk-forward of a backtesting.Strategy: each window begins flat
REBALANCE: Final = "rebalance"  # of a portfolio: a part that brings the weight of a leg back
# by number in a table of trades
REASONS: Final = (
    EXIT_LONG, EXIT_SHORT, STOP_LOSS, TAKE_PROFIT, REVERSE, RUIN, OPEN, TRAILING_STOP, TIME, LIQUIDATION, *TARGETS,
    WINDOW_END, REBALANCE,
)  # fmt: skip
EXITS_AT_OPEN: Final = frozenset(
    (EXIT_LONG, EXIT_SHORT, REVERSE, TIME, WINDOW_END, REBALANCE)
)  # what leaves there and nowhere else
# by number in a table of fills: the reasons, then what enters
ENTRY, ADD = "entry", "add"
FILLS: Final = (*REASONS, ENTRY, ADD)

# how a candle that could be read two ways is read
AGAINST, DEFAULT, IN_FAVOUR = -1, 0, 1

Report = Callable[[float, float | None, str], None]


def ignore_report(_done: float, _total: float | None, _unit: str) -> None:
    """The listener of callers who do not listen."""


def exit_signal(side: int) -> str:
    """The reason of a position of that side closed by its exit column."""
    return EXIT_LONG if side > 0 else EXIT_SHORT


def carries(costs: Costs, perpetual: Perpetual | None) -> str | None:
    """Why backtesting.py cannot play a run on these terms; None = it can, whatever its signals and orders."""
    if costs.leverage is not None and perpetual is not None and perpetual.brackets is not None:
        return "backtesting.py knows no liquidation by a maintenance margin"
    if costs.detail is not None:
        return "backtesting.py knows no finer candles"
    if costs.protect != Protections():
        return "backtesting.py knows no protections"
    return None


def check_stops(candles: Candles, signals: Signals, i: int) -> None:
    """Raise RunError where the entry signalled on candle i asks for what cannot be: a stop or target on the wrong side of
    its close or of its order's price, two kinds of order at once, a risk without a stop, parts that are more than all.
    """
    side = 1 if signals.entry[i] > 0 else -1
    when = short_time(int(candles.timestamp[i]))
    entry = f"the {'long' if side > 0 else 'short'} entry signalled on the candle of {when}"
    price, named = _reference(signals, i, float(candles.close[i]), entry)
    levels = [
        ("stop_loss", float(signals.stop_loss[i]), 1),
        ("take_profit", float(signals.take_profit[i]), -1),
    ]
    targets = _targets(signals, i)
    levels += [(name, target, -1) for name, target in zip(TARGETS, targets, strict=True)]
    for name, level, wrong in levels:
        if not np.isnan(level) and side * wrong * (level - price) >= 0:
            where = "below" if side * wrong > 0 else "above"
            raise RunError(f"{name} {level:g} of {entry} must lie {where} {named} {price:g}")
    _check_orders(signals, i, side, targets, entry)


def limits_beyond(candles: Candles, signals: Signals) -> int:
    """How many of the entries ask for a limit on the wrong side of their close: the next open is likely to fill it."""
    if signals.orders is None:
        return 0
    limit = signals.orders.named().get("entry_limit", np.full(len(candles), np.nan))
    return int(np.count_nonzero(np.sign(signals.entry) * (limit - candles.close) > 0))


def _reference(signals: Signals, i: int, close: float, entry: str) -> tuple[float, str]:
    """(price that stop and targets are measured by, what it is)."""
    if signals.orders is None:
        return close, "its close"
    limit, stop = (signals.orders.value(name, i) for name in ("entry_limit", "entry_stop"))
    if not np.isnan(limit) and not np.isnan(stop):
        raise RunError(f"{entry} asks for entry_limit {limit:g} and entry_stop {stop:g}; give one of them")
    if not np.isnan(limit):
        return limit, "its entry_limit"
    return (close, "its close") if np.isnan(stop) else (stop, "its entry_stop")


def _targets(signals: Signals, i: int) -> list[float]:
    if signals.orders is None:
        return [float("nan")] * len(TARGETS)
    return [signals.orders.value(name, i) for name in TARGETS]


def _check_orders(signals: Signals, i: int, side: int, targets: list[float], entry: str) -> None:
    if signals.orders is None:
        return
    given = [target for target in targets if not np.isnan(target)]
    if given != targets[: len(given)]:
        raise RunError(f"{entry} has a target but not the ones before it: targets are given from target_1 on")
    if any(side * (later - earlier) <= 0 for earlier, later in pairwise(given)):
        raise RunError(f"the targets of {entry} must lie further away one after another")
    parts = [signals.orders.value(f"part_{k + 1}", i) for k in range(len(given))]
    total = sum(part for part in parts if not np.isnan(part))
    if total > 1 + 1e-9:
        raise RunError(
            f"the parts of {entry} sum to {total:g}; they are fractions of the position, at most 1"
        )
    if not np.isnan(signals.orders.value("risk", i)) and np.isnan(signals.stop_loss[i]):
        raise RunError(f"risk of {entry} needs a stop_loss: it is what is lost there")
