"""The commission at which a run earns nothing: by hand, and by running it again with that commission."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from engine.backtest.break_even import break_even_commission
from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.metrics import compute_metrics
from engine.model.account import Costs
from engine.model.market import Candles, Timeframe
from tests.engine.backtest.playing import BUY, SELL, near, play
from tests.engine.backtest.terms_playing import play as terms_play
from tests.engine.backtest.test_properties import scenes
from tests.support.builders import candles_from, signals_for
from tests.support.examples import examples

UP = [[100, 101, 99, 100], [100, 111, 99, 110], [110, 111, 109, 110], [110, 111, 109, 110]]


def test_by_hand_it_is_the_gain_over_what_was_traded():
    outcome = play(UP, {BUY: [0], "exit_long": [1]}, commission=0.001)
    # 100 in, 110 out: 10 - f * 210 = 0
    assert break_even_commission(outcome, Costs(1000, 0.001, 1.0)) == near(10 / 210)


def test_it_does_not_depend_on_the_commission_of_the_run():
    found = [
        break_even_commission(
            play(UP, {BUY: [0], "exit_long": [1]}, commission=f, slippage=0.002), Costs(1000, f, 1.0, 0.002)
        )
        for f in (0.0, 0.0005, 0.04)
    ]
    assert found == near([found[0]] * 3)


def test_with_a_model_of_slippage_it_is_what_a_run_with_that_commission_earns_nothing_at():
    candles = candles_from([(*row, 5000) for row in UP])
    signals = signals_for(candles, {BUY: [0], "exit_long": [1]})
    costs = Costs(1000, 0.001, 1.0, slippage_model="square-root")
    found = break_even_commission(run_compiled(candles, signals, costs), costs)
    assert found is not None
    assert found < 10 / 210
    again = run_compiled(candles, signals, replace(costs, commission=found))
    assert again.equity[-1] == near(1000, abs=0.1), (
        "of a hundred that prices made; less is bought, and so slips less"
    )


def test_a_position_still_open_pays_once():
    outcome = play(UP, {BUY: [0]})
    assert break_even_commission(outcome, Costs(1000, 0, 1.0)) == near(10 / 100)


def test_a_short_pays_on_both_sides_too():
    down = [[100, 101, 99, 100], [100, 101, 89, 90], [90, 91, 89, 90], [90, 91, 89, 90]]
    outcome = play(down, {SELL: [0], "exit_short": [1]})
    assert break_even_commission(outcome, Costs(1000, 0, 1.0)) == near(10 / 190)


def test_the_metric_is_in_hundredths_of_a_percent_and_nothing_without_trades():
    candles, costs = candles_from(UP), Costs(1000, 0.001, 1.0)
    won = play(UP, {BUY: [0], "exit_long": [1]}, commission=0.001)
    idle = play(UP, {})
    hours = Timeframe("1h")
    assert compute_metrics(won, candles, costs, hours)["break_even_bps"] == near(10 / 210 * 10_000)
    assert compute_metrics(idle, candles, costs, hours)["break_even_bps"] is None


def test_a_run_that_loses_without_any_commission_has_none():
    outcome = play(UP, {SELL: [0], "exit_short": [1]})
    assert break_even_commission(outcome, Costs(1000, 0, 1.0)) is None


def test_what_rose_fivefold_bears_more_than_any_exchange_takes():
    rows = [[100, 101, 99, 100], [100, 501, 99, 500], [500, 501, 499, 500]]
    outcome = play(rows, {BUY: [0]})
    assert break_even_commission(outcome, Costs(1000, 0, 1.0)) == near(4.0)


def test_a_ruined_account_has_none():
    rows = [[100, 101, 99, 100], [100, 101, 99, 100], [100, 301, 99, 300], [300, 301, 299, 300]]
    outcome = play(rows, {SELL: [0]})
    assert outcome.shortfall > 0
    assert break_even_commission(outcome, Costs(1000, 0, 1.0)) is None


def test_overlapping_trades_have_none():
    outcome = play(UP, {BUY: [0, 2], "exit_long": [1]})
    entry = outcome.table.entry.copy()
    entry[1] = entry[0]
    overlapping = replace(outcome, table=replace(outcome.table, entry=entry))
    assert break_even_commission(outcome, Costs(1000, 0, 1.0)) is not None
    assert break_even_commission(overlapping, Costs(1000, 0, 1.0)) is None


@given(scenes())
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_running_again_with_it_earns_nothing(scene: tuple[Candles, Mapping[str, Any], Costs, bool]):
    candles, columns, costs, reverse = scene
    signals = signals_for(candles, columns)
    outcome = run_compiled(candles, signals, costs, reverse)
    found = break_even_commission(outcome, costs)
    assume(found is not None and found < 0.1)  # Costs know no higher one
    assert found is not None
    same = run_compiled(candles, signals, replace(costs, commission=found), reverse)
    assume(len(same.table) == len(outcome.table))  # too little money for another coin
    most = float(max(candles.high.max(), 1.0))
    rounding = 1e-8 * most * 20 * len(same.table)  # sizes are whole hundred-millionths of a coin
    peak = max(1.0, float(same.equity.max()) / costs.cash, float(outcome.equity.max()) / costs.cash)
    assert same.equity[-1] == pytest.approx(costs.cash, abs=rounding * peak + 1e-9 * costs.cash * peak)


def test_a_part_that_left_counts_while_the_rest_is_open():
    rows = [[100, 100, 100, 100], [100, 111, 100, 110], [110, 110, 110, 110]]
    outcome = terms_play(rows, {BUY: [0], "target_1": {0: 110.0}, "target_2": {0: 200.0}, "part_1": {0: 0.5}})
    assert [fill.reason for fill in outcome.trades[0].fills] == ["entry", "target_1"]
    # five coins in at 100, 2.5 out at 110; 50 are won
    assert outcome.traded.tolist() == near([775])
    assert break_even_commission(outcome, Costs(1000, 0, 0.5)) == near(50 / 775)
