"""An engine whose embedded server is killed under it: the next call starts the server again and works."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from engine.database import embedded
from engine.database.store import Store
from engine.errors import DatabaseError
from engine.model.market import Period, Timeframe
from engine.service import Engine
from engine.settings import Settings

HOUR = Timeframe("1h")
JANUARY = Period.parse("2024-01-01", "2024-01-31")


@pytest.fixture
def engine(postgres_home: Path) -> Iterator[Engine]:
    """On an embedded server of its own."""
    home = postgres_home / f"engine-{uuid.uuid4().hex[:8]}"
    home.mkdir(mode=0o755)
    with Engine(Settings(database_url=None, home=home, workers=1)) as opened:
        assert opened._resources.store
        yield opened
    with contextlib.suppress(DatabaseError):
        embedded.release_embedded(home)


def kill_server(engine: Engine) -> None:
    pid = embedded._postmaster_pid(embedded._cluster_folder(engine.settings.home.resolve()))
    assert pid is not None
    server = psutil.Process(pid)
    family = [server, *server.children(recursive=True)]
    server.kill()
    psutil.wait_procs(family, timeout=60)  # its children end when they notice, within a moment


@pytest.mark.long
def test_a_server_of_somebody_else_that_restarts_costs_a_writer_a_moment(engine: Engine) -> None:
    home = engine.settings.home
    store = Store(embedded.start_embedded(home))  # as through DATABASE_URL: nobody starts the server for it
    store.exchanges.save_clock_offset("binance", 1)
    embedded._stop(embedded._cluster_folder(home.resolve()))
    with ThreadPoolExecutor(1) as other:
        writing = other.submit(store.exchanges.save_clock_offset, "binance", 2)
        time.sleep(0.2)
        embedded.start_embedded(home)
        writing.result(timeout=60)
    assert store.exchanges.clock_offset_ms("binance") == 2
    store.close()


@pytest.mark.long
def test_reading_and_writing_go_on_after_the_server_was_killed(engine: Engine) -> None:
    fetched = engine.candles.fetch("SAMPLEUSDT", HOUR, JANUARY, exchange="sample")
    kill_server(engine)
    assert engine.candles.status("SAMPLEUSDT", HOUR, JANUARY, exchange="sample").candles == fetched.candles
    kill_server(engine)
    february = Period.parse("2024-02-01", "2024-02-29")
    assert engine.candles.fetch("SAMPLEUSDT", HOUR, february, exchange="sample").fetched == 29 * 24
    assert [series.candles for series in engine.candles.holdings()] == [(31 + 29) * 24]
