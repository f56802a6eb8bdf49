"""backtesting.py as the referee: what of the rules it plays through our brokers, scene by scene, and what it cannot."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.backtest.library.reference import run_reference
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Perpetual
from engine.backtest.rules import carries
from engine.errors import RunError
from engine.model.account import Costs, Protections
from tests.engine.backtest.playing import BUY, SELL, near
from tests.support.builders import candles_from, flat_candles, signals_for

FREE = Costs(cash=1000.0, commission=0.0, size=1.0)


def about(value: Any) -> Any:
    """As near as sizes floored to 1e-8 coin come."""
    return near(value, rel=1e-8)


def settling(
    n: int, at_open: Mapping[int, float], inside: Mapping[int, tuple[float, float]] | None = None
) -> Perpetual:
    """Settlements by candle, as what a long of one coin pays at its open; and inside it (what costs, what is received)."""
    opened, total, paid = np.zeros(n), np.zeros(n), np.zeros(n)
    opened[list(at_open)] = list(at_open.values())
    for i, (costs, received) in (inside or {}).items():
        total[i], paid[i] = costs - received, costs
    return Perpetual(Funding(opened, opened, total, paid))


def play_library(
    rows: Any, columns: Mapping[str, Any], costs: Costs = FREE, perpetual: Perpetual | None = None, **how: Any
) -> Outcome:
    """What backtesting.py makes of a scene."""
    candles = candles_from(rows)
    signals = signals_for(candles, {BUY: (), SELL: ()} | dict(columns))
    return run_reference(candles, signals, costs, perpetual=perpetual, **how)


FLAT = [(100.0,) * 4] * 6


def test_a_position_carried_through_a_settlement_pays_it_and_one_that_a_fill_opens_there_does_not() -> None:
    market = settling(6, {1: 1.0, 2: 0.5, 4: 0.25, 5: 8.0})
    outcome = play_library(FLAT, {BUY: [0], "exit_long": [3]}, perpetual=market)
    (trade,) = outcome.trades  # 10 coins from the open of candle 1 to that of candle 4, which it still pays
    assert (trade.funding, trade.pnl, trade.price_pnl) == (about(7.5), about(-7.5), 0.0)
    assert outcome.equity.tolist() == about([1000, 1000, 995, 995, 992.5, 992.5])
    assert outcome.terms is not None
    assert outcome.terms.funding_edge == about(10 * 1.0 - 10 * 0.25)


def test_a_short_receives_and_is_sized_after_the_funding_of_the_open_at_which_it_turns() -> None:
    market = settling(6, {2: -1.0, 3: 2.0}, {3: (0.0, 0.5)})
    outcome = play_library(FLAT, {BUY: [0], SELL: [1]}, perpetual=market, reverse=True)
    long, short = outcome.trades
    assert (long.size, long.funding, long.exit_reason) == (about(10), about(-10), "reverse")
    assert (short.size, short.funding) == (about(10.1), about(-10.1 * 2.0 + 10.1 * 0.5))
    assert outcome.equity[-1] == about(1010 + 10.1 * 1.5)


def test_settlements_inside_a_candle_are_paid_when_held_and_only_cost_when_left_by_a_stop() -> None:
    rows = [(100,) * 4, (100, 101, 99, 100), (100, 101, 89, 95)]
    market = settling(3, {}, {1: (1.0, 0.25), 2: (1.0, 0.25)})
    long = play_library(rows, {BUY: [0], "stop_loss": {0: 90.0}}, perpetual=market)
    assert long.trades[0].funding == about(10 * 0.75 + 10 * 1.0)
    assert long.equity[-1] == about(1000 - 100 - 17.5)
    short = play_library(rows, {SELL: [0], "take_profit": {0: 90.0}}, perpetual=market)
    assert short.trades[0].funding == about(-10 * 0.75 + 10 * 0.25)
    assert short.equity[-1] == about(1000 + 100 + 5.0)


def test_funding_can_ruin_at_the_close() -> None:
    outcome = play_library(FLAT, {BUY: [0]}, perpetual=settling(6, {2: 60.0}, {2: (50.0, 0.0)}))
    (trade,) = outcome.trades
    assert (trade.exit_reason, trade.funding, outcome.shortfall) == (
        "ruin",
        about(1100),
        near(100, abs=1e-5),
    )
    assert outcome.equity[2:].tolist() == [0.0] * 4


def test_without_funding_a_trade_says_none() -> None:
    outcome = play_library(FLAT, {BUY: [0]})
    assert (outcome.trades[0].funding, outcome.terms) == (None, None)


def test_one_side_alone_is_entered() -> None:
    columns = {BUY: [0], SELL: [2]}
    outcome = play_library(FLAT, columns, replace(FREE, side="long"), reverse=True)
    assert [(trade.side, trade.exit_reason) for trade in outcome.trades] == [("long", "exit_long")]


def test_what_the_library_cannot_play_is_refused_by_name() -> None:
    candles = flat_candles([100.0] * 3)
    signals, costs = signals_for(candles, {BUY: [0]}), replace(FREE, protect=Protections(cooldown=2))
    assert carries(FREE, None) is None
    assert carries(costs, None) == "backtesting.py knows no protections"
    with pytest.raises(RunError, match="knows no protections"):
        run_reference(candles, signals, costs)
