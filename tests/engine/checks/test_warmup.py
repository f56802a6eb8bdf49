"""The warm-up check: a history that is too short is named, and nothing else is blamed on it."""

from typing import Any

import pytest

from engine import indicators as ta
from tests.engine.checks.checking import CANDLES, Column, checks_of, strategy_of

pytestmark = pytest.mark.usefixtures("all_the_time_in_the_world")


def warmup_of(column: Column, warmup: int, **changes: Any) -> dict[str, Any]:
    return checks_of(strategy_of(column, warmup), **changes)["warmup"]


def test_a_warm_up_that_is_long_enough_passes_and_says_how_it_was_tried() -> None:
    found = warmup_of(lambda f: ta.ema(f["close"], 10), 150)
    assert (found["status"], found["columns"]) == ("passed", [])
    assert found["note"] == "300 of 150; the same with more of them before on 24 candles"


def test_a_warm_up_that_is_too_short_names_the_columns_that_still_move() -> None:
    found = warmup_of(lambda f: ta.ema(f["close"], 40), 60)
    assert (found["status"], found["columns"][0]) == ("failed", "drawn")
    assert found["note"].startswith("the warm-up (60) is too short: drawn, ")


@pytest.mark.long
def test_values_that_are_missing_after_the_warm_up_count_as_moving() -> None:
    assert warmup_of(lambda f: f["close"].rolling(200).mean(), 100)["columns"][0] == "drawn"
    assert warmup_of(lambda f: f["close"].rolling(200).mean(), 0)["status"] == "failed"
    assert warmup_of(lambda f: f["close"], 0)["status"] == "passed"


def test_a_day_is_never_cut_in_half_by_the_warm_up() -> None:
    assert (
        warmup_of(lambda f: ta.daily_vwap(f["high"], f["low"], f["close"], f["volume"]), 1)["status"]
        == "passed"
    )


def test_a_column_around_zero_is_judged_by_its_usual_size() -> None:
    column = lambda f: ta.macd(f["close"])["macd_histogram"]  # noqa: E731
    assert warmup_of(column, 350, held=700)["status"] == "passed"


def test_a_column_that_looks_ahead_is_not_blamed_on_the_warm_up() -> None:
    found = warmup_of(lambda f: f["close"].shift(-5), 50)
    assert (found["status"], found["columns"]) == ("passed", [])


def test_fewer_candles_than_wanted_are_counted_as_before() -> None:
    found = warmup_of(lambda f: f["close"], 500, held=61)
    assert found == {"status": "failed", "columns": [], "wanted": 500, "held": 61, "note": "61 of 500"}


def test_without_a_longer_history_to_compare_with_only_the_count_is_said() -> None:
    found = warmup_of(lambda f: f["close"], 290, candles=CANDLES.slice(0, 310))
    assert (found["status"], found["note"]) == ("passed", "300 of 290")
