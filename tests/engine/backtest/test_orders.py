"""Orders, by hand: five coins at 100 unless a scene says otherwise; longs, and the same upside down for shorts."""

from typing import Any

import pytest

from engine.errors import RunError
from tests.engine.backtest.playing import BUY, SELL, mirrored, near, short
from tests.engine.backtest.terms_playing import FLAT, both_sides, play, seen


@both_sides
def test_a_limit_fills_at_exactly_its_price_where_the_candle_reaches_it(side: str) -> None:
    rows = [FLAT, (100, 100, 97, 99), (99, 99, 99, 99)]
    assert seen(side, rows, {BUY: [0], "entry_limit": {0: 98}}) == [(1, 98, 2, 99, "open")]


def test_a_limit_pays_the_makers_fee_and_does_not_slip() -> None:
    rows = [FLAT, (100, 100, 97, 99), (99, 99, 99, 99)]
    columns = {BUY: [0], "entry_limit": {0: 98}}
    outcome = play(rows, columns, size=0.5, slippage=0.01, commission=0.001, maker=0.0002)
    (trade,) = outcome.trades
    assert trade.size == near(500 / (98 * 1.0002), abs=1e-8)
    assert trade.commission == near(trade.size * 98 * 0.0002)
    assert trade.slippage == 0
    taker = play(rows, columns, size=0.5, slippage=0.01, commission=0.001)
    assert taker.trades[0].commission == near(taker.trades[0].size * 98 * 0.001)


@both_sides
def test_a_limit_on_the_wrong_side_of_the_market_fills_at_the_open(side: str) -> None:
    rows = [FLAT, (97, 99, 96, 98), (98, 98, 98, 98)]
    assert seen(side, rows, {BUY: [0], "entry_limit": {0: 98}}) == [(1, 97, 2, 98, "open")]


def test_a_limit_at_the_open_slips_but_never_beyond_its_price_and_pays_the_takers_fee() -> None:
    rows = [FLAT, (97, 99, 96, 98), (98, 98, 98, 98)]
    terms: dict[str, Any] = {"slippage": 0.02, "commission": 0.001, "maker": 0.0}
    (trade,) = play(rows, {BUY: [0], "entry_limit": {0: 98}}, **terms).trades
    assert trade.entry_price == 98  # 97 * 1.02 is more
    assert trade.slippage == near(trade.size * 1)
    assert trade.commission == near(trade.size * 98 * 0.001)
    (trade,) = play(rows, {BUY: [0], "entry_limit": {0: 99.9}}, **terms).trades
    assert trade.entry_price == near(97 * 1.02)
    (trade,) = play(mirrored(rows), {SELL: [0], "entry_limit": {0: 102}}, **terms).trades
    assert trade.entry_price == 102


@both_sides
def test_a_stop_entry_fills_where_the_candle_reaches_it_and_at_an_open_beyond_it(side: str) -> None:
    columns = {BUY: [0], "entry_stop": {0: 102}}
    rows = [FLAT, (100, 103, 99, 101), (101, 101, 101, 101)]
    assert seen(side, rows, columns) == [(1, 102, 2, 101, "open")]
    rows = [FLAT, (104, 105, 103, 104), (104, 104, 104, 104)]
    assert seen(side, rows, columns) == [(1, 104, 2, 104, "open")]


def test_a_stop_entry_slips_and_pays_the_takers_fee() -> None:
    rows = [FLAT, (100, 103, 99, 101), (101, 101, 101, 101)]
    terms: dict[str, Any] = {"slippage": 0.01, "commission": 0.001, "maker": 0.0}
    (trade,) = play(rows, {BUY: [0], "entry_stop": {0: 102}}, **terms).trades
    assert trade.entry_price == near(102 * 1.01)
    assert trade.size == near(500 / (102 * 1.01 + 0.102), abs=1e-8)
    assert trade.commission == near(trade.size * 102 * 1.01 * 0.001)
    assert trade.slippage == near(trade.size * 1.02)


@both_sides
def test_an_order_lives_for_one_candle_unless_it_says_for_how_many(side: str) -> None:
    rows = [FLAT, FLAT, FLAT, (100, 100, 97, 99), (99, 99, 99, 99)]
    limit = {BUY: [0], "entry_limit": {0: 98}}
    assert seen(side, rows, limit) == []
    assert seen(side, rows, limit | {"entry_expiry": {0: 2}}) == []
    assert seen(side, rows, limit | {"entry_expiry": {0: 3}}) == [(3, 98, 4, 99, "open")]


