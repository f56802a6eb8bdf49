"""Which longer candle is known at the close of each candle: the rule, by hand, by a loop and in random worlds with holes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backtest.beside import Beside, Side, ages, built, closes_of, latest_seen
from engine.model.market import Candles, Period, Timeframe, format_time, parse_time
from tests.support.builders import random_candles

DAY = parse_time("2024-01-10")
PAIRS = [
    ("5m", "1h"),
    ("1h", "4h"),
    ("4h", "1d"),
    ("1d", "1w"),
    ("1d", "1M"),
    ("1h", "1h"),
    ("12h", "3d"),
    ("1h", "1w"),
]


def grid(timeframe: str, start: int, end: int, seed: int = 0) -> Candles:
    """Random candles on the grid of a timeframe."""
    opens = Timeframe(timeframe).opens(Period(start, end))
    made = random_candles(len(opens), seed)
    return Candles(opens, *made.columns().values())


def without(candles: Candles, holes: set[int]) -> Candles:
    """The same with the candles at these positions missing."""
    kept = np.array([at not in holes for at in range(len(candles))], dtype=np.bool_)
    return Candles(candles.timestamp[kept], *(column[kept] for column in candles.columns().values()))


def seen_times(base: Candles, f: str, longer: Candles, longer_f: str) -> list[int | None]:
    """The open time of the longer candle that each one sees."""
    at = latest_seen(
        closes_of(longer.timestamp, Timeframe(longer_f)), closes_of(base.timestamp, Timeframe(f))
    )
    return [None if one < 0 else int(longer.timestamp[one]) for one in at]


@pytest.mark.parametrize(
    ("candle", "sees"), [("11:50", "10:00"), ("11:55", "11:00"), ("12:00", "11:00"), ("12:05", "11:00")]
)
def test_a_candle_of_five_minutes_sees_the_hour_that_closed_with_it_or_before(candle: str, sees: str):
    base, hours = grid("5m", DAY, DAY + 86_400_000), grid("1h", DAY, DAY + 86_400_000)
    found = dict(zip(base.timestamp.tolist(), seen_times(base, "5m", hours, "1h"), strict=True))
    assert found[parse_time(f"2024-01-10T{candle}")] == parse_time(f"2024-01-10T{sees}")


@pytest.mark.parametrize(
    ("timeframe", "candle", "sees"),
    [
        ("1w", "2024-01-14T23:00", "2024-01-08T00:00:00Z"),  # the Sunday's last hour closes the week
        ("1w", "2024-01-14T22:00", "2024-01-01T00:00:00Z"),
        ("1w", "2024-01-15T00:00", "2024-01-08T00:00:00Z"),
        ("1M", "2024-02-29T23:00", "2024-02-01T00:00:00Z"),
        ("1M", "2024-02-29T22:00", "2024-01-01T00:00:00Z"),
        ("3d", "2024-01-11T23:00", "2024-01-09T00:00:00Z"),
        ("3d", "2024-01-11T22:00", "2024-01-06T00:00:00Z"),
    ],
)
def test_weeks_close_before_monday_and_months_before_the_first(timeframe: str, candle: str, sees: str):
    start, end = parse_time("2023-11-01"), parse_time("2024-04-01")
    base, longer = grid("1h", start, end), grid(timeframe, start, end)
    found = dict(zip(base.timestamp.tolist(), seen_times(base, "1h", longer, timeframe), strict=True))
    seen = found[parse_time(candle)]
    assert seen is not None
    assert format_time(seen) == sees


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Candles, str, Candles, str]:
    """Candles of two timeframes with holes in both."""
    f, longer_f = draw(st.sampled_from(PAIRS))
    start = draw(st.integers(0, 60)) * 86_400_000 + DAY
    steps = {"5m": 300_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000, "12h": 43_200_000}
    base = grid(f, start, start + draw(st.integers(1, 150)) * steps[f], 1)
    first = Timeframe(longer_f).shift(start, -draw(st.integers(0, 3)))
    longer = grid(longer_f, first, start + 200 * steps[f], 2)
    holes = st.sets(st.integers(0, 150), max_size=60)
    return without(base, draw(holes)), f, without(longer, draw(holes)), longer_f


@given(worlds())
def test_what_is_seen_is_what_a_plain_loop_finds(world: tuple[Candles, str, Candles, str]):
    base, f, longer, longer_f = world
    short, long = Timeframe(f), Timeframe(longer_f)
    closes, base_closes = closes_of(longer.timestamp, long), closes_of(base.timestamp, short)
    seen = latest_seen(closes, base_closes)
    age = ages(closes, base_closes, seen, short)
    for at, opened in enumerate(base.timestamp.tolist()):
        known = [k for k, one in enumerate(longer.timestamp.tolist()) if long.next(one) <= short.next(opened)]
        assert seen[at] == (known[-1] if known else -1)
        if known:
            closed = long.next(int(longer.timestamp[known[-1]]))
            assert age[at] == short.index(short.next(opened)) - short.index(closed)
        else:
            assert np.isnan(age[at])


@given(worlds())
def test_longer_candles_are_built_of_whole_ones_only(world: tuple[Candles, str, Candles, str]):
    base, f, _, longer_f = world
    short, long = Timeframe(f), Timeframe(longer_f)
    made = built(base, short, long)
    rows = {}
    for opened in sorted({long.floor(one) for one in base.timestamp.tolist()}):
        part = base.within(Period(opened, long.next(opened)))
        if len(part) == short.count(Period(opened, long.next(opened))):
            total = part.volume.sum()
            rows[opened] = (part.open[0], part.high.max(), part.low.min(), part.close[-1], total)
    assert made.timestamp.tolist() == list(rows)
    for at, row in enumerate(rows.values()):
        assert [column[at] for column in made.columns().values()][:4] == list(row[:4])
        assert made.volume[at] == pytest.approx(row[4], rel=1e-9)


def test_a_month_is_built_of_as_many_days_as_it_has():
    days = grid("1d", parse_time("2024-01-01"), parse_time("2024-04-01"))
    made = built(days, Timeframe("1d"), Timeframe("1M"))
    assert [format_time(one)[:7] for one in made.timestamp.tolist()] == ["2024-01", "2024-02", "2024-03"]
    lacking = without(days, {31 + 28})  # 29 February
    made = built(lacking, Timeframe("1d"), Timeframe("1M"))
    assert [format_time(one)[:7] for one in made.timestamp.tolist()] == ["2024-01", "2024-03"]


@given(worlds(), st.integers(0, 149), st.booleans())
def test_a_cut_hides_every_candle_that_had_not_closed_and_none_that_had(
    world: tuple[Candles, str, Candles, str], at: int, is_built: bool
):
    base, f, longer, longer_f = world
    if f == longer_f and is_built:
        return
    part = base.slice(0, at + 1)
    side = Side("", longer_f, Timeframe(longer_f), 0, longer, is_built)
    (known,) = Beside(Timeframe(f), [side]).known_by(part).sides
    whole = built(base, Timeframe(f), Timeframe(longer_f)) if is_built else longer
    if not len(part):
        assert len(known.candles) == 0
        return
    now = Timeframe(f).next(int(part.timestamp[-1]))
    had = [one for one in whole.timestamp.tolist() if Timeframe(longer_f).next(one) <= now]
    assert known.candles.timestamp.tolist() == had


def test_what_begins_at_a_candle_knows_as_much_as_a_run_loads_that_begins_there():
    base, days = (
        grid("1h", DAY, DAY + 30 * 86_400_000),
        grid("1d", DAY - 90 * 86_400_000, DAY + 30 * 86_400_000),
    )
    part = base.slice(40, 200)  # the last opens at 07:00 of the ninth day: the eighth has closed
    side = Side("", "1d", Timeframe("1d"), 5, days)
    (known,) = Beside(Timeframe("1h"), [side]).known_by(part, begins=True).sides
    assert [format_time(one)[:10] for one in known.candles.timestamp.tolist()] == [
        "2024-01-12", "2024-01-13", "2024-01-14", "2024-01-15", "2024-01-16", "2024-01-17",
    ]  # fmt: skip
