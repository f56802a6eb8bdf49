"""A real PostgreSQL for tests: one private cluster per test process, one fresh, migrated database per test."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from engine.database.embedded import release_embedded, start_embedded
from engine.database.store import Store

TEMPLATE = "backtest_template"


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


@pytest.fixture
def database_url(embedded_url: str) -> Iterator[str]:
    """URL of a migrated, empty database, dropped afterwards."""
    yield from fresh_database(embedded_url)


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
