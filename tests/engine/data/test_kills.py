"""kill -9 of fetchers, of PostgreSQL and of both, at many moments: what is left is true, and running again completes it."""

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.exchange import Exchange
from engine.data.fetcher import DataFetcher
from engine.database import embedded
from engine.database.embedded import release_embedded, start_embedded
from engine.database.store import Store
from engine.errors import DatabaseError, Interrupted
from engine.events import CancelToken, Event
from engine.model.market import Candles, Market, Period, Timeframe
from engine.settings import Settings
from tests.support.database import execute
from tests.support.fake_exchange import EAGER, assert_same_candles, grid_candles, without
from tests.support.killable import PLACES, Ask, Fetcher, MomentousExchange, held_up
from tests.support.own_time import within

pytestmark = pytest.mark.long

HOUR = Timeframe("1h")
LISTED = Period.parse("2023-12-01", "2024-02-28")
DAY = Period.parse("2024-01-10", "2024-01-10")
HOLE = Period.parse("2024-01-10T09:00", "2024-01-10T12:00")
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
PAGE = 5  # candles; 21 of the day exist
REQUESTS = 8  # the clock, five pages, the probe of the hole, the listing


class Scene:
    """One day to fetch from an exchange that acts at given requests, into a database that may die."""

    def __init__(self, fake: MomentousExchange, url: str) -> None:
        self.fake, self.url = fake, url
        self.truth: dict[str, Candles] = {}
        for number, base in enumerate(("SOL", "BTC")):
            self.truth[f"{base}USDT"] = without(grid_candles("1h", LISTED, seed=number), HOLE)
            fake.add(base, "1h", self.truth[f"{base}USDT"])
        self.fetchers: list[Fetcher] = []

    def fetcher(self, *symbols: str) -> Fetcher:
        """A process that fetches the day of each symbol in turn."""
        asks = [Ask(symbol, DAY) for symbol in symbols or ("SOLUSDT",)]
        self.fetchers.append(Fetcher(self.url, self.fake.url, asks, PAGE))
        return self.fetchers[-1]

    def held(self, symbol: str = "SOLUSDT") -> int:
        """Check that every cell is uncovered, or covered and present, or known missing; how many candles are held."""
        market = Market("binanceusdm", symbol, "")
        store = Store(self.url)
        try:
            status, candles = store.candles.coverage(market, HOUR, DAY), store.candles.read(market, HOUR, DAY)
        finally:
            store.close()
        assert status.claimed == 0
        gaps = [cell for gap in status.gaps for cell in HOUR.opens(gap).tolist()]
        gone = [cell for part in status.missing for cell in HOUR.opens(part.period).tolist()]
        assert sorted([*gaps, *gone, *candles.timestamp.tolist()]) == HOUR.opens(DAY).tolist()
        assert all(HOLE.start <= cell < HOLE.end for cell in gone)
        truth = self.truth[symbol]
        kept = without(truth.within(DAY), *status.gaps)
        assert_same_candles(candles, kept)
        claims = execute(
            self.url, "SELECT count(*), coalesce(sum(candle_count), 0) FROM data_ranges JOIN symbols AS s "
            f"ON s.id = symbol_id WHERE name = '{symbol}'"
        )  # fmt: skip
        assert claims == [(len(_spans(status.gaps)), len(candles))]
        return len(candles)

    def complete(self, symbol: str = "SOLUSDT") -> None:
        """Run again: exactly what is not held is fetched, and all is there."""
        before = self.held(symbol)
        assert self.fetcher(symbol).end()[-1] == ("fetched", 21 - before)
        assert self.held(symbol) == 21

    def served_at_most_once(self, but: int = 0) -> None:
        """No candle was served twice, but for pages that were under way when someone died."""
        assert len(self.fake.served) - len(set(self.fake.served)) <= but * PAGE


def _spans(gaps: tuple[Period, ...]) -> list[Period]:
    """What of the day lies between the gaps."""
    bounds = [DAY.start, *(edge for gap in gaps for edge in (gap.start, gap.end)), DAY.end]
    return [Period(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True) if a < b]


@pytest.fixture
def fake() -> Iterator[MomentousExchange]:
    with MomentousExchange() as exchange:
        yield exchange


@pytest.fixture
def scene(fake: MomentousExchange, database_url: str) -> Iterator[Scene]:
    made = Scene(fake, database_url)
    yield made
    for fetcher in made.fetchers:
        fetcher.kill()


# -- the fetcher


def test_a_fetch_that_nobody_kills_takes_that_many_requests(scene: Scene) -> None:
    assert scene.fetcher().end() == [("fetched", 21)]
    assert len(scene.fake.requests) == REQUESTS
    assert scene.held() == 21


