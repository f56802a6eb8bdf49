"""Orders as an exchange takes them, by hand: half of 1000 at 100, so five coins, unless a filter says else."""

from typing import Any

import pytest

from engine.backtest.outcome import Outcome
from engine.model.filters import Filters
from tests.engine.backtest.playing import BUY, SELL, mirrored, near, short
from tests.engine.backtest.terms_playing import BTC, FLAT, LONG, SHORT, both_sides, fills, play, seen

COARSE = Filters(tick=0.5, step=0.2)


def held(rows: Any, columns: Any, filters: Filters, **terms: Any) -> Outcome:
    return play(rows, columns, filters=filters, filtered=True, **terms)


def counted(outcome: Outcome) -> tuple[int, int]:
    assert outcome.terms is not None
    return outcome.terms.below_minimum, outcome.terms.above_maximum


def test_sizes_are_whole_steps_rounded_down() -> None:
    (trade,) = held([FLAT] * 3, {BUY: [0]}, Filters(step=0.3)).trades
    assert trade.size == near(4.8)
    (trade,) = held([FLAT] * 3, {BUY: [0]}, Filters(step=0.001), commission=0.001).trades
    assert trade.size == near(4.995)  # 500 / 100.1 = 4.99500...
    assert held([FLAT] * 3, {BUY: [0]}, Filters(step=5)).trades[0].size == 5, "a whole step is not one less"


@pytest.mark.parametrize("filters", [Filters(step=6), Filters(least=5.1), Filters(notional=500.01)])
def test_what_is_too_small_is_refused_and_counted(filters: Filters) -> None:
    outcome = held([FLAT] * 4, {BUY: [0, 2]}, filters)
    assert (outcome.trades, counted(outcome)) == ((), (2, 0))
    assert outcome.equity.tolist() == [1000] * 4


def test_a_single_hundred_millionth_is_too_small_for_a_step() -> None:
    outcome = held([FLAT] * 3, {BUY: [0]}, Filters(step=0.001), cash=2e-6)
    assert (outcome.trades, counted(outcome)) == ((), (1, 0))


def test_what_is_just_large_enough_is_taken() -> None:
    outcome = held([FLAT] * 3, {BUY: [0]}, Filters(step=0.1, least=5, most=5, notional=500))
    assert (outcome.trades[0].size, counted(outcome)) == (5, (0, 0))


def test_the_least_value_is_reckoned_before_slippage() -> None:
    outcome = held([FLAT] * 3, {BUY: [0]}, Filters(notional=499), slippage=0.01)
    assert (outcome.trades, counted(outcome)) == ((), (1, 0)), "495 at 100, that cost 500"


def test_more_than_the_most_is_cut_and_counted() -> None:
    outcome = held([FLAT] * 3, {BUY: [0]}, Filters(most=2.25, step=0.5))
    assert (outcome.trades[0].size, counted(outcome)) == (2, (0, 1))


def test_the_most_is_of_one_order_so_adds_have_their_own_and_what_is_held_leaves_at_once() -> None:
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.3}, "exit_long": [2]}
    outcome = held([FLAT] * 4, columns, Filters(most=2))
    assert [size for _, _, size, _ in fills(outcome)] == [2, 2, -4]
    assert counted(outcome) == (0, 2)


def test_an_add_below_the_least_is_refused_and_the_next_one_may_be_taken() -> None:
    columns = {BUY: [0], "add_more_buy": [1, 2], "add_size": {0: 0.03}}
    outcome = held([FLAT] * 4, columns, Filters(notional=31))
    assert (len(fills(outcome)), counted(outcome)) == (1, (2, 0))


@both_sides
def test_stops_are_rounded_to_the_worse_tick_and_targets_to_the_further_one(side: str) -> None:
    inside = [FLAT, (100, 101, 98.2, 99), FLAT]
    terms: dict[str, Any] = {"filters": COARSE, "filtered": True}
    columns = {"signal_test_buy": [0], "stop_loss": {0: 98.4}}
    assert seen(side, inside, columns, **terms)[0][3:] == (100, "open"), "the stop lies at 98"
    inside[1] = (100, 101, 98, 99)
    assert seen(side, inside, columns, **terms) == [(1, 100, 1, 98, "stop_loss")]
    above = {"signal_test_buy": [0], "take_profit": {0: 101.2}, "target_1": {0: 100.8}}
    inside[1] = (100, 101.3, 100, 101)
    assert seen(side, inside, above, **terms)[0][4] == "target_1"
    assert seen(side, inside, above, **terms)[0][3] == 101
    above = {"signal_test_buy": [0], "take_profit": {0: 101.2}}
    assert seen(side, inside, above, **terms)[0][4] == "open"


@both_sides
def test_limits_are_rounded_away_from_the_market_and_stop_entries_towards_the_worse(side: str) -> None:
    terms: dict[str, Any] = {"filters": COARSE, "filtered": True}
    rows = [FLAT, (100, 101.6, 98.6, 100), FLAT]
    assert seen(side, rows, {"signal_test_buy": [0], "entry_limit": {0: 98.9}}, **terms) == []
    assert seen(side, rows, {"signal_test_buy": [0], "entry_limit": {0: 99.2}}, **terms)[0][:2] == (1, 99)
    assert seen(side, rows, {"signal_test_buy": [0], "entry_stop": {0: 101.2}}, **terms)[0][:2] == (1, 101.5)
    assert seen(side, rows, {"signal_test_buy": [0], "entry_stop": {0: 101.7}}, **terms) == []


