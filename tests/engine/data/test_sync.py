"""Active symbols are kept up to the last closed candle, for as long as one likes, whatever breaks meanwhile."""

import contextlib
import gc
import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.connection import Patience
from engine.data.exchanges.exchange import Exchange
from engine.data.fetcher import DataFetcher
from engine.data.sync import Sync, delete_series
from engine.database import embedded
from engine.database.store import Store, open_store
from engine.errors import DatabaseError, ExchangeError, InputError, Interrupted
from engine.events import CancelToken, ignore_event
from engine.model.coverage import SyncedSeries
from engine.model.market import HOUR_MS, Market, Period, Timeframe, parse_time
from engine.settings import Settings
from tests.support.database import execute
from tests.support.fake_exchange import (
    Bench,
    FakeExchange,
    Fault,
    MakeBench,
    assert_same_candles,
    error,
    grid_candles,
    without,
)
from tests.support.own_time import within

HOUR, DAY = Timeframe("1h"), Timeframe("1d")
LISTED = Period.parse("2025-01-01", "2025-03-31")
NOON = parse_time("2025-01-10T12:30")


@pytest.fixture
def listed(fake_exchange: FakeExchange) -> FakeExchange:
    """SOL and BTC with hours and days, at noon of January 10."""
    for number, base in enumerate(("SOL", "BTC")):
        for timeframe in ("1h", "1d"):
            candles = grid_candles(timeframe, LISTED, seed=number)
            fake_exchange.add(base, timeframe, candles, listed_ms=LISTED.start)
    fake_exchange.clock_ms = NOON
    return fake_exchange


def sync_of(one: Bench, cancel: CancelToken | None = None) -> Sync:
    return Sync(one.store, one.fetcher, ignore_event, cancel or CancelToken())


def told(found: Sequence[SyncedSeries]) -> dict[str, tuple[int, int | None]]:
    return {f"{one.market.name} {one.timeframe}": (one.fetched, one.last_ms) for one in found}


def test_a_held_series_grows_from_its_last_candle_on_and_not_backwards(
    bench: MakeBench, listed: FakeExchange
) -> None:
    one = bench()
    one.fetch("2025-01-05", "2025-01-06")
    listed.requests.clear()
    found = sync_of(one).round()
    assert told(found) == {"SOLUSDT 1h": (3 * 24 + 12, parse_time("2025-01-10T11:00"))}
    asked = [int(request.params["startTime"]) for request in listed.candle_requests]
    assert min(asked) == parse_time("2025-01-07")
    state = one.status("2025-01-01", "2025-01-10")
    assert state.gaps == (Period.parse("2025-01-01", "2025-01-04"),)


def test_a_second_round_at_the_same_time_asks_for_no_candle(bench: MakeBench, listed: FakeExchange) -> None:
    one = bench()
    one.fetch("2025-01-05", "2025-01-06")
    kept = sync_of(one)
    kept.round()
    listed.requests.clear()
    assert told(kept.round()) == {"SOLUSDT 1h": (0, parse_time("2025-01-10T11:00"))}
    assert not listed.candle_requests
    listed.clock_ms += HOUR_MS
    assert told(kept.round()) == {"SOLUSDT 1h": (1, parse_time("2025-01-10T12:00"))}
    assert len(listed.candle_requests) == 1


def test_a_timeframe_asked_for_is_filled_from_its_start_or_from_listing(
    bench: MakeBench, listed: FakeExchange
) -> None:
    one = bench()
    one.store.symbols.activate(one.fetcher.market("SOLUSDT"), {HOUR: parse_time("2025-01-09"), DAY: 0})
    assert told(sync_of(one).round()) == {
        "SOLUSDT 1h": (36, NOON - 90 * 60_000),
        "SOLUSDT 1d": (9, parse_time("2025-01-09")),
    }