@both_sides
def test_a_newer_entry_takes_the_place_of_a_waiting_order(side: str) -> None:
    rows = [FLAT, FLAT, (100, 100, 95, 96), (96, 96, 96, 96)]
    waiting = {"entry_limit": {0: 98, 1: 97}, "entry_expiry": {0: 9, 1: 9}}
    assert seen(side, rows, {BUY: [0, 1], **waiting}) == [(2, 97, 3, 96, "open")]
    market = {"entry_limit": {0: 98}, "entry_expiry": {0: 9}}
    assert seen(side, rows, {BUY: [0, 1], **market}) == [(2, 100, 3, 96, "open")]


@both_sides
def test_exit_columns_do_not_touch_a_waiting_order(side: str) -> None:
    rows = [FLAT, FLAT, (100, 100, 97, 99), (99, 99, 99, 99)]
    columns = {BUY: [0], "entry_limit": {0: 98}, "entry_expiry": {0: 9}, "exit_long": [0, 1]}
    assert seen(side, rows, columns) == [(2, 98, 3, 99, "open")]


def test_a_turn_closes_at_the_open_and_its_order_waits_from_that_candle_on() -> None:
    rows = [FLAT, FLAT, (101, 104, 101, 103), (103, 103, 103, 103)]
    columns = {BUY: [0], SELL: [1], "entry_limit": {1: 103}}
    assert short(play(rows, columns, reverse=True)) == [
        ("long", 1, 100, 2, 101, "reverse"),
        ("short", 2, 103, 3, 103, "open"),
    ]


@both_sides
def test_stop_and_target_are_measured_by_the_orders_price(side: str) -> None:
    rows = [FLAT, (100, 100, 94, 95), (95, 98, 95, 98), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 95}, "stop_loss": {0: 90}, "take_profit": {0: 97}}
    assert seen(side, rows, columns) == [(1, 95, 2, 97, "take_profit")]
    with pytest.raises(RunError, match="its entry_limit"):
        play(rows, {BUY: [0], "entry_limit": {0: 95}, "stop_loss": {0: 96}})


@both_sides
def test_an_order_filled_inside_sees_its_stop_on_that_candle_and_its_target_from_the_next(side: str) -> None:
    columns = {BUY: [0], "entry_limit": {0: 98}, "stop_loss": {0: 95}, "take_profit": {0: 103}}
    rows = [FLAT, (100, 104, 97, 100), (100, 101, 99, 100), (100, 104, 100, 100)]
    assert seen(side, rows, columns) == [(1, 98, 3, 103, "take_profit")]
    rows = [FLAT, (100, 104, 94, 100), FLAT]
    assert seen(side, rows, columns) == [(1, 98, 1, 95, "stop_loss")]


@both_sides
def test_an_order_filled_at_the_open_sees_its_whole_candle(side: str) -> None:
    columns = {BUY: [0], "entry_limit": {0: 98}, "stop_loss": {0: 90}, "take_profit": {0: 103}}
    rows = [FLAT, (97, 104, 96, 100), FLAT]
    assert seen(side, rows, columns) == [(1, 97, 1, 103, "take_profit")]
    rows = [FLAT, (89, 104, 88, 100), FLAT]
    assert seen(side, rows, columns) == [(1, 89, 1, 89, "stop_loss")]


# stops that move


@both_sides
def test_a_trail_follows_the_best_price_of_the_candles_before(side: str) -> None:
    rows = [FLAT, (100, 106, 100, 105), (105, 110, 101.5, 108), (108, 108, 104, 106), FLAT]
    columns = {BUY: [0], "trail": {0: 5}}
    # the level is 95, then 106 - 5 = 101, then 110 - 5 = 105
    assert seen(side, rows, columns) == [(1, 100, 3, 105, "trailing_stop")]


@both_sides
def test_a_trail_works_on_the_entry_candle_from_the_fill(side: str) -> None:
    rows = [FLAT, (100, 104, 96, 100), FLAT]
    assert seen(side, rows, {BUY: [0], "trail": {0: 3}}) == [(1, 100, 1, 97, "trailing_stop")]


