"""Candles that can be read two ways, by hand: how they are read by default, against the trader and for him."""

from typing import Any

import pytest

from engine.backtest.rules import AGAINST, DEFAULT, IN_FAVOUR
from tests.engine.backtest.playing import BUY, near, short
from tests.engine.backtest.terms_playing import FLAT, Rows, fills, play

READINGS = (AGAINST, DEFAULT, IN_FAVOUR)


def readings(rows: Rows, columns: dict[str, Any], **terms: Any) -> list[tuple[int, float, str] | None]:
    """(candle, price, reason) of the only exit when read against, by default, and for the trader; None = no trade."""
    told = []
    for reading in READINGS:
        trades = short(play(rows, columns, reading=reading, **terms))
        told.append((trades[0][3], near(trades[0][4]), trades[0][5]) if trades else None)
    return told


def ambiguous(rows: Rows, columns: dict[str, Any], **terms: Any) -> list[bool | None]:
    """Of the only trade, where there is one, when read against, by default, and for the trader."""
    outcomes = [play(rows, columns, reading=reading, **terms) for reading in READINGS]
    return [trade.ambiguous for outcome in outcomes for trade in outcome.trades]


def test_stop_and_target_on_one_candle_are_the_stop_unless_read_for_the_trader() -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT]
    columns = {BUY: [0], "stop_loss": {0: 95}, "take_profit": {0: 105}}
    assert readings(rows, columns) == [(1, 95, "stop_loss"), (1, 95, "stop_loss"), (1, 105, "take_profit")]
    assert ambiguous(rows, columns) == [True] * 3


def test_read_for_the_trader_the_stop_takes_what_the_touched_targets_left() -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT]
    columns = {BUY: [0], "stop_loss": {0: 95}, "target_1": {0: 105}, "target_2": {0: 110}, "part_1": {0: 0.4}}
    assert fills(play(rows, columns, reading=IN_FAVOUR)) == [
        (1, 100, 5, "entry"), (1, 105, -2, "target_1"), (1, 95, -3, "stop_loss"),
    ]  # fmt: skip
    assert [row[3] for row in fills(play(rows, columns))] == ["entry", "stop_loss"]


def test_a_liquidation_and_a_target_on_one_candle_can_be_read_two_ways() -> None:
    rows = [FLAT, (100, 106, 80, 100), FLAT]
    columns, terms = {BUY: [0], "take_profit": {0: 105}}, {"leverage": 10.0}
    assert readings(rows, columns, **terms) == [
        (1, 90, "liquidation"), (1, 90, "liquidation"), (1, 105, "take_profit"),
    ]  # fmt: skip
    assert ambiguous(rows, columns, **terms) == [True] * 3


def test_a_limit_that_was_only_just_touched_fills_unless_read_against_the_trader() -> None:
    rows = [FLAT, (100, 100, 98, 99), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}}
    assert readings(rows, columns) == [None, (2, 100, "open"), (2, 100, "open")]
    assert ambiguous(rows, columns) == [True, True]
    beyond = [FLAT, (100, 100, 97.9, 99), FLAT]
    assert readings(beyond, columns) == [(2, 100, "open")] * 3
    assert ambiguous(beyond, columns) == [False] * 3


def test_a_limit_not_filled_by_a_touch_waits_on() -> None:
    rows = [FLAT, (100, 100, 98, 99), (99, 99, 97, 98), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "entry_expiry": {0: 2}}
    assert [short(play(rows, columns, reading=reading))[0][1] for reading in READINGS] == [2, 1, 1]


def test_a_target_that_was_only_just_touched_fills_unless_read_against_the_trader() -> None:
    rows = [FLAT, (100, 105, 100, 101), FLAT]
    columns = {BUY: [0], "target_1": {0: 105}}
    assert readings(rows, columns) == [(2, 100, "open"), (1, 105, "target_1"), (1, 105, "target_1")]
    assert ambiguous(rows, columns) == [True] * 3


def test_a_take_profit_is_no_resting_order_and_fills_at_a_touch() -> None:
    rows = [FLAT, (100, 105, 100, 101), FLAT]
    columns = {BUY: [0], "take_profit": {0: 105}}
    assert readings(rows, columns) == [(1, 105, "take_profit")] * 3
    assert ambiguous(rows, columns) == [False] * 3