@both_sides
def test_a_stop_that_is_moved_lies_on_a_tick_too(side: str) -> None:
    terms: dict[str, Any] = {"filters": COARSE, "filtered": True}
    rows = [FLAT, (100, 103, 100, 103), (103, 103, 102.2, 103), (103, 103, 101.4, 102)]
    trail = {"signal_test_buy": [0], "trail": {0: 1.1}}
    assert seen(side, rows, trail, **terms) == [(1, 100, 3, 101.5, "trailing_stop")]
    now = {"signal_test_buy": [0], "stop_now": {1: 101.9}}
    assert seen(side, rows, now, **terms) == [(1, 100, 3, 101.5, "trailing_stop")]


@pytest.mark.parametrize(("low", "doubtful"), [(101.2, False), (101.0, True)])
def test_a_trail_that_its_own_candle_would_have_raised_lies_on_a_tick_too(low: float, doubtful: bool) -> None:
    rows = [FLAT, FLAT, (102, 104, low, 103), (103, 103, 103, 103)]
    outcome = held(rows, {BUY: [0], "trail": {0: 2.5}}, Filters(tick=1))
    assert outcome.table.ambiguous is not None
    assert outcome.table.ambiguous.tolist() == [doubtful]


def test_parts_are_whole_steps_and_the_last_target_takes_the_rest() -> None:
    rows = [FLAT, (100, 120, 100, 120), FLAT]
    columns = {BUY: [0], "target_1": {0: 105}, "target_2": {0: 110}, "part_1": {0: 0.3}}
    assert [size for *_, size, _ in fills(held(rows, columns, Filters(step=0.4)))] == near([4.8, -1.2, -3.6])
    assert [size for *_, size, _ in fills(held(rows, columns, Filters(step=2)))] == [4, -4], "0 of the first"


def test_a_part_that_rounding_makes_a_hundred_millionth_less_is_a_whole_step_all_the_same() -> None:
    """0.58 of 500 coins are 289.99999999: 29 steps of ten."""
    rows, columns = [FLAT, (100, 120, 100, 120), FLAT], {BUY: [0], "target_1": {0: 105}, "part_1": {0: 0.58}}
    columns |= {"target_2": {0: 110}}
    outcome = held(rows, columns, Filters(step=10), cash=100_000.0)
    assert [size for *_, size, _ in fills(outcome)] == [500, -290, -210]


def test_a_risk_is_reckoned_with_the_stop_where_the_exchange_has_it() -> None:
    columns = {BUY: [0], "stop_loss": {0: 98.4}, "risk": {0: 0.005}}
    (trade,) = held([FLAT] * 3, columns, COARSE).trades
    assert trade.size == near(2.4)  # 5 / (100 - 98) = 2.5, in steps of 0.2


def test_a_risk_whose_stop_the_exchange_has_at_the_price_itself_is_what_the_size_allows() -> None:
    rows = [FLAT, (100, 100, 99, 100), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 99.5}, "stop_loss": {0: 99.2}, "risk": {0: 0.01}}
    outcome = held(rows, columns, Filters(tick=1))
    assert short(outcome) == [("long", 1, 99, 1, 99, "stop_loss")]
    assert outcome.trades[0].size == near(500 / 99, abs=1e-8)


def test_a_leverage_cuts_before_the_steps_do() -> None:
    outcome = play(
        [FLAT] * 3,
        {BUY: [0]},
        filters=Filters(step=7),
        filtered=True,
        leverage=100.0,
        cash=60_000.0,
        brackets=BTC,
    )
    assert outcome.terms is not None
    assert (outcome.trades[0].size, outcome.terms.clipped) == (7994, 1)  # 800,000 at 100 times, 8000 coins


def test_ticks_are_decimals_to_the_last_bit() -> None:
    for tick, asked, price in (
        (0.1, 99.75, 99.7),
        (0.01, 99.999, 99.99),
        (0.0001, 99.70009, 99.7),
        (5.0, 99.0, 95.0),
    ):
        rows = [FLAT, (100, 100, price, price), FLAT]
        outcome = held(rows, {BUY: [0], "stop_loss": {0: asked}}, Filters(tick=tick))
        assert short(outcome) == [("long", 1, 100, 1, price, "stop_loss")]
        upside = held(mirrored(rows), {SELL: [0], "take_profit": {0: price}}, Filters(tick=tick))
        assert short(upside)[0][4] == mirrored(rows)[-1][3], "a price on a tick stays"


def test_prices_on_ticks_stay_and_without_filters_nothing_is_rounded() -> None:
    rows = [FLAT, (100, 101, 98.2, 99), FLAT]
    columns = {BUY: [0], "stop_loss": {0: 98.4}}
    assert short(play(rows, columns, filters=COARSE))[0][3:] == (1, 98.4, "stop_loss")
    assert short(held(rows, columns, Filters(tick=0.4)))[0][3:] == (1, 98.4, "stop_loss")


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_with_and_without_filters_a_run_differs_by_less_than_a_step(side: str) -> None:
    rows = [FLAT, (100, 103, 97, 101), (101, 104, 99, 103), (103, 103, 100, 100)]
    entry, leave = (BUY, "exit_long") if side == LONG else (SELL, "exit_short")
    plain = play(rows, {entry: [0, 2], leave: [1]})
    other = held(rows, {entry: [0, 2], leave: [1]}, Filters(step=0.01, tick=0.01, least=0.01, notional=5))
    for one, two in zip(plain.trades, other.trades, strict=True):
        assert 0 <= one.size - two.size < 0.02
        assert (one.entry_price, one.exit_price) == (two.entry_price, two.exit_price)
