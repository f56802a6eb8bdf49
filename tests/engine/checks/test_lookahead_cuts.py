"""Where the look-ahead check cuts, in which order it asks, what that costs and what it says."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.checks.lookahead import Budget, act_cuts, even_cuts, find_lookahead
from engine.checks.verdicts import run_checks
from tests.engine.checks.checking import (
    CANDLES,
    HELD,
    Asked,
    Column,
    checks_of,
    fresh_of,
    strategy_of,
    whole_of,
)

pytestmark = pytest.mark.usefixtures("all_the_time_in_the_world")


def lookahead_of(column: Column) -> dict[str, Any]:
    return checks_of(strategy_of(column), path=Path(__file__))["lookahead"]


def test_cuts_are_spread_over_the_period_and_lie_where_entries_fire() -> None:
    entering = np.zeros(5000, dtype=bool)
    entering[[7, 1000, 4000, 4999]] = True
    acting, even = act_cuts(500, entering, np.zeros(5000, dtype=bool)), even_cuts(5000, 500)
    assert acting == [1000, 4000], "not before the period, nor with no future behind it"
    parts = [(cut - 500) * 32 // 4500 for cut in sorted(even)]
    assert parts == list(range(32))
    assert len({cut % 24 for cut in even}) > 12, "a rhythm would hide what only shows within a day"


def test_the_shortest_is_asked_first_and_the_whole_last_in_each_of_two_processes() -> None:
    asked: Asked = []
    kind = strategy_of(lambda f: f["close"].rolling(2).mean())
    find_lookahead(fresh_of(kind, asked=asked), len(CANDLES), whole_of(kind), HELD, Budget(1e9, 3600))
    lengths = [stop for start, stop in asked if start == 0]
    assert len(lengths) == len(asked)
    first = lengths.index(len(CANDLES)) + 1
    one, two = lengths[:first], lengths[first:]
    assert one == sorted(one)
    assert two == sorted(two)
    assert (one[-1], two[-1]) == (len(CANDLES), len(CANDLES))
    assert (len(one), 60 < len(two) <= 101) == (33, True)


def test_entries_beyond_the_first_fifty_are_cut_at_as_well_up_to_fifty_more() -> None:
    found = lookahead_of(lambda f: f["close"].rolling(2).mean())
    assert 126 <= found["cuts"] <= 132


def test_it_says_on_how_many_of_the_cuts_it_passed_when_there_was_no_room_for_all() -> None:
    kind = strategy_of(lambda f: f["close"])
    full = whole_of(kind)

    def found(budget: Budget) -> Any:
        return find_lookahead(fresh_of(kind), len(CANDLES), full, HELD, budget)

    one, two = found(Budget(20_000, 3600)), found(Budget(20_000, 3600))
    assert 0 < one.done < one.planned
    assert one.done == two.done, "the same on every machine"
    assert not found(Budget(1e9, -1)).done
    budget = Budget(20_000, 3600)
    assert budget.allows(20_000)
    assert not budget.allows(1)


def test_a_strategy_too_slow_for_a_second_look_is_not_kept_waiting_for() -> None:
    kind = strategy_of(lambda f: f["close"])
    asked: Asked = []
    made = run_checks(fresh_of(kind, asked=asked), CANDLES, whole_of(kind), HELD, 24, own_s=1e9, longer={})
    assert asked == []
    assert made["lookahead"]["note"] == "the strategy is too slow to be asked again"
    assert (made["lookahead"]["status"], made["warmup"]["note"]) == ("skipped", "300 of 24")


def test_with_little_time_the_most_telling_cuts_are_made_and_the_whole_still_is() -> None:
    kind = strategy_of(lambda f: f["close"])
    asked: Asked = []

    class Slow(kind):  # type: ignore[misc, valid-type]
        def indicators(self, candles: pd.DataFrame) -> Any:
            time.sleep(len(candles) * 20e-6)
            return super().indicators(candles)

    full = whole_of(Slow)
    fresh = fresh_of(Slow, asked=asked)
    found = find_lookahead(fresh, len(CANDLES), full, HELD, Budget(1e9, 0.5, 20e-6))
    assert 2 < found.done < 30
    assert asked[-1] == (0, len(CANDLES))


def test_a_strategy_that_fails_on_few_candles_is_reported_and_fails_no_run() -> None:
    def column(f: pd.DataFrame) -> pd.Series:
        if len(f) < 900:
            raise ValueError("too few")
        return f["close"]

    found = lookahead_of(column)
    assert found["status"] == "passed"
    assert found["note"].startswith(f"passed on {found['cuts']} of 1")
    assert "could not be computed (test_lookahead_cuts.py:" in found["note"]
    assert "ValueError: too few" in found["note"]


def test_a_strategy_that_only_works_on_the_whole_is_not_checked() -> None:
    def column(f: pd.DataFrame) -> pd.Series:
        if len(f) != len(CANDLES):
            raise SystemExit
        return f["close"]

    made = checks_of(strategy_of(column))
    assert made["lookahead"]["status"] == made["warmup"]["status"] == "skipped"
    assert "no cut could be computed; " in made["lookahead"]["note"]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_candles_are_no_problem(n: int) -> None:
    found = checks_of(strategy_of(lambda f: f["close"]), CANDLES.slice(0, n), 0)
    assert found["lookahead"]["status"] == ("skipped" if n == 1 else "passed")
