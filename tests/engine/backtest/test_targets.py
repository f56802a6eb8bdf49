"""Targets in parts, and adding to what is held, by hand."""

from typing import Any

from tests.engine.backtest.playing import BUY, SELL, mirrored, near, short
from tests.engine.backtest.terms_playing import FLAT, LONG, both_sides, fills, play, seen


@both_sides
def test_targets_take_equal_parts_and_the_last_one_the_rest(side: str) -> None:
    rows = [FLAT, (100, 103, 100, 102), (102, 105, 102, 104), (104, 107, 104, 106), FLAT]
    columns = {BUY: [0], "target_1": {0: 103}, "target_2": {0: 105}, "target_3": {0: 107}}
    third = 5 / 3
    mean = (1.66666666 * 103 + 1.66666666 * 105 + 1.66666668 * 107) / 5
    assert seen(side, rows, columns) == [(1, 100, 3, mean, "target_3")]
    if side == LONG:
        assert fills(play(rows, columns)) == [
            (1, 100, 5, "entry"),
            (1, 103, near(-third, abs=1e-8), "target_1"),
            (2, 105, near(-third, abs=1e-8), "target_2"),
            (3, 107, near(-1.66666668), "target_3"),
        ]


def test_parts_are_fractions_of_what_was_held_when_the_first_target_filled() -> None:
    rows = [FLAT, (100, 103, 100, 102), (102, 105, 102, 104), (104, 104, 95, 96), FLAT]
    columns = {
        BUY: [0], "stop_loss": {0: 95}, "target_1": {0: 103}, "target_2": {0: 105}, "target_3": {0: 107},
        "part_1": {0: 0.5}, "part_2": {0: 0.2},
    }  # fmt: skip
    outcome = play(rows, columns)
    assert fills(outcome) == [
        (1, 100, 5, "entry"),
        (1, 103, -2.5, "target_1"),
        (2, 105, -1, "target_2"),
        (3, 95, -1.5, "stop_loss"),
    ]
    (trade,) = outcome.trades
    assert trade.exit_reason == "stop_loss"
    assert trade.size == 5
    assert trade.exit_price == near((2.5 * 103 + 105 + 1.5 * 95) / 5)
    assert trade.pnl == near(2.5 * 3 + 5 - 1.5 * 5)
    assert outcome.equity.tolist() == near([1000, 1000 + 7.5 + 2.5 * 2, 1000 + 7.5 + 5 + 1.5 * 4, 1005, 1005])


def test_a_part_of_less_than_a_unit_is_none_and_the_next_target_is_looked_for() -> None:
    rows = [FLAT, (100, 104, 100, 103), FLAT]
    columns = {
        BUY: [0], "target_1": {0: 103}, "target_2": {0: 104}, "target_3": {0: 110},
        "part_1": {0: 1e-9}, "part_2": {0: 2e-9},
    }  # fmt: skip
    assert fills(play(rows, columns)) == [(1, 100, 5, "entry"), (1, 104, -1e-8, "target_2")]


def test_a_target_fills_unslipped_at_the_makers_fee_and_a_take_profit_slipped_at_the_takers() -> None:
    rows = [FLAT, (100, 106, 100, 105), FLAT]
    terms: dict[str, Any] = {"slippage": 0.01, "commission": 0.001, "maker": 0.0}
    columns = {
        BUY: [0],
        "target_1": {0: 103},
        "target_2": {0: 110},
        "part_1": {0: 0.5},
        "take_profit": {0: 105},
    }
    (trade,) = play(rows, columns, **terms).trades
    entry, first, rest = trade.fills
    assert (first.price, first.reason, first.commission) == (103, "target_1", 0)
    assert (rest.price, rest.reason) == (near(105 * 0.99), "take_profit")
    assert rest.commission == near(-rest.size * 105 * 0.99 * 0.001)
    assert trade.slippage == near(entry.size * 1 + -rest.size * 1.05)


def test_a_take_profit_nearer_than_a_target_takes_all_that_is_left() -> None:
    rows = [FLAT, (100, 106, 100, 105), FLAT]
    columns = {BUY: [0], "target_1": {0: 102}, "target_2": {0: 105}, "take_profit": {0: 103}}
    assert fills(play(rows, columns)) == [
        (1, 100, 5, "entry"), (1, 102, -2.5, "target_1"), (1, 103, -2.5, "take_profit"),
    ]  # fmt: skip


