"""When two runs count as equal, and what is said where they are not: semantics section 7."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.model.account import Costs
from engine.model.market import HOUR_MS, Market, Period, Timeframe
from engine.model.run import FINISHED, RunResult, Series
from engine.model.trade import Trade
from engine.runs.crosscheck import CrossCheck, cross_check
from tests.support.builders import START_MS

FIRST = Trade(
    "long", 2.0, START_MS, 50.0, START_MS + 3 * HOUR_MS, 60.0, 19.8, 19.8, 0.2, None, "signal_a_buy", "exit_long", 3,
    -1.0, 25.0,
)  # fmt: skip
SECOND = replace(FIRST, side="short", entry_time=START_MS + 3 * HOUR_MS, entry_signal="signal_b_sell")
THIRD = replace(FIRST, entry_time=START_MS + 7 * HOUR_MS, exit_reason="open")


def ran(*trades: Trade, equity: Sequence[float] = (10_000.0, 10_010.0)) -> RunResult:
    times = START_MS + np.arange(len(equity), dtype=np.int64) * HOUR_MS
    return RunResult(
        "a" * 32, FINISHED, "ema_cross", Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT"), Timeframe("1h"),
        Period(START_MS, START_MS + len(equity) * HOUR_MS), {}, Costs(), "compiled", trades=trades,
        equity=Series(times, {"equity": np.array(equity)}),
    )  # fmt: skip


def check(ours: Sequence[Trade], theirs: Sequence[Trade]) -> CrossCheck:
    return cross_check(ran(*ours), ran(*theirs))


def test_the_same_run_is_equal_trade_by_trade() -> None:
    found = check([FIRST, SECOND, THIRD], [FIRST, SECOND, THIRD])
    assert found.to_check() == {
        "status": "passed",
        "equal": 3,
        "total": 3,
        "differences": [],
        "note": "3 of 3 trades equal",
    }


def test_no_trades_at_all_pass_and_say_so() -> None:
    found = check([], [])
    assert (found.passed, found.equal, found.total, found.note) == (True, 0, 0, "no trades")


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("exit_time", START_MS + 4 * HOUR_MS, "2024-01-01T04:00:00Z"),
        ("candles", 4, 4),
        ("entry_signal", "signal_c_buy", "signal_c_buy"),
        ("exit_reason", "stop_loss", "stop_loss"),
        ("entry_price", 50.0000001, 50.0000001),
        ("exit_price", float("nan"), None),
        ("size", 2.00000003, 2.00000003),
        ("pnl", 19.9, 19.9),
    ],
)
def test_a_value_that_differs_is_named_with_its_trade(column: str, value: Any, shown: Any) -> None:
    found = check([FIRST, SECOND], [FIRST, replace(SECOND, **{column: value})])
    (row,) = found.differences
    assert (found.equal, found.total, found.to_check()["status"]) == (1, 2, "failed")
    assert (row.trade, row.time, row.column) == (1, "2024-01-01T03:00:00Z", column)
    assert row.reference == shown or shown is None


@pytest.mark.parametrize(
    "changes",
    [
        {"entry_price": 50 * (1 + 9e-10), "exit_price": 60 * (1 - 9e-10)},
        {"size": 2.00000001, "pnl": 19.8 + 6e-7},  # one unit of 1e-8 coin at a price of 60
        {"pnl": 19.8 + 9e-8},  # 1e-9 of what was put in: 100
        {"commission": 0.3, "return_pct": 20.0, "mae_pct": -2.0},  # they follow from the others
    ],
)
def test_what_rounding_may_change_counts_as_equal(changes: dict[str, Any]) -> None:
    assert check([replace(FIRST, **changes)], [FIRST]).passed


def test_without_a_difference_in_size_the_profit_may_not_differ_by_a_unit() -> None:
    assert not check([replace(FIRST, pnl=19.8 + 6e-7)], [FIRST]).passed


def test_a_trade_that_one_engine_lacks_does_not_shift_the_others() -> None:
    found = check([FIRST, THIRD], [FIRST, SECOND, THIRD])
    (row,) = found.differences
    assert (found.equal, found.total) == (2, 3)
    assert (row.trade, row.column, row.compiled, row.reference) == (1, "trade", None, "short 2 at 50")
    (row,) = check([FIRST, SECOND, THIRD], [SECOND, THIRD]).differences
    assert (row.trade, row.compiled, row.reference) == (0, "long 2 at 50", None)


def test_the_other_side_on_one_candle_is_another_trade() -> None:
    found = check([FIRST], [replace(FIRST, side="short")])
    assert (found.equal, found.total, len(found.differences)) == (0, 2, 2)


def test_the_equity_must_agree_too_and_the_first_candle_that_does_not_is_named() -> None:
    ours, theirs = ran(FIRST, equity=(1e4, 1e4 + 9e-6, 1e4 + 2e-5)), ran(FIRST, equity=(1e4, 1e4, 1e4))
    found = cross_check(ours, theirs)
    (row,) = found.differences
    assert (row.trade, row.column, row.time) == (None, "equity", "2024-01-01T02:00:00Z")
    assert (found.equal, found.total, found.passed) == (1, 1, False)
    assert found.note == "1 of 1 trades equal, but the equity is not"
    (row,) = cross_check(ran(equity=(1e4,)), ran(equity=(1e4, 1e4))).differences
    assert (row.column, row.compiled, row.reference) == ("candles", 1, 2)


def test_a_hopeless_comparison_is_kept_short() -> None:
    many = [replace(FIRST, entry_time=START_MS + i * HOUR_MS) for i in range(500)]
    found = check(many, [])
    assert (found.total, len(found.differences)) == (500, 500)
    assert len(found.to_check()["differences"]) == 200
