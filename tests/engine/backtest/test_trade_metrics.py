"""The figures of a trade list against values computed by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from engine.model.trade import Trade
from tests.engine.backtest.accounts import measure, trade
from tests.engine.backtest.playing import near

WON_AND_LOST = [
    trade(30, 3, hours=4),
    trade(-10, -1, side="short", hours=1),
    trade(-20, -2, hours=3),
    trade(0, 0, hours=2),
    trade(50, 5, side="short", hours=10),
    trade(99, 9.9, reason="open"),
]


def test_trade_figures_by_hand() -> None:
    metrics = measure([100, 100], WON_AND_LOST, cash=1000.0)
    assert (metrics["trades"], metrics["open_trades"]) == (6, 1)
    assert (metrics["winning_trades"], metrics["losing_trades"]) == (2, 2)
    assert metrics["win_rate_pct"] == near(40)  # break-even counts against
    assert (metrics["long_trades"], metrics["long_win_rate_pct"], metrics["long_pnl"]) == (
        3,
        near(100 / 3),
        10,
    )
    assert (metrics["short_trades"], metrics["short_win_rate_pct"], metrics["short_pnl"]) == (2, 50, 40)
    assert (metrics["gross_profit"], metrics["gross_loss"]) == (80, 30)
    assert metrics["profit_factor"] == near(80 / 30)
    assert (metrics["avg_win"], metrics["avg_loss"], metrics["payoff_ratio"]) == (40, 15, near(40 / 15))
    assert (metrics["largest_win"], metrics["largest_loss"], metrics["expectancy"]) == (50, 20, 10)
    assert metrics["sqn"] == near(math.sqrt(5) * 10 / np.std([30, -10, -20, 0, 50], ddof=1))
    assert metrics["kelly"] == near(0.4 - 0.6 / (40 / 15))
    assert metrics["expectancy_pct"] == metrics["avg_trade_pct"] == near(1)
    assert (metrics["best_trade_pct"], metrics["worst_trade_pct"]) == (5, -2)
    assert (metrics["avg_win_pct"], metrics["avg_loss_pct"]) == (4, -1.5)
    assert (metrics["avg_trade_hours"], metrics["max_trade_hours"], metrics["min_trade_hours"]) == (4, 10, 1)
    assert (metrics["avg_win_hours"], metrics["avg_loss_hours"]) == (7, 2)
    assert (metrics["avg_mae_pct"], metrics["avg_mfe_pct"]) == (-1, 3)
    # as they ended, after 1, 2, 3, 4 and 10 hours: lost, even, lost, won, won
    assert (metrics["max_consecutive_wins"], metrics["max_consecutive_losses"]) == (2, 1)
    assert metrics["max_closed_drawdown_pct"] == near(-3)


def test_turnover_counts_every_fill_and_costs_are_shown_as_they_were() -> None:
    metrics = measure([100, 130], WON_AND_LOST)
    assert metrics["turnover"] == 5 * 2 * (50 + 60) + 2 * 50
    assert metrics["break_even_cost_pct"] == near(30 / 1200 * 100)
    assert (metrics["commission"], metrics["slippage"], metrics["funding"]) == (3.0, 1.5, None)


@pytest.mark.parametrize(
    ("trades", "nothing"),
    [
        (
            (),
            "win_rate_pct profit_factor expectancy_pct sqn kelly best_trade_pct worst_trade_pct avg_trade_pct",
        ),
        ([trade(5, reason="open")], "win_rate_pct profit_factor expectancy_pct sqn kelly best_trade_pct"),
        ([trade(5), trade(6)], "profit_factor kelly payoff_ratio largest_loss avg_loss_pct"),
        ([trade(-5), trade(-6)], "kelly payoff_ratio largest_win avg_win_pct"),
        ([trade(5)], "sqn"),
        ([trade(5), trade(5)], "sqn"),
    ],
    ids=["none", "only-open", "only-wins", "only-losses", "one", "equal"],
)
def test_what_has_no_meaning_is_none(trades: Sequence[Trade], nothing: str) -> None:
    metrics = measure([100, 100], trades)
    assert {name for name in nothing.split() if metrics[name] is not None} == set()
    assert metrics["trades"] == len(trades)