def test_only_active_symbols_are_kept(bench: MakeBench, listed: FakeExchange) -> None:
    one = bench()
    for name in ("SOLUSDT", "BTCUSDT"):
        one.fetch("2025-01-05", "2025-01-06", symbol=name)
    sol = one.fetcher.market("SOLUSDT")
    assert one.store.symbols.deactivate(sol)
    assert set(told(sync_of(one).round())) == {"BTCUSDT 1h"}
    one.store.symbols.activate(sol, {})
    assert told(sync_of(one).round()).keys() == {"SOLUSDT 1h", "BTCUSDT 1h"}


def test_a_series_that_fails_leaves_the_others_alone(bench: MakeBench, listed: FakeExchange) -> None:
    one = bench()
    for name in ("SOLUSDT", "BTCUSDT"):
        one.fetch("2025-01-05", "2025-01-06", symbol=name)
    del listed._listings["/fapi/v1", "SOLUSDT"]
    btc, sol = sync_of(one).round()
    assert (btc.market.name, btc.fetched, btc.error) == ("BTCUSDT", 84, None)
    assert isinstance(sol.error, InputError)
    assert "SOLUSDT 1h" in str(sol)


def test_a_stopped_round_is_finished_by_the_next_although_later_candles_are_held(
    bench: MakeBench, listed: FakeExchange
) -> None:
    """As the bulk archive may leave it: its days come in any order."""
    one = bench(page_limit=24)
    one.fetch("2025-01-05", "2025-01-06")
    listed.fail(Fault(), Fault(), *[error(500)] * 9)
    (stopped,) = sync_of(one).round()
    assert isinstance(stopped.error, ExchangeError)
    listed.faults["klines"].clear()
    one.fetch("2025-01-10", "2025-01-10T05:00")  # behind the hole
    sync_of(one).round()
    assert one.status("2025-01-05", "2025-01-10T12:00").complete


def test_a_deleted_series_is_not_fetched_again(bench: MakeBench, listed: FakeExchange) -> None:
    one = bench()
    one.fetch("2025-01-05", "2025-01-06")
    sync_of(one).round()
    sol = one.fetcher.market("SOLUSDT")
    assert delete_series(one.store, sol, HOUR, ignore_event, CancelToken()) == 48 + 84
    assert sync_of(one).round() == []


def test_a_delisted_symbol_does_not_fail(bench: MakeBench, listed: FakeExchange) -> None:
    gone = Period.parse("2025-01-08", "2025-03-31")
    listed.add(
        "OLD", "1h", without(grid_candles("1h", LISTED), gone), listed_ms=LISTED.start, is_trading=False
    )
    one = bench()
    one.fetch("2025-01-05", "2025-01-06", symbol="OLDUSDT")
    kept = sync_of(one)
    for _ in range(3):
        (old,) = kept.round()
        assert (old.error, old.last_ms) == (None, parse_time("2025-01-07T23:00"))
        listed.clock_ms += HOUR_MS


