"""A real PostgreSQL for tests: one private server and one migrated database per test process, emptied after each test.

A test that changes more than rows (a constraint, a right, a setting of the database, a role) may do so: whatever stands
otherwise afterwards is noticed, and the database is made anew. Databases of their own have only tests of migrations, and
the engines that the tests of a file share; servers of their own those that kill or damage one.
"""

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.database.embedded import release_embedded, start_embedded
from engine.database.migrate import upgrade
from engine.database.schema import metadata
from engine.database.store import Store

TEMPLATE = "backtest_template"
# nothing here has to survive a power cut; the tests of what survives a kill start servers of their own
SWIFT = ("fsync", "synchronous_commit", "full_page_writes")
LARGE = (
    1_000_000  # bytes of a table; from there on it is cut off, which takes longer than to delete some rows
)

# Everything of a database and its server that is not rows of our tables.
_STATE = """
    SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (
        SELECT concat_ws(' ', 'class', oid, relname, relkind, relowner, relacl, reloptions)
            FROM pg_class WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'column', attrelid, attnum, xmin) FROM pg_attribute WHERE attrelid >= 16384
        UNION ALL SELECT concat_ws(' ', 'constraint', conrelid, conname, convalidated, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'trigger', oid, xmin) FROM pg_trigger WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'function', oid, xmin) FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'schema', oid, nspowner, nspacl) FROM pg_namespace
            WHERE nspname !~ '^pg_(toast_)?temp_'
        UNION ALL SELECT concat_ws(' ', 'database', oid, datdba, datacl, datconnlimit, datallowconn) FROM pg_database
            WHERE datname = current_database()
        UNION ALL SELECT concat_ws(' ', 'setting', setrole, setconfig) FROM pg_db_role_setting
        UNION ALL SELECT concat_ws(' ', 'role', oid, xmin) FROM pg_authid
        UNION ALL SELECT concat_ws(' ', 'version', version_num) FROM alembic_version
    ) AS known(line)
"""
_CHECKS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'c' AND oid >= 16384
"""
_LEFT_ROLES = """
    SELECT rolname FROM pg_roles WHERE oid >= 16384
    AND NOT EXISTS (SELECT FROM pg_database WHERE datdba = pg_roles.oid)
"""
_SIZES = "SELECT name, pg_relation_size(name::regclass) FROM unnest(%s::text[]) AS named(name)"
_PAST_TRIGGERS = "SET LOCAL session_replication_role = replica"
_FROM_ONE = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@pytest.fixture(scope="session")
def postgres_home() -> Iterator[Path]:
    """A folder whose path is short enough for sockets and open enough for the server's account when root runs tests."""
    home = Path(tempfile.mkdtemp(prefix="backtest-tests-", dir="/tmp"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


def database_of(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return url.replace("/postgres?", f"/{name}?")


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run plain SQL beside the store, each statement committed; returns the rows of the last."""
    rows: list[tuple[object, ...]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


@pytest.fixture(scope="session")
def embedded_url(postgres_home: Path) -> Iterator[str]:
    """URL of this test process's own server, with a migrated template database; stopped at the end."""
    url = start_embedded(postgres_home)
    execute(url, *(f"ALTER SYSTEM SET {name} = off" for name in SWIFT), "SELECT pg_reload_conf()")
    execute(url, f"CREATE DATABASE {TEMPLATE}")
    template = Store(database_of(url, TEMPLATE))
    template.migrate()
    template.close()
    yield url
    release_embedded(postgres_home)


@pytest.fixture
def empty_database_url(embedded_url: str) -> Iterator[str]:
    """URL of a database without tables, dropped afterwards."""
    yield from fresh_database(embedded_url, "template1")


class KeptDatabase:
    """A migrated database that test after test uses; `clean` makes it as good as new.

    It keeps the connection that cleans: a new one, which knows nothing of the tables yet, takes five times as long.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._name = f"test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        self.url = database_of(server, self._name)
        self._create()

    def _create(self) -> None:
        execute(self._server, f"CREATE DATABASE {self._name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        self._broom = psycopg.connect(self.url, autocommit=True)
        self._state, self._checks = (
            self._broom.execute(known.encode()).fetchall() for known in (_STATE, _CHECKS)
        )

    def drop(self) -> None:
        """Remove it, and whoever still uses it; and roles that a test left, which belong to the whole server."""
        self._broom.close()
        execute(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")
        for (role,) in execute(self._server, _LEFT_ROLES):
            execute(self._server, f'DROP ROLE "{role}"')

    def clean(self) -> None:
        """No rows, no connections, numbers from 1; made anew where a test changed more than rows and checks of rows."""
        if not self._cleaned():
            self.drop()
            self._create()

    def _cleaned(self) -> bool:
        """Whether that was enough to make it as it was created."""
        try:
            self._broom.execute(_END_OTHERS.encode())
            _empty(self._broom)
            for table, name, check in set(self._checks) - set(self._broom.execute(_CHECKS.encode())):
                self._broom.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {check}".encode())
            return self._broom.execute(_STATE.encode()).fetchall() == self._state
        except psycopg.Error:  # a table that is gone, a connection that the test ended
            return False


def _empty(connection: psycopg.Connection[Any]) -> None:
    """Delete all rows, in any order and past the triggers, and count from 1 again; two questions, whatever there is."""
    names = [table.name for table in metadata.sorted_tables]
    sizes = connection.execute(_SIZES.encode(), [names]).fetchall()
    cut = [
        f"TRUNCATE {name} CASCADE" if size > LARGE else f"DELETE FROM {name}" for name, size in sizes if size
    ]
    with connection.transaction():
        connection.execute("; ".join([_PAST_TRIGGERS, *cut, _FROM_ONE]).encode())


def empty(url: str) -> None:
    """Delete all rows of a database that the tests of a file share."""
    with psycopg.connect(url, autocommit=True) as connection:
        _empty(connection)


@pytest.fixture(scope="session")
def kept_database(embedded_url: str) -> Iterator[KeptDatabase]:
    """The database of this test process."""
    made = KeptDatabase(embedded_url)
    yield made
    made.drop()


@pytest.fixture
def database_url(kept_database: KeptDatabase) -> Iterator[str]:
    """URL of a migrated, empty database, which is emptied again afterwards."""
    yield kept_database.url
    kept_database.clean()


def at_revision(url: str, revision: str) -> None:
    """Make the tables of an older version of this program."""
    with contextlib.closing(Store(url)) as store, store.database.transaction() as connection:
        upgrade(connection, revision)


def fresh_database(url: str, template: str = TEMPLATE) -> Generator[str]:
    """The URL of a new database on a server; dropped when the generator is closed."""
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    execute(url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield database_of(url, name)
    finally:
        execute(url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on a fresh, migrated database."""
    opened = Store(database_url)
    yield opened
    opened.close()


@contextmanager
def refusing_once(url: str, table: str) -> Iterator[None]:
    """A database that refuses the first row that is inserted into a table."""
    execute(
        url,
        "CREATE SEQUENCE failures",
        """CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS
           $$BEGIN IF nextval('failures') = 1 THEN RAISE 'not now'; END IF; RETURN NEW; END$$""",
        f"CREATE TRIGGER fail_once BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail_once()",
    )
    try:
        yield
    finally:
        execute(
            url, f"DROP TRIGGER fail_once ON {table}", "DROP FUNCTION fail_once", "DROP SEQUENCE failures"
        )
