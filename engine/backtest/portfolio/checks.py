"""What a portfolio cannot be: refused before anything is played, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from engine.backtest.portfolio.book import ALLOCATIONS, CONTENTIONS, RISK, LegInput, PortfolioRules
from engine.errors import InputError


def check_portfolio(legs: Sequence[LegInput], rules: PortfolioRules) -> None:
    """Raise InputError where these legs on this wallet are no portfolio."""
    if not legs:
        raise InputError("a portfolio needs at least one leg")
    twice = [name for name, count in Counter(leg.name for leg in legs).items() if count > 1]
    if twice:
        raise InputError(f"two legs are named {twice[0]!r}; give each a name of its own")
    if len({leg.costs.leverage for leg in legs}) > 1:
        raise InputError("the legs differ in leverage; one wallet has one, or margin is off for all of it")
    _check_rules(rules)
    for leg in legs:
        _check_leg(leg)


def _check_rules(rules: PortfolioRules) -> None:
    for what, given, known in (
        ("allocation", rules.allocation, ALLOCATIONS),
        ("contention", rules.contention, CONTENTIONS),
    ):
        if given not in known:
            raise InputError(f"{what} must be one of {', '.join(known)}, not {given!r}")
    if rules.max_open is not None and rules.max_open < 1:
        raise InputError(f"max_open must be at least 1, not {rules.max_open}")
    if rules.rebalance_ms is not None and rules.rebalance_ms < 1:
        raise InputError(f"rebalance must be a time above 0, not {rules.rebalance_ms} ms")
    if rules.band is not None and not 0 < rules.band < math.inf:
        raise InputError(f"the band of a rebalance must be above 0, not {rules.band:g}")
    rebalances = rules.rebalance_ms is not None or rules.band is not None
    if rebalances and rules.allocation == RISK:
        raise InputError("allocation by risk has no weights to go back to; leave rebalance out")
    if rules.lookback < 3:
        raise InputError(f"lookback must be at least 3 closes, not {rules.lookback}")


def _check_leg(leg: LegInput) -> None:
    if leg.costs.detail is not None:
        raise InputError(f"leg {leg.name}: a portfolio cannot look inside candles; leave detail out")
    if not 0 <= leg.weight < math.inf:
        raise InputError(f"leg {leg.name}: the weight must be at least 0, not {leg.weight:g}")
    n = len(leg.candles)
    if not n or any(n != len(one) for one in (leg.signals.entry, leg.rank, leg.weights) if one is not None):
        raise InputError(f"leg {leg.name} needs candles, and signals, ranks and weights over the same ones")
    if leg.weights is not None and not (np.isfinite(leg.weights) & (leg.weights >= 0)).all():
        raise InputError(f"leg {leg.name}: every weight must be at least 0")