@pytest.mark.long
@pytest.mark.longest
def test_a_night_of_rounds_leaks_neither_memory_nor_connections_nor_threads(
    bench: MakeBench, listed: FakeExchange
) -> None:
    """Three hundred rounds, every tenth without network; a round more costs nothing that stays."""
    one = bench(patience=Patience(timeout_s=30, attempts=1, first_wait_s=0, settle_s=0))
    for name in ("SOLUSDT", "BTCUSDT"):
        one.fetch("2025-01-05", "2025-01-06", symbol=name)
    kept, url = (
        sync_of(one),
        one.store.database.url.render_as_string(hide_password=False).replace("+psycopg", ""),
    )

    def rounds(count: int) -> None:
        for number in range(count):
            listed.clock_ms += HOUR_MS
            listed.always = Fault(drop=True) if number % 10 == 9 else None
            found = kept.round()
            assert all((series.error is None) == (number % 10 != 9) for series in found), found
            listed.requests.clear()
            listed.served.clear()
        listed.always = None

    def footprint() -> tuple[int, int, int, int]:
        gc.collect()
        connections = execute(url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        return (
            tracemalloc.get_traced_memory()[0],
            int(str(connections[0][0])),
            threading.active_count(),
            descriptors,
        )

    rounds(40)
    tracemalloc.start()
    try:
        rounds(20)
        memory, connections, threads, descriptors = footprint()
        rounds(240)
        later = footprint()
    finally:
        tracemalloc.stop()
    assert later[0] - memory < 200_000, "bytes kept after 240 more rounds"
    assert later[1] <= max(connections, 5)
    assert later[2] <= threads + 2
    assert later[3] <= descriptors + 4
    state = one.status("2025-01-05", "2025-01-20")
    assert state.complete


class Watch:
    """A watch in a thread of its own, as fast as it goes."""

    def __init__(self, sync: Sync, cancel: CancelToken) -> None:
        self.told: list[Sequence[SyncedSeries] | DatabaseError] = []
        self.ended: BaseException | None = None
        self._sync, self._cancel = sync, cancel
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._sync.watch(0.02, self.told.append)
        except BaseException as error:
            self.ended = error

    def wait_for_success(self, timeout_s: float = 60) -> None:
        """Until a round that begins from now on succeeds."""
        seen, deadline = len(self.told) + 1, time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for found in self.told[seen:]:
                if not isinstance(found, DatabaseError) and all(series.error is None for series in found):
                    return
            time.sleep(0.02)
        raise AssertionError(f"no round succeeded: {self.told[-3:]}")

    def stop(self) -> None:
        with within(2):
            self._cancel.cancel()
            self._thread.join(60)
        assert not self._thread.is_alive()


def test_a_watch_survives_the_loss_of_the_network_and_stops_at_once(
    bench: MakeBench, listed: FakeExchange
) -> None:
    one = bench(patience=Patience(timeout_s=30, attempts=2, first_wait_s=0.01, settle_s=0))
    one.fetch("2025-01-05", "2025-01-06")
    cancel = CancelToken()
    watch = Watch(sync_of(one, cancel), cancel)
    try:
        watch.wait_for_success()
        listed.always = Fault(drop=True)
        listed.clock_ms += 5 * HOUR_MS
        deadline = time.monotonic() + 60
        while not any(not isinstance(f, DatabaseError) and any(s.error for s in f) for f in list(watch.told)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        listed.always = None
        watch.wait_for_success()
    finally:
        watch.stop()
    assert isinstance(watch.ended, Interrupted)
    assert one.status("2025-01-05", "2025-01-10T17:00").complete


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory, postgres_home: Path) -> Iterator[Path]:
    """The home of an embedded server that a test may kill."""
    home = postgres_home / "killed"
    home.mkdir(mode=0o755)
    yield home
    with contextlib.suppress(DatabaseError):
        embedded.release_embedded(home)


@pytest.mark.long
def test_a_watch_starts_the_killed_embedded_server_again_and_goes_on(
    listed: FakeExchange, own_server: Path
) -> None:
    store = open_store(None, own_server)
    patience = Patience(timeout_s=30, first_wait_s=0, settle_s=0)
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, listed.url, patience)
    fetcher = DataFetcher(store, Settings(), {"binanceusdm": exchange})
    market = fetcher.market("SOLUSDT")
    fetcher.fetch(market, HOUR, Period.parse("2025-01-05", "2025-01-06"), job="")
    cancel = CancelToken()
    watch = Watch(Sync(store, fetcher, ignore_event, cancel), cancel)
    try:
        for _ in range(2):
            watch.wait_for_success()
            pid = embedded._postmaster_pid(embedded._cluster_folder(own_server.resolve()))
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            listed.clock_ms += 3 * HOUR_MS
        watch.wait_for_success()
    finally:
        watch.stop()
    assert isinstance(watch.ended, Interrupted)
    period = Period(parse_time("2025-01-05"), HOUR.floor(listed.clock_ms))
    assert store.candles.coverage(market, HOUR, period).complete
    assert_same_candles(
        store.candles.read(market, HOUR, period), grid_candles("1h", LISTED, seed=0).within(period)
    )
    fetcher.close()
    exchange.close()
    store.close()


def test_a_symbol_never_seen_cannot_be_deactivated(store: Store) -> None:
    assert not store.symbols.deactivate(Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT"))
