"""The figures of a run, computed with numpy; `metric_definitions.py` says in words what each of them is.

A figure that has no meaning for a run (a Sharpe ratio of ten days, a win rate without trades) is None, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.backtest.break_even import break_even_commission
from engine.backtest.outcome import Outcome
from engine.backtest.rules import LIQUIDATION, REASONS, ROUNDING, UNITS
from engine.backtest.trade_metrics import trade_metrics
from engine.model.account import Costs
from engine.model.market import (
    DAY_MS,
    DAYS_PER_YEAR,
    MIN_DAYS,
    STILL,
    Candles,
    Float64Array,
    Int64Array,
    Timeframe,
)
from engine.model.metric_definitions import DEFINITIONS, OF_TRIALS
from engine.statistics.sharpe import Sharpe

Metrics = dict[str, float | int | None]
Positions = npt.NDArray[np.intp]

MIN_DAYS_CVAR: Final = 100


def compute_metrics(outcome: Outcome, candles: Candles, costs: Costs, timeframe: Timeframe) -> Metrics:
    """Every metric of DEFINITIONS, in that order, for an outcome over `candles` (at least one)."""
    account = _Account.of(outcome, candles, costs, timeframe)
    found = {
        **_result_metrics(account, outcome, candles),
        **_annual_metrics(account),
        **_daily_metrics(account),
        **_drawdown_metrics(account),
        **_luck_metrics(account),
        **trade_metrics(outcome.table, costs.cash),
        **_cost_metrics(outcome, account, break_even_commission(outcome, costs)),
    }
    assert found.keys() == DEFINITIONS.keys(), found.keys() ^ DEFINITIONS.keys()
    return {name: _plain(found[name]) for name in DEFINITIONS}


def _plain(value: float | None) -> float | int | None:
    """Python's own number, None for what is not finite."""
    if value is None or isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None


def _ratio(above: float, below: float) -> float | None:
    """above / below; None where that has no meaning."""
    return above / below if below else None


@dataclass(frozen=True, slots=True, eq=False)
class _Account:
    """The account's values: `values` (n + 1,) begins with the cash, `times` (n + 1,) are the instants (ms) they hold at.

    `peaks` and `drawdowns` (n + 1,): the highest value so far, and the fraction below it, <= 0.
    `returns` (d,) and `market` (d,): of each UTC day, idle days included, of the account and of the market. `days`: from
    the first open to the last close. `deviation`: of the returns (ddof 1), None where nothing may be annualised; so is
    `ratio`, their Sharpe ratio per day.
    """

    cash: float
    values: Float64Array
    times: Int64Array
    peaks: Float64Array
    drawdowns: Float64Array
    returns: Float64Array
    market: Float64Array
    days: float
    deviation: float | None
    ratio: Sharpe | None

    @classmethod
    def of(cls, outcome: Outcome, candles: Candles, costs: Costs, timeframe: Timeframe) -> _Account:
        opens = candles.timestamp
        cash = costs.cash * UNITS / UNITS  # rounded as the engines round it: an idle account loses nothing
        values = np.concatenate(([cash], outcome.equity))
        peaks = np.maximum.accumulate(values)
        times = np.concatenate((opens[:1], close_times(opens, timeframe)))
        days = float(times[-1] - times[0]) / DAY_MS
        returns = account_returns(outcome.equity, costs, opens)
        market = daily_returns(float(candles.open[0]), candles.close, opens)
        deviation = _deviation(returns) if days >= MIN_DAYS else None
        drawdowns = values / peaks - 1
        drawdowns[drawdowns > -ROUNDING] = 0
        ratio = None if deviation is None else Sharpe.of(returns)
        return cls(cash, values, times, peaks, drawdowns, returns, market, days, deviation, ratio)

    @property
    def cagr(self) -> float | None:
        """Compound annual growth as a fraction."""
        if self.deviation is None:
            return None
        return float((self.values[-1] / self.cash) ** (DAYS_PER_YEAR / self.days) - 1)


def _deviation(returns: Float64Array) -> float | None:
    """Standard deviation (ddof 1); None where there is none but rounding."""
    deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    return deviation if deviation > STILL else None


