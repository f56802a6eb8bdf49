"""Finer candles of any scene, as they could have been: they make its candles, in any order of what happened inside."""

from typing import Any

import numpy as np

from engine.backtest.detail import Detail
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.model.market import HOUR_MS, Candles, Float64Array
from tests.engine.backtest.terms_scenes import Scene

Rows = list[tuple[float, float, float, float]]


def path(rng: np.random.Generator, k: int, candle: tuple[float, ...], tick: float, gaps: bool = True) -> Rows:
    """k candles that make (open, high, low, close), by prices on the grid; `gaps`: one may open away from the last close."""
    opened, high, low, close = candle
    steps = round((high - low) / tick)

    def price() -> float:
        return float(min(max(low + int(rng.integers(0, steps + 1)) * tick, low), high))

    closes = [*(price() for _ in range(k - 1)), close]
    opens = [opened, *(price() if gaps and rng.random() < 0.3 else before for before in closes[:-1])]
    rows = []
    for a, b in zip(opens, closes, strict=True):
        others = [price() for _ in range(int(rng.integers(0, 3)))]
        rows.append((a, max(a, b, *others), min(a, b, *others), b))
    for j, place, extreme in ((int(rng.integers(k)), 1, high), (int(rng.integers(k)), 2, low)):
        row: list[float] = [*rows[j]]
        row[place] = extreme
        rows[j] = (row[0], row[1], row[2], row[3])
    return rows


def detail_for(rng: np.random.Generator, scene: Scene, share: float = 0.8, gaps: bool = True) -> Detail:
    """Finer candles of that share of the candles, with what their market did."""
    k, candles, market = int(rng.choice([2, 3, 4])), scene.candles, scene.perpetual
    rows: list[tuple[Any, ...]] = []
    marks: Rows = []
    chosen = np.flatnonzero(rng.random(len(candles)) < share)
    for i in chosen.tolist():
        prices = [float(column[i]) for column in (candles.open, candles.high, candles.low, candles.close)]
        inner = path(rng, k, tuple(prices), scene.tick, gaps)
        rows += [(int(candles.timestamp[i]) + j * (HOUR_MS // k), *row, 1.0) for j, row in enumerate(inner)]
        if market.mark is not None:
            whole = [float(column[i]) for column in (market.mark.open, market.mark.high, market.mark.low)]
            marks += path(rng, k, (*whole, whole[0]), max(scene.tick, (whole[1] - whole[2]) / 50))
    funding = None if market.funding is None else _spread(rng, market.funding, chosen.tolist(), k)
    mark = None
    if market.mark is not None:
        columns: list[Float64Array] = [np.array([row[c] for row in marks]) for c in (0, 1, 2)]
        mark = Mark(*columns)
    return Detail.of(candles.timestamp, Candles.from_rows(rows), Perpetual(funding, mark))


def _spread(rng: np.random.Generator, funding: Funding, chosen: list[int], k: int) -> Funding:
    """What settles inside candles, at the opens of finer ones or inside these."""
    m = len(chosen) * k
    at_open, inside, paid = np.zeros(m), np.zeros(m), np.zeros(m)
    for place, i in enumerate(chosen):
        costs = float(funding.inside_paid[i])
        for amount in (costs, float(funding.inside[i]) - costs):
            j = place * k + int(rng.integers(k))
            if j % k and rng.random() < 0.5:
                at_open[j] += amount
            else:
                inside[j] += amount
                paid[j] += max(amount, 0.0)
    return Funding(at_open, at_open, inside, paid)
