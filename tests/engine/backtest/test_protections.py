"""Protections and sides, by hand: hours of 2024-01-01 on, candle 0 opens at midnight."""

from collections.abc import Sequence
from typing import Any

from engine.backtest.outcome import Outcome
from engine.model.account import BLOCKED
from tests.engine.backtest.playing import BUY, SELL, hours, near, short
from tests.engine.backtest.terms_playing import FLAT, Rows, fills, play


def entries(outcome: Outcome) -> list[int]:
    return [hours(trade.entry_time) for trade in outcome.trades]


def blocked(outcome: Outcome) -> dict[str, int]:
    assert outcome.terms is not None
    return {name: count for name, count in zip(BLOCKED, outcome.terms.blocked, strict=True) if count}


def in_and_out(rows: Rows, buys: Sequence[int], exits: Sequence[int], **protect: Any) -> Outcome:
    return play(rows, {BUY: buys, "exit_long": exits}, protect=protect)


def test_hours_are_those_of_the_close_from_the_first_to_before_the_second() -> None:
    for buys, entered in (([6], []), ([7], [8]), ([18], [19]), ([19], [])):
        outcome = in_and_out([FLAT] * 26, buys, [], hours=(8, 20))
        assert entries(outcome) == entered
        assert blocked(outcome) == ({} if entered else {"hours": 1})


def test_hours_may_reach_over_midnight() -> None:
    for buys, entered in (([20], []), ([21], [22]), ([23], [24]), ([2], [3]), ([3], [])):
        assert entries(in_and_out([FLAT] * 26, buys, [], hours=(22, 4))) == entered


def test_hours_may_begin_at_midnight() -> None:
    for buys, entered in (([22], []), ([23], [24]), ([30], [31]), ([31], [])):
        assert entries(in_and_out([FLAT] * 40, buys, [], hours=(0, 8))) == entered


def test_hours_of_a_daily_candle_are_those_of_midnight() -> None:
    daily = {"start_ms": 1_704_067_200_000, "step_ms": 86_400_000}
    assert play([FLAT] * 3, {BUY: [0]}, grid=daily, protect={"hours": (0, 1)}).trades
    assert not play([FLAT] * 3, {BUY: [0]}, grid=daily, protect={"hours": (1, 24)}).trades


def test_trades_per_day_count_entries_of_the_day_of_the_signals_candle() -> None:
    outcome = in_and_out([FLAT] * 28, [0, 4, 23, 24], [2], trades_per_day=1)
    assert entries(outcome) == [1, 25]
    assert blocked(outcome) == {"trades_per_day": 2}
    assert entries(in_and_out([FLAT] * 28, [0, 4], [2], trades_per_day=2)) == [1, 5]


def test_a_cooldown_lasts_so_many_candles_from_the_exit_on() -> None:
    outcome = in_and_out([FLAT] * 10, [0, 4, 5, 6], [2], cooldown=3)  # left on candle 3
    assert entries(outcome) == [1, 7]
    assert blocked(outcome) == {"cooldown": 2}


def test_a_cooldown_of_one_leaves_out_the_candle_of_the_exit_itself() -> None:
    outcome = in_and_out([FLAT] * 10, [0, 3, 4], [2], cooldown=1)
    assert entries(outcome) == [1, 5]
    assert blocked(outcome) == {"cooldown": 1}


LOSING = [(100.0 - i,) * 4 for i in range(40)]


def test_after_losses_in_a_row_it_pauses_and_then_counts_anew() -> None:
    # out at 2, 4: two losses, so nothing before candle 4 + 3; then one loss alone pauses nothing
    outcome = in_and_out(LOSING, [0, 2, 4, 5, 6, 7, 9], [1, 3, 8], after_losses=(2, 3))
    assert entries(outcome) == [1, 3, 8, 10]
    assert blocked(outcome) == {"after_losses": 3}


