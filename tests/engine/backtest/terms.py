"""How tests write scenes with orders, margin, funding and protections."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.model.account import Costs
from engine.model.brackets import Brackets
from engine.model.market import Float64Array
from tests.engine.backtest.playing import BUY, SELL, hours
from tests.support.builders import candles_from, signals_for

# BTCUSDT as of 2026-05: (floor, maintenance margin rate, most leverage)
BTC = Brackets.of([(0, 0.004, 125), (300_000, 0.005, 100), (800_000, 0.0065, 75), (3_000_000, 0.01, 50)])
QUIET = (100.0, 101.0, 99.0, 100.0)

Rows = Sequence[Sequence[float]]
Marks = Mapping[str, Any]
Paid = Mapping[int, float]


def scene(
    rows: Rows,
    columns: Marks,
    costs: Costs | None = None,
    *,
    reverse: bool = False,
    perpetual: Perpetual | None = None,
    reading: int = 0,
) -> Outcome:
    """Play a scene of hourly candles; without costs it has 1,000 in cash, all of it for each entry, and pays nothing."""
    candles = candles_from(rows)
    signals = signals_for(candles, {BUY: (), SELL: ()} | dict(columns))
    chosen = costs or Costs(1000, 0, 1)
    return run_compiled(candles, signals, chosen, reverse, perpetual=perpetual, reading=reading)


def fills(outcome: Outcome) -> list[tuple[int, float, float, str]]:
    """The fills as (candle, price, coins, reason): coins above 0 enter, below they leave."""
    assert outcome.fills is not None
    return [
        (hours(time), price, round(size, 6), reason)
        for _, time, price, size, reason, _ in outcome.fills.rows()
    ]


def settled(n: int, *, at_open: Paid | None = None, inside: Paid | None = None) -> Funding:
    """What a long of one coin pays, by candle: at settlements at its very open, and inside it (one each)."""

    def column(values: Paid | None) -> Float64Array:
        written = np.zeros(n)
        for i, value in (values or {}).items():
            written[i] = value
        return written

    opened, within = column(at_open), column(inside)
    return Funding(opened, opened, within, np.maximum(within, 0))


def marked(rows: Rows) -> Mark:
    """Mark prices from rows of open, high, low."""
    opened, high, low = np.array(rows, dtype=np.float64).T
    return Mark(*(np.ascontiguousarray(column) for column in (opened, high, low)))


def margin(leverage: float, **costs: Any) -> Costs:
    """1,000 in cash, all of it as margin, nothing paid."""
    return replace(Costs(1000, 0, 1), leverage=leverage, **costs)