def close_times(opens: Int64Array, timeframe: Timeframe) -> Int64Array:
    """When candles of these open times close, ms."""
    if timeframe.name == "1M":
        return np.array([timeframe.next(t) for t in opens.tolist()], dtype=np.int64)
    closes: Int64Array = opens + _length_ms(opens, timeframe)
    return closes


def length_ms(candles: Candles, timeframe: Timeframe) -> int:
    """How long a candle lasts, by the first of them: months differ."""
    return _length_ms(candles.timestamp, timeframe)


def _length_ms(opens: Int64Array, timeframe: Timeframe) -> int:
    return timeframe.next(int(opens[0])) - int(opens[0])


def day_ends(opens: Int64Array) -> Int64Array:
    """Position of the last candle up to the end of each UTC day from the first to the last, int64 (days,)."""
    days = opens // DAY_MS
    ends: Int64Array = np.searchsorted(days, np.arange(days[0], days[-1] + 1), side="right") - 1
    return ends


def account_returns(equity: Float64Array, costs: Costs, opens: Int64Array) -> Float64Array:
    """`daily_returns` of an account's values (n,) at the closes of candles: from them come Sharpe ratio and all like it."""
    return daily_returns(costs.cash * UNITS / UNITS, equity, opens)


def daily_returns(start: float, values: Float64Array, opens: Int64Array) -> Float64Array:
    """Simple returns per UTC day (of the open times), shape (days,); a day without candles returns 0.

    The first day starts from `start`; where nothing is left to lose, the return is 0.
    """
    ends = values[day_ends(opens)]
    starts = np.concatenate(([start], ends[:-1]))
    returns = np.zeros(len(ends))
    np.divide(ends, starts, out=returns, where=starts > 0)
    returns[starts > 0] -= 1
    return returns


def _result_metrics(account: _Account, outcome: Outcome, candles: Candles) -> Mapping[str, float | None]:
    return_pct = (account.values[-1] / account.cash - 1) * 100
    buy_hold_pct = (candles.close[-1] / candles.open[0] - 1) * 100
    return {
        "final_equity": account.values[-1],
        "peak_equity": account.peaks[-1],
        "low_equity": account.values.min(),
        "net_profit": account.values[-1] - account.cash,
        "return_pct": return_pct,
        "buy_hold_return_pct": buy_hold_pct,
        "excess_return_pct": return_pct - buy_hold_pct,
        "exposure_pct": outcome.exposure * 100,
    }


def _annual_metrics(account: _Account) -> Mapping[str, float | None]:
    names = ("cagr_pct", "volatility_pct", "sharpe", "sortino", "calmar", "beta", "alpha_pct")
    deviation, cagr = account.deviation, account.cagr
    if deviation is None or cagr is None:
        return dict.fromkeys((*names, "information_ratio"))
    r, year = account.returns, math.sqrt(DAYS_PER_YEAR)
    downside = math.sqrt(np.mean(np.minimum(r, 0) ** 2))
    active = r - account.market
    active_deviation = _deviation(active)
    beta = _beta(r, account.market)
    return {
        "cagr_pct": cagr * 100,
        "volatility_pct": deviation * year * 100,
        "sharpe": r.mean() / deviation * year,
        "sortino": r.mean() / downside * year if downside > STILL else None,
        "calmar": _ratio(cagr, abs(account.drawdowns.min())),
        "beta": beta,
        "alpha_pct": None
        if beta is None
        else (r.mean() - beta * account.market.mean()) * DAYS_PER_YEAR * 100,
        "information_ratio": active.mean() / active_deviation * year if active_deviation else None,
    }


def _beta(returns: Float64Array, market: Float64Array) -> float | None:
    covariance = np.cov(returns, market)
    return float(covariance[0, 1] / covariance[1, 1]) if covariance[1, 1] > STILL**2 else None


def _luck_metrics(account: _Account) -> Mapping[str, float | None]:
    """What a run knows of itself; who knows all trials puts in the rest."""
    ratio = account.ratio
    least = None if ratio is None else ratio.least_track()
    return {
        "psr": None if ratio is None else ratio.probability_above(),
        "min_trl_days": None if least is None or not math.isfinite(least) else math.ceil(least),
        **dict.fromkeys(OF_TRIALS),
    }


