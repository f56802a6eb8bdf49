"""A record of ranges that somebody damaged is noticed, never believed, and mended; no candle is lost."""

import itertools

import pytest

from engine.model.coverage import MAINTENANCE
from engine.model.market import HOUR_MS, Candles, Period, Timeframe
from tests.support.damage import NO_CHECKS
from tests.support.database import execute
from tests.support.fake_exchange import FakeExchange, MakeBench, assert_same_candles, grid_candles, without
from tests.support.own_time import within

HOUR = Timeframe("1h")
LISTED = Period.parse("2024-01-01", "2024-01-31")
WEEK = Period.parse("2024-01-03", "2024-01-09")
ASKED = Period.parse("2024-01-01", "2024-01-25")
DAYS = ("2024-01-03", "2024-01-09")
RANGES = "SELECT start_time, end_time, candle_count FROM data_ranges ORDER BY start_time"
COLUMNS = "(symbol_id, timeframe, start_time, end_time, {}) "
INSERT = "INSERT INTO data_ranges " + COLUMNS.format("candle_count") + "VALUES (1, '1h', {}, 9)"
MISSING = "INSERT INTO missing_candles " + COLUMNS.format("reason")
TWICE = (
    "INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count) "
    "SELECT symbol_id, timeframe, start_time, end_time, 5 FROM data_ranges"
)
NO_KEY = "ALTER TABLE data_ranges DROP CONSTRAINT data_ranges_start_key"


def hours(first: int, last: int) -> Period:
    return Period(WEEK.start + first * HOUR_MS, WEEK.start + last * HOUR_MS)


@pytest.fixture
def truth(fake_exchange: FakeExchange) -> Candles:
    candles = without(grid_candles("1h", LISTED), hours(10, 12))
    fake_exchange.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


DAMAGE = {
    "an overlapping range": [INSERT.format("'2024-01-04 00:00Z', '2024-01-06 00:00Z'")],
    "a range beside it": [INSERT.format("'2024-01-10 00:00Z', '2024-01-10 05:00Z'")],
    "a range far from any candle": [INSERT.format("'2024-01-20 00:00Z', '2024-01-21 00:00Z'")],
    "a range that is too long": ["UPDATE data_ranges SET end_time = end_time + interval '7 hours'"],
    "a range turned round": [NO_CHECKS, INSERT.format("'2024-01-05 00:00Z', '2024-01-04 00:00Z'")],
    "the range turned round": [
        NO_CHECKS,
        "UPDATE data_ranges SET start_time = end_time, end_time = start_time",
    ],
    "an empty range": [NO_CHECKS, INSERT.format("'2024-01-05 00:00Z', '2024-01-05 00:00Z'")],
    "the range twice": [NO_KEY, TWICE],
    "bounds off the grid": [
        NO_CHECKS,
        "UPDATE data_ranges SET start_time = start_time + interval '20 min', end_time = end_time - interval '1 s'",
    ],
    "no range at all": ["DELETE FROM data_ranges"],
    "a candle gone": ["DELETE FROM ohlcv_data WHERE timestamp = '2024-01-05 00:00Z'"],
    "all candles gone": ["DELETE FROM ohlcv_data"],
    "missing cells gone": ["DELETE FROM missing_candles"],
    "missing where candles are": [
        f"{MISSING} VALUES (1, '1h', '2024-01-05 00:00Z', '2024-01-05 03:00Z', 'maintenance')"
    ],
    "missing twice, for two reasons": [
        f"{MISSING} SELECT symbol_id, timeframe, start_time, end_time, 'off_grid' FROM missing_candles"
    ],
    "missing outside all ranges": [
        f"{MISSING} VALUES (1, '1h', '2024-01-12 00:00Z', '2024-01-12 03:00Z', 'maintenance')"
    ],
    "a missing range turned round": [
        NO_CHECKS,
        f"{MISSING} VALUES (1, '1h', '2024-01-05 03:00Z', '2024-01-05 00:00Z', 'maintenance')",
    ],
    "a candle that is not a number": [
        NO_CHECKS,
        "UPDATE ohlcv_data SET close = 'NaN' WHERE timestamp = '2024-01-05 00:00Z'",
    ],
    "a candle beside the grid": [
        NO_CHECKS,
        "INSERT INTO ohlcv_data VALUES (1, '1h', '2024-01-05 00:30Z', 1, 2, 0.5, 1, 3)",
    ],
    "a range without end": [NO_CHECKS, "UPDATE data_ranges SET end_time = 'infinity'"],
    "a range from before Christ": [NO_CHECKS, "UPDATE data_ranges SET start_time = '0044-03-15 BC'"],
    "a candle outside all ranges": [
        "INSERT INTO ohlcv_data VALUES (1, '1h', '2024-01-14 00:00Z', 1, 2, 0.5, 1, 3)"
    ],
}
FEW = (
    "an overlapping range",
    "the range turned round",
    "no range at all",
    "a candle gone",
    "missing where candles are",
    "a candle that is not a number",
)
damages = pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())