@pytest.mark.parametrize("request_", range(1, REQUESTS + 1))
def test_killed_when_it_sends_a_request(scene: Scene, request_: int) -> None:
    victims: list[Fetcher] = []
    dead = threading.Event()

    def kill() -> None:
        victims[0].kill()
        dead.set()

    scene.fake.at(request_, kill)
    victims.append(scene.fetcher())
    assert dead.wait(60)
    assert victims[0].end() == []
    scene.complete()
    scene.served_at_most_once(but=1)


@pytest.mark.parametrize("place", PLACES)
def test_killed_while_the_database_writes(scene: Scene, place: str) -> None:
    with held_up(scene.url, place) as wait:
        victim = scene.fetcher()
        wait()
        victim.kill()
        assert scene.held() <= 10
    scene.complete()
    scene.served_at_most_once(but=1)


def test_killed_again_and_again_after_ever_longer_moments_it_ends_at_last(scene: Scene) -> None:
    last = 0
    for attempt in range(8):
        victim = scene.fetcher()
        time.sleep(0.04 + 0.02 * attempt)
        victim.kill()
        held = scene.held()
        assert held >= last, "what was committed stays"
        last = held
    scene.complete()


def test_of_two_on_one_gap_the_waiting_one_takes_over_when_the_first_is_killed(scene: Scene) -> None:
    reached, go = threading.Event(), threading.Event()

    def halt() -> None:
        reached.set()
        assert go.wait(60)

    scene.fake.at(4, halt)
    first = scene.fetcher()
    assert reached.wait(60)
    second = scene.fetcher()
    who = f"another program (process {first.pid} on {socket.gethostname()})"
    assert second.hear() == ("log", f"{who} is downloading SOLUSDT 1h; waiting for it")
    first.kill()
    go.set()
    assert second.end()[-1] == ("fetched", 16), "the first page was saved"
    assert scene.held() == 21
    scene.served_at_most_once(but=1)


def test_two_in_opposite_orders_of_two_symbols_both_end_and_nothing_is_fetched_twice(scene: Scene) -> None:
    """Fault 49: no deadlock."""
    one, two = scene.fetcher("SOLUSDT", "BTCUSDT"), scene.fetcher("BTCUSDT", "SOLUSDT")
    told = [*one.end(), *two.end()]
    assert sum(count for kind, count in told if kind == "fetched") == 42
    assert [kind for kind, _ in told].count("fetched") == 4
    assert [scene.held(symbol) for symbol in scene.truth] == [21, 21]
    assert len(scene.fake.served) == 42


def test_two_killed_at_once_leave_it_to_a_third(scene: Scene) -> None:
    reached, go = threading.Event(), threading.Event()

    def halt() -> None:
        reached.set()
        assert go.wait(60)

    scene.fake.at(5, halt)
    victims = [scene.fetcher(), scene.fetcher()]
    assert reached.wait(60)
    for victim in victims:
        victim.kill()
    go.set()
    scene.complete()


# -- a holder that hangs (fault 50)


@pytest.fixture
def hanging(scene: Scene) -> Fetcher:
    """A process that holds SOLUSDT and was stopped by SIGSTOP in the middle of it."""
    stopped = threading.Event()
    holders: list[Fetcher] = []

    def stop() -> None:
        os.kill(holders[0].pid, signal.SIGSTOP)
        stopped.set()

    scene.fake.at(4, stop)
    holders.append(scene.fetcher())
    assert stopped.wait(60)
    return holders[0]


def here(scene: Scene, store: Store) -> tuple[DataFetcher, Exchange]:
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, scene.fake.url, EAGER, PAGE)
    return DataFetcher(store, Settings(archive_url="off"), {"binanceusdm": exchange}), exchange


def test_who_waits_for_a_stopped_program_is_told_its_process_and_can_stop_waiting(
    scene: Scene, hanging: Fetcher
) -> None:
    store, cancel = Store(scene.url), CancelToken()
    told: list[Event] = []
    fetcher, exchange = here(scene, store)

    def hear(event: Event) -> None:
        told.append(event)
        if "is downloading" in str(event):
            threading.Timer(0.5, cancel.cancel).start()

    with within(2), pytest.raises(Interrupted):
        fetcher.fetch(SOL, HOUR, DAY, job="x", on_event=hear, cancel=cancel)
    assert f"(process {hanging.pid} on {socket.gethostname()}) is downloading" in str(told)
    exchange.close()
    store.close()