def test_targets_passed_by_the_open_leave_there_and_never_worse_than_their_price() -> None:
    rows = [FLAT, FLAT, (104, 104, 104, 104), FLAT]
    columns = {BUY: [0], "target_1": {0: 102}, "target_2": {0: 103.9}, "target_3": {0: 110}}
    outcome = play(rows, columns, slippage=0.01, commission=0.001, maker=0.0)
    _, first, second = outcome.trades[0].fills
    assert first.price == near(104 * 0.99)
    assert second.price == 103.9  # 104 * 0.99 = 102.96 would be worse
    assert second.commission == near(-second.size * 103.9 * 0.001)
    assert outcome.trades[0].slippage == near(
        5 * 0 + outcome.trades[0].size * 1 - first.size * 1.04 - second.size * 0.1
    )


@both_sides
def test_a_stop_takes_what_the_targets_left_and_comes_first_on_one_candle(side: str) -> None:
    rows = [FLAT, (100, 104, 94, 100), FLAT]
    columns = {BUY: [0], "stop_loss": {0: 95}, "target_1": {0: 103}}
    assert seen(side, rows, columns) == [(1, 100, 1, 95, "stop_loss")]


def test_an_add_buys_at_the_open_and_moves_the_mean() -> None:
    rows = [FLAT, (100, 100, 96, 96), (96, 98, 96, 98), FLAT]
    outcome = play(rows, {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.24}})
    assert fills(outcome) == [(1, 100, 5, "entry"), (2, 96, 2.5, "add")]
    (trade,) = outcome.trades
    assert (trade.size, trade.entry_price) == (7.5, near((5 * 100 + 2.5 * 96) / 7.5))
    assert trade.pnl == near(7.5 * 100 - 5 * 100 - 2.5 * 96)
    outcome = play(mirrored(rows), {SELL: [0], "add_more_sell": [1], "add_size": {0: 0.26}})
    assert fills(outcome) == [(1, 100, 5, "entry"), (2, 104, 2.5, "add")]


def test_stop_and_best_stay_where_they_are_when_it_is_added_to() -> None:
    rows = [FLAT, (100, 102, 100, 101), (101, 101, 96, 99), FLAT]
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.1}, "trail": {0: 5}}
    assert short(play(rows, columns))[0][3:] == (2, 97, "trailing_stop")


def test_an_add_takes_a_part_of_the_equity_at_the_entry_and_no_more_than_is_free() -> None:
    rows = [FLAT, (100, 100, 80, 80), (80, 80, 80, 80), FLAT]
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 1.0}}
    assert fills(play(rows, columns))[1] == (2, 80, 500 / 80, "add")


def test_what_funding_took_is_not_free_to_add() -> None:
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 1.0}}
    for leverage, free in ((None, 490), (1.0, 500)):  # with margin it was taken out of what is bound
        outcome = play([FLAT] * 3, columns, funding={"at_open": {2: 2.0}}, leverage=leverage)
        assert fills(outcome) == [(1, 100, 5, "entry"), (2, 100, near(free / 100), "add")]


def test_adds_are_made_as_often_as_asked_by_default_once() -> None:
    rows = [FLAT] * 6
    columns = {BUY: [0], "add_more_buy": [1, 2, 3], "add_size": {0: 0.1}}
    assert [row[0] for row in fills(play(rows, columns))] == [1, 2]
    assert [row[0] for row in fills(play(rows, columns | {"max_adds": {0: 2}}))] == [1, 2, 3]


def test_no_add_after_the_first_target_nor_to_the_other_side_nor_beside_an_exit() -> None:
    rows = [FLAT, (100, 103, 100, 102), (102, 102, 102, 102), FLAT]
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.1}}
    assert len(fills(play(rows, columns))) == 2
    assert (
        len(fills(play(rows, columns | {"target_1": {0: 103}, "target_2": {0: 110}}))) == 2
    )  # entry, target_1
    assert len(fills(play(rows, {BUY: [0], "add_more_sell": [1], "add_size": {0: 0.1}}))) == 1
    both = fills(play(rows, columns | {"exit_long": [1]}))
    assert [row[3] for row in both] == ["entry", "exit_long"]
