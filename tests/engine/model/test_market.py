"""Grids, periods, names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.market import (
    TIMEFRAMES,
    Candles,
    Period,
    Timeframe,
    format_time,
    parse_time,
)

HOUR = Timeframe("1h")


def test_a_bare_end_date_includes_its_whole_day():
    assert HOUR.count(Period.parse("2024-01-01", "2024-06-30")) == 4368


def test_a_bare_end_date_includes_its_day_in_either_notation():
    assert parse_time("20240131", is_end=True) == parse_time("2024-01-31", is_end=True)


@pytest.mark.parametrize(
    "text", ["2024-01-01+05:00", "2024-01-01-05:00", "2024-W01-1", "\u0662\u0660\u0662\u0664-01-01"]
)
def test_what_python_alone_would_take_for_another_time_is_refused(text: str):
    with pytest.raises(InputError, match="is not a date or time"):
        parse_time(text)


def test_a_full_end_timestamp_is_exclusive():
    assert HOUR.count(Period.parse("2024-01-01", "2024-06-30T00:00")) == 4344


@pytest.mark.parametrize(
    "text", ["2024-01-01T02:00+02:00", "2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01 00:00"]
)
def test_the_same_instant_written_differently_is_the_same(text: str):
    assert format_time(parse_time(text)) == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text", ["", "today-ish", "2024-13-01", "2024-02-30", "1066-01-01", "9999-12-31", "nan"]
)
def test_a_bad_date_is_refused_with_an_example(text: str):
    with pytest.raises(InputError):
        parse_time(text)


@pytest.mark.parametrize(
    ("start", "end"), [("2024-05-02", "2024-05-01"), ("2024-05-01T00:00", "2024-05-01T00:00")]
)
def test_start_must_be_before_end(start: str, end: str):
    with pytest.raises(InputError, match="must be before"):
        Period.parse(start, end)


def test_weeks_open_on_monday_and_months_on_the_first():
    week, month = Timeframe("1w"), Timeframe("1M")
    assert format_time(week.floor(parse_time("2024-05-01"))) == "2024-04-29T00:00:00Z"
    assert format_time(month.ceil(parse_time("2024-01-15"))) == "2024-02-01T00:00:00Z"
    assert month.count(Period.parse("2024-01-01", "2024-12-31")) == 12


@pytest.mark.parametrize("name", ["7m", "1H", "1mo", "", "1D", "M1"])
def test_an_unknown_timeframe_is_refused_with_the_list(name: str):
    with pytest.raises(InputError, match="known: 1s, 1m"):
        Timeframe(name)


def test_minute_and_month_never_share_a_file_name():
    names = [Timeframe(name).file_name.lower() for name in TIMEFRAMES]
    assert len(set(names)) == len(names)


@given(st.sampled_from(TIMEFRAMES), st.integers(0, 2**42), st.integers(0, 400))
def test_the_grid_is_consistent(name: str, ms: int, cells: int):
    timeframe = Timeframe(name)
    opened = timeframe.floor(ms)
    assert opened <= ms < timeframe.next(ms)
    assert timeframe.floor(opened) == timeframe.ceil(opened) == opened
    period = Period(opened, timeframe.shift(opened, cells))
    opens = timeframe.opens(period)
    assert timeframe.count(period) == len(opens) == cells
    assert all(timeframe.floor(int(t)) == t for t in opens[:3])
    assert timeframe.shift(timeframe.shift(ms, cells), -cells) == opened


def test_candles_survive_their_file_bit_for_bit(tmp_path):
    rows = [
        (1704067200000 + i * 3_600_000, 1e-5 + i, 5e-5 + i, 1e-5, 2e-5 + i, 3.2e13 + i) for i in range(50)
    ]
    candles = Candles.from_rows(rows)
    candles.save(tmp_path / "c.npy")
    loaded = Candles.load(tmp_path / "c.npy")
    assert np.array_equal(loaded.timestamp, candles.timestamp)
    for name, column in candles.columns().items():
        assert np.array_equal(loaded.columns()[name], column)
    assert not loaded.close.flags.writeable


def test_a_frame_has_a_utc_index_and_named_columns():
    frame = Candles.from_rows([(1704067200000, 1, 2, 0.5, 1.5, 9)]).frame()
    assert str(getattr(frame.index, "tz", None)) == "UTC"
    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
