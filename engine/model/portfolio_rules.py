"""The rules by which the legs of a portfolio share one wallet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.model.parameters import ParamValue

EQUAL, FIXED, INVERSE_VOLATILITY, RISK = "equal", "fixed", "inverse_volatility", "risk"
ALLOCATIONS: Final = (EQUAL, FIXED, INVERSE_VOLATILITY, RISK)
WEIGHED: Final = (FIXED, RISK)  # for which each leg needs a weight
SCALE, RANK = "scale", "rank"
CONTENTIONS: Final = (SCALE, RANK)
NEVER: Final = "never"
ADDED: Final = ("return_pct", "sharpe", "max_drawdown_pct")  # of which it is told what a leg adds
# what is varied of a portfolio is called LEG.parameter, LEG.weight or wallet.rule
WALLET, WEIGHT = "wallet", "weight"
LOOKBACK: Final = 100  # closes that inverse volatility looks back at


@dataclass(frozen=True, slots=True)
class PortfolioRules:
    """The wallet: money at the start, how it is allocated, who comes first where it does not suffice.

    `max_open`: legs in position at most; `rebalance_ms`: how often weights are brought back, `band`: how far they may be
    off before; `lookback`: closes that a volatility is of. None = not used.
    """

    cash: float
    allocation: str = EQUAL
    contention: str = SCALE
    max_open: int | None = None
    rebalance_ms: int | None = None
    band: float | None = None
    lookback: int = LOOKBACK


def by_owner(params: Mapping[str, ParamValue]) -> dict[str, dict[str, ParamValue]]:
    """Parameters by whose they are, a leg's or the wallet's, then by their own name."""
    found: dict[str, dict[str, ParamValue]] = {}
    for name, value in params.items():
        owner, _, own = name.rpartition(".")
        found.setdefault(owner, {})[own] = value
    return found
