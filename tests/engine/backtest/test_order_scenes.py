"""Scenes of orders, each worked out by hand: entries by price, stops that move, parts, adds, time, risk, size."""

import math

import pytest

from engine.backtest.rules import AGAINST, IN_FAVOUR
from engine.errors import RunError
from engine.model.account import Costs
from tests.engine.backtest.playing import BUY, SELL, near, short
from tests.engine.backtest.terms import QUIET, fills, scene

DIP = (100.0, 101.0, 94.0, 100.0)


def test_a_limit_waits_fills_at_its_price_and_is_paid_as_a_maker() -> None:
    costs = Costs(1000, 0.001, 0.5, 0.01, maker=0.0002)
    outcome = scene(
        [QUIET, QUIET, DIP, QUIET], {BUY: [0], "entry_limit": {0: 95.0}, "entry_expiry": {0: 2.0}}, costs
    )
    assert short(outcome) == [("long", 2, 95.0, 3, 100.0, "open")]
    trade = outcome.trades[0]
    assert trade.size == near(500 / (95 * 1.0002), abs=1e-8)
    assert trade.commission == near(trade.size * 95 * 0.0002)
    assert trade.slippage == 0
    assert outcome.equity[2] == near(1000 + trade.size * 5 - trade.commission)


def test_a_limit_that_the_open_has_passed_fills_there_but_never_above_its_price() -> None:
    rows = [QUIET, (90, 91, 89, 90), (90, 91, 89, 90)]
    bought = scene(rows, {BUY: [0], "entry_limit": {0: 95.0}}, Costs(1000, 0.001, 1, 0.01, maker=0))
    assert fills(bought)[0][:2] == (1, near(90.9))
    assert bought.trades[0].commission > 0
    dear = scene(rows, {BUY: [0], "entry_limit": {0: 90.5}}, Costs(1000, 0, 1, 0.01))
    assert fills(dear)[0][:2] == (1, 90.5)
    assert dear.trades[0].slippage == near(dear.trades[0].size * 0.5)
    sold = scene(
        [QUIET, (110, 111, 109, 110)], {SELL: [0], "entry_limit": {0: 105.0}}, Costs(1000, 0, 1, 0.01)
    )
    assert fills(sold)[0][:2] == (1, near(108.9))


def test_an_order_lives_as_many_candles_as_it_says_and_one_unless_it_does() -> None:
    rows = [QUIET, QUIET, DIP, QUIET]
    assert not scene(rows, {BUY: [0], "entry_limit": {0: 95.0}}).trades
    assert scene(rows, {BUY: [0], "entry_limit": {0: 95.0}, "entry_expiry": {0: 2.0}}).trades
    assert not scene(rows[:2], {BUY: [1], "entry_limit": {1: 95.0}}).trades


def test_a_stop_entry_is_filled_where_the_price_comes_through_slipped() -> None:
    rows = [QUIET, (100, 106, 99, 104), (104, 105, 103, 104)]
    costs = Costs(1000, 0, 1, 0.01)
    outcome = scene(rows, {BUY: [0], "entry_stop": {0: 105.0}, "stop_loss": {0: 99.5}}, costs)
    # its own stop counts on the candle of the entry, however that candle went
    assert short(outcome) == [("long", 1, near(106.05), 1, near(98.505), "stop_loss")]
    assert outcome.trades[0].ambiguous
    gap = scene([QUIET, (107, 108, 106, 107)], {BUY: [0], "entry_stop": {0: 105.0}}, costs)
    assert fills(gap)[0][:2] == (1, near(107 * 1.01))
    sold = scene([QUIET, DIP, QUIET], {SELL: [0], "entry_stop": {0: 95.0}}, costs)
    assert fills(sold)[0][:2] == (1, near(94.05))


def test_a_newer_signal_replaces_the_order_that_waits_and_an_exit_column_does_not() -> None:
    columns = {
        BUY: [0, 1],
        "entry_limit": {0: 95.0, 1: 90.0},
        "entry_expiry": {0: 5.0, 1: 5.0},
        "exit_long": [0, 1],
    }
    rows = [QUIET, QUIET, DIP, (100, 101, 89, 95), QUIET]
    assert fills(scene(rows, columns))[0][:2] == (3, 90.0)
    market = columns | {"entry_limit": {0: 95.0}}
    assert short(scene(rows, market)) == [("long", 2, 100.0, 4, 100.0, "open")]


def test_a_target_is_not_looked_for_on_the_candle_of_an_inside_entry() -> None:
    columns = {BUY: [0], "entry_limit": {0: 95.0}, "take_profit": {0: 100.5}}
    outcome = scene([QUIET, DIP, QUIET], columns)
    assert short(outcome) == [("long", 1, 95.0, 2, 100.5, "take_profit")]
    assert outcome.trades[0].ambiguous
    assert short(scene([QUIET, DIP, QUIET], columns, reading=IN_FAVOUR))[0][3] == 1