@pytest.mark.long_except(*FEW)
@damages
def test_only_candles_that_are_there_count_as_held(
    bench: MakeBench, truth: Candles, database_url: str, damage: list[str]
) -> None:
    one = bench()
    market = one.fetch(*DAYS).market
    execute(database_url, *damage)
    status = one.status("2024-01-01", "2024-01-25")
    held = one.store.candles.read(market, HOUR, ASKED)
    missing = sum(HOUR.count(gone.period) for gone in status.missing)
    gaps = sum(HOUR.count(gap) for gap in status.gaps)
    assert status.candles == len(held)
    assert status.candles + missing + gaps == status.expected, "each cell is held, missing, or a gap"
    assert all(gap.start < gap.end for gap in status.gaps)
    assert_same_candles(held, without(truth, *status.gaps).within(ASKED))


@pytest.mark.long_except(*FEW)
@damages
def test_the_list_of_held_series_names_only_those_with_candles(
    bench: MakeBench, truth: Candles, database_url: str, damage: list[str]
) -> None:
    one = bench()
    market = one.fetch(*DAYS).market
    execute(database_url, *damage)
    listed = [(series.market, series.first_ms) for series in one.store.candles.held_series()]
    is_held = damage != ["DELETE FROM ohlcv_data"] and damage != ["DELETE FROM data_ranges"]
    assert listed == ([(market, WEEK.start)] if is_held else [])


@pytest.mark.long_except(*FEW)
@damages
def test_a_fetch_completes_what_was_damaged(
    bench: MakeBench, truth: Candles, database_url: str, damage: list[str]
) -> None:
    one = bench()
    one.fetch(*DAYS)
    execute(database_url, *damage)
    report = one.fetch("2024-01-01", "2024-01-25")
    status = one.status("2024-01-01", "2024-01-25")
    assert status.complete
    assert not status.notices
    assert [(gone.period, gone.reason) for gone in status.missing] == [(hours(10, 12), MAINTENANCE)]
    assert_same_candles(one.held(report), truth.within(report.period))
    assert one.fetch("2024-01-01", "2024-01-25").requests == 0


@pytest.mark.long_except(*FEW)
@damages
def test_verify_mends_the_record_and_says_so_once(
    bench: MakeBench, truth: Candles, database_url: str, damage: list[str]
) -> None:
    one = bench()
    market = one.fetch(*DAYS).market
    execute(database_url, *damage)

    def verify():
        return one.fetcher.verify(market, HOUR, job="verify")

    if damage != ["DELETE FROM ohlcv_data"]:
        report = verify()
        assert report.repaired_ranges + report.added + len(report.notices) > 0, "it is noticed"
        assert report.revised[0].timestamp.tolist() == []
    else:
        assert verify().added == 166
    again = verify()
    assert (again.repaired_ranges, again.added) == (0, 0)
    status = one.status("2024-01-01", "2024-01-25")
    assert not status.notices
    rows = execute(database_url, RANGES)
    assert rows == sorted(rows)
    assert all(str(a[1]) < str(b[0]) for a, b in itertools.pairwise(rows)), "neither overlapping nor touching"
    assert sum(int(str(row[2])) for row in rows) == one.status("2024-01-01", "2024-01-31").candles
    held = one.store.candles.read(market, HOUR, ASKED)
    assert_same_candles(held, without(truth, *status.gaps).within(ASKED))


def test_status_and_fetch_say_what_the_record_claims_wrongly(
    bench: MakeBench, truth: Candles, database_url: str
) -> None:
    one = bench()
    one.fetch(*DAYS)
    execute(database_url, "DELETE FROM ohlcv_data WHERE timestamp < '2024-01-03 05:00Z'")
    status = one.status(*DAYS)
    (notice,) = status.notices
    assert "claims 5 candles that are not there" in notice
    assert status.to_json()["notices"] == [notice]
    assert status.gaps == (hours(0, 5),)
    report = one.fetch(*DAYS)
    assert report.fetched == 5
    assert "claimed 5 candles of SOLUSDT 1h that it does not hold" in report.notices[0]
    assert one.fetch(*DAYS).notices == ()


@pytest.mark.long
def test_a_damaged_year_of_minutes_is_looked_at_in_a_moment(
    bench: MakeBench, fake_exchange: FakeExchange, database_url: str
) -> None:
    minute, year = Timeframe("1m"), Period.parse("2023-01-01", "2023-12-31")
    candles = grid_candles("1m", year)
    fake_exchange.add("SOL", "1m", candles, listed_ms=year.start)
    one = bench()
    market = one.fetcher.market("SOLUSDT")
    one.store.candles.add_page(market, minute, candles, [year])
    execute(database_url, "DELETE FROM ohlcv_data WHERE timestamp >= '2023-06-01'")
    with within(10, anyhow=60):
        assert len(one.store.candles.coverage(market, minute, year).gaps) == 1
