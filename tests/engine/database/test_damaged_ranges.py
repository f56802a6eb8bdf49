"""Rows of data_ranges that were written by hand or by something broken: noticed, never believed, mended (faults 59, 60)."""

import pytest

from engine.database.store import Store
from engine.database.verify_store import Damage
from engine.model.coverage import MAINTENANCE, MissingRange
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, format_time
from tests.support.builders import START_MS, random_candles
from tests.support.damage import NO_CHECKS
from tests.support.database import execute
from tests.support.fake_exchange import assert_same_candles

SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")


def hours(first: float, last: float) -> Period:
    return Period(START_MS + round(first * HOUR_MS), START_MS + round(last * HOUR_MS))


DAY = hours(0, 24)
MORNING = hours(4, 10)
HELD = random_candles(24).within(MORNING)


@pytest.fixture
def damaged(store: Store, database_url: str) -> Store:
    """Six hours are held, 04:00 to 10:00; the table accepts any range, as an older version's might."""
    assert store.candles.add_page(SOL, HOUR, HELD, [MORNING]) == 6
    execute(database_url, NO_CHECKS)
    return store


def claim(url: str, period: Period, count: int = 0) -> None:
    start, end = format_time(period.start), format_time(period.end)
    execute(
        url,
        "INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count) "
        f"SELECT id, '1h', '{start}', '{end}', {count} FROM symbols WHERE name = 'SOLUSDT'",
    )


def ranges(url: str) -> list[tuple[object, ...]]:
    return execute(
        url,
        "SELECT extract(epoch FROM start_time)::bigint * 1000, extract(epoch FROM end_time)::bigint * 1000, "
        "candle_count FROM data_ranges ORDER BY start_time",
    )


HARMLESS = {
    "overlapping": [hours(5, 8)],
    "adjacent": [hours(10, 11), hours(10.5, 11)],
    "inverted": [hours(9, 2), hours(20, 12)],
    "empty": [hours(5, 5), hours(12, 12)],
    "off the grid": [hours(3.5, 6.5), hours(9.25, 10.75)],
    "claims without rows": [hours(8, 15), hours(20, 22)],
    "all at once": [hours(5, 8), hours(9, 2), hours(3.5, 6.5), hours(8, 15), hours(12, 12), hours(0, 1)],
}


@pytest.mark.parametrize("claims", HARMLESS.values(), ids=HARMLESS)
def test_no_claim_is_believed_and_mending_leaves_one_true_range(
    damaged: Store, database_url: str, claims: list[Period]
) -> None:
    for period in claims:
        claim(database_url, period, count=3)
    before = damaged.candles.coverage(SOL, HOUR, DAY)
    assert (before.candles, before.gaps) == (6, (hours(0, 4), hours(10, 24)))
    assert_same_candles(damaged.candles.read(SOL, HOUR, DAY), HELD)
    assert damaged.verification.mend(SOL, HOUR).claimed == before.claimed
    assert ranges(database_url) == [(MORNING.start, MORNING.end, 6)]
    after = damaged.candles.coverage(SOL, HOUR, DAY)
    assert (after.candles, after.gaps, after.claimed) == (6, before.gaps, 0)


def test_a_claim_of_cells_without_a_candle_is_counted(damaged: Store, database_url: str) -> None:
    claim(database_url, hours(10, 15))
    assert damaged.candles.coverage(SOL, HOUR, DAY).claimed == 5
    assert damaged.candles.coverage(SOL, HOUR, hours(4, 10)).claimed == 0
    execute(database_url, "DELETE FROM ohlcv_data WHERE timestamp = '2024-01-01T06:00Z'")
    found = damaged.candles.coverage(SOL, HOUR, DAY)
    assert (found.claimed, found.gaps) == (6, (hours(0, 4), hours(6, 7), hours(10, 24)))
    assert damaged.verification.mend(SOL, HOUR).claimed == 6
    assert damaged.verification.mend(SOL, HOUR) == Damage(0, 0)
    assert [row[2] for row in ranges(database_url)] == [2, 3]


def test_as_many_stray_candles_as_claims_do_not_hide_each_other(damaged: Store, database_url: str) -> None:
    execute(
        database_url,
        "UPDATE ohlcv_data SET timestamp = '2024-01-01T20:00Z' WHERE timestamp = '2024-01-01T06:00Z'",
    )
    found = damaged.candles.coverage(SOL, HOUR, DAY)
    assert (found.candles, found.claimed) == (5, 1)
    assert found.gaps == (hours(0, 4), hours(6, 7), hours(10, 24))


def test_a_candle_outside_every_range_is_neither_counted_nor_read_and_the_exchange_s_takes_its_place(
    damaged: Store, database_url: str
) -> None:
    execute(
        database_url,
        "INSERT INTO ohlcv_data SELECT symbol_id, timeframe, '2024-01-01T20:00Z', 9, 9, 9, 9, 9 "
        "FROM ohlcv_data LIMIT 1",
    )
    assert damaged.candles.coverage(SOL, HOUR, DAY).candles == 6
    assert_same_candles(damaged.candles.read(SOL, HOUR, DAY), HELD)
    true = random_candles(24).within(hours(20, 21))
    assert damaged.candles.add_page(SOL, HOUR, true, [hours(20, 21)]) == 1
    assert_same_candles(damaged.candles.read(SOL, HOUR, hours(20, 21)), true)


def test_known_missing_cells_whose_range_was_deleted_are_gaps(damaged: Store, database_url: str) -> None:
    damaged.candles.add_page(SOL, HOUR, Candles.empty(), [], [MissingRange(hours(12, 14), MAINTENANCE)])
    execute(database_url, "DELETE FROM data_ranges WHERE candle_count = 0")
    found = damaged.candles.coverage(SOL, HOUR, DAY)
    assert (found.gaps, found.missing) == ((hours(0, 4), hours(10, 24)), ())


def test_coverage_grows_by_proven_cells_only(store: Store) -> None:
    with pytest.raises(ValueError, match="2 covered cells have no candle and are not missing"):
        store.candles.add_page(SOL, HOUR, HELD, [hours(4, 12)])
    with pytest.raises(ValueError, match="24 covered cells"):
        store.candles.add_page(SOL, HOUR, Candles.empty(), [DAY])
    assert store.candles.coverage(SOL, HOUR, DAY).gaps == (DAY,)