def test_a_trail_follows_the_best_of_the_candles_before() -> None:
    rows = [QUIET, (100, 104, 99.5, 103), (106, 110, 105.5, 109), (109, 109.5, 104, 105), QUIET]
    outcome = scene(rows, {BUY: [0], "trail": {0: 5.0}})
    # 95 on the entry candle, 99 on the next, then 105
    assert short(outcome) == [("long", 1, 100.0, 3, 105.0, "trailing_stop")]
    assert not outcome.trades[0].ambiguous
    mirror = [(200 - o, 200 - low, 200 - high, 200 - c) for o, high, low, c in rows]
    assert short(scene(mirror, {SELL: [0], "trail": {0: 5.0}})) == [
        ("short", 1, 100.0, 3, 95.0, "trailing_stop")
    ]


def test_a_trail_works_on_the_candle_of_the_entry_from_its_slipped_fill() -> None:
    outcome = scene([QUIET, (100, 101, 95, 97)], {BUY: [0], "trail": {0: 5.0}}, Costs(1000, 0, 1, 0.01))
    assert short(outcome) == [("long", 1, 101.0, 1, near(96 * 0.99), "trailing_stop")]


def test_a_stop_that_nothing_moved_stays_a_stop_loss_beside_a_trail() -> None:
    columns = {BUY: [0], "stop_loss": {0: 97.0}, "trail": {0: 5.0}}
    assert short(scene([QUIET, (100, 101, 96, 97)], columns))[0][4:] == (97.0, "stop_loss")


def test_a_trail_may_wait_until_the_price_has_come_some_way() -> None:
    columns = {BUY: [0], "trail": {0: 2.0}, "trail_from": {0: 5.0}, "stop_loss": {0: 90.0}}
    rows = [QUIET, (100, 104.9, 95, 104), (104, 105, 95, 104), (104, 104.5, 95, 100), QUIET]
    # 105 is reached on candle 2, so the trail stands at 103 from candle 3 on
    assert short(scene(rows, columns)) == [("long", 1, 100.0, 3, 103.0, "trailing_stop")]


def test_a_trail_that_its_own_candle_would_have_raised_is_told_and_read_so_in_favour() -> None:
    rows = [QUIET, (100, 110, 104, 109), QUIET, QUIET]
    outcome = scene(rows, {BUY: [0], "trail": {0: 5.0}})
    assert short(outcome)[0][3:5] == (2, 100.0)
    assert outcome.trades[0].ambiguous
    assert short(scene(rows, {BUY: [0], "trail": {0: 5.0}}, reading=IN_FAVOUR))[0][3:5] == (1, 105.0)


def test_after_a_limit_only_the_close_of_its_candle_counts_as_best() -> None:
    rows = [QUIET, (100, 110, 94, 97), (97, 98, 93, 94), QUIET]
    columns = {BUY: [0], "entry_limit": {0: 95.0}, "trail": {0: 3.0}}
    assert short(scene(rows, columns)) == [("long", 1, 95.0, 2, 94.0, "trailing_stop")]


def test_break_even_moves_the_stop_to_the_entry_from_the_next_candle_on() -> None:
    columns = {BUY: [0], "stop_loss": {0: 90.0}, "break_even": {0: 3.0}}
    rows = [QUIET, (100, 103, 99, 102), (102, 103, 99, 101), QUIET]
    assert short(scene(rows, columns)) == [("long", 1, 100.0, 2, 100.0, "trailing_stop")]


def test_a_stop_moved_at_a_close_acts_from_the_next_candle_and_only_tightens() -> None:
    columns = {BUY: [0], "stop_loss": {0: 95.0}, "stop_now": {0: 99.9, 1: 98.0, 2: 90.0}}
    rows = [QUIET, QUIET, (100, 101, 98.5, 100), (100, 101, 97, 100)]
    assert short(scene(rows, columns)) == [("long", 1, 100.0, 3, 98.0, "trailing_stop")]


def test_three_targets_take_their_parts_and_the_last_the_rest() -> None:
    columns = {
        BUY: [0], "target_1": {0: 102.0}, "target_2": {0: 104.0}, "target_3": {0: 106.0}, "part_1": {0: 0.5},
        "part_2": {0: 0.2},
    }  # fmt: skip
    rows = [QUIET, (100, 102, 99, 101), (101, 107, 100, 106), QUIET]
    outcome = scene(rows, columns, Costs(1000, 0, 1, 0.0, maker=0.01))
    assert fills(outcome) == [
        (1, 100.0, 10.0, "entry"), (1, 102.0, -5.0, "target_1"), (2, 104.0, -2.0, "target_2"),
        (2, 106.0, -3.0, "target_3"),
    ]  # fmt: skip
    (trade,) = outcome.trades
    assert (trade.exit_reason, trade.exit_price) == ("target_3", near(103.6))
    assert trade.commission == near(0.01 * 1036)
    assert trade.pnl == near(36 - 10.36)
    assert trade.ambiguous  # 102 was only just touched
    assert fills(scene(rows, columns, reading=AGAINST))[1] == (2, 102.0, -5.0, "target_1")


