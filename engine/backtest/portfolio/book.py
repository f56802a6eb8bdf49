"""What the portfolio simulators are given and what they answer: legs, the rules of their wallet, requests, an outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Perpetual
from engine.model.account import Costs
from engine.model.market import Candles, Float64Array, Int64Array
from engine.model.portfolio_rules import ALLOCATIONS as ALLOCATIONS  # whoever plays legs finds all of it here
from engine.model.portfolio_rules import CONTENTIONS as CONTENTIONS
from engine.model.portfolio_rules import EQUAL as EQUAL
from engine.model.portfolio_rules import FIXED as FIXED
from engine.model.portfolio_rules import INVERSE_VOLATILITY as INVERSE_VOLATILITY
from engine.model.portfolio_rules import RANK as RANK
from engine.model.portfolio_rules import RISK as RISK
from engine.model.portfolio_rules import SCALE as SCALE
from engine.model.portfolio_rules import PortfolioRules as PortfolioRules
from engine.strategy import Signals

# what became of a request, by number in a table of requests: all of it, a part, or nothing and why
WHOLE, SCALED = "", "scaled"
MAX_OPEN, NO_CASH, NO_STOP = "dropped:max_open", "dropped:no_cash", "dropped:no_stop"
NO_VOLATILITY, NO_VOLUME = "dropped:no_volatility", "dropped:no_volume"
BEYOND_STOP, BELOW_MINIMUM, TOO_SMALL = "dropped:beyond_stop", "dropped:below_minimum", "dropped:too_small"
WHYS: Final = (
    WHOLE, SCALED, MAX_OPEN, NO_CASH, NO_STOP, NO_VOLATILITY, NO_VOLUME, BEYOND_STOP, BELOW_MINIMUM, TOO_SMALL,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class LegInput:
    """What one leg brings: its candles of the period (n,), its signals over them, its terms.

    `name` is its own and decides ties. `costs`: commission, slippage, size and the like; its cash is not looked at.
    `weight`: of the equity; where risk is allocated the fraction that is lost at the stop; by inverse volatility it is not
    looked at. `weights`: (n,), in place of `weight` where that changes with time: an entry has that of its signal's candle,
    what brings a weight back that of the candle at whose open it does; adds are of what their entry had. `rank`: (n,), read
    on the candle of the signal, higher is first, NaN last; None = 0.
    """

    name: str
    candles: Candles
    signals: Signals
    costs: Costs
    perpetual: Perpetual | None
    reverse: bool
    timeframe_ms: int
    weight: float
    rank: Float64Array | None = None
    weights: Float64Array | None = None

    @property
    def closes(self) -> Int64Array:
        """When its candles close, ms, (n,): months are not of one length."""
        opens = self.candles.timestamp
        closes = opens + self.timeframe_ms
        closes[:-1] = np.minimum(closes[:-1], opens[1:])
        return closes


@dataclass(frozen=True, slots=True, eq=False)
class RequestTable:
    """k requests as columns (k,), in order of time, then of names: entries, adds and rebalancing buys.

    `time`: open of the candle, ms; `leg`: its number; `requested`, `filled`: margin and fee, in money; `why` counts into
    WHYS.
    """

    time: Int64Array
    leg: Int64Array
    requested: Float64Array
    filled: Float64Array
    why: Int64Array

    def __len__(self) -> int:
        return len(self.time)

    def rows(self) -> Iterator[tuple[int, int, float, float, str]]:
        """(time, leg, requested, filled, why) of each."""
        plain = (column.tolist() for column in (self.time, self.leg, self.requested, self.filled))
        return zip(*plain, (WHYS[k] for k in self.why.tolist()), strict=True)


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioOutcome:
    """What the wallet did over the m closes of its legs, and each leg in it.

    `times`: (m,) closes of the legs' candles, ms (open + timeframe), each once; `equity`, `margin` (bound), `exposure`
    (the sum of |coins| x price): (m,). `leg_pnl`: (m, legs), what each leg has made so far, realised and open: the equity is
    the cash and their sum. `legs`: trades, fills and terms of each as a run of its own has them, its equity the cash and
    its pnl at its own closes. `shortfall`: what the wallet owed when it was ruined, else 0.
    """

    times: Int64Array
    equity: Float64Array
    leg_pnl: Float64Array
    margin: Float64Array
    exposure: Float64Array
    legs: tuple[Outcome, ...]
    requests: RequestTable
    shortfall: float
