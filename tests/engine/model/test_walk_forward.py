"""The windows of a walk-forward: where they lie, what is refused, and how lengths are written."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.durations import duration_text, parse_duration
from engine.model.market import DAY_MS, HOUR_MS, Period, Timeframe
from engine.model.ranges import parse_range
from engine.model.sweep_spec import SweepSpec
from engine.model.walk_forward import (
    WalkForward,
    WalkForwardSpec,
    WindowResult,
)

START = 1_700_000 * HOUR_MS


def spec(
    days: float = 365, train: str = "180d", test: str = "30d", timeframe: str = "1h", **more: Any
) -> WalkForwardSpec:
    period = Period(START, START + round(days * DAY_MS))
    sweep = SweepSpec(
        "ema_cross", "BTCUSDT", "binance", Timeframe(timeframe), period, {"fast": parse_range("5:9:1")},
        objective=more.pop("objective", "sharpe"),
    )  # fmt: skip
    return WalkForwardSpec(sweep, parse_duration(train, "train"), parse_duration(test, "test"), **more)


def days(period: Period) -> tuple[float, float]:
    return (period.start - START) / DAY_MS, (period.end - START) / DAY_MS


@pytest.mark.parametrize(
    ("text", "ms"),
    [("180d", 180 * DAY_MS), (" 12h", 12 * HOUR_MS), ("30m", HOUR_MS // 2), ("1.5d", 36 * HOUR_MS), ("4w", 28 * DAY_MS)],
)  # fmt: skip
def test_lengths_are_read_as_they_are_written(text: str, ms: int):
    assert parse_duration(text, "train") == ms
    assert parse_duration(duration_text(ms), "train") == ms


@pytest.mark.parametrize("text", ["", "d", "30", "30 days", "-5d", "1e9d", "nan", "1_0d"])
def test_other_lengths_are_refused_by_name(text: str):
    with pytest.raises(InputError, match="gap"):
        parse_duration(text, "gap")


def test_rolling_windows_move_and_tests_follow_each_other():
    windows = spec(250).windows(Period(START, START + 250 * DAY_MS))
    assert [days(one.train) for one in windows] == [(0, 180), (30, 210), (60, 240)]
    assert [days(one.test) for one in windows] == [(180, 210), (210, 240), (240, 250)]
    assert [one.partial for one in windows] == [False, False, True]


def test_anchored_windows_begin_with_the_period_and_a_gap_lies_before_each_test():
    windows = spec(240, mode="anchored", gap_ms=10 * DAY_MS).windows(Period(START, START + 250 * DAY_MS))
    assert [days(one.train) for one in windows] == [(0, 180), (0, 210)]
    assert [days(one.test) for one in windows] == [(190, 220), (220, 250)]


def _windows_of(more: dict[str, Any]) -> None:
    one = spec(**more)
    one.windows(one.sweep.period)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"days": 150},
            "150 days of data have no room for a test, a walk-forward needs two; nothing was run",
        ),
        ({"days": 220}, "have room for 1 whole test, a walk-forward needs two"),
        (
            {"days": 500, "test": "2h"},
            "train 180d and test 2h make 3,840 windows, and at most 1,000 are walked: test longer",
        ),
        ({"test": "30m"}, "test 30m is shorter than a candle of 1h"),
        ({"train": "1h", "timeframe": "1d"}, "train 1h is shorter than a candle of 1d"),
        ({"gap_ms": -1}, "must not be negative"),
        ({"mode": "expanding"}, "unknown mode 'expanding'; known: rolling, anchored"),
        ({"train": "20d"}, "a training of 20d has no sharpe, which needs 30 days"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(more: dict[str, Any], words: str):
    with pytest.raises(InputError, match=words) as refused:
        _windows_of(more)
    assert "\n" not in str(refused.value)


def test_a_spec_survives_json():
    one = spec(gap_ms=36 * HOUR_MS, mode="anchored")
    assert WalkForwardSpec.from_json(one.to_json()) == one


@given(
    st.integers(1, 40), st.integers(1, 20), st.integers(0, 10), st.integers(0, 400), st.sampled_from(("1h", "4h", "1d")),
    st.sampled_from(("rolling", "anchored")),
)  # fmt: skip
def test_windows_cover_the_tests_once_and_train_only_on_what_came_before(
    train: int, test: int, gap: int, length: int, timeframe: str, mode: str
):
    one = spec(
        length + 1, f"{train}d", f"{test}d", timeframe, mode=mode, gap_ms=gap * DAY_MS, objective="sqn"
    )
    grid, period = one.sweep.timeframe, one.sweep.timeframe.align(one.sweep.period)
    try:
        windows = one.windows(period)
    except InputError:
        assert (length + 1 - train - gap) < 2 * test + 1
        return
    for before, after in pairwise(windows):
        assert before.test.end == after.test.start
        assert not before.partial
    assert windows[-1].test.end == period.end
    for window in windows:
        assert period.start <= window.train.start < window.train.end <= window.test.start - gap * DAY_MS
        assert all(grid.floor(at) == at for at in (window.train.start, window.train.end, window.test.start))


NOTHING = "no combination traded and had a return_pct"
FIRST, LATER = (
    f"in the first training {NOTHING}: its test trades the first combination",
    "the parameters before stayed",
)


@pytest.mark.parametrize(
    ("kept", "notes"),
    [
        ([False, False, False], []),
        ([True, False, False], [FIRST]),
        ([False, True, True], [f"in 2 of 3 trainings {NOTHING}: {LATER}"]),
        ([True, True, False], [FIRST, f"in 1 of 3 trainings {NOTHING}: {LATER}"]),
    ],
)
def test_where_nothing_could_be_chosen_it_is_said_what_was_traded(kept: list[bool], notes: list[str]):
    asked, period = spec(objective="return_pct"), Period(START, START + 270 * DAY_MS)
    results = [
        WindowResult(window, 0, {}, one, {}, {}, None, None)
        for window, one in zip(asked.windows(period), kept, strict=True)
    ]
    walk = WalkForward(
        "ab", asked, "finished", "BTC/USDT", period, 0, {"fast": np.arange(5, 10)}, {}, np.zeros((5, 3, 2, 2)), 5,
        results=results,
    )  # fmt: skip
    assert walk.notes == notes
