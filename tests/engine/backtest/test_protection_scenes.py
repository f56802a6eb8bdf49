"""Scenes of protections: which signals they keep from being acted on, when, and for how long."""

from typing import Any

import pytest

from engine.backtest.outcome import Outcome
from engine.model.account import BLOCKED, Costs, Protections
from tests.engine.backtest.playing import BUY, SELL, hours
from tests.engine.backtest.terms import QUIET, Rows, scene


def guarded(rows: Rows, columns: dict[str, Any], *, reverse: bool = False, **protect: Any) -> Outcome:
    return scene(rows, columns, Costs(1000, 0, 1, protect=Protections(**protect)), reverse=reverse)


def entered(outcome: Outcome) -> list[int]:
    return [hours(trade.entry_time) for trade in outcome.trades]


def blocked(outcome: Outcome) -> dict[str, int]:
    assert outcome.terms is not None
    return {name: count for name, count in zip(BLOCKED, outcome.terms.blocked, strict=True) if count}


def drop(price: float) -> tuple[float, float, float, float]:
    return (100.0, 101.0, price - 1, price)


def always(n: int) -> dict[str, Any]:
    """In and out as often as it goes: an entry on every second of n candles."""
    return {BUY: range(n), "exit_long": range(n)}


def test_hours_are_of_the_close_and_may_pass_midnight() -> None:
    # 8 and 9 o'clock are the closes of candles 7 and 8
    outcome = guarded([QUIET] * 30, always(30), hours=(8, 10))
    assert entered(outcome) == [8]
    assert blocked(outcome) == {"hours": 7 + 20}
    night = guarded([QUIET] * 30, {BUY: [1, 10, 22], "exit_long": [2, 11, 23]}, hours=(22, 4))
    assert entered(night) == [2, 23]


def test_trades_a_day_count_the_entries_of_the_utc_day() -> None:
    outcome = guarded([QUIET] * 30, always(30), trades_per_day=2)
    assert entered(outcome) == [1, 3, 25, 27]
    assert blocked(outcome)["trades_per_day"] == 20 + 1  # candle 23 is of the first day


def test_cooldown_counts_candles_from_the_exit() -> None:
    # entered at 1, left at 2; candles 2 to 4 are too early
    assert entered(guarded([QUIET] * 8, always(8), cooldown=3)) == [1, 6]


def test_after_so_many_losses_there_is_a_pause_and_the_count_begins_anew() -> None:
    rows = [(100 - i, 101 - i, 99 - i, 100 - i) for i in range(20)]
    # losses are left at 2 and 4; paused while i < 4 + 5; then two more
    assert entered(guarded(rows, always(20), after_losses=(2, 5))) == [1, 3, 10, 12, 19]
    rising = [(100 + i, 101 + i, 99 + i, 100 + i) for i in range(12)]
    assert entered(guarded(rising, always(12), after_losses=(2, 5))) == [1, 3, 5, 7, 9, 11]


def test_a_day_s_loss_blocks_until_the_day_ends_even_when_it_is_won_back() -> None:
    rows = [*[QUIET] * 3, drop(89), *[QUIET] * 26]
    outcome = guarded(rows, {BUY: [2, 6, 25], "exit_long": [4, 8]}, daily_loss=0.1)
    assert entered(outcome) == [3, 26]
    assert blocked(outcome) == {"daily_loss": 1}


def test_a_drawdown_blocks_for_the_rest_of_the_run_and_exits_go_on() -> None:
    rows = [*[QUIET] * 3, drop(89), *[QUIET] * 40]
    outcome = guarded(rows, {BUY: [2, 6, 30], "exit_long": [4]}, max_drawdown=0.1)
    assert entered(outcome) == [3]
    assert outcome.trades[0].exit_reason == "exit_long"
    assert blocked(outcome) == {"max_drawdown": 2}


def test_a_turn_that_is_blocked_only_closes() -> None:
    outcome = guarded([QUIET] * 8, {BUY: [0], SELL: [3]}, reverse=True, trades_per_day=1)
    assert [(t.side, t.exit_reason) for t in outcome.trades] == [("long", "reverse")]
    assert blocked(outcome) == {"trades_per_day": 1}


def test_an_order_that_waits_is_not_touched() -> None:
    rows = [QUIET, QUIET, (100, 101, 94, 100), QUIET]
    columns = {BUY: [0], "entry_limit": {0: 95.0}, "entry_expiry": {0: 5.0}}
    assert entered(guarded(rows, columns, hours=(1, 2))) == [2]


@pytest.mark.parametrize(("reverse", "reason"), [(True, "exit_long"), (False, "open")])
def test_one_side_leaves_out_the_other_and_where_it_would_turn_closes(reverse: bool, reason: str) -> None:
    outcome = scene([QUIET] * 8, {BUY: [0], SELL: [3]}, Costs(1000, 0, 1, side="long"), reverse=reverse)
    assert [(t.side, t.exit_reason) for t in outcome.trades] == [("long", reason)]
    assert outcome.fills is None  # the plain kernel played it
