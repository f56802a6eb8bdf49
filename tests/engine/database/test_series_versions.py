"""Every change of a series changes its version, whoever makes it; a filled database of the first schema is upgraded."""

from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from engine.database.connection import parse_url
from engine.database.migrate import MIGRATIONS
from engine.database.store import Store
from engine.model.coverage import MAINTENANCE, MissingRange
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe
from tests.support.builders import START_MS, random_candles
from tests.support.database import execute

HOUR = Timeframe("1h")
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
BTC = Market("binanceusdm", "BTCUSDT", "BTC/USDT:USDT")
DAY = Period(START_MS, START_MS + 24 * HOUR_MS)


def hours(first: int, last: int) -> Period:
    return Period(START_MS + first * HOUR_MS, START_MS + last * HOUR_MS)


@pytest.fixture
def held(store: Store) -> Candles:
    """A day of hours of two markets."""
    candles = random_candles(24)
    for market in (SOL, BTC):
        store.candles.add_page(market, HOUR, candles, [DAY])
    return candles


def test_a_series_that_nobody_wrote_has_version_0(store: Store, held: Candles) -> None:
    assert store.verification.version(SOL, Timeframe("1m")) == 0
    assert store.verification.version(Market("binance", "SOLUSDT", ""), HOUR) == 0
    assert store.verification.version(SOL, HOUR) > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.candles.add_page(SOL, HOUR, random_candles(1, start_ms=DAY.end), [hours(24, 25)]),
        lambda store: store.candles.add_page(
            SOL, HOUR, Candles.empty(), [], [MissingRange(hours(24, 25), MAINTENANCE)]
        ),
        lambda store: store.candles.forget(SOL, HOUR, hours(3, 4)),
    ],
    ids=["candles", "missing", "forget"],
)
def test_the_store_changes_the_version_of_the_series_it_writes_and_of_no_other(
    store: Store, held: Candles, change: Callable[[Store], object]
) -> None:
    before, other = store.verification.version(SOL, HOUR), store.verification.version(BTC, HOUR)
    change(store)
    assert store.verification.version(SOL, HOUR) > before
    assert store.verification.version(BTC, HOUR) == other


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ohlcv_data SET volume = volume + 1 WHERE symbol_id = 1",
        "DELETE FROM ohlcv_data WHERE symbol_id = 1",
        "INSERT INTO ohlcv_data VALUES (1, '1h', '2030-01-01', 1, 1, 1, 1, 1)",
        "TRUNCATE ohlcv_data",
        "UPDATE data_ranges SET end_time = end_time + interval '1 hour' WHERE symbol_id = 1",
        "DELETE FROM data_ranges WHERE symbol_id = 1",
        "INSERT INTO missing_candles VALUES (77, 1, '1h', '2030-01-01', '2030-01-02', 'maintenance')",
    ],
)
def test_sql_typed_by_hand_changes_the_version(
    store: Store, held: Candles, database_url: str, statement: str
) -> None:
    before = store.verification.version(SOL, HOUR)
    execute(database_url, statement)
    assert store.verification.version(SOL, HOUR) > before


def test_what_changes_no_candle_leaves_the_version_alone(
    store: Store, held: Candles, database_url: str
) -> None:
    before = store.verification.version(SOL, HOUR)
    store.candles.save_first_candle(SOL, HOUR, DAY.start)
    store.candles.save_unproven_tail(SOL, HOUR, DAY.end)
    store.verification.mark_imported(SOL, HOUR, DAY, "sol.csv")
    store.candles.read(SOL, HOUR, DAY)
    store.candles.coverage(SOL, HOUR, DAY)
    assert store.verification.version(SOL, HOUR) == before


def test_a_write_that_is_rolled_back_changes_nothing(store: Store, held: Candles, database_url: str) -> None:
    before = store.verification.version(SOL, HOUR)
    execute(database_url, "BEGIN", "DELETE FROM ohlcv_data", "ROLLBACK")
    assert store.verification.version(SOL, HOUR) == before