def test_targets_share_alike_unless_told_and_a_stop_covers_what_remains() -> None:
    columns = {BUY: [0], "target_1": {0: 105.0}, "target_2": {0: 110.0}, "stop_loss": {0: 95.0}}
    rows = [QUIET, (100, 106, 99, 101), (101, 102, 94, 95), QUIET]
    outcome = scene(rows, columns)
    assert fills(outcome)[1:] == [(1, 105.0, -5.0, "target_1"), (2, 95.0, -5.0, "stop_loss")]
    assert outcome.trades[0].pnl == near(0, abs=1e-6)
    assert short(outcome)[0][4:] == (near(100.0), "stop_loss")


def test_a_target_that_the_open_has_passed_leaves_there_never_below_its_price() -> None:
    columns = {BUY: [0], "target_1": {0: 105.0}, "target_2": {0: 110.0}}
    rows = [QUIET, QUIET, (105.5, 106, 105, 105), (120, 121, 119, 120)]
    outcome = scene(rows, columns, Costs(1000, 0, 1, 0.01))
    assert [row[:2] for row in fills(outcome)[1:]] == [(2, 105.0), (3, near(118.8))]


def test_a_take_profit_beside_targets_takes_the_rest_where_its_price_comes() -> None:
    columns = {BUY: [0], "target_1": {0: 102.0}, "target_2": {0: 106.0}, "take_profit": {0: 104.0}}
    rows = [QUIET, (100, 107, 99, 101), QUIET]
    assert [row[1:] for row in fills(scene(rows, columns))[1:]] == [
        (102.0, -5.0, "target_1"), (104.0, -5.0, "take_profit"),
    ]  # fmt: skip


def test_stop_and_target_in_one_candle_is_the_stop_and_told() -> None:
    columns = {BUY: [0], "target_1": {0: 105.0}, "stop_loss": {0: 95.0}}
    rows = [QUIET, QUIET, (100, 106, 94, 100), QUIET]
    outcome = scene(rows, columns)
    assert short(outcome)[0][4:] == (95.0, "stop_loss")
    assert outcome.trades[0].ambiguous
    assert short(scene(rows, columns, reading=IN_FAVOUR))[0][4:] == (105.0, "target_1")


def test_adds_are_of_the_equity_at_the_entry_and_capped_by_what_is_free() -> None:
    columns = {
        BUY: [0], "add_more_buy": [1, 2, 3], "add_less_sell": [1], "add_size": {0: 0.4}, "max_adds": {0: 2.0},
        "stop_loss": {0: 90.0},
    }  # fmt: skip
    rows = [QUIET, QUIET, (110, 111, 109, 110), (120, 121, 119, 120), (130, 131, 129, 130)]
    outcome = scene(rows, columns, Costs(1000, 0, 0.5))
    assert fills(outcome) == [
        (1, 100.0, 5.0, "entry"), (2, 110.0, near(400 / 110, abs=1e-6), "add"), (3, 120.0, near(100 / 120, abs=1e-6), "add"),
    ]  # fmt: skip
    (trade,) = outcome.trades
    assert trade.entry_price == near(1000 / (5 + 400 / 110 + 100 / 120), abs=1e-5)
    assert trade.pnl == near(trade.size * 130 - 1000, abs=1e-5)


def test_one_add_is_made_unless_told_and_none_beside_an_exit_or_after_a_target() -> None:
    columns = {BUY: [0], "add_more_buy": [1, 2], "add_size": {0: 0.1}}
    assert [row[3] for row in fills(scene([QUIET] * 5, columns, Costs(1000, 0, 0.5)))] == ["entry", "add"]
    left = scene([QUIET] * 5, columns | {"exit_long": [1]}, Costs(1000, 0, 0.5))
    assert [row[3] for row in fills(left)] == ["entry", "exit_long"]
    rows = [QUIET, (100, 103, 99, 100), QUIET, QUIET, QUIET]
    targets = columns | {"target_1": {0: 102.0}, "target_2": {0: 150.0}}
    assert [row[3] for row in fills(scene(rows, targets, Costs(1000, 0, 0.5)))] == ["entry", "target_1"]


