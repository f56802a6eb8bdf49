"""What happens inside one candle by the finer ones of which it is made, for the compiled simulators.

They are played as candles are, at whose closes nothing is decided: what waits and what is held goes on from one to the next.
"""

from __future__ import annotations

import math
from typing import Any, Final

from engine.backtest.kernel.candle_steps import come_near, enter_by_order, go_inside, leave_passed, raised
from engine.backtest.kernel.decisions import count_entry
from engine.backtest.kernel.excursions import AT_CLOSE, AT_OPEN, NOT_LATE, WALKED, see
from engine.backtest.kernel.parts import part, step
from engine.backtest.kernel.positions import (
    find_liquidation,
    liquidate,
    pay,
    tighten,
)

# rows of the finer candles, a column for each; the mark's are the last price's where there is none
FINE: Final = (
    "open", "high", "low", "close", "mark_open", "mark_high", "mark_low", "at_open", "inside", "inside_paid",
)  # fmt: skip
_NOTHING: Final = -1


@part
def _go_on(
    t: Any, s: Any, market: bool, fixed: Any, columns: Any, rows: Any, i: int, opened: float, settled: float, mark: float,
    floor: Any, rate: Any, cum: Any, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """The open of a finer candle, of a position carried into it: the stop follows, funding, what was passed."""
    tighten(t, s, raised(s, s.side, s.level, s.best, math.nan))
    if market:
        if settled != 0:
            pay(t, s, s.side * s.units * settled)
        find_liquidation(t, s, floor, rate, cum)
        if s.side * (mark - s.liquidation) <= 0:
            liquidate(t, s, i, AT_OPEN, fills, fill_amounts)
            return
    leave_passed(t, s, True, fixed, columns, rows, i, opened, fills, fill_amounts)


@part
def _arrive(
    t: Any, s: Any, fixed: Any, columns: Any, rows: Any, i: int, sign: int, opened: float, high: float, low: float,
    stop: float, target: float, times: Any, fills: Any, fill_amounts: Any,
) -> int:  # fmt: skip
    """The waiting order on a finer candle: how it was entered, _NOTHING where it was not."""
    enter_by_order(
        t,
        s,
        fixed,
        columns,
        rows,
        i,
        sign,
        opened,
        high,
        low,
        stop,
        target,
        s.money,
        math.inf,
        fills,
        fill_amounts,
    )
    if s.units == 0:
        return _NOTHING
    entered: int = s.late
    s.late = WALKED
    count_entry(s, i, times)
    if entered == NOT_LATE:
        leave_passed(t, s, True, fixed, columns, rows, i, opened, fills, fill_amounts)
    return entered


@part
def _hold(
    t: Any, s: Any, market: bool, fixed: Any, columns: Any, rows: Any, i: int, entered: int, fine: Any, j: int,
    floor: Any, rate: Any, cum: Any, fills: Any, fill_amounts: Any,
) -> None:  # fmt: skip
    """Finer candle j from after its open on, where something is held."""
    high, low, close, late = fine[1, j], fine[2, j], fine[3, j], entered != NOT_LATE
    mark_high, mark_low, inside, paid = fine[5, j], fine[6, j], fine[8, j], fine[9, j]
    if market:
        find_liquidation(t, s, floor, rate, cum)
    s.cost_here = paid if s.side > 0 else paid - inside
    go_inside(
        t, s, True, market, fixed, columns, rows, i, high, low, mark_high, mark_low, late, fills, fill_amounts
    )
    if s.units == 0:
        return
    if market:
        come_near(s, s.side, mark_low if s.side > 0 else mark_high)
        if inside != 0:
            pay(t, s, s.side * s.units * inside)
    favour = high if s.side > 0 else low
    s.best = s.side * max(s.side * s.best, s.side * (close if late else favour))


@step
def walk(
    t: Any, s: Any, market: bool, fixed: Any, columns: Any, rows: Any, i: int, sign: int, stop: float, target: float,
    first: int, end: int, fine: Any, floor: Any, rate: Any, cum: Any, times: Any, settles: bool, fills: Any,
    fill_amounts: Any,
) -> None:  # fmt: skip
    """Candle i from after its open on, by its finer candles `first` to before `end`.

    `sign`, `stop`, `target`: of the order that waits, if one does; `settles`: whether the candle could be read two ways.
    """
    for j in range(first, end):
        s.edge_here, s.unsure = fine[7, j], fine[8, j] != 0 or fine[9, j] != 0
        opened, entered = fine[0, j], NOT_LATE
        if s.units > 0:
            if j > first:
                _go_on(
                    t, s, market, fixed, columns, rows, i, opened, fine[7, j], fine[4, j], floor, rate, cum, fills,
                    fill_amounts,
                )  # fmt: skip
        elif s.until >= i and not s.trading:
            entered = _arrive(
                t, s, fixed, columns, rows, i, sign, opened, fine[1, j], fine[2, j], stop, target, times, fills,
                fill_amounts,
            )  # fmt: skip
        if s.units > 0:
            _hold(
                t, s, market, fixed, columns, rows, i, entered, fine, j, floor, rate, cum, fills, fill_amounts
            )
        if s.trading:
            see(s, entered, s.left if s.units == 0 else AT_CLOSE, fine[1, j], fine[2, j], fine[3, j])
            s.settled |= settles
            if s.units == 0:
                s.left = WALKED
                return
