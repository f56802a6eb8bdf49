"""Rows that can be no candle and no period: refused by the schema, mended by the migration, and where a hand dropped the
checks neither counted nor read nor in anybody's way, until `verify` names and mends them.
"""

import contextlib

import psycopg
import pytest
from sqlalchemy import CheckConstraint

from engine.data.sync import EVERYTHING
from engine.database import schema
from engine.database.store import Store
from engine.database.verify_store import Damage
from engine.model.coverage import MAINTENANCE, MissingRange
from engine.model.market import HOUR_MS, Market, Period, Timeframe
from tests.support.builders import START_MS, random_candles
from tests.support.damage import NO_CHECKS
from tests.support.database import at_revision, execute
from tests.support.fake_exchange import assert_same_candles

SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")
HELD = random_candles(24)
DAY = Period(START_MS, START_MS + 24 * HOUR_MS)
TENTH = Period(START_MS + 10 * HOUR_MS, START_MS + 11 * HOUR_MS)
AFTER = Period(DAY.end + HOUR_MS, DAY.end + 3 * HOUR_MS)
WEEK = Period(START_MS, START_MS + 168 * HOUR_MS)

AT_TEN = "UPDATE ohlcv_data SET {} WHERE timestamp = '2024-01-01 10:00Z'"
STRAY = "INSERT INTO ohlcv_data VALUES (1, '1h', '{}', 1, 2, 0.5, 1, 3)"
IN_PLACE = {  # a candle that is none any more
    column: AT_TEN.format(f"{column} = {value}")
    for column, value in (
        ("open", "'NaN'"), ("high", "'NaN'"), ("low", "'NaN'"), ("close", "'NaN'"), ("volume", "'NaN'"),
    )
} | {
    "an infinite price": AT_TEN.format("high = 'Infinity'"),
    "an infinite volume": AT_TEN.format("volume = 'Infinity'"),
    "a price below zero": AT_TEN.format("low = -1"),
    "a price of zero": AT_TEN.format("low = 0"),
    "a volume below zero": AT_TEN.format("volume = -1"),
    "an order turned round": AT_TEN.format("high = low, low = high"),
    "a close above the high": AT_TEN.format("close = high * 2"),
}  # fmt: skip
BESIDE = {  # one more than there are cells
    "beside the grid": STRAY.format("2024-01-01 10:30Z"),
    "a millisecond late": STRAY.format("2024-01-01 10:00:00.001Z"),
    "an infinite time": STRAY.format("infinity"),
    "the beginning of time": STRAY.format("-infinity"),
    "a year before Christ": STRAY.format("0044-03-15 00:00Z BC"),
    "a year of five digits": STRAY.format("48113-01-01 00:00Z"),
}
RANGES = {
    "without end": "UPDATE {} SET end_time = 'infinity'",
    "without beginning": "UPDATE {} SET start_time = '-infinity'",
    "of all times": "UPDATE {} SET start_time = '-infinity', end_time = 'infinity'",
    "before Christ": "UPDATE {} SET start_time = '0044-03-15 00:00Z BC'",
    "of a year of five digits": "UPDATE {} SET end_time = '48113-01-01 00:00Z'",
    "beside the grid": "UPDATE {} SET start_time = start_time - interval '10 min', end_time = end_time + interval '1 ms'",
    "turned round": "UPDATE {} SET start_time = end_time, end_time = start_time",
}
TABLES = ("data_ranges", "missing_candles", "imported_ranges")


def hold(store: Store) -> None:
    """A day of hours, the two after it missing; the day came from a file."""
    store.candles.forget(SOL, HOUR, Period(0, 7_258_118_400_000))  # to the year 2200
    gone = MissingRange(Period(DAY.end, DAY.end + 2 * HOUR_MS), MAINTENANCE, DAY.end)
    assert store.candles.add_page(SOL, HOUR, HELD, [DAY], [gone]) == 24
    store.verification.mark_imported(SOL, HOUR, DAY, "day.csv")


@pytest.fixture
def held(store: Store) -> Store:
    hold(store)
    return store


def test_the_schema_refuses_what_is_no_candle_and_no_period(held: Store, database_url: str) -> None:
    periods = [damage.format(table) for damage in RANGES.values() for table in TABLES]
    for damage in (*IN_PLACE.values(), *BESIDE.values(), *periods):
        with pytest.raises(psycopg.errors.CheckViolation):
            execute(database_url, damage)