@both_sides
def test_of_a_stop_and_a_trail_the_nearer_one_holds_and_gives_the_reason(side: str) -> None:
    rows = [FLAT, (100, 100, 90, 95), FLAT]
    assert seen(side, rows, {BUY: [0], "trail": {0: 3}, "stop_loss": {0: 98}}) == [
        (1, 100, 1, 98, "stop_loss")
    ]
    assert seen(side, rows, {BUY: [0], "trail": {0: 3}, "stop_loss": {0: 97}}) == [
        (1, 100, 1, 97, "stop_loss")
    ]
    assert seen(side, rows, {BUY: [0], "trail": {0: 3}, "stop_loss": {0: 96}}) == [
        (1, 100, 1, 97, "trailing_stop")
    ]


@both_sides
def test_after_an_inside_fill_the_trail_takes_in_only_that_candles_close(side: str) -> None:
    rows = [FLAT, (100, 110, 97, 101), (101, 101, 99, 100), (100, 100, 95, 96), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "trail": {0: 4}}
    # not 110 - 4 = 106: the best is the close of 101, so 97
    assert seen(side, rows, columns) == [(1, 98, 3, 97, "trailing_stop")]


@both_sides
def test_a_trail_may_begin_later(side: str) -> None:
    rows = [FLAT, (100, 104, 96, 103), (103, 105, 98, 104), (104, 104, 101, 102), FLAT]
    columns = {BUY: [0], "trail": {0: 3}, "trail_from": {0: 5}}
    # 104 is not far enough; 105 is: 102 from candle 3 on
    assert seen(side, rows, columns) == [(1, 100, 3, 102, "trailing_stop")]


@both_sides
def test_break_even_moves_the_stop_to_the_entry_from_the_next_candle(side: str) -> None:
    rows = [FLAT, (100, 104, 97, 103), (103, 103, 99, 99), FLAT]
    columns = {BUY: [0], "break_even": {0: 4}, "stop_loss": {0: 90}}
    assert seen(side, rows, columns) == [(1, 100, 2, 100, "trailing_stop")]
    assert seen(side, rows, columns | {"break_even": {0: 4.5}}) == [(1, 100, 3, 100, "open")]


@both_sides
def test_the_best_of_every_candle_held_counts_where_an_add_brings_break_even_nearer(side: str) -> None:
    rows = [
        FLAT, FLAT, (100, 103.9, 100, 102), (102, 102, 98, 98), (98, 98, 98, 98), (99.5, 99.5, 98.5, 99),
        FLAT,
    ]  # fmt: skip
    columns = {BUY: [0], "break_even": {0: 4}, "add_more_buy": [3], "add_size": {0: 0.245}}
    # 2.5 coins more at 98: 103.9 is now 4.57 above the mean of 99.33, and the stop lies there
    assert seen(side, rows, columns)[0][2::2] == (5, "trailing_stop")


@both_sides
def test_a_moved_stop_acts_from_the_next_candle_and_only_tightens(side: str) -> None:
    rows = [FLAT, (100, 101, 96, 100), (100, 101, 98.5, 100), (100, 100, 97, 98), FLAT]
    columns = {BUY: [0], "stop_loss": {0: 90}, "stop_now": {1: 98, 2: 95}}
    assert seen(side, rows, columns) == [(1, 100, 3, 98, "trailing_stop")]


@both_sides
def test_a_stop_moved_beyond_the_market_leaves_at_the_open(side: str) -> None:
    rows = [FLAT, FLAT, (101, 103, 100, 102), FLAT]
    assert seen(side, rows, {BUY: [0], "stop_now": {1: 102}}) == [(1, 100, 2, 101, "trailing_stop")]


# time, size, risk


@both_sides
def test_after_so_many_candles_a_position_leaves_at_the_open_behind_a_stop_there(side: str) -> None:
    rows = [FLAT, FLAT, FLAT, (94, 99, 94, 98), FLAT]
    columns = {BUY: [0], "max_candles": {0: 2}}
    assert seen(side, rows, columns) == [(1, 100, 3, 94, "time")]
    assert seen(side, rows, columns | {"stop_loss": {0: 95}}) == [(1, 100, 3, 94, "stop_loss")]


def test_a_size_of_its_own_replaces_that_of_the_run() -> None:
    assert play([FLAT] * 3, {BUY: [0], "size": {0: 0.2}}).trades[0].size == 2


def test_risk_loses_that_part_at_the_stop_with_both_fees() -> None:
    columns = {BUY: [0], "risk": {0: 0.01}, "stop_loss": {0: 95}}
    assert play([FLAT] * 3, columns).trades[0].size == 2
    (trade,) = play([FLAT, (100, 100, 94, 95), FLAT], columns, commission=0.001).trades
    assert trade.size == near(10 / (5 + 0.195), abs=1e-8)
    assert trade.pnl == near(-10, abs=1e-6)