def test_time_is_up_at_the_open_of_that_candle_after_a_gap_stop() -> None:
    columns = {BUY: [0], "max_candles": {0: 2.0}, "stop_loss": {0: 95.0}}
    assert short(scene([QUIET] * 5, columns)) == [("long", 1, 100.0, 3, 100.0, "time")]
    rows = [QUIET, QUIET, QUIET, (94, 95, 93, 94), QUIET]
    assert short(scene(rows, columns))[0][4:] == (94.0, "stop_loss")


def test_risk_sizes_by_what_the_stop_would_lose_and_never_above_the_size() -> None:
    costs = Costs(1000, 0.001, 1)
    outcome = scene([QUIET] * 3, {BUY: [0], "risk": {0: 0.01}, "stop_loss": {0: 98.0}}, costs)
    assert outcome.trades[0].size == near(10 / (2 + 0.001 * 198), abs=1e-8)
    capped = scene([QUIET] * 3, {BUY: [0], "risk": {0: 0.5}, "stop_loss": {0: 98.0}}, costs)
    assert capped.trades[0].size == near(1000 / 100.1, abs=1e-8)


def test_risk_is_dropped_and_counted_where_the_open_is_beyond_the_stop() -> None:
    rows = [QUIET, (98, 99, 97, 98), QUIET]
    columns = {BUY: [0], "stop_loss": {0: 98.0}}
    dropped = scene(rows, columns | {"risk": {0: 0.01}})
    assert not dropped.trades
    assert dropped.terms is not None
    assert dropped.terms.dropped == 1
    assert short(scene(rows, columns)) == [("long", 1, 98.0, 1, 98.0, "stop_loss")]


def test_a_size_of_the_entry_takes_the_place_of_the_run_s() -> None:
    outcome = scene([QUIET] * 3, {BUY: [0], "size": {0: 0.25}})
    assert outcome.trades[0].size == near(2.5, abs=1e-7)


def test_a_turn_closes_at_the_open_and_its_order_waits_from_there_on() -> None:
    columns = {BUY: [0], SELL: [2], "entry_limit": {2: 105.0}}
    rows = [QUIET, QUIET, QUIET, (100, 106, 99, 100), QUIET]
    assert short(scene(rows, columns, reverse=True)) == [
        ("long", 1, 100.0, 3, 100.0, "reverse"), ("short", 3, 105.0, 4, 100.0, "open"),
    ]  # fmt: skip


def test_excursions_of_an_order_are_what_was_surely_seen() -> None:
    outcome = scene([QUIET, (100, 108, 94, 99), QUIET], {BUY: [0], "entry_limit": {0: 95.0}})
    assert (outcome.trades[0].mae_pct, outcome.trades[0].mfe_pct) == (
        near((94 / 95 - 1) * 100),
        near((101 / 95 - 1) * 100),
    )
    above = scene([QUIET, (100, 108, 94, 99), QUIET], {BUY: [0], "entry_stop": {0: 105.0}})
    assert (above.trades[0].mae_pct, above.trades[0].mfe_pct) == (
        near((99 / 105 - 1) * 100),
        near((108 / 105 - 1) * 100),
    )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"entry_limit": {0: 95.0}, "entry_stop": {0: 105.0}}, "give one of them"),
        ({"entry_limit": {0: 95.0}, "stop_loss": {0: 96.0}}, "must lie below its entry_limit 95"),
        ({"target_2": {0: 105.0}}, "targets are given from target_1 on"),
        ({"target_1": {0: 105.0}, "target_2": {0: 104.0}}, "further away"),
        ({"target_1": {0: 99.0}}, "must lie above its close"),
        ({"target_1": {0: 105.0}, "target_2": {0: 106.0}, "part_1": {0: 0.8}, "part_2": {0: 0.3}}, "sum to 1.1"),
        ({"risk": {0: 0.01}}, "needs a stop_loss"),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_fails_the_run_only_where_it_is_acted_on(
    columns: dict[str, dict[int, float]], words: str
) -> None:
    with pytest.raises(RunError, match=words):
        scene([QUIET] * 3, {BUY: [0], **columns})
    later = {name: {2: marks[0]} for name, marks in columns.items()}
    assert len(scene([QUIET] * 5, {BUY: [0, 2], **later}).trades) == 1  # in a position: not looked at


def test_columns_without_a_value_are_as_if_they_were_not_there() -> None:
    rows = [QUIET, DIP, (100, 120, 90, 110), QUIET, QUIET]
    plain = scene(rows, {BUY: [0, 2], "exit_long": [1]})
    asked = scene(rows, {BUY: [0, 2], "exit_long": [1], "trail": {0: math.nan}, "entry_limit": {2: math.nan}})
    assert short(asked) == short(plain)
    assert asked.equity.tolist() == plain.equity.tolist()
    assert plain.fills is None
    assert asked.fills is not None
