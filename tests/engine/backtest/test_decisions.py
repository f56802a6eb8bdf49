"""When an engine decides and what it does with the answer: semantics section 3, clause by clause."""

import pytest

from tests.engine.backtest.playing import BUY, SELL, near, play, short
from tests.support.builders import flat_candles

STEPS = flat_candles([100, 101, 102, 103, 104, 105, 106])


def test_a_signal_at_the_close_of_the_first_candle_fills_at_the_open_of_the_second() -> None:
    assert short(play(STEPS, {BUY: [0]})) == [("long", 1, 101, 6, 106, "open")]


def test_the_fill_is_the_next_open_and_not_the_close_that_was_seen() -> None:
    rows = [(100, 110, 90, 105), (107, 120, 95, 115), (111, 112, 109, 110)]
    assert short(play(rows, {BUY: [0], "exit_long": [1]})) == [("long", 1, 107, 2, 111, "exit_long")]


def test_an_order_signalled_on_the_last_candle_is_dropped() -> None:
    outcome = play(STEPS, {BUY: [6]})
    assert outcome.trades == ()
    assert outcome.equity.tolist() == [1000.0] * 7


def test_an_exit_signalled_on_the_last_candle_is_dropped_too() -> None:
    assert short(play(STEPS, {BUY: [0], "exit_long": [6]})) == [("long", 1, 101, 6, 106, "open")]


def test_a_period_of_one_candle_has_equity_and_no_trade() -> None:
    outcome = play(flat_candles([100]), {BUY: [0]})
    assert outcome.trades == ()
    assert outcome.equity.tolist() == [1000.0]


def test_an_entry_signal_in_a_position_is_lost_and_never_queued() -> None:
    outcome = play(STEPS, {BUY: [0], SELL: [2], "exit_long": [3]})
    assert short(outcome) == [("long", 1, 101, 4, 104, "exit_long")]


def test_an_entry_signal_on_the_candle_whose_exit_fires_is_lost() -> None:
    outcome = play(STEPS, {BUY: [0, 2], SELL: [2], "exit_long": [2]})
    assert short(outcome) == [("long", 1, 101, 3, 103, "exit_long")]


def test_an_exit_column_never_blocks_an_entry_and_acts_one_candle_later() -> None:
    outcome = play(STEPS, {BUY: [2], "exit_long": [0, 1, 2, 3, 4, 5]})
    assert short(outcome) == [("long", 3, 103, 4, 104, "exit_long")]


def test_only_the_own_sides_exit_column_is_looked_at() -> None:
    outcome = play(STEPS, {SELL: [0], "exit_long": [1, 2], "exit_short": [3]})
    assert short(outcome) == [("short", 1, 101, 4, 104, "exit_short")]


def test_flat_again_the_next_signal_is_taken() -> None:
    outcome = play(STEPS, {BUY: [0, 2], SELL: [3], "exit_long": [1], "exit_short": [4]})
    assert short(outcome) == [
        ("long", 1, 101, 2, 102, "exit_long"),
        ("long", 3, 103, 6, 106, "open"),
    ]


def test_when_several_entries_fire_the_earlier_column_wins() -> None:
    columns = {"signal_one_sell": [0], "signal_two_buy": [0], "signal_three_sell": [0], "exit_short": [1]}
    (trade,) = play(STEPS, columns).trades
    assert (trade.side, trade.entry_signal) == ("short", "signal_one_sell")


def test_without_reverse_an_opposite_entry_in_a_position_is_ignored() -> None:
    assert short(play(STEPS, {BUY: [0], SELL: [2]})) == [("long", 1, 101, 6, 106, "open")]


def test_with_reverse_an_opposite_entry_closes_and_opens_on_the_same_open() -> None:
    outcome = play(STEPS, {BUY: [0, 4], SELL: [2]}, reverse=True)
    assert short(outcome) == [
        ("long", 1, 101, 3, 103, "reverse"),
        ("short", 3, 103, 5, 105, "reverse"),
        ("long", 5, 105, 6, 106, "open"),
    ]


def test_the_turned_position_is_sized_after_the_commission_of_the_close() -> None:
    outcome = play(flat_candles([100] * 4), {BUY: [0], SELL: [1]}, reverse=True, commission=0.01, size=0.5)
    # long 500 / 101 = 4.95049504; both sides pay 4.9504950400: 990.09900992 is left; 990.09900992 / 2 / 101
    assert [t.size for t in outcome.trades] == [4.95049504, 4.90148024]


@pytest.mark.parametrize("column", ["exit_long", "exit_short"])
def test_reverse_beats_an_exit_column_on_that_candle(column: str) -> None:
    outcome = play(STEPS, {BUY: [0], SELL: [2], column: [2]}, reverse=True)
    assert short(outcome)[0] == ("long", 1, 101, 3, 103, "reverse")
    assert short(outcome)[1][:2] == ("short", 3)


def test_with_reverse_a_same_side_signal_in_a_position_is_ignored() -> None:
    outcome = play(STEPS, {BUY: [0, 1, 2, 3], "exit_long": [3]}, reverse=True)
    assert short(outcome) == [("long", 1, 101, 4, 104, "exit_long")]


def test_with_reverse_the_exit_column_still_closes_to_flat() -> None:
    outcome = play(STEPS, {BUY: [0], "exit_long": [1], SELL: [3]}, reverse=True)
    assert short(outcome) == [("long", 1, 101, 2, 102, "exit_long"), ("short", 4, 104, 6, 106, "open")]


def test_the_equity_has_one_value_per_candle_of_the_period() -> None:
    outcome = play(STEPS, {BUY: [0], "exit_long": [3]}, size=0.5)
    size = 4.95049504  # 500 / 101
    expected = [1000.0] + [1000 + size * gain for gain in (0, 1, 2, 3, 3, 3)]
    assert outcome.equity.tolist() == near(expected, rel=1e-12)
    assert outcome.in_position.tolist() == [False, True, True, True, False, False, False]