def test_waiting_for_a_stopped_program_ends_with_its_process_and_without_a_double_fetch(
    scene: Scene, hanging: Fetcher
) -> None:
    store = Store(scene.url)
    store.candles.lock_patience_s = 0.5
    fetcher, exchange = here(scene, store)
    asked = len(scene.fake.requests)
    with pytest.raises(DatabaseError, match=rf"process {hanging.pid} on .* has stored nothing for 0.5 s"):
        fetcher.fetch(SOL, HOUR, DAY, job="x")
    assert len(scene.fake.requests) == asked
    os.kill(hanging.pid, signal.SIGCONT)
    assert hanging.end()[-1] == ("fetched", 21)
    assert fetcher.fetch(SOL, HOUR, DAY, job="x").requests == 0
    exchange.close()
    store.close()


def test_a_holder_that_gets_on_is_waited_for_longer_than_the_patience(scene: Scene) -> None:
    store = Store(scene.url)
    store.candles.lock_patience_s = 1.5
    fetcher, exchange = here(scene, store)
    for request in range(2, 9):
        scene.fake.at(request, lambda: time.sleep(0.3))
    slow = scene.fetcher()
    while not scene.fake.requests:
        time.sleep(0.01)
    assert fetcher.fetch(SOL, HOUR, DAY, job="x").fetched == 0
    assert slow.end()[-1] == ("fetched", 21)
    exchange.close()
    store.close()


# -- PostgreSQL


@pytest.fixture(scope="module")
def own_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="backtest-kills-", dir="/tmp"))
    home.chmod(0o755)
    yield home
    release_embedded(home)
    cluster = embedded._cluster_folder(home)
    shutil.rmtree(cluster, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


class MortalScene(Scene):
    """A scene whose database server is its own and gets killed."""

    def __init__(self, fake: MomentousExchange, home: Path) -> None:
        self.home = home
        url = start_embedded(home)
        store = Store(url)
        store.migrate()
        for symbol in ("SOLUSDT", "BTCUSDT"):
            store.candles.forget(Market("binanceusdm", symbol, ""), HOUR, LISTED)
        store.close()
        super().__init__(fake, url)

    def kill_the_server(self) -> None:
        """kill -9 of the postmaster; its children end by themselves."""
        pid = embedded._postmaster_pid(embedded._cluster_folder(self.home))
        assert pid is not None
        server = psutil.Process(pid)
        family = [server, *server.children()]
        server.kill()
        psutil.wait_procs(family, timeout=60)

    def revive(self) -> None:
        assert start_embedded(self.home) == self.url


@pytest.fixture
def mortal(fake: MomentousExchange, own_home: Path) -> Iterator[MortalScene]:
    made = MortalScene(fake, own_home)
    yield made
    for fetcher in made.fetchers:
        fetcher.kill()
    made.revive()


Murder = Callable[[MortalScene, Fetcher], None]


def kill_the_server(scene: MortalScene, _: Fetcher) -> None:
    scene.kill_the_server()


def kill_both(scene: MortalScene, fetcher: Fetcher) -> None:
    os.kill(fetcher.pid, signal.SIGKILL)
    scene.kill_the_server()


@pytest.mark.parametrize("murder", [kill_the_server, kill_both], ids=["the server", "both"])
@pytest.mark.parametrize("request_", [3, 6])
def test_the_server_dies_under_a_fetch(mortal: MortalScene, request_: int, murder: Murder) -> None:
    victims: list[Fetcher] = []
    dead = threading.Event()

    def strike() -> None:
        murder(mortal, victims[0])
        dead.set()

    mortal.fake.at(request_, strike)
    victims.append(mortal.fetcher())
    told = victims[0].end()
    assert dead.wait(60), "of both the server dies last"
    if murder is kill_the_server:
        kind, words = told[-1]
        assert kind == "error"
        assert "no PostgreSQL server" in words or "connection to the database broke" in words
        assert "\n" not in words
    mortal.revive()
    mortal.complete()
    mortal.served_at_most_once(but=1)


@pytest.mark.parametrize("murder", [kill_the_server, kill_both], ids=["the server", "both"])
@pytest.mark.parametrize("place", ["the ranges", "the commit"])
def test_the_server_dies_inside_a_page(mortal: MortalScene, place: str, murder: Murder) -> None:
    with held_up(mortal.url, place) as wait:
        victim = mortal.fetcher()
        wait()
        murder(mortal, victim)
    victim.end()
    mortal.revive()
    execute(mortal.url, "DROP FUNCTION halt CASCADE")
    assert mortal.held() == 0
    mortal.complete()
    mortal.served_at_most_once(but=1)


def test_a_server_that_is_back_in_a_moment_is_not_even_noticed(mortal: MortalScene) -> None:
    """Fault 51: the page is written again over a new connection. The lock went with the old one: writing is safe without."""

    def kill_and_revive() -> None:
        mortal.kill_the_server()
        mortal.revive()

    mortal.fake.at(4, kill_and_revive)
    assert mortal.fetcher().end()[-1] == ("fetched", 21)
    assert mortal.held() == 21
