"""Where the plain simulator can be: on a candle of the run, or on one of the finer ones inside it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from engine.backtest.detail import Detail
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.model.market import Candles


@dataclass(frozen=True, slots=True)
class Places:
    """All candles one behind the other, those of the run first, then the finer ones; so with what their market did.

    `owner`: the candle of the run that each is, or lies inside; `within`: the places of each candle's finer ones.
    """

    candles: Candles
    market: Perpetual
    owner: list[int]
    within: list[range]

    @classmethod
    def of(cls, candles: Candles, market: Perpetual, detail: Detail | None) -> Self:
        """The n candles of a run, with the finer ones where there are some."""
        n = len(candles)
        if detail is None:
            return cls(candles, market, list(range(n)), [range(0)] * n)
        first = detail.first.tolist()
        within = [range(n + first[i], n + first[i + 1]) for i in range(n)]
        inner = [i for i in range(n) for _ in within[i]]
        return cls(_joined(candles, detail.candles), _both(market, detail), [*range(n), *inner], within)


def _joined(one: Candles, other: Candles) -> Candles:
    names = [field.name for field in fields(Candles)]
    return Candles(*(np.concatenate((getattr(one, name), getattr(other, name))) for name in names))


def _both(market: Perpetual, detail: Detail) -> Perpetual:
    """What is charged and marked; a run without funding or mark prices has none inside its candles either."""
    funding = mark = None
    if market.funding is not None:
        fine = detail.perpetual.funding or Funding(*[np.zeros(len(detail.candles))] * 4)
        names = [field.name for field in fields(Funding)]
        funding = Funding(
            *(np.concatenate((getattr(market.funding, name), getattr(fine, name))) for name in names)
        )
    if market.mark is not None:
        inner = detail.perpetual.mark or Mark(detail.candles.open, detail.candles.high, detail.candles.low)
        mark = Mark(
            *(np.concatenate((getattr(market.mark, f.name), getattr(inner, f.name))) for f in fields(Mark))
        )
    return replace(market, funding=funding, mark=mark)
