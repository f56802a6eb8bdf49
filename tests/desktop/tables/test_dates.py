"""Dates as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop.tables.dates import read_moment, write_moment
from engine.model.market import DAY_MS, parse_time

NOW = parse_time("2024-08-31T13:45:30")


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("2024-06-30", "2024-06-30"),
        (" 2024-06-30 ", "2024-06-30"),
        ("20240630", "2024-06-30"),
        ("30.6.2024", "2024-06-30"),
        ("30. 6. 2024", "2024-06-30"),
        ("2024/6/3", "2024-06-03"),
        ("3.6.2024 9:30", "2024-06-03T09:30"),
        ("2024-06-30 12:00", "2024-06-30T12:00"),
        ("2024-06-30T12:00:00Z", "2024-06-30T12:00"),
        ("2024-06-30T12:00+02:00", "2024-06-30T10:00"),
        ("today", "2024-08-31"),
        ("Yesterday", "2024-08-30"),
        ("now", "2024-08-31T13:45"),
        ("-6M", "2024-02-29"),
        ("-1y", "2023-08-31"),
        ("−30d", "2024-08-01"),
        ("- 2 w", "2024-08-17"),
    ],
)
def test_what_people_type_is_understood(typed: str, means: str):
    assert read_moment(typed, NOW) == parse_time(means)


@pytest.mark.parametrize(
    "typed", ["", "tomorrow?", "2024-06-31", "31.6.2024", "6/30/2024", "2024-06-3o", "-6", "--6M", "25"]
)
def test_what_is_no_date_is_refused_with_the_ways_to_write_one(typed: str):
    assert "30.6.2024" in str(read_moment(typed, NOW))


@pytest.mark.parametrize("typed", ["1969-12-31", "2200-01-01", "-9999M"])
def test_what_lies_outside_the_years_of_candles_is_refused(typed: str):
    assert "outside the years 1970 to 2199" in str(read_moment(typed, NOW))


def test_a_bare_day_is_included_as_an_end_and_a_time_is_not():
    assert read_moment("30.6.2024", NOW, is_end=True) == parse_time("2024-07-01")
    assert read_moment("today", NOW, is_end=True) == parse_time("2024-09-01")
    assert read_moment("-6M", NOW, is_end=True) == parse_time("2024-03-01")
    assert read_moment("2024-06-30 12:00", NOW, is_end=True) == parse_time("2024-06-30T12:00")
    assert read_moment("2024-06-30", NOW, is_end=True) == parse_time("2024-06-30", is_end=True)


@given(
    st.integers(DAY_MS, parse_time("2199-12-31")),
    st.booleans(),
    st.sampled_from([1, 1000, 60_000, 3_600_000, DAY_MS]),
)
def test_what_is_written_is_read_as_the_same_moment(ms: int, is_end: bool, step: int):
    ms = max(DAY_MS, ms - ms % step)
    assert read_moment(write_moment(ms, is_end=is_end), NOW, is_end=is_end) == ms
