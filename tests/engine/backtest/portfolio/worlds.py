"""Any portfolio of up to six legs, and what its two simulators must agree on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.backtest.portfolio.book import (
    ALLOCATIONS,
    CONTENTIONS,
    RISK,
    LegInput,
    PortfolioOutcome,
    PortfolioRules,
)
from engine.backtest.portfolio.compiled import run_portfolio
from engine.backtest.portfolio.plain import run_portfolio_plain
from engine.backtest.rules import DEFAULT
from engine.errors import RunError
from engine.model.market import HOUR_MS, Float64Array
from tests.engine.backtest.terms_playing import assert_alike
from tests.engine.backtest.terms_scenes import calm_scene, scene_of
from tests.support.builders import START_MS


@dataclass(frozen=True)
class World:
    """A portfolio."""

    legs: tuple[LegInput, ...]
    rules: PortfolioRules

    def play(self, **changed: Any) -> PortfolioOutcome | str:
        """What the compiled simulator makes of it, or why it does not."""
        return ending(run_portfolio, replace(self, **changed))

    def compare(self, reading: int = DEFAULT) -> PortfolioOutcome | None:
        """Play it through both simulators, which have to agree; None where both refuse it in the same words."""
        compiled, plain = (ending(run, self, reading) for run in (run_portfolio, run_portfolio_plain))
        if isinstance(compiled, str) or isinstance(plain, str):
            assert compiled == plain
            return None
        assert_outcomes_alike(compiled, plain, self)
        return compiled


def ending(run: Any, world: World, reading: int = DEFAULT) -> PortfolioOutcome | str:
    """What a simulator answers, or its words."""
    try:
        outcome: PortfolioOutcome = run(world.legs, world.rules, reading)
    except RunError as error:
        return str(error)
    return outcome


def assert_outcomes_alike(one: PortfolioOutcome, other: PortfolioOutcome, world: World) -> None:
    """The same trades, requests and columns over time; sizes to one unit of 1e-8 coin."""
    cash = world.rules.cash
    assert one.times.tolist() == other.times.tolist()
    for leg, a, b in zip(world.legs, one.legs, other.legs, strict=True):
        assert_alike(a, b, replace(leg.costs, cash=cash))
    assert one.requests.time.tolist() == other.requests.time.tolist()
    assert one.requests.leg.tolist() == other.requests.leg.tolist()
    assert one.requests.why.tolist() == other.requests.why.tolist()
    price = max(float(leg.candles.high.max()) for leg in world.legs)
    slack = 1e-9 * cash + 4e-8 * price
    for name in ("requested", "filled"):
        a, b = getattr(one.requests, name), getattr(other.requests, name)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=slack, err_msg=name)
    for name in ("equity", "leg_pnl", "margin", "exposure"):
        a, b = getattr(one, name), getattr(other, name)
        allowed = 1e-9 * np.maximum(cash, np.abs(a)) + slack
        assert (np.abs(a - b) <= allowed).all(), name
    assert abs(one.shortfall - other.shortfall) <= 1e-9 * max(cash, one.shortfall) + slack


def leg_of(rng: np.random.Generator, name: str, leverage: float | None, calm: bool, most: int) -> LegInput:
    """One with orders, funding, filters and whatever else a run can have; its candles of one, two or four hours."""
    scene = calm_scene(rng, most) if calm else scene_of(rng, int(rng.integers(1, most)))
    hours = int(rng.choice([1, 1, 2, 4]))
    start = START_MS + int(rng.choice([0, 0, 4, 12])) * HOUR_MS
    times = start + (scene.candles.timestamp - scene.candles.timestamp[0]) * hours
    n = len(times)
    rank = rng.choice([0.0, 1.0, 2.0, np.nan], n) if rng.random() < 0.5 else None
    return LegInput(
        name=name,
        candles=replace(scene.candles, timestamp=times),
        signals=scene.signals,
        costs=replace(scene.costs, leverage=leverage),
        perpetual=scene.perpetual,
        reverse=scene.reverse,
        timeframe_ms=hours * HOUR_MS,
        weight=float(rng.choice([0.1, 0.25, 0.5, 1.0])),
        rank=rank,
    )


def world_of(rng: np.random.Generator, most: int = 60) -> World:
    """Any portfolio."""
    legs, calm = int(rng.integers(1, 7)), bool(rng.random() < 0.4)
    leverage = float(rng.choice([0.0, 0.0, 1.0, 3.0, 20.0])) or None
    allocation = str(rng.choice(ALLOCATIONS))
    every = int(rng.choice([0, 5, 24])) * HOUR_MS or None
    band = float(rng.choice([0.0, 0.0, 0.02, 0.1])) or None
    rules = PortfolioRules(
        cash=float(rng.choice([1000.0, 123_456.7])),
        allocation=allocation,
        contention=str(rng.choice(CONTENTIONS)),
        max_open=int(rng.integers(0, 4)) or None,
        rebalance_ms=None if allocation == RISK else every,
        band=None if allocation == RISK else band,
        lookback=int(rng.choice([3, 10, 100])),
    )
    names = rng.permutation(list("abcdef"))[:legs]
    given = [leg_of(rng, str(name), leverage, calm, most) for name in names]
    if rng.random() < 0.4:
        given = [replace(leg, weights=weights_of(rng, len(leg.candles))) for leg in given]
    return World(tuple(given), rules)


def weights_of(rng: np.random.Generator, n: int) -> Float64Array:
    """Weights over n candles that change a few times."""
    changes = np.sort(rng.integers(0, n + 1, int(rng.integers(0, 4))))
    weights: Float64Array = rng.choice([0.0, 0.1, 0.25, 0.5, 1.0], len(changes) + 1)[
        np.searchsorted(changes, np.arange(n), side="right")
    ]
    return weights


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """One seed decides, so that thousands are quickly made."""
    return world_of(np.random.default_rng(draw(st.integers(0, 2**32))), draw(st.integers(2, 60)))
