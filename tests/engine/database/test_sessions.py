"""The program does the same whatever a role, a database, the URL or the environment sets for its sessions."""

import contextlib
import time
import uuid
from collections.abc import Generator, Iterator
from urllib.parse import quote

import pytest

from engine.database.store import Store
from engine.errors import DatabaseError
from engine.events import CancelToken
from engine.model.coverage import MAINTENANCE, MissingRange
from engine.model.market import Market, Period, Timeframe
from tests.support.builders import START_MS, random_candles
from tests.support.database import execute, fresh_database
from tests.support.fake_exchange import assert_same_candles

CHINESE = Market("binanceusdm", "币安人生USDT", "币安人生/USDT:USDT")
HOUR = Timeframe("1h")
HELD = random_candles(24)
DAY = Period(START_MS, START_MS + 24 * 3_600_000)
GONE = MissingRange(Period(DAY.end, DAY.end + 3_600_000), MAINTENANCE, DAY.end)

# what somebody may have set, and each of which broke or changed something, or might
SETTINGS = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "client_encoding": "LATIN1",
    "search_path": "nowhere, pg_catalog",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "250ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "250ms",
    "idle_session_timeout": "250ms",
    "transaction_timeout": "250ms",
    "session_replication_role": "replica",
    "row_security": "off",
    "xmloption": "document",
    "default_tablespace": "pg_default",
    "temp_tablespaces": "pg_default",
    "transform_null_equals": "on",
    "jit": "on",
    "jit_above_cost": "0",
}


def login(embedded_url: str) -> Generator[tuple[str, str]]:
    """A login of its own that owns a database of its own without tables: its name, and the database's URL for it."""
    name = f"role_{uuid.uuid4().hex[:8]}"
    execute(embedded_url, f"CREATE ROLE {name} LOGIN")
    made = fresh_database(embedded_url, "template1")
    url = next(made)
    execute(url, f"ALTER DATABASE {database(url)} OWNER TO {name}", f"ALTER SCHEMA public OWNER TO {name}")
    try:
        yield name, url.replace("postgres@", f"{name}@")
    finally:
        made.close()
        execute(embedded_url, f"DROP ROLE {name}")


@pytest.fixture
def new_role(embedded_url: str) -> Iterator[tuple[str, str]]:
    """A login whose database has no tables yet."""
    yield from login(embedded_url)


@pytest.fixture(scope="module")
def migrated(embedded_url: str) -> Iterator[tuple[str, str]]:
    """A login whose database has its tables."""
    for name, url in login(embedded_url):
        with contextlib.closing(Store(url)) as store:
            store.migrate()
        yield name, url


@pytest.fixture
def role(migrated: tuple[str, str], embedded_url: str) -> Iterator[tuple[str, str]]:
    """The same, without settings of its own."""
    yield migrated
    execute(
        embedded_url,
        f"ALTER ROLE {migrated[0]} RESET ALL",
        f"ALTER DATABASE {database(migrated[1])} RESET ALL",
    )


