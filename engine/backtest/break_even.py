"""The commission at which a run would have earned nothing: "net profit is zero at N bps"."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.backtest.outcome import Outcome
from engine.backtest.rules import REASONS, RUIN, UNITS
from engine.model.account import Costs
from engine.model.market import Float64Array

_HALVINGS: Final = 60


def break_even_commission(outcome: Outcome, costs: Costs) -> float | None:
    """The commission per side of every fill, a fraction, at which the net profit is zero; prices, slippage, funding per coin
    and the share of the money that each entry took stay what they were.

    With sizes that follow the money a trade multiplies it by 1 + share * (gain - f * value) / (price / leverage + f * open),
    all per coin; the product falls with f. None without trades, where not even f = 0 leaves a profit, after a ruin, and
    where trades overlap: then the money that an entry found is not what the trades before it left.
    """
    table = outcome.table
    overlap = (table.entry[1:] < table.exit[:-1]).any()
    if (
        not len(table)
        or overlap
        or outcome.shortfall > 0
        or np.equal(table.reason, REASONS.index(RUIN)).any()
    ):
        return None
    factors = _Factors(outcome, costs)
    low, high = 0.0, 0.01
    if not factors.growth(low) > 0:
        return None
    while factors.growth(high) > 0:
        low, high = high, high * 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if factors.growth(middle) > 0 else (low, middle)
    return high


class _Factors:
    """By what each trade multiplies the money; columns (k,) per coin."""

    def __init__(self, outcome: Outcome, costs: Costs) -> None:
        table = outcome.table
        price, side = table.entry_price, table.side
        self._opened = price / (1 + side * costs.slippage)
        self._margin = price / (costs.leverage or 1.0)
        self._gain: Float64Array = (table.pnl + table.commission) / table.size
        self._value = outcome.traded / table.size
        before = costs.cash * UNITS / UNITS + np.concatenate(([0.0], np.cumsum(table.pnl)[:-1]))
        self._share = table.size * (self._margin + costs.commission * self._opened) / before

    def growth(self, commission: float) -> float:
        """The logarithm of what the money is multiplied with; -inf where it is lost on the way."""
        change = self._share * (self._gain - commission * self._value)
        change /= self._margin + commission * self._opened
        return float(np.log1p(change).sum()) if (change > -1).all() else -np.inf
