"""What a sweep keeps of a portfolio beside what its report tells: the same portfolio, the same figures."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from engine.backtest.metrics import account_returns
from engine.backtest.portfolio.book import LegInput, PortfolioRules
from engine.backtest.portfolio.compiled import run_portfolio
from engine.backtest.portfolio.figures import basket, open_times, wallet_metrics
from engine.backtest.portfolio.summary import PreparedLegs, run_portfolio_summary
from engine.errors import RunError
from engine.model.market import HOUR_MS, Timeframe
from engine.model.metric_definitions import SUMMARY
from tests.engine.backtest.portfolio.worlds import World, ending, worlds
from tests.support.examples import examples

# what is told of closes and counts; the others are sums of many numbers, in another order
EXACT = (
    "final_equity", "peak_equity", "return_pct", "buy_hold_return_pct", "max_drawdown_pct", "max_drawdown_days",
    "exposure_pct", "trades", "open_trades", "win_rate_pct", "best_trade_pct", "worst_trade_pct", "liquidations",
)  # fmt: skip
TIMEFRAMES = {HOUR_MS // 4: "15m", HOUR_MS: "1h", 2 * HOUR_MS: "2h", 4 * HOUR_MS: "4h"}


def compare(legs: tuple[LegInput, ...], rules: PortfolioRules) -> None:
    """The summary of a portfolio beside all that is told of it."""
    ordered = sorted(legs, key=lambda leg: leg.name)
    timeframe = Timeframe(TIMEFRAMES[min(leg.timeframe_ms for leg in legs)])
    prepared = PreparedLegs.of(legs, timeframe)
    row, returns = np.full(len(SUMMARY), np.nan), np.empty(prepared.days)
    outcome = ending(run_portfolio, World(tuple(ordered), rules))
    if isinstance(outcome, str):
        with pytest.raises(RunError, match=re.escape(outcome)):
            run_portfolio_summary(prepared, legs, rules, row, returns)
        return
    costs = replace(ordered[0].costs, cash=rules.cash)
    market = basket(outcome, ordered, rules)
    wanted = wallet_metrics(outcome, ordered, market, costs, timeframe)
    run_portfolio_summary(prepared, legs, rules, row, returns)
    for name, value in zip(SUMMARY, row.tolist(), strict=True):
        right = wanted[name]
        if name in EXACT:
            assert value == right or (right is None and np.isnan(value)), name
        else:
            right = np.nan if right is None else right
            np.testing.assert_allclose(value, right, rtol=1e-9, atol=1e-9, err_msg=name)
    days = account_returns(outcome.equity, costs, open_times(outcome, ordered))
    np.testing.assert_allclose(returns, days, rtol=0, atol=1e-15)


@given(worlds())
@settings(max_examples=examples(60), deadline=None)
def test_a_trial_has_the_figures_of_the_portfolio(world: World) -> None:
    compare(world.legs, world.rules)


@pytest.mark.long
@given(worlds())
@settings(max_examples=examples(600), deadline=None)
def test_many_trials_have_the_figures_of_the_portfolio(world: World) -> None:
    compare(world.legs, world.rules)
