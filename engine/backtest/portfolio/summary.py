"""The figures that a sweep keeps of each portfolio, without what only a report tells; the trades are those of
`run_portfolio` to the bit, figures equal to `figures.wallet_metrics` to 1e-9 (tested).

prepared = PreparedLegs.of(legs, timeframe)                  # once per set of candles, whatever the signals
row = np.empty(len(SUMMARY))
run_portfolio_summary(prepared, legs, rules, row, returns)   # once per trial
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from engine.backtest.kernel.parts import AMOUNTS, PLACES, TERM_AMOUNTS
from engine.backtest.kernel.summary import summarise_column
from engine.backtest.metrics import close_times, day_ends
from engine.backtest.portfolio.book import FIXED, LegInput, PortfolioRules
from engine.backtest.portfolio.compiled import market_of, run_portfolio_trades
from engine.backtest.portfolio.figures import open_times_at
from engine.backtest.portfolio.layout import Market
from engine.backtest.rules import OPEN, REASONS, RUIN
from engine.model.market import Float64Array, Int64Array, Timeframe
from engine.model.metric_definitions import SUMMARY

_ENTRY, _EXIT, _REASON = PLACES.index("entry"), PLACES.index("exit"), PLACES.index("reason")
_SUMS: Final = {  # of all trades, those that are open included
    "commission": AMOUNTS.index("commission"),
    "slippage": AMOUNTS.index("slippage"),
    "funding": TERM_AMOUNTS.index("funding"),
}
_AT = {name: SUMMARY.index(name) for name in (*_SUMS, "exposure_pct", "trades", "open_trades")}


@dataclass(frozen=True, slots=True, eq=False)
class PreparedLegs:
    """What all trials on the same candles share. `times` (m + 1,): the first open, then each close, ms; `day_ends` (days,):
    position of the last close of each UTC day; `seen` (N,): of each candle of any leg, which close first sees what was
    bought at its open.
    """

    market: Market
    times: Int64Array
    day_ends: Int64Array
    seen: Int64Array

    @classmethod
    def of(cls, legs: Sequence[LegInput], timeframe: Timeframe) -> Self:
        """`timeframe`: that of the finest leg. What the signals are plays no part."""
        market = market_of(legs)
        opens = open_times_at(market.ends, legs)
        times = np.concatenate((opens[:1], close_times(opens, timeframe)))
        seen = np.searchsorted(market.ends, market.times, side="right").astype(np.int64)
        return cls(market, times, day_ends(opens), seen)

    @property
    def days(self) -> int:
        """How many UTC days the wallet has."""
        return len(self.day_ends)


def run_portfolio_summary(
    prepared: PreparedLegs,
    legs: Sequence[LegInput],
    rules: PortfolioRules,
    row: Float64Array,
    returns: Float64Array,
) -> None:
    """Play legs on their wallet, write the values of SUMMARY into `row` (len(SUMMARY),), NaN for None, and the wallet's
    returns of each UTC day into `returns` (days,). Raises as `run_portfolio`.
    """
    equity, places, amounts = run_portfolio_trades(legs, rules, prepared.market)
    last = len(equity) - 1
    is_open = places[_REASON] == REASONS.index(OPEN)
    places[_ENTRY] = prepared.seen[places[_ENTRY]]
    places[_EXIT] = np.where(is_open, last, np.minimum(prepared.seen[places[_EXIT]], last))
    closed = np.flatnonzero(~is_open)
    charged = any(leg.perpetual is not None and leg.perpetual.funding is not None for leg in legs)
    summarise_column(
        rules.cash, _held(legs, rules), prepared.times, prepared.day_ends, equity, charged, len(closed),
        np.ascontiguousarray(places[:, closed]), np.ascontiguousarray(amounts[:, closed]), row, returns,
    )  # fmt: skip
    row[_AT["trades"]], row[_AT["open_trades"]] = len(is_open), int(is_open.sum())
    row[_AT["exposure_pct"]] = _exposed(places, len(equity)) * 100
    for name, at in _SUMS.items():
        if name != "funding" or charged:
            row[_AT[name]] = amounts[at].sum()


def _exposed(places: Int64Array, closes: int) -> float:
    """The share of closes that see a position of any leg."""
    leaves = places[_EXIT] + np.isin(places[_REASON], (REASONS.index(OPEN), REASONS.index(RUIN)))
    changed = np.bincount(places[_ENTRY], minlength=closes + 1) - np.bincount(leaves, minlength=closes + 1)
    return float((np.cumsum(changed)[:closes] > 0).mean())


def _held(legs: Sequence[LegInput], rules: PortfolioRules) -> float:
    """What the legs' markets returned, as a fraction: `figures.basket` bought and held to the end."""
    ordered = sorted(legs, key=lambda leg: leg.name)
    if len(ordered) == 1:
        candles = ordered[0].candles
        return float(candles.close[-1] / candles.open[0] - 1)
    value = rules.cash
    for leg in ordered:
        weight = leg.weight if rules.allocation == FIXED else 1 / len(ordered)
        value += rules.cash * weight * (leg.candles.close[-1] / leg.candles.open[0] - 1)
    return float(value / rules.cash - 1)