def test_the_schema_refuses_numbers_and_times_that_no_program_can_read(
    held: Store, database_url: str
) -> None:
    for damage in (
        "UPDATE data_ranges SET candle_count = -1",
        "UPDATE data_ranges SET fetched_at = 'infinity'",
        "UPDATE missing_candles SET confirmed_at = '-infinity'",
        "UPDATE series_state SET first_candle = 'infinity'",
        "UPDATE series_state SET first_candle = '2024-01-01 00:30Z'",
        "UPDATE series_state SET unproven_tail = '0044-03-15 BC'",
        "UPDATE series_state SET kept_from = 'infinity'",
        "INSERT INTO markets VALUES ('binance', 'X', 'X', true, 'infinity')",
        "INSERT INTO exchange_state VALUES ('binance', 0, 'infinity', NULL)",
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            execute(database_url, damage)


def test_every_timeframe_opens_where_the_program_says(held: Store, database_url: str) -> None:
    for name in (
        "1s",
        "1m",
        "3m",
        "5m",
        "15m",
        "30m",
        "1h",
        "2h",
        "4h",
        "6h",
        "8h",
        "12h",
        "1d",
        "3d",
        "1w",
        "1M",
    ):
        timeframe = Timeframe(name)
        opened = timeframe.floor(START_MS + 777_777_777)
        for ms, opens in (
            (opened, True),
            (opened + 1, False),
            (timeframe.next(opened), True),
            (opened - 500, False),
        ):
            said = execute(database_url, f"SELECT opens_candle('{name}', to_timestamp({ms}::numeric / 1000))")
            assert said == [(opens,)], (name, ms)
    assert execute(database_url, "SELECT opens_candle('7m', now())") == [(None,)], (
        "which this program does not know"
    )


@pytest.mark.long
def test_without_checks_an_impossible_candle_is_neither_counted_nor_read_and_is_mended(
    held: Store, database_url: str
) -> None:
    execute(database_url, NO_CHECKS)
    for name, damage in (IN_PLACE | BESIDE).items():
        execute(database_url, damage)
        found = held.candles.coverage(SOL, HOUR, WEEK)
        assert (found.candles, found.claimed) == ((23, 1) if name in IN_PLACE else (24, 0)), name
        assert (TENTH in found.gaps) == (name in IN_PLACE), name
        assert len(held.candles.read(SOL, HOUR, WEEK)) == found.candles, name
        assert [series.first_ms for series in held.candles.held_series()] == [DAY.start], name
        assert held.symbols.kept_series()[0].last_ms == DAY.end - HOUR_MS, name
        dry = held.verification.mend(SOL, HOUR, dry_run=True)
        assert held.verification.mend(SOL, HOUR) == dry, name
        assert dry.ranges >= 1, name
        assert "1 rows of ohlcv_data cannot be 1h candles, the first at " in dry.notices[0], name
        assert held.verification.mend(SOL, HOUR) == Damage(0, 0), name
        assert execute(database_url, "SELECT count(*) FROM ohlcv_data") == [(found.candles,)], name
        held.candles.add_page(SOL, HOUR, HELD.within(TENTH), [TENTH])
        assert_same_candles(held.candles.read(SOL, HOUR, WEEK), HELD)


def test_without_checks_the_exchange_s_candle_takes_the_place_of_an_impossible_one(
    held: Store, database_url: str
) -> None:
    execute(database_url, NO_CHECKS)
    for name, damage in IN_PLACE.items():
        execute(database_url, damage)
        assert held.candles.add_page(SOL, HOUR, HELD.within(TENTH), [TENTH]) == 1, name
        assert_same_candles(held.candles.read(SOL, HOUR, DAY), HELD)


@pytest.mark.long_except("data_ranges")
@pytest.mark.parametrize("table", TABLES)
def test_without_checks_an_odd_period_stands_for_no_more_than_it_can_and_is_mended(
    held: Store, database_url: str, table: str
) -> None:
    execute(database_url, NO_CHECKS)
    for name, damage in RANGES.items():
        hold(held)
        execute(database_url, damage.format(table))
        found = held.candles.coverage(SOL, HOUR, WEEK)
        missing = sum(HOUR.count(gone.period) for gone in found.missing)
        assert found.candles + missing + sum(map(HOUR.count, found.gaps)) == found.expected, name
        assert found.candles == len(held.candles.read(SOL, HOUR, WEEK)), name
        if (table, name) != ("data_ranges", "turned round"):
            assert_same_candles(held.candles.read(SOL, HOUR, WEEK), HELD)
            assert len(held.symbols.kept_series()) == 1, name
        assert held.verification.extent(SOL, HOUR) is not None, name
        assert len(held.verification.imported(SOL, HOUR, WEEK)) <= 1, name
        damaged = held.verification.mend(SOL, HOUR)
        assert f"1 rows of {table} are no period of 1h candles, the first from " in damaged.notices[0], name
        assert held.verification.mend(SOL, HOUR) == Damage(0, 0), name
        odd = (
            f"SELECT count(*) FROM {table} WHERE NOT isfinite(start_time) OR NOT isfinite(end_time) "
            "OR start_time >= end_time OR NOT opens_candle(timeframe, start_time) OR NOT opens_candle(timeframe, end_time)"
        )
        assert execute(database_url, odd) == [(0,)], name


def test_a_range_of_all_times_of_seconds_is_looked_at_in_a_moment(store: Store, database_url: str) -> None:
    """Eight billion cells: they are not counted one by one."""
    second = Timeframe("1s")
    part = Period(START_MS, START_MS + 24_000)
    store.candles.add_page(SOL, second, random_candles(24, step_ms=1000), [part])
    execute(database_url, NO_CHECKS, "UPDATE data_ranges SET start_time = '-infinity', end_time = 'infinity'")
    assert store.verification.mend(SOL, second).claimed > 7_000_000_000
    found = store.candles.coverage(SOL, second, Period(START_MS, START_MS + 60_000))
    assert (found.candles, found.gaps) == (24, (Period(part.end, START_MS + 60_000),))


OLD_ROWS = (
    "INSERT INTO symbols (name, exchange, unified) VALUES ('SOLUSDT', 'binanceusdm', 'SOL/USDT:USDT')",
    """INSERT INTO series_state (symbol_id, timeframe, first_candle, unproven_tail, version, kept_from)
        VALUES (1, '1h', '-infinity', '2024-01-01 00:10Z', 7, 'infinity')""",
    """INSERT INTO ohlcv_data SELECT 1, '1h', t, 1, 2, 0.5, 1, 3
        FROM generate_series(timestamptz '2024-01-01 00:00Z', '2024-01-01 23:00Z', interval '1 hour') AS t""",
)
OLD_RANGE = (
    "INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count) "
    "VALUES (1, '1h', '2024-01-01 00:00Z', '2024-01-02 00:00Z', 24)"
)


@pytest.mark.long
def test_a_filled_database_of_an_older_version_is_mended_and_then_checked(empty_database_url: str) -> None:
    at_revision(empty_database_url, "0005")
    execute(
        empty_database_url,
        *OLD_ROWS,
        OLD_RANGE.replace("'2024-01-02 00:00Z'", "'infinity'"),
        OLD_RANGE.replace("'2024-01-01 00:00Z'", "'-infinity'"),
        OLD_RANGE.replace("'2024-01-01 00:00Z'", "'1969-06-01 00:00Z'"),
        OLD_RANGE.replace("'2024-01-01 00:00Z'", "'2023-12-31 23:50Z'"),
        "INSERT INTO missing_candles (symbol_id, timeframe, start_time, end_time, reason) VALUES "
        "(1, '1h', '-infinity', '0044-03-15 BC', 'maintenance'), "
        "(1, '1h', '2024-01-02 00:01Z', '2024-01-02 03:00Z', 'after_delisting')",
        "INSERT INTO imported_ranges (symbol_id, timeframe, start_time, end_time, file_name) "
        "VALUES (1, '1h', '2024-01-01 00:00Z', 'infinity', 'a.csv')",
        "INSERT INTO markets VALUES ('binanceusdm', 'SOLUSDT', 'SOL/USDT:USDT', true, 'infinity')",
        "INSERT INTO exchange_state VALUES ('binanceusdm', 0, 'infinity', '-infinity')",
        *IN_PLACE.values(),
        *BESIDE.values(),
    )
    with contextlib.closing(Store(empty_database_url)) as store:
        store.migrate()
        found = store.candles.coverage(SOL, HOUR, WEEK)
        assert (found.candles, TENTH in found.gaps) == (23, True)
        assert len(store.candles.read(SOL, HOUR, WEEK)) == 23
        assert store.verification.version(SOL, HOUR) > 7, "what was cached is stale"
        assert store.exchanges.markets("binanceusdm")[0].listed_ms is None
        assert store.exchanges.blocked_until_ms("binanceusdm") is None
        assert store.candles.first_candle(SOL, HOUR) is None
        assert store.symbols.kept_series()[0].kept_from_ms is None
        assert store.verification.mend(SOL, HOUR).notices == ()
        found = store.candles.coverage(SOL, HOUR, WEEK)
        assert found.gaps == (TENTH, Period(DAY.end, AFTER.start), Period(AFTER.end, WEEK.end)), (
            "whole cells only"
        )
    with pytest.raises(psycopg.errors.CheckViolation):
        execute(empty_database_url, STRAY.format("infinity"))


@pytest.mark.long_except(
    "infinity-1M-imported_ranges",
    "48113-01-01 00:00Z-1s-data_ranges",
)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("timeframe", ["1s", "1h", "3d", "1w", "1M"])
@pytest.mark.parametrize("end", ["infinity", "2200-01-01 00:00Z", "48113-01-01 00:00Z"])
def test_a_range_without_end_of_an_older_version_is_mended_whatever_its_timeframe(
    empty_database_url: str, table: str, timeframe: str, end: str
) -> None:
    more = {"data_ranges": "candle_count", "missing_candles": "reason", "imported_ranges": "file_name"}[table]
    at_revision(empty_database_url, "0005")
    execute(
        empty_database_url,
        OLD_ROWS[0],
        f"INSERT INTO series_state (symbol_id, timeframe) VALUES (1, '{timeframe}')",
        f"INSERT INTO {table} (symbol_id, timeframe, start_time, end_time, {more}) "
        f"VALUES (1, '{timeframe}', '2024-01-01', '{end}', '0')",
    )
    with contextlib.closing(Store(empty_database_url)) as store:
        store.migrate()
        store.verification.mend(SOL, Timeframe(timeframe))
        assert store.verification.mend(SOL, Timeframe(timeframe)) == Damage(0, 0)
        store.candles.forget(SOL, Timeframe(timeframe), EVERYTHING)
    assert execute(empty_database_url, f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_sound_database_of_an_older_version_keeps_its_versions_and_asks_delisted_tails_again(
    empty_database_url: str,
) -> None:
    at_revision(empty_database_url, "0005")
    execute(
        empty_database_url,
        OLD_ROWS[0],
        "INSERT INTO series_state (symbol_id, timeframe) VALUES (1, '1h')",
        OLD_ROWS[2],
        OLD_RANGE.replace("2024-01-02", "2024-01-03"),
        "INSERT INTO missing_candles (symbol_id, timeframe, start_time, end_time, reason) VALUES "
        "(1, '1h', '2024-01-02 00:00Z', '2024-01-03 00:00Z', 'after_delisting')",
        "UPDATE series_state SET version = 7",
    )
    with contextlib.closing(Store(empty_database_url)) as store:
        store.migrate()
        assert store.verification.version(SOL, HOUR) == 7
        found = store.candles.coverage(SOL, HOUR, Period(DAY.start, DAY.end + 24 * HOUR_MS))
        assert (found.candles, found.complete) == (24, True)
        assert [gone.confirmed_ms for gone in found.missing] == [0], "older than a day: the next fetch asks"


def test_the_schema_of_the_program_names_every_check_of_the_database(database_url: str) -> None:
    made = execute(
        database_url,
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND convalidated",
    )
    known = {
        str(check.name)
        for table in schema.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert {name for (name,) in made} == known


def test_a_session_that_calls_itself_a_replica_changes_versions_too(held: Store, database_url: str) -> None:
    before = held.verification.version(SOL, HOUR)
    with psycopg.connect(database_url) as replica:
        replica.execute("SET session_replication_role = replica")
        replica.execute("UPDATE ohlcv_data SET volume = volume + 1")
    assert held.verification.version(SOL, HOUR) > before
