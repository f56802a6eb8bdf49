"""The rules by which the legs of a portfolio share one wallet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EQUAL, FIXED, INVERSE_VOLATILITY, RISK = "equal", "fixed", "inverse_volatility", "risk"
ALLOCATIONS: Final = (EQUAL, FIXED, INVERSE_VOLATILITY, RISK)
SCALE, RANK = "scale", "rank"
CONTENTIONS: Final = (SCALE, RANK)
NEVER: Final = "never"
LOOKBACK: Final = 100  # closes that inverse volatility looks back at


@dataclass(frozen=True, slots=True)
class PortfolioRules:
    """How legs share a wallet. `cash`: money at the start; `max_open`: at most so many legs in a position, None = any number.

    `rebalance_ms`: the weights are restored so often; `band`: whenever one is so far off; at most one of the two.
    `lookback`: closes whose returns tell the volatility.
    """

    cash: float
    allocation: str
    contention: str
    max_open: int | None
    rebalance_ms: int | None
    band: float | None
    lookback: int = LOOKBACK