@pytest.mark.parametrize("terms", [{"maker": 0.0}, {"funding": {}}])
def test_a_take_profit_fills_at_a_touch_after_candles_in_which_nothing_happened(terms: Any) -> None:
    rows = [*[FLAT] * 4, (100, 105, 100, 101), FLAT]
    assert short(play(rows, {BUY: [0], "take_profit": {0: 105}}, **terms))[0][3:] == (4, 105, "take_profit")


def test_a_stop_on_the_candle_of_an_inside_entry_counts_unless_read_for_the_trader() -> None:
    rows = [FLAT, (100, 100, 94, 99), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "stop_loss": {0: 95}}
    assert readings(rows, columns) == [(1, 95, "stop_loss"), (1, 95, "stop_loss"), (2, 100, "open")]
    assert ambiguous(rows, columns) == [True] * 3


def test_a_target_on_the_candle_of_an_inside_entry_counts_only_read_for_the_trader() -> None:
    rows = [FLAT, (100, 106, 97, 99), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "take_profit": {0: 105}}
    assert readings(rows, columns) == [(2, 100, "open"), (2, 100, "open"), (1, 105, "take_profit")]
    assert ambiguous(rows, columns) == [True] * 3


def test_of_a_candle_that_a_stop_entry_and_its_target_share_nothing_beyond_the_target_is_seen() -> None:
    rows = [FLAT, (100, 110, 97, 99), FLAT]
    columns = {BUY: [0], "entry_stop": {0: 102}, "take_profit": {0: 105}}
    (trade,) = play(rows, columns, reading=IN_FAVOUR).trades
    assert (trade.exit_reason, trade.mae_pct, trade.mfe_pct) == (
        "take_profit",
        0,
        near((105 / 102 - 1) * 100),
    )


def test_a_trail_is_raised_by_its_own_candle_first_only_read_for_the_trader() -> None:
    rows = [FLAT, (100, 108, 102, 107), (107, 107, 104, 105), FLAT]
    columns = {BUY: [0], "trail": {0: 5}}
    # 95 by the fill; 103 by this candle's high, which its low reaches
    assert readings(rows, columns) == [
        (3, 100, "trailing_stop"),
        (3, 100, "trailing_stop"),
        (1, 103, "trailing_stop"),
    ]
    assert ambiguous(rows, columns) == [True] * 3
    calm = [FLAT, (100, 108, 103.5, 107), (107, 107, 104, 105), FLAT]
    assert ambiguous(calm, columns) == [False] * 3


@pytest.mark.parametrize(
    "columns",
    [
        {"stop_loss": {0: 95}, "take_profit": {0: 120}},
        {"stop_loss": {0: 80}, "take_profit": {0: 105}},
        {"exit_long": [1]},
    ],
)
def test_a_candle_that_says_what_came_first_is_not_ambiguous(columns: dict[str, Any]) -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT, FLAT]
    assert ambiguous(rows, {BUY: [0], **columns}) == [False] * 3


def test_an_open_beyond_the_stop_is_read_one_way() -> None:
    rows = [FLAT, FLAT, (94, 106, 94, 100), FLAT]
    columns = {BUY: [0], "stop_loss": {0: 95}, "take_profit": {0: 105}}
    assert readings(rows, columns) == [(2, 94, "stop_loss")] * 3
    assert ambiguous(rows, columns) == [False] * 3


def test_the_best_price_of_the_candle_of_an_inside_entry_raises_no_trail_in_any_reading() -> None:
    rows = [FLAT, (100, 110, 97, 101), (101, 101, 99, 100), (100, 100, 95, 96), FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "trail": {0: 4}}
    assert readings(rows, columns) == [(3, 97, "trailing_stop")] * 3


@pytest.mark.parametrize("terms", [{}, {"maker": 0.0}, {"funding": {"at_open": {}}}])
def test_a_plain_run_counts_a_stop_and_a_target_on_one_candle_as_any_other(terms: dict[str, Any]) -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT]
    assert (
        ambiguous(rows, {BUY: [0], "stop_loss": {0: 95.0}, "take_profit": {0: 105.0}}, **terms) == [True] * 3
    )
    assert (
        ambiguous(rows, {BUY: [0], "stop_loss": {0: 95.0}, "take_profit": {0: 107.0}}, **terms) == [False] * 3
    )


def test_a_target_behind_a_take_profit_was_never_to_be_had() -> None:
    columns = {BUY: [0], "take_profit": {0: 105.0}, "target_1": {0: 106.0}}
    assert ambiguous([FLAT, (100, 106, 100, 100), FLAT], columns) == [False] * 3