def _daily_metrics(account: _Account) -> Mapping[str, float | None]:
    r = account.returns
    moving, ratio = account.deviation is not None, account.ratio
    gains, losses = r[r > 0].sum(), -r[r < 0].sum()
    low, high = np.percentile(r, (5, 95))
    tail = r[r <= low]
    enough = len(r) >= MIN_DAYS_CVAR
    return {
        "best_day_pct": r.max() * 100,
        "worst_day_pct": r.min() * 100,
        "avg_day_pct": r.mean() * 100,
        "winning_days": int((r > 0).sum()),
        "losing_days": int((r < 0).sum()),
        "winning_days_pct": (r > 0).mean() * 100,
        "omega": _ratio(gains, losses) if moving else None,
        "skew": None if ratio is None else ratio.skew,
        "kurtosis": None if ratio is None else ratio.kurtosis - 3,
        "var95_pct": low * 100 if enough else None,
        "cvar95_pct": tail.mean() * 100 if enough else None,
        "tail_ratio": _ratio(abs(high), abs(low)) if enough else None,
    }


def _stretches(drawdowns: Float64Array) -> tuple[Positions, Positions]:
    """Of each stretch below the peak: positions of the last peak value, and of recovery (or the end)."""
    edges = np.flatnonzero(np.diff(drawdowns < 0))  # falls and recoveries in turn: the first value is a peak
    falls, recoveries = edges[::2], edges[1::2] + 1
    if len(recoveries) < len(falls):
        recoveries = np.append(recoveries, len(drawdowns) - 1)
    return falls, recoveries


def _drawdown_metrics(account: _Account) -> Mapping[str, float | None]:
    drawdowns = account.drawdowns
    falls, recoveries = _stretches(drawdowns)
    depths = np.minimum.reduceat(drawdowns, falls) if len(falls) else np.zeros(1)
    lengths = (account.times[recoveries] - account.times[falls]) / DAY_MS if len(falls) else np.zeros(1)
    money = float((account.peaks - account.values).max())
    ulcer = math.sqrt(np.mean(drawdowns[1:] ** 2))
    cagr, net = account.cagr, float(account.values[-1]) - account.cash
    return {
        "max_drawdown_pct": depths.min() * 100,
        "max_drawdown_days": lengths.max(),
        "max_drawdown_money": money,
        "avg_drawdown_pct": depths.mean() * 100,
        "avg_drawdown_days": lengths.mean(),
        "drawdowns": len(falls),
        "time_under_water_pct": (drawdowns[1:] < 0).mean() * 100,
        "ulcer_index_pct": ulcer * 100,
        "upi": _ratio(cagr, ulcer) if cagr is not None else None,
        "recovery_factor": _ratio(net, money),
    }


def _cost_metrics(
    outcome: Outcome, account: _Account, break_even: float | None
) -> Mapping[str, float | None]:
    trades = outcome.table
    turnover = float(outcome.traded.sum())
    spare = _ratio(float(account.values[-1]) - account.cash, turnover)
    return {
        "price_pnl": float(trades.price_pnl.sum()),
        "commission": outcome.commission,
        "slippage": outcome.slippage,
        "funding": None if trades.funding is None else float(trades.funding.sum()),
        "funding_coverage_pct": None,  # who knows all settlements puts it in
        "funding_edge": None
        if outcome.terms is None or trades.funding is None
        else outcome.terms.funding_edge,
        "turnover": turnover,
        "break_even_cost_pct": None if spare is None else spare * 100,
        "break_even_bps": None if break_even is None else break_even * 10_000,
        "shortfall": outcome.shortfall,
        **_risk_metrics(outcome),
    }


def _risk_metrics(outcome: Outcome) -> Mapping[str, float | None]:
    """What leverage and the inside of candles add; the band is put in by who plays the run three times."""
    table, terms, walked = outcome.table, outcome.terms, outcome.walked
    lost = np.equal(table.reason, REASONS.index(LIQUIDATION))
    return {
        "liquidation_loss": 0.0 - float(table.pnl[lost].sum()),
        "nearest_liquidation_pct": None if terms is None else terms.nearest_pct,
        "ambiguous_trades": None if table.ambiguous is None else int(table.ambiguous.sum()),
        "settled_trades": None if walked is None else int(walked.settled.sum()),
        "equity_low": None,
        "equity_high": None,
    }
