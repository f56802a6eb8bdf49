"""What an entry asks for and what it may buy, for the compiled simulators: its order columns, its size, its risk."""

from __future__ import annotations

import math
from typing import Any

from engine.backtest.kernel.filling import FIXED_MODEL, clipped, on_tick, slipped_by, untraded
from engine.backtest.kernel.parts import code, floor_division, part
from engine.backtest.rules import ALMOST_ALL
from engine.model.orders import ORDER_COLUMNS


def order_column(name: str) -> int:
    """Its number for `asked`."""
    return code(ORDER_COLUMNS.index(name))


_SIZE, _RISK = order_column("size"), order_column("risk")


@part
def asked(fixed: Any, columns: Any, rows: Any, k: int, i: int) -> float:
    """Order column k on candle i."""
    row = rows[k]
    value: float = fixed[k] if row < 0 else columns[row, i]
    return value


@part
def affordable(
    t: Any, ordered: bool, risk: float, base: float, most: float, price: float, reference: float, charge: float,
    share: float, stop: float,
) -> float:  # fmt: skip
    """How many units an entry buys at that price: by the size, or what a stop may lose."""
    units = floor_division(min(max(0.0, base) * share, most), price / t.leverage + charge)
    if ordered and not math.isnan(risk):
        lost = abs(reference - stop) + t.fee * (reference + stop)
        if lost > 0:  # on a coarse grid both may be one price
            units = min(units, floor_division(max(0.0, risk * base), lost))
    return units


@part
def risked(t: Any, fixed: Any, columns: Any, rows: Any, g: int) -> float:
    """The fraction that the entry of signal candle g may lose at its stop; NaN = any."""
    risk = asked(fixed, columns, rows, _RISK, g)
    return t.risk if math.isnan(risk) else risk


@part
def shared(t: Any, fixed: Any, columns: Any, rows: Any, g: int) -> float:
    """The fraction that the entry of signal candle g puts in."""
    size = asked(fixed, columns, rows, _SIZE, g)
    return t.size if math.isnan(size) else min(size, ALMOST_ALL)


@part
def charged_per_coin(market: bool, share: float, opened: float, rate: float, reference: float) -> float:
    """The fee as a size reckons it."""
    # backtesting.py's own expression, so that the last bits agree
    charge: float = share * opened * rate / share if market else reference * rate
    return charge


@part
def needed(
    t: Any, s: Any, fixed: Any, columns: Any, rows: Any, g: int, bare: float, bound: float, market: bool, rate: float,
    reference: float, opened: float, stop: float, base: float,
) -> float:  # fmt: skip
    """Money that `enter` would take for the entry of signal candle g, on side s.side, of `base`; it does nothing yet."""
    share, risk = shared(t, fixed, columns, rows, g), risked(t, fixed, columns, rows, g)
    most = max(0.0, base) * share
    if math.isnan(risk):
        return most
    stop = on_tick(t, -s.side, stop)
    charge = charged_per_coin(market, share, opened, rate, reference)
    price = bare * (1 + s.side * t.slippage)
    if t.model != FIXED_MODEL and bare != bound:
        first = affordable(t, True, risk, base, math.inf, bare, reference, charge, share, stop)
        slipped = slipped_by(t, s.asked_impact, clipped(t, s, first, bare, False), bare)
        price = bare if untraded(t, s.asked_impact) else bare * (1 + s.side * slipped)
    price = s.side * min(s.side * price, s.side * bound)
    units = affordable(t, True, risk, base, math.inf, price, reference, charge, share, stop)
    wanted: float = min(most, units * (price / t.leverage + charge))
    return wanted
