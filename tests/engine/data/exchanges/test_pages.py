"""What a page of rows must be to be believed, and the arithmetic of holes."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.exchanges.binance import ROWS
from engine.data.exchanges.pages import check_page, find_holes
from engine.model.market import HOUR_MS, Period, Timeframe
from engine.model.periods import merge, subtract
from tests.support.examples import examples

HOUR = Timeframe("1h")
START = 1_704_067_200_000  # 2024-01-01
WINDOW = Period(START, START + 10 * HOUR_MS)


def row(cell: int, **changed: Any) -> list[Any]:
    values = {"open": "10", "high": "12.5", "low": "9", "close": "11", "volume": "3.2e13"} | changed
    opened = changed.get("opened", START + cell * HOUR_MS)
    prices = [values[name] for name in ("open", "high", "low", "close", "volume")]
    return [opened, *prices, START + (cell + 1) * HOUR_MS - 1, "0", 0, "0", "0", "0"]


def check(rows: Any) -> list[int]:
    page = check_page(rows, HOUR, WINDOW, "SOLUSDT 1h", ROWS)
    return [(int(t) - START) // HOUR_MS for t in page.candles.timestamp]


def test_rows_in_order_pass_as_they_are() -> None:
    page = check_page([row(0), row(1)], HOUR, WINDOW, "SOLUSDT 1h", ROWS)
    assert page.served == 2
    assert page.notes == ()
    assert page.candles.volume.tolist() == [3.2e13, 3.2e13]


def test_rows_out_of_order_are_sorted() -> None:
    assert check([row(3), row(0), row(2)]) == [0, 2, 3]


def test_a_row_served_twice_counts_once_and_the_last_wins_with_a_note() -> None:
    same = check_page([row(0), row(0)], HOUR, WINDOW, "x", ROWS)
    assert (len(same.candles), same.notes) == (1, ())
    different = check_page([row(0), row(0, close="10.5")], HOUR, WINDOW, "x", ROWS)
    assert different.candles.close.tolist() == [10.5]
    assert "served twice" in different.notes[0]


def test_rows_outside_the_window_are_dropped_with_a_note() -> None:
    page = check_page([row(-1), row(0), row(10)], HOUR, WINDOW, "x", ROWS)
    assert len(page.candles) == 1
    assert "2 rows outside" in page.notes[0]


def test_only_rows_from_elsewhere_is_a_server_that_repeats_itself() -> None:
    with pytest.raises(
        UnexpectedAnswer, match=r"repeats a page \(asked from 2024-01-01 00:00 UTC, got 2023-12-31 19:00"
    ):
        check([row(-5), row(-4)])


def test_microseconds_are_not_taken_for_milliseconds() -> None:
    with pytest.raises(UnexpectedAnswer, match="repeats a page"):
        check([row(0, opened=START * 1000)])


def test_a_candle_beside_the_grid_is_no_candle_of_its_cell() -> None:
    page = check_page([row(0), row(1, opened=START + HOUR_MS + 14_800)], HOUR, WINDOW, "x", ROWS)
    assert page.off_grid == (START + HOUR_MS,)
    assert len(page.candles) == 1
    assert "beside the grid" in page.notes[0]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"close": "NaN"}, "2024-01-01 00:00 UTC: close is 'NaN'"),
        ({"open": None}, "open is 'None'"),
        ({"high": "Infinity"}, "high is 'Infinity'"),
        ({"volume": "lots"}, "volume is 'lots'"),
        ({"low": True}, "low is 'True'"),
        ({"low": "0"}, "not positive"),
        ({"low": "-1"}, "not positive"),
        ({"volume": "-1"}, "volume is negative"),
        ({"high": "8"}, "are not inside"),
        ({"high": "10.5"}, "are not inside"),
        ({"low": "10.5"}, "are not inside"),
        ({"opened": "1704067200000"}, "open time is '1704067200000'"),
        ({"opened": -5}, "open time is '-5'"),
        ({"opened": True}, "open time is 'True'"),
    ],
)
def test_an_impossible_candle_refuses_the_whole_page(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=words):
        check([row(1), row(0, **changed)])


@pytest.mark.parametrize("rows", [[row(0)[:11]], [[*row(0), "13th"]], ["row"], [None], [{}], [[]]])
def test_a_row_of_another_shape_refuses_the_whole_page(rows: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match="12 columns"):
        check(rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=13) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=30,
)


@settings(max_examples=examples(200), deadline=None)
@given(JSON)
def test_whatever_the_answer_is_it_is_a_page_or_refused(value: Any) -> None:
    try:
        page = check_page(value, HOUR, WINDOW, "x", ROWS)
    except UnexpectedAnswer:
        return
    assert page.served == len(value)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.one_of(st.integers(0, 9), st.floats(), st.text(max_size=5), st.none()), min_size=5, max_size=5
    )
)
def test_a_believed_candle_is_finite_and_consistent(values: list[Any]) -> None:
    rows = [[START, *values, START + HOUR_MS - 1, "0", 0, "0", "0", "0"]]
    try:
        candles = check_page(rows, HOUR, WINDOW, "x", ROWS).candles
    except UnexpectedAnswer:
        return
    o, h, low, c, v = (float(column[0]) for column in candles.columns().values())
    assert all(math.isfinite(number) for number in (o, h, low, c, v))
    assert 0 < low <= min(o, c) <= max(o, c) <= h
    assert v >= 0


# -- arithmetic, against sets of cells


def period(first: int, last: int) -> Period:
    return Period(START + first * HOUR_MS, START + last * HOUR_MS)


def cells(periods: list[Period]) -> set[int]:
    return {t for part in periods for t in range(part.start, part.end, HOUR_MS)}


SPANS = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda ends: period(min(ends), max(ends)))


@given(st.sets(st.integers(0, 19)))
def test_holes_and_cells_together_are_the_window(served: set[int]) -> None:
    window = period(0, 20)
    opens = [START + cell * HOUR_MS for cell in sorted(served)]
    holes = find_holes(HOUR, window, opens)
    assert cells(holes) == cells([window]) - set(opens)
    assert holes == merge(holes), "each hole is as long as it can be"


def test_holes_of_months_are_months() -> None:
    month = Timeframe("1M")
    opens = month.opens(Period.parse("2024-01-01", "2024-12-31")).tolist()
    window = Period(opens[0], month.next(opens[-1]))
    assert find_holes(month, window, opens) == []
    assert find_holes(month, window, opens[:1] + opens[3:]) == [Period(opens[1], opens[3])]


@given(st.lists(SPANS, max_size=6))
def test_merging_keeps_the_cells_and_leaves_no_two_that_touch(spans: list[Period]) -> None:
    merged = merge(spans)
    assert cells(merged) == cells(spans)
    assert all(one.end < two.start for one, two in itertools.pairwise(merged))


@given(SPANS, st.lists(SPANS, max_size=6))
def test_subtracting_is_set_difference(whole: Period, spans: list[Period]) -> None:
    left = subtract(whole, spans)
    assert cells(left) == cells([whole]) - cells(spans)
    assert left == merge(left)