def test_a_version_never_comes_back_when_its_row_is_deleted_and_made_again(
    store: Store, held: Candles, database_url: str
) -> None:
    seen = {store.verification.version(SOL, HOUR)}
    for _ in range(5):
        execute(database_url, "DELETE FROM series_state")
        store.candles.add_page(SOL, HOUR, held, [DAY])
        seen.add(store.verification.version(SOL, HOUR))
    assert len(seen) == 6


def test_the_versions_of_one_transaction_do_not_hide_the_next_one(store: Store, held: Candles) -> None:
    # the word to the triggers ends with its transaction, though the connection lives on
    store.candles.add_page(SOL, HOUR, held, [DAY])
    before = store.verification.version(SOL, HOUR)
    with store.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM ohlcv_data WHERE symbol_id = 1")
    assert store.verification.version(SOL, HOUR) > before


def test_imported_parts_are_kept_merged_and_cut(store: Store, held: Candles) -> None:
    assert store.verification.imported(SOL, HOUR, DAY) == []
    store.verification.mark_imported(SOL, HOUR, hours(2, 6), "a.csv")
    store.verification.mark_imported(SOL, HOUR, hours(4, 9), "b.csv")
    assert store.verification.imported(SOL, HOUR, DAY) == [hours(2, 9)]
    assert store.verification.imported(SOL, HOUR, hours(5, 7)) == [hours(5, 7)]
    assert store.verification.imported(BTC, HOUR, DAY) == []
    store.verification.unmark_imported(SOL, HOUR, hours(3, 5))
    assert store.verification.imported(SOL, HOUR, DAY) == [hours(2, 3), hours(5, 9)]
    store.candles.forget(SOL, HOUR, hours(0, 6))
    assert store.verification.imported(SOL, HOUR, DAY) == [hours(6, 9)]


def test_a_filled_database_of_the_first_schema_is_upgraded(empty_database_url: str) -> None:
    engine = create_engine(parse_url(empty_database_url))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    execute(
        empty_database_url,
        "INSERT INTO symbols (name, exchange, unified) VALUES ('SOLUSDT', 'binanceusdm', 'SOL/USDT:USDT'), "
        "('BTCUSDT', 'binanceusdm', 'BTC/USDT:USDT')",
        "INSERT INTO ohlcv_data SELECT s, '1h', t, 1, 2, 0.5, 1, 3 FROM generate_series(1, 2) AS s, "
        "generate_series(timestamptz '2024-01-01 00:00Z', '2024-01-01 23:00Z', '1 hour') AS t",
        "INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count) "
        "SELECT s, '1h', '2024-01-01 00:00Z', '2024-01-02 00:00Z', 24 FROM generate_series(1, 2) AS s",
        "INSERT INTO series_state (symbol_id, timeframe, first_candle) VALUES (1, '1h', '2024-01-01 00:00Z')",
        "INSERT INTO backtest_runs (strategy_name, symbol_id, timeframe, start_time, end_time, status, engine, "
        "params, costs, metrics, signals, checks, trades, elapsed_s) VALUES ('old', 1, '1h', '2024-01-01 00:00Z', "
        "'2024-01-02 00:00Z', 'finished', 'reference', '{}', "
        """'{"cash": 1, "commission": 0, "size": 1, "slippage": 0}', '{}', '{}', '{}', '[]', 1)""",
    )
    store = Store(empty_database_url)
    store.migrate()
    assert store.candles.first_candle(SOL, HOUR) == START_MS
    assert store.verification.version(SOL, HOUR) > 0, "filled series may be cached at once"
    assert store.verification.version(BTC, HOUR) > 0, "a series without a row of its state too"
    coverage = store.candles.coverage(SOL, HOUR, DAY)
    assert (coverage.candles, coverage.complete) == (24, True)
    assert len(store.candles.read(BTC, HOUR, DAY)) == 24
    assert [run.strategy for run in store.runs.newest()] == ["old"]
    store.close()
