"""Weights that change with time: which candle's rules a request, an add and a rebalance; equal ones are as one weight."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from engine.backtest.portfolio.book import LegInput, PortfolioRules
from engine.backtest.portfolio.compiled import run_portfolio
from engine.errors import InputError
from engine.model.market import HOUR_MS
from tests.engine.backtest.portfolio.scenes import BUY, asked, fills, flat, leg, play
from tests.engine.backtest.portfolio.test_worlds import same
from tests.engine.backtest.portfolio.worlds import World, worlds
from tests.support.examples import examples


def ruled(one: LegInput, *weights: float) -> LegInput:
    return replace(one, weights=np.array(weights))


@given(worlds())
@settings(max_examples=examples(100), deadline=None)
def test_weights_that_are_the_same_throughout_are_one_weight_to_the_last_bit(world: World) -> None:
    one = World(tuple(replace(leg, weights=None) for leg in world.legs), world.rules)
    constant = [replace(leg, weights=np.full(len(leg.candles), leg.weight)) for leg in world.legs]
    same(one.play(), World(tuple(constant), world.rules).play(), list(range(len(world.legs))))


def test_an_entry_has_the_weight_of_its_signals_candle_though_it_fills_in_the_next_window():
    outcome = play(ruled(leg("a", flat(6), {BUY: [2]}), 0.5, 0.5, 0.5, 0.1, 0.1, 0.1), allocation="fixed")
    assert asked(outcome) == [(3, 0, 500.0, 500.0, "")]


def test_an_order_that_waits_keeps_the_weight_of_its_signal():
    rows = [*flat(4), (100.0, 100.0, 90.0, 100.0), *flat(2)]
    columns = {BUY: [1], "entry_limit": {1: 95.0}, "entry_expiry": {1: 5.0}}
    outcome = play(ruled(leg("a", rows, columns), 0.5, 0.5, 0.2, 0.2, 0.2, 0.2, 0.2), allocation="fixed")
    assert fills(outcome)[0] == (4, 95.0, 5.26316, "entry")


def test_what_is_added_is_a_part_of_what_the_entry_had():
    sizes = {"add_size": dict.fromkeys(range(6), 0.5), "max_adds": dict.fromkeys(range(6), 5.0)}
    columns = {BUY: [0], "add_x_buy": [3], **sizes}
    outcome = play(ruled(leg("a", flat(6), columns), 0.4, 0.4, 0.1, 0.1, 0.1, 0.1), allocation="fixed")
    assert asked(outcome) == [(1, 0, 400.0, 400.0, ""), (4, 0, 200.0, 200.0, "")]


def test_a_weight_is_brought_back_to_that_of_the_candle_at_whose_open_it_is():
    held = ruled(leg("a", flat(8), {BUY: [0]}), 0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.2, 0.2)
    assert fills(play(held, allocation="fixed")) == [(1, 100.0, 5.0, "entry"), (7, 100.0, -5.0, "open")]
    due = play(held, allocation="fixed", rebalance_ms=4 * HOUR_MS)
    assert fills(due)[:2] == [(1, 100.0, 5.0, "entry"), (4, 100.0, -3.0, "rebalance")]
    late = play(held, allocation="fixed", rebalance_ms=5 * HOUR_MS)
    assert fills(late)[:2] == [(1, 100.0, 5.0, "entry"), (5, 100.0, -3.0, "rebalance")]
    by_band = play(held, allocation="fixed", band=0.1)
    assert fills(by_band)[:2] == [(1, 100.0, 5.0, "entry"), (4, 100.0, -3.0, "rebalance")]
    assert fills(play(held, allocation="fixed", band=0.4)) == [(1, 100.0, 5.0, "entry")]  # left open


def test_a_weight_of_nothing_lets_go_of_all_of_it_and_refuses_what_comes():
    held = ruled(leg("a", flat(9), {BUY: [0, 6]}), 0.5, 0.5, 0.5, 0.5, *[0.0] * 5)
    outcome = play(held, allocation="fixed", rebalance_ms=4 * HOUR_MS)
    assert fills(outcome) == [(1, 100.0, 5.0, "entry"), (4, 100.0, -5.0, "rebalance")]
    assert (
        asked(outcome)[1] == (7, 0, 0.0, 0.0, "dropped:no_cash")
        or asked(outcome)[1][4] == "dropped:too_small"
    )


def test_what_may_be_lost_at_the_stop_is_that_of_the_signals_candle():
    columns = {BUY: [1, 5], "exit_long": [3], "stop_loss": dict.fromkeys(range(9), 90.0)}
    risky = ruled(leg("a", flat(9), columns, 0.0), *[0.01] * 5, *[0.03] * 4)
    outcome = play(risky, allocation="risk")
    assert [coins for _, _, coins, why in fills(outcome) if why == "entry"] == [1.0, 3.0]


def test_weights_are_over_the_candles_and_not_below_nothing():
    one = leg("a", flat(3), {BUY: [0]})
    for weights in (np.ones(2), np.array([0.1, np.nan, 0.1]), np.array([0.1, -0.1, 0.1])):
        with pytest.raises(InputError, match="leg a"):
            run_portfolio([replace(one, weights=weights)], PortfolioRules(1000.0, "fixed"))
