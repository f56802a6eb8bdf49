"""The account beside the market: alpha, beta and correlation, and what the market was like when trades were entered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from engine.analysis.account import Account
from engine.analysis.columns import TradeColumns
from engine.backtest.metrics import daily_returns, day_ends
from engine.model.market import DAY_MS, DAYS_PER_YEAR, MIN_DAYS, STILL, Candles, Float64Array, Int64Array

TREND: Final = "trend"
VOLATILITY: Final = "volatility"
REGIMES: Final = {
    TREND: ("Falling", "Middle", "Rising"),
    VOLATILITY: ("Calm", "Middle", "Wild"),
}
NO_HISTORY: Final = "Too early"
NOT_HELD: Final = "Candle not held"
_MEASURED_MS: Final = 30 * DAY_MS
_LEAST_MEASURED: Final = 20


@dataclass(frozen=True, slots=True)
class Relation:
    """The least-squares line daily return = alpha + beta x daily return of the market. `alpha_pct`: a year, x 365.

    `days`: how many were compared. All None below 30 days or where one of them does not move.
    """

    market: str
    days: int
    alpha_pct: float | None = None
    beta: float | None = None
    correlation: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bitcoin:
    """The account beside Bitcoin, from held candles. `symbol`: its market there, None where there is none.

    `relation`: None where no candles of it are held.
    """

    symbol: str | None
    relation: Relation | None = None

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"symbol": self.symbol, "relation": self.relation and self.relation.to_json()}


def relation(name: str, returns: Float64Array, market: Float64Array) -> Relation:
    """How daily returns (d,) depend on those of a market (d,)."""
    days = len(returns)
    if days < MIN_DAYS or returns.std(ddof=1) <= STILL or market.std(ddof=1) <= STILL:
        return Relation(name, days)
    covariance = np.cov(returns, market)
    beta = float(covariance[0, 1] / covariance[1, 1])
    alpha = float(returns.mean() - beta * market.mean()) * DAYS_PER_YEAR * 100
    return Relation(name, days, alpha, beta, float(np.corrcoef(returns, market)[0, 1]))


def beside_market(name: str, account: Account, candles: Candles) -> Relation:
    """The account beside held candles, on the UTC days that both have. A day counts where candles of it and of the day
    before are held, the first one from its open on.
    """
    if not len(candles):
        return Relation(name, 0)
    returns = daily_returns(float(candles.open[0]), candles.close, candles.timestamp)
    first = int(candles.timestamp[0] // DAY_MS)
    held = np.diff(day_ends(candles.timestamp), prepend=-1) > 0
    known = held & np.concatenate(([True], held[:-1]))
    days = (first + np.flatnonzero(known)) * DAY_MS
    _, ours, theirs = np.intersect1d(account.days, days, assume_unique=True, return_indices=True)
    return relation(name, account.returns[ours], returns[known][theirs])


def measured_candles(candles: Candles) -> int:
    """How many candles a regime looks back: 30 days of them, or a tenth of all where those are fewer, at least 20."""
    if len(candles) < 2:
        return _LEAST_MEASURED
    step = int(np.median(np.diff(candles.timestamp[:1000])))
    return max(_LEAST_MEASURED, min(_MEASURED_MS // step, len(candles) // 10))


def regime_measures(candles: Candles) -> dict[str, Float64Array]:
    """Trend and volatility known when each candle opens, from the `measured_candles` before it, (n,) each; NaN before.

    Trend: logarithm of the last close over the close so many candles before. Volatility: standard deviation (ddof 1) of the
    logarithmic returns between them.
    """
    back = measured_candles(candles)
    logs = np.log(candles.close)
    trend, volatility = np.full(len(candles), np.nan), np.full(len(candles), np.nan)
    if len(candles) > back + 1:
        trend[back + 1 :] = logs[back:-1] - logs[: -back - 1]
        steps = np.diff(logs)
        steps = steps - steps.mean()
        sums, squares = (np.concatenate(([0.0], np.cumsum(power))) for power in (steps, steps * steps))
        first, second = sums[back:] - sums[:-back], squares[back:] - squares[:-back]
        variance = np.maximum(second - first * first / back, 0) / (back - 1)
        volatility[back + 1 :] = np.sqrt(variance)[:-1]
    return {TREND: trend, VOLATILITY: volatility}


def regime_codes(
    name: str, measure: Float64Array, candles: Candles, columns: TradeColumns
) -> tuple[Int64Array, list[str]]:
    """Codes (k,) and labels by the regime that `measure` (n,) tells at the candle of the entry.

    A trade whose first candle is not held any more is told apart. What is measured is known at the entry. The borders of
    the thirds are those of the whole period: a description in hindsight, no rule that could have been traded.
    """
    known = measure[~np.isnan(measure)]
    borders = np.quantile(known, (1 / 3, 2 / 3)) if len(known) else np.zeros(2)
    at = np.clip(np.searchsorted(candles.timestamp, columns.entry_time), 0, len(candles) - 1)
    codes = np.where(np.isnan(measure[at]), 3, np.searchsorted(borders, measure[at], side="right"))
    codes[candles.timestamp[at] != columns.entry_time] = 4
    labels = [*REGIMES[name], NO_HISTORY, NOT_HELD]
    return codes.astype(np.int64), labels[: max(3, int(codes.max(initial=0)) + 1)]
