"""The figures of a portfolio in numbers that can be checked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from engine.backtest.portfolio.book import FIXED, LegInput, PortfolioOutcome, PortfolioRules, RequestTable
from engine.backtest.portfolio.compiled import run_portfolio
from engine.backtest.portfolio.figures import (
    basket,
    compared,
    contributions,
    correlation,
    daily_pnl,
    open_times,
    use_of_money,
    wallet_metrics,
    wallet_outcome,
)
from engine.model.account import Costs
from engine.model.market import DAY_MS, HOUR_MS, Float64Array, Timeframe, parse_time
from tests.support.builders import START_MS, flat_candles, random_candles, signals_for

RULES = PortfolioRules(1000.0)
FREE = Costs(commission=0.0, size=1.0)


def leg(
    name: str, prices: list[float], columns: dict[str, list[int]], hours: int = 1, weight: float = 0.5
) -> LegInput:
    candles = flat_candles(prices, step_ms=hours * HOUR_MS)
    never: dict[str, list[int]] = {"signal_up_buy": [], "exit_long": []}
    signals = signals_for(candles, never | columns)
    return LegInput(name, candles, signals, FREE, None, False, hours * HOUR_MS, weight)


def made(*daily: tuple[float, ...]) -> tuple[PortfolioOutcome, np.ndarray]:
    """A wallet whose legs made so much on each day, and the open times of its daily candles."""
    pnl: Float64Array = np.cumsum(np.array(daily, dtype=np.float64), axis=0)
    opens = START_MS + np.arange(len(pnl), dtype=np.int64) * DAY_MS
    equity, none, whole = 1000 + pnl.sum(axis=1), np.empty(0), np.empty(0, dtype=np.int64)
    requests = RequestTable(whole, whole, none, none, whole)
    return PortfolioOutcome(opens + DAY_MS, equity, pnl, equity * 0.25, equity / 2, (), requests, 0.0), opens


def test_shares_of_profit_and_risk_add_up_to_all_of_it():
    outcome, opens = made((10, 10), (30, 10), (20, -30))
    first, second = contributions(outcome, opens)
    assert (first["pnl"], second["pnl"]) == (60, -10)
    assert (first["profit_share_pct"], second["profit_share_pct"]) == (120, -20)

    cov = np.cov(daily_pnl(outcome, opens).T)
    assert first["risk_share_pct"] == pytest.approx(cov[0].sum() / cov.sum() * 100)
    assert first["risk_share_pct"] + second["risk_share_pct"] == pytest.approx(100)  # type: ignore[operator]


def test_a_wallet_that_made_nothing_and_never_moved_has_no_shares():
    outcome, opens = made((10, -10), (20, -20), (-30, 30))
    assert [one["profit_share_pct"] for one in contributions(outcome, opens)] == [None, None]
    assert [one["risk_share_pct"] for one in contributions(outcome, opens)] == [None, None]


def test_legs_that_move_together_against_each_other_and_not_at_all():
    outcome, opens = made((1, 2, -3, 0), (3, 6, -9, 0), (2, 4, -6, 0))
    found = correlation(daily_pnl(outcome, opens))
    assert found[0] == [1.0, pytest.approx(1.0), pytest.approx(-1.0), None]
    assert found[3] == [None] * 4
    assert correlation(daily_pnl(outcome, opens)[:1]) == [[None] * 4] * 4


def test_how_much_of_the_equity_was_used():
    outcome, _ = made((10, 10), (20, 20))
    use = {
        name: {kind: round(value, 9) for kind, value in told.items()}
        for name, told in use_of_money(outcome).items()
    }
    assert use == {"exposure": {"max_pct": 50, "mean_pct": 50}, "margin": {"max_pct": 25, "mean_pct": 25}}


def test_the_basket_is_bought_by_weight_at_the_first_opens_and_held():
    legs = [leg("a", [100, 110, 121], {}), leg("b", [50, 50, 25], {})]
    outcome = run_portfolio(legs, RULES)
    assert basket(outcome, legs, RULES).close.tolist() == pytest.approx([1000, 1050, 855])
    quarter = [leg("a", [100, 110, 121], {}, weight=0.25), leg("b", [50, 50, 25], {}, weight=0.25)]
    fixed = PortfolioRules(1000.0, FIXED)
    assert basket(run_portfolio(quarter, fixed), quarter, fixed).close.tolist() == pytest.approx(
        [1000, 1025, 927.5]
    )
    assert basket(outcome, legs[:1], RULES) is legs[0].candles


def test_trades_of_all_legs_are_one_table_whose_positions_count_the_wallets_closes():
    fine = leg("a", [100.0, 100, 100, 110, 110, 110], {"signal_up_buy": [1], "exit_long": [3]})
    coarse = leg("b", [50.0, 50, 60], {"signal_up_buy": [0]}, hours=2)
    outcome = run_portfolio([fine, coarse], RULES)
    table = wallet_outcome(outcome).table
    assert open_times(outcome, [fine, coarse]).tolist() == fine.candles.timestamp.tolist()
    # both enter at 02:00, the first close that sees them is that of the candle from 02:00; one leaves at 04:00, one is open
    assert (table.entry.tolist(), table.exit.tolist()) == ([2, 2], [4, 5])
    assert table.pnl.tolist() == pytest.approx([50, 100])
    assert wallet_outcome(outcome).exposure == pytest.approx(4 / 6)
    legs = [fine, coarse]
    found = wallet_metrics(outcome, legs, basket(outcome, legs, RULES), FREE, Timeframe("1h"))
    assert found["final_equity"] == pytest.approx(1150)
    assert (found["trades"], found["open_trades"]) == (2, 1)
    assert found["turnover"] == pytest.approx(500 + 550 + 500)
    assert found["buy_hold_return_pct"] == pytest.approx((0.1 + 0.2) / 2 * 100)
    assert found["break_even_bps"] is None


def test_drawdown_and_streaks_go_by_the_order_in_which_trades_of_many_legs_end():
    # a enters first and leaves last, with the loss; b wins twice meanwhile
    long = leg("a", [100.0, 100, 100, 100, 100, 100, 50, 50], {"signal_up_buy": [0], "exit_long": [5]})
    twice = leg(
        "b", [100.0, 100, 110, 110, 110, 121, 121, 121], {"signal_up_buy": [0, 3], "exit_long": [1, 4]}
    )
    for legs in ([long, twice], [twice, long]):
        outcome = run_portfolio(legs, RULES)
        found = wallet_metrics(
            outcome, legs, basket(outcome, legs, RULES), replace(FREE, cash=1000.0), Timeframe("1h")
        )
        pnl = [one.table.pnl.tolist() for one in outcome.legs]
        lost, won = sorted(pnl, key=len)
        assert (len(lost), len(won)) == (1, 2)
        assert (found["max_consecutive_wins"], found["max_consecutive_losses"]) == (2, 1)
        peak = 1000 + sum(won)
        assert found["max_closed_drawdown_pct"] == pytest.approx(lost[0] / peak * 100)


def test_months_open_when_they_open_and_close_when_the_next_one_does():
    candles = random_candles(12, seed=3)
    opens = [parse_time(f"2023-{month:02}-01") for month in range(1, 13)]
    monthly = replace(candles, timestamp=np.array(opens, dtype=np.int64))
    one = LegInput(
        "m",
        monthly,
        signals_for(monthly, {"signal_up_buy": [1], "exit_long": [4]}),
        FREE,
        None,
        False,
        31 * DAY_MS,
        1.0,
    )
    assert open_times(run_portfolio([one], RULES), [one]).tolist() == opens


def test_what_a_leg_adds_is_the_difference_to_the_portfolio_without_it():
    whole = {"return_pct": 10.0, "sharpe": None, "max_drawdown_pct": -5.0}
    less = {"return_pct": 4.0, "sharpe": 1.0, "max_drawdown_pct": -8.0}
    assert compared(whole, less) == {
        "without": less,
        "adds": {"return_pct": 6.0, "sharpe": None, "max_drawdown_pct": 3.0},
    }
