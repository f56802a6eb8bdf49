"""A portfolio read as one account: its trades in one table, the market it stands in, and the figures of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from engine.backtest.metrics import Metrics, compute_metrics, day_ends
from engine.backtest.outcome import Outcome, Terms, TradeTable
from engine.backtest.portfolio.book import FIXED, LegInput, PortfolioOutcome, PortfolioRules
from engine.backtest.rules import OPEN, REASONS
from engine.model.account import BLOCKED, Costs
from engine.model.market import STILL, Candles, Float64Array, Int64Array, Timeframe
from engine.model.portfolio_rules import ADDED

# what is told of a leg: its account is the wallet's cash and what the leg alone made of it
LEG_METRICS: Final = (
    "net_profit", "return_pct", "buy_hold_return_pct", "exposure_pct", "sharpe", "max_drawdown_pct", "max_drawdown_money",
    "trades", "open_trades", "winning_trades", "losing_trades", "win_rate_pct", "profit_factor", "payoff_ratio",
    "expectancy", "expectancy_pct", "best_trade_pct", "worst_trade_pct", "avg_trade_hours", "long_trades", "short_trades",
    "long_pnl", "short_pnl", "price_pnl", "commission", "slippage", "funding", "funding_edge", "turnover", "liquidations",
    "liquidation_loss", "nearest_liquidation_pct", "ambiguous_trades",
)  # fmt: skip


def open_times(outcome: PortfolioOutcome, legs: Sequence[LegInput]) -> Int64Array:
    """When the finest candle that closes at each instant opened, ms, (m,): times in results are open times."""
    return open_times_at(outcome.times, legs)


def open_times_at(closes_of_all: Int64Array, legs: Sequence[LegInput]) -> Int64Array:
    """The same of the wallet's closes (m,), ms."""
    finest = min(legs, key=lambda leg: leg.timeframe_ms)
    closes = finest.closes
    at = np.minimum(np.searchsorted(closes, closes_of_all), len(closes) - 1)
    opens: Int64Array = np.where(
        closes[at] == closes_of_all, finest.candles.timestamp[at], closes_of_all - finest.timeframe_ms
    )
    return opens


def wallet_metrics(
    outcome: PortfolioOutcome, legs: Sequence[LegInput], market: Candles, costs: Costs, timeframe: Timeframe
) -> Metrics:
    """Every metric of a run, for the wallet; `timeframe`: the finest of the legs; `market`: as `basket` makes it. What no
    portfolio has (a break-even commission of trades that overlap) is None.
    """
    if len(legs) == 1:  # exactly the run that it is
        own = replace(outcome.legs[0], equity=outcome.equity)
        return compute_metrics(own, market, costs, timeframe)
    found = compute_metrics(wallet_outcome(outcome), market, costs, timeframe)
    turnover = float(sum(one.traded.sum() for one in outcome.legs))
    made = float(outcome.equity[-1]) - costs.cash
    more = {"turnover": turnover, "break_even_cost_pct": made / turnover * 100 if turnover else None}
    return found | more | {"break_even_bps": None}