def database(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


def with_options(url: str, *options: str) -> str:
    return f"{url}&options={quote(' '.join(f'-c {option}' for option in options), safe='')}"


def use_everything(url: str) -> None:
    """Migrate, lock, write and read."""
    with contextlib.closing(Store(url)) as store:
        store.migrate()
        store.exchanges.save_markets("binanceusdm", [CHINESE], START_MS)
        assert store.exchanges.markets("binanceusdm") == [CHINESE]
        assert store.exchanges.markets_saved_ms("binanceusdm") == START_MS
        store.candles.forget(CHINESE, HOUR, Period(0, GONE.period.end))
        version = store.verification.version(CHINESE, HOUR)
        with store.candles.series_lock(CHINESE, HOUR, pytest.fail):
            assert store.candles.add_page(CHINESE, HOUR, HELD, [DAY], [GONE]) == 24
        assert store.verification.version(CHINESE, HOUR) > version
        assert_same_candles(store.candles.read(CHINESE, HOUR, DAY), HELD)
        status = store.candles.coverage(CHINESE, HOUR, Period(DAY.start, GONE.period.end))
        assert (status.candles, status.gaps, status.missing) == (24, (), (GONE,))
        assert status.missing[0].confirmed_ms == DAY.end
        assert [held.market.name for held in store.candles.held_series()] == [CHINESE.name]
        assert store.runs.newest() == []
        assert store.describe()["candles"] == 24


def test_a_statement_and_a_pause_inside_a_transaction_may_take_their_time(
    role: tuple[str, str], embedded_url: str
) -> None:
    name, url = role
    limits = [setting for setting in SETTINGS if setting.endswith("_timeout")]
    execute(embedded_url, *(f"ALTER ROLE {name} SET {limit} = '{SETTINGS[limit]}'" for limit in limits))
    with contextlib.closing(Store(url)) as store, store.database.transaction() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(0.4)")
        time.sleep(0.4)
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_of_a_role_changes_anything(
    role: tuple[str, str], embedded_url: str, setting: str
) -> None:
    name, url = role
    execute(embedded_url, f"ALTER ROLE {name} SET {setting} = '{SETTINGS[setting]}'")
    use_everything(url)


def test_all_settings_of_a_database_together_change_nothing_not_even_the_migration(
    new_role: tuple[str, str], embedded_url: str
) -> None:
    _, url = new_role
    execute(
        embedded_url,
        *(f"ALTER DATABASE {database(url)} SET {name} = '{value}'" for name, value in SETTINGS.items()),
    )
    use_everything(url)


def test_options_in_the_url_and_the_environment_of_libpq_change_nothing(
    role: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = role
    monkeypatch.setenv(
        "PGOPTIONS", "-c statement_timeout=250 -c search_path=nowhere -c extra_float_digits=-15"
    )
    monkeypatch.setenv("PGTZ", "America/Caracas")
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGCLIENTENCODING", "EUC_TW")  # Python has no such codec
    use_everything(url)
    use_everything(with_options(url, "datestyle=SQL,DMY", "client_encoding=LATIN1", "lock_timeout=1"))
    use_everything(f"{url}&client_encoding=LATIN1")


def test_an_idle_lock_is_kept_however_soon_idle_sessions_are_ended(
    role: tuple[str, str], embedded_url: str
) -> None:
    name, url = role
    execute(embedded_url, f"ALTER ROLE {name} SET idle_session_timeout = '250ms'")
    with contextlib.closing(Store(url)) as one, contextlib.closing(Store(url)) as two:
        one.migrate()
        with one.candles.series_lock(CHINESE, HOUR, pytest.fail):
            cancel, waits = CancelToken(), []
            cancel.sleep(0.5)  # the exchange is asked meanwhile

            def wait(holder: str) -> None:
                waits.append(holder)
                cancel.cancel()

            with (
                pytest.raises(Exception, match="stopped"),
                two.candles.series_lock(CHINESE, HOUR, wait, cancel.sleep),
            ):
                pass
            assert waits == [f"another job of this program is downloading {CHINESE.name} 1h; waiting for it"]


def test_numbers_that_come_as_text_are_exact(role: tuple[str, str], embedded_url: str) -> None:
    name, url = role
    execute(embedded_url, f"ALTER ROLE {name} SET extra_float_digits = 0")
    with contextlib.closing(Store(url)) as store, store.database.transaction() as connection:
        assert (
            connection.exec_driver_sql("SELECT (0.1::float8 + 0.2::float8)::text").scalar()
            == "0.30000000000000004"
        )


def test_a_schema_named_in_the_url_is_used(new_role: tuple[str, str], embedded_url: str) -> None:
    _, url = new_role
    execute(url, "CREATE SCHEMA mine")
    use_everything(with_options(url, "search_path=mine"))
    assert execute(
        url, "SELECT to_regclass('mine.ohlcv_data')::text, to_regclass('public.ohlcv_data')::text"
    ) == [("mine.ohlcv_data", None)]


def test_tables_that_only_the_search_path_of_a_role_finds_are_named_and_not_made_anew(
    new_role: tuple[str, str], embedded_url: str
) -> None:
    name, url = new_role
    execute(url, "CREATE SCHEMA mine")
    own = with_options(url, "search_path=mine")
    use_everything(own)
    execute(embedded_url, f"ALTER ROLE {name} SET search_path = mine")
    with contextlib.closing(Store(url)) as store, pytest.raises(DatabaseError) as caught:
        store.migrate()
    assert "in the schema mine" in str(caught.value)
    assert "?options=-csearch_path%3Dmine" in str(caught.value)
    with contextlib.closing(Store(own)) as store:
        store.migrate()
        assert len(store.candles.held_series()) == 1


def test_a_schema_of_the_users_name_is_used_as_postgresql_does(new_role: tuple[str, str]) -> None:
    name, url = new_role
    execute(url, f"CREATE SCHEMA {name}")
    use_everything(url)
    assert execute(url, f"SELECT to_regclass('{name}.ohlcv_data') IS NOT NULL") == [(True,)]


def test_a_setting_that_the_server_refuses_is_said(
    role: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Nowhere/Nothing")
    with contextlib.closing(Store(role[1])) as store, pytest.raises(DatabaseError) as caught:
        store.migrate()
    assert "refuses a setting" in str(caught.value)
    assert "PGTZ" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_cannot_hold_every_symbol_is_said(embedded_url: str) -> None:
    name = f"latin_{uuid.uuid4().hex[:8]}"
    execute(
        embedded_url, f"CREATE DATABASE {name} ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    try:
        with contextlib.closing(Store(embedded_url.replace("/postgres?", f"/{name}?"))) as store:
            store.migrate()
            with pytest.raises(DatabaseError, match="create it with ENCODING 'UTF8'"):
                store.exchanges.save_markets("binanceusdm", [CHINESE], START_MS)
    finally:
        execute(embedded_url, f"DROP DATABASE {name} WITH (FORCE)")