def test_risk_is_capped_by_the_size() -> None:
    assert play([FLAT] * 3, {BUY: [0], "risk": {0: 0.5}, "stop_loss": {0: 95}}).trades[0].size == 5


def test_an_open_beyond_the_stop_drops_an_entry_that_reckoned_its_risk() -> None:
    rows = [FLAT, (95, 95, 95, 95), FLAT]
    outcome = play(rows, {BUY: [0], "risk": {0: 0.01}, "stop_loss": {0: 95}})
    assert outcome.terms is not None
    assert (outcome.trades, outcome.terms.dropped) == ((), 1)
    assert short(play(rows, {BUY: [0], "stop_loss": {0: 95}})) == [("long", 1, 95, 1, 95, "stop_loss")]


def test_risk_of_an_order_is_reckoned_from_its_price() -> None:
    rows = [FLAT, (100, 100, 97, 98), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "risk": {0: 0.01}, "stop_loss": {0: 93}}
    assert play(rows, columns).trades[0].size == 2


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"entry_limit": {0: 98}, "entry_stop": {0: 102}}, "give one of them"),
        ({"target_2": {0: 103}}, "from target_1 on"),
        ({"target_1": {0: 105}, "target_2": {0: 103}}, "further away"),
        ({"target_1": {0: 99}}, "must lie above"),
        ({"target_1": {0: 105}, "target_2": {0: 106}, "part_1": {0: 0.7}, "part_2": {0: 0.4}}, "at most 1"),
        ({"risk": {0: 0.01}}, "needs a stop_loss"),
    ],
)
def test_an_entry_that_cannot_be_fails_the_run_and_names_its_candle(
    columns: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunError, match=words) as raised:
        play([FLAT] * 3, {BUY: [0], **columns})
    assert "2024-01-01 00:00" in str(raised.value)
    dropped = {name: {2: value} for name, by_candle in columns.items() for value in by_candle.values()}
    assert play([FLAT] * 3, {BUY: [2], **dropped}).trades == ()


@pytest.mark.parametrize("leverage", [None, 2.0])
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"stop_loss": {0: 100}}, "stop_loss 100 .* below its close 100"),
        ({"stop_loss": {0: 100.5}}, "stop_loss 100.5 .* below"),
        ({"take_profit": {0: 100}}, "take_profit 100 .* above its close 100"),
        ({"take_profit": {0: 99.5}}, "take_profit 99.5 .* above"),
        ({"target_1": {0: 100}}, "target_1 100 .* above its close 100"),
        ({"target_1": {0: 101}, "target_2": {0: 101}}, "further away"),
        ({"target_1": {0: 101}, "target_2": {0: 103}, "target_3": {0: 102.5}}, "further away"),
        ({"target_1": {0: 101}, "target_3": {0: 103}}, "from target_1 on"),
        ({"entry_limit": {0: 98}, "stop_loss": {0: 98}}, "below its entry_limit 98"),
        ({"entry_stop": {0: 102}, "take_profit": {0: 102}}, "above its entry_stop 102"),
    ],
)
def test_a_level_at_the_price_it_is_measured_by_is_on_its_wrong_side(
    columns: dict[str, Any], words: str, leverage: float | None
) -> None:
    with pytest.raises(RunError, match=words):
        play([FLAT] * 3, {BUY: [0], **columns}, leverage=leverage)


# how far it went


def test_of_the_candle_of_a_limit_only_its_worst_and_its_close_are_seen() -> None:
    rows = [FLAT, (100, 110, 97, 99), (99, 100, 98.5, 99)]
    (trade,) = play(rows, {BUY: [0], "entry_limit": {0: 98}}).trades
    assert trade.mae_pct == near((97 / 98 - 1) * 100)
    assert trade.mfe_pct == near((100 / 98 - 1) * 100)


def test_of_the_candle_of_a_stop_entry_only_its_best_and_its_close_are_seen() -> None:
    rows = [FLAT, (100, 103, 90, 101), (101, 101, 101, 101)]
    (trade,) = play(rows, {BUY: [0], "entry_stop": {0: 102}}).trades
    assert trade.mae_pct == near((101 / 102 - 1) * 100)
    assert trade.mfe_pct == near((103 / 102 - 1) * 100)