def test_a_trade_that_did_not_lose_ends_the_row_of_losses() -> None:
    rows = [(p,) * 4 for p in (100, 100, 99, 99, 99, 99, 98, 98, 98)]
    # a loss, one without, a loss
    outcome = in_and_out(rows, [0, 2, 4, 6], [1, 3, 5], after_losses=(2, 9))
    assert entries(outcome) == [1, 3, 5, 7]


def test_a_days_loss_blocks_till_the_day_ends_also_where_it_was_made_good() -> None:
    rows = [(p,) * 4 for p in (100, 100, 80, 100, *[100] * 22)]
    outcome = in_and_out(
        rows, [0, 4, 23, 24], [2], daily_loss=0.1
    )  # 5 coins, 100 of 1000 at the close of candle 2
    assert entries(outcome) == [1, 25]
    assert blocked(outcome) == {"daily_loss": 2}
    assert entries(in_and_out(rows, [0, 4], [2], daily_loss=0.1001)) == [1, 5]


def test_a_days_loss_is_measured_from_the_last_close_of_the_day_before() -> None:
    rows = [(p,) * 4 for p in (*[100] * 23, 140, 120, 118, 118, 118)]
    # 1200 at the day's last close, 1100 then: 8.3 % of the day before, a gain on the cash
    outcome = in_and_out(rows, [0, 25], [24], daily_loss=0.08)
    assert entries(outcome) == [1]
    assert blocked(outcome) == {"daily_loss": 1}


def test_a_drawdown_blocks_for_the_rest_of_the_run() -> None:
    rows = [(p,) * 4 for p in (100, 100, 140, 92, *[92] * 60)]
    # the peak is 1200, then 960: a fifth
    outcome = in_and_out(rows, [0, 5, 60], [3], max_drawdown=0.2)
    assert entries(outcome) == [1]
    assert blocked(outcome) == {"max_drawdown": 2}
    assert entries(in_and_out(rows, [0, 5], [3], max_drawdown=0.2001)) == [1, 6]


def test_exits_go_on_and_a_blocked_turn_only_closes() -> None:
    outcome = play([FLAT] * 5, {BUY: [0], SELL: [2]}, reverse=True, protect={"trades_per_day": 1})
    assert short(outcome) == [("long", 1, 100, 3, 100, "reverse")]
    assert blocked(outcome) == {"trades_per_day": 1}


def test_waiting_orders_and_adds_are_not_touched() -> None:
    # candle 1 closes at 2: outside
    rows = [FLAT, FLAT, (100, 100, 97, 98), FLAT, FLAT, FLAT]
    columns = {
        BUY: [0, 1],
        "entry_limit": {0: 98, 1: 99},
        "entry_expiry": {0: 5},
        "add_more_buy": [3],
        "add_size": {0: 0.1},
    }
    outcome = play(rows, columns, protect={"hours": (1, 2)})
    assert [row[:2] for row in fills(outcome)] == [(2, 98), (4, 100)]
    assert blocked(outcome) == {"hours": 1}


def test_a_signal_is_counted_once_and_only_where_it_would_be_acted_on() -> None:
    both = {"hours": (22, 23), "cooldown": 9}
    outcome = play([FLAT] * 4, {BUY: [0, 1, 3]}, protect=both)  # the last candle's is dropped anyway
    assert blocked(outcome) == {"hours": 2}
    outcome = play([FLAT] * 4, {BUY: [0, 1], SELL: [2]}, protect={"trades_per_day": 1})
    assert blocked(outcome) == {}  # in a position without reverse nothing would be entered


def test_one_side_alone_is_entered_and_a_turn_to_the_other_closes() -> None:
    columns = {BUY: [0], SELL: [2]}
    assert short(play([FLAT] * 5, {SELL: [0]}, side="long")) == []
    assert short(play([FLAT] * 5, columns, side="long", reverse=True)) == [
        ("long", 1, 100, 3, 100, "exit_long")
    ]
    assert short(play([FLAT] * 5, columns, side="short")) == [("short", 3, 100, 4, 100, "open")]
    assert play([FLAT] * 5, columns, side="long").trades[0].pnl == near(0)
