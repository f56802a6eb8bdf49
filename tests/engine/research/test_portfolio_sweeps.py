"""Sweeps over the legs of a portfolio: each trial is that portfolio, and the rest is as of any sweep."""

from typing import Any

import pytest

from engine.model.run import FINISHED
from engine.service import Engine
from tests.engine.research.portfolio_sweeping import (
    assert_trial_is,
    engine,
    four_markets,
    made,
    sweep_of,
    two_legs,
)

__all__ = ["engine", "four_markets"]


def test_every_trial_has_the_figures_of_the_portfolio_with_its_parameters(engine: Engine) -> None:
    spec = two_legs(rebalance="7d")
    ranges = {"slow.fast": "5,20", "quick.weight": "0.2:0.5:0.3", "wallet.max_open": "1,2"}
    sweep = engine.research.optimize(sweep_of(spec, ranges), fetch=False)
    assert (sweep.status, sweep.done, sweep.failed) == (FINISHED, 8, 0), sweep.error
    for position in range(len(sweep)):
        assert_trial_is(sweep, position, made(engine, spec, sweep.params_of(position)))