def wallet_outcome(outcome: PortfolioOutcome) -> Outcome:
    """The trades of all legs in one table, in order of entry, then of legs; its positions count into the wallet's closes."""
    tables = [one.table for one in outcome.legs]
    first = np.cumsum([0, *(len(table.names) for table in tables)])
    columns = {
        field.name: np.concatenate([getattr(table, field.name) for table in tables])
        for field in fields(TradeTable)
        if field.name not in ("names", "signal", "funding", "ambiguous")
    }
    columns["signal"] = np.concatenate(
        [table.signal + start for table, start in zip(tables, first, strict=False)]
    )
    order = np.argsort(columns["entry_time"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    last = len(outcome.times) - 1
    left = np.searchsorted(outcome.times, columns["exit_time"], side="right")
    columns["entry"] = np.searchsorted(outcome.times, columns["entry_time"], side="right").astype(np.int64)
    is_open = np.equal(columns["reason"], REASONS.index(OPEN))
    columns["exit"] = np.where(is_open, last, np.minimum(left, last)).astype(np.int64)
    table = TradeTable(
        names=tuple(name for one in tables for name in one.names),
        funding=_either([one.funding for one in tables], tables, order, np.float64),
        ambiguous=_either([one.ambiguous for one in tables], tables, order, np.bool_),
        **columns,
    )
    return Outcome(table, outcome.equity, outcome.shortfall, None, _terms(outcome.legs))


def _either(columns: Sequence[Any], tables: Sequence[TradeTable], order: Any, dtype: Any) -> Any:
    """A column that some tables have: nothing in the rows of the others; None where none has it."""
    if all(column is None for column in columns):
        return None
    filled = [
        np.zeros(len(table), dtype) if column is None else column
        for column, table in zip(columns, tables, strict=True)
    ]
    return np.concatenate(filled)[order]


def _terms(legs: Sequence[Outcome]) -> Terms | None:
    known = [leg.terms for leg in legs if leg.terms is not None]
    if not known:
        return None
    nearest = [one.nearest_pct for one in known if not np.isnan(one.nearest_pct)]
    counts = ("clipped", "dropped", "no_volume", "below_minimum", "above_maximum")
    return Terms(
        funding_edge=float(sum(one.funding_edge for one in known)),
        nearest_pct=min(nearest, default=float("nan")),
        blocked=tuple(sum(one.blocked[k] for one in known) for k in range(len(BLOCKED))),
        **{name: sum(getattr(one, name) for one in known) for name in counts},
    )


def basket(outcome: PortfolioOutcome, legs: Sequence[LegInput], rules: PortfolioRules) -> Candles:
    """The legs' markets bought at their first opens, by fixed weights or else in equal parts, and held, the rest of the cash
    idle, as candles over the wallet's closes; one that is listed later is idle cash before.
    """
    if len(legs) == 1:
        return legs[0].candles
    value = np.full(len(outcome.times), rules.cash)
    for leg in legs:
        weight = leg.weight if rules.allocation == FIXED else 1 / len(legs)
        seen = np.searchsorted(leg.closes, outcome.times, side="right") - 1
        grown = np.where(seen >= 0, leg.candles.close[np.maximum(seen, 0)] / leg.candles.open[0], 1.0)
        value += rules.cash * weight * (grown - 1)
    before = np.concatenate(([rules.cash], value[:-1]))
    low, high, opens = np.minimum(before, value), np.maximum(before, value), open_times(outcome, legs)
    return Candles(opens, before, high, low, value, np.zeros(len(value)))


def leg_metrics(outcome: Outcome, leg: LegInput, cash: float, timeframe: Timeframe) -> Metrics:
    """The figures of one leg: of an account that begins with the wallet's cash and gets what this leg made."""
    found = compute_metrics(outcome, leg.candles, replace(leg.costs, cash=cash), timeframe)
    return {name: found[name] for name in LEG_METRICS}


def daily_pnl(outcome: PortfolioOutcome, opens: Int64Array) -> Float64Array:
    """What each leg made on each UTC day, float64 (days, legs)."""
    ends = outcome.leg_pnl[day_ends(opens)]
    return np.diff(ends, axis=0, prepend=np.zeros((1, ends.shape[1])))


def contributions(outcome: PortfolioOutcome, opens: Int64Array) -> list[dict[str, float | None]]:
    """Of each leg: what it made, its share of the profit, and its share of the risk, cov(leg, all) / var(all) of days."""
    made, total = outcome.leg_pnl[-1], float(outcome.leg_pnl[-1].sum())
    daily = daily_pnl(outcome, opens)
    together = np.atleast_2d(np.cov(daily.T)) if len(daily) > 1 else np.zeros((daily.shape[1],) * 2)
    variance = float(together.sum())
    return [
        {
            "pnl": float(pnl),
            "profit_share_pct": float(pnl) / total * 100 if abs(total) > STILL else None,
            "risk_share_pct": float(row.sum()) / variance * 100 if variance > STILL else None,
        }
        for pnl, row in zip(made, together, strict=True)
    ]


def correlation(daily: Float64Array) -> list[list[float | None]]:
    """Of the legs' daily profits, (legs, legs); None of one that never moved."""
    if len(daily) < 2:
        return [[None] * daily.shape[1] for _ in range(daily.shape[1])]
    centred = daily - daily.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    moved = norms > STILL
    unit = centred / np.where(moved, norms, 1.0)
    found = np.clip(unit.T @ unit, -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return [
        [float(found[a, b]) if moved[a] and moved[b] else None for b in range(len(moved))]
        for a in range(len(moved))
    ]


def use_of_money(outcome: PortfolioOutcome) -> dict[str, dict[str, float]]:
    """How much of the equity was in positions and bound as margin, in %: at most and on average over closes."""
    held = outcome.equity > 0
    found = {}
    for name in ("exposure", "margin"):
        shares = np.zeros(len(held))
        np.divide(getattr(outcome, name), outcome.equity, out=shares, where=held)
        found[name] = {"max_pct": float(shares.max()) * 100, "mean_pct": float(shares.mean()) * 100}
    return found


def compared(with_it: Mapping[str, Any], without: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """What a leg adds to a portfolio: figures without it, and the difference it makes."""
    then = {name: without[name] for name in ADDED}
    return {
        "without": then,
        "adds": {
            name: None if with_it[name] is None or then[name] is None else with_it[name] - then[name]
            for name in ADDED
        },
    }
