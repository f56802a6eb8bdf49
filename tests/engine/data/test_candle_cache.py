"""A mapped column file is exactly what the database holds, or it is not used."""

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.candle_cache import CandleCache
from engine.database.store import Store
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe
from tests.support.builders import START_MS, random_candles
from tests.support.database import execute
from tests.support.examples import examples
from tests.support.fake_exchange import assert_same_candles

HOUR = Timeframe("1h")
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
LIFE = Market("binanceusdm", "币安人生USDT", "币安人生/USDT:USDT")
CANDLES = random_candles(200)


def hours(first: int, last: int) -> Period:
    return Period(START_MS + first * HOUR_MS, START_MS + last * HOUR_MS)


ALL = hours(0, 200)


class CountingStore(Store):
    """A store that counts how often it is asked for candles."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reads, self._read = 0, self.candles.read_versioned
        self.candles.read_versioned = self._counted  # type: ignore[method-assign]

    def _counted(self, market: Market, timeframe: Timeframe, period: Period) -> tuple[Candles, int]:
        self.reads += 1
        return self._read(market, timeframe, period)


@pytest.fixture
def filled(database_url: str):
    opened = CountingStore(database_url)
    opened.candles.add_page(SOL, HOUR, CANDLES, [ALL])
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "candles"


@pytest.fixture
def cache(filled: CountingStore, folder: Path) -> CandleCache:
    return CandleCache(filled, folder)


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_the_second_load_reads_no_candle_from_the_database(
    cache: CandleCache, filled: CountingStore, folder: Path
) -> None:
    first, second = cache.load(SOL, HOUR, ALL), cache.load(SOL, HOUR, ALL)
    assert filled.reads == 1
    for loaded in (first, second):
        assert_same_candles(loaded.candles, CANDLES)
        assert loaded.path == only_file(folder)
        assert loaded.version == filled.verification.version(SOL, HOUR)
    assert isinstance(second.candles.close.base, np.memmap)
    other = CandleCache(filled, folder).load(SOL, HOUR, ALL)  # another start of the program
    assert_same_candles(other.candles, CANDLES)
    assert filled.reads == 1


def test_a_part_is_cut_from_the_file_and_says_where_it_lies(
    cache: CandleCache, filled: CountingStore
) -> None:
    cache.load(SOL, HOUR, ALL)
    part = cache.load(SOL, HOUR, hours(30, 50))
    assert filled.reads == 1
    assert part.path is not None
    assert (part.first, len(part.candles)) == (30, 20)
    assert_same_candles(Candles.load(part.path).slice(30, 50), CANDLES.slice(30, 50))


def test_a_longer_period_is_read_once_and_keeps_what_the_file_had(
    cache: CandleCache, filled: CountingStore, folder: Path
) -> None:
    for period in (hours(100, 120), hours(10, 20), hours(15, 110), hours(12, 118)):
        expected = CANDLES.within(period)
        assert_same_candles(cache.load(SOL, HOUR, period).candles, expected)
    assert filled.reads == 2
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda store, url: store.verification.replace(SOL, HOUR, random_candles(200, seed=9).slice(3, 4)),
        lambda store, url: store.candles.forget(SOL, HOUR, hours(3, 4)),
        lambda store, url: execute(url, "UPDATE ohlcv_data SET volume = volume * 2"),
        lambda store, url: execute(url, "DELETE FROM data_ranges"),
        lambda store, url: execute(url, "TRUNCATE ohlcv_data"),
        lambda store, url: execute(
            url, "DELETE FROM series_state", "UPDATE ohlcv_data SET volume = volume * 2"
        ),
    ],
    ids=["verify", "forget", "by hand", "ranges by hand", "truncate", "state deleted by hand"],
)
def test_any_change_of_the_series_is_seen_at_once(
    cache: CandleCache, filled: CountingStore, database_url: str, change: Callable[[Store, str], object]
) -> None:
    mapped = cache.load(SOL, HOUR, ALL).candles
    change(filled, database_url)
    assert_same_candles(cache.load(SOL, HOUR, ALL).candles, filled.candles.read(SOL, HOUR, ALL))
    assert_same_candles(
        mapped, CANDLES
    )  # who still looks at the old file sees the old candles, not a mixture


def test_two_databases_never_meet_in_one_folder(
    cache: CandleCache, folder: Path, embedded_url: str, filled: CountingStore, database_url: str
) -> None:
    copy = database_url.replace("/test_", "/copy_test_")
    name = database_url.split("/")[-1].split("?")[0]
    cache.load(SOL, HOUR, ALL)
    filled.close()
    ends = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
    execute(embedded_url, ends, f"CREATE DATABASE copy_{name} TEMPLATE {name}")
    try:
        other = Store(copy)
        twin = CandleCache(other, folder)
        assert_same_candles(twin.load(SOL, HOUR, ALL).candles, CANDLES)
        changed = random_candles(200, seed=5)
        other.verification.replace(SOL, HOUR, changed)
        filled.verification.replace(SOL, HOUR, random_candles(200, seed=6))
        assert_same_candles(twin.load(SOL, HOUR, ALL).candles, changed)
        assert_same_candles(cache.load(SOL, HOUR, ALL).candles, random_candles(200, seed=6))
        other.close()
    finally:
        execute(embedded_url, f"DROP DATABASE copy_{name} WITH (FORCE)")


def test_deleting_the_folder_loses_nothing(cache: CandleCache, folder: Path) -> None:
    mapped = cache.load(SOL, HOUR, ALL).candles
    shutil.rmtree(folder)
    assert_same_candles(cache.load(SOL, HOUR, ALL).candles, CANDLES)
    assert_same_candles(mapped, CANDLES)
    assert only_file(folder).exists()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by one byte": lambda data: data[:-1],
    "one byte longer": lambda data: data + b"\0",
    "another file": lambda _: b"<html>" * 5000,
    "a zeroed block": lambda data: data[:4096] + bytes(512) + data[4608:],
    "all zeros": lambda data: bytes(len(data)),
    "the header gone": lambda data: bytes(64) + data[64:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_noticed_and_written_again(
    filled: CountingStore, folder: Path, damage: Callable[[bytes], bytes]
) -> None:
    CandleCache(filled, folder).load(SOL, HOUR, ALL)
    path = only_file(folder)
    path.write_bytes(damage(path.read_bytes()))
    assert_same_candles(CandleCache(filled, folder).load(SOL, HOUR, ALL).candles, CANDLES)
    assert filled.reads == 2
    assert_same_candles(CandleCache(filled, folder).load(SOL, HOUR, ALL).candles, CANDLES)
    assert filled.reads == 2


@pytest.mark.long
@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_flipped_bit_is_ever_believed(filled: CountingStore, folder: Path, data: st.DataObject) -> None:
    CandleCache(filled, folder).load(SOL, HOUR, ALL)
    path = only_file(folder)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert_same_candles(CandleCache(filled, folder).load(SOL, HOUR, ALL).candles, CANDLES)


def test_names_are_safe_and_a_minute_is_no_month(filled: CountingStore, folder: Path) -> None:
    cache = CandleCache(filled, folder)
    period = Period.parse("2024-01-01", "2024-03-31")
    for market in (SOL, LIFE):
        for name in ("1m", "1M"):
            timeframe = Timeframe(name)
            opens = timeframe.opens(period)[:3]
            candles = random_candles(3, seed=len(name))
            filled.candles.add_page(
                market,
                timeframe,
                Candles(opens, *candles.columns().values()),
                [Period(int(opens[0]), timeframe.next(int(opens[-1])))],
            )
            assert cache.load(market, timeframe, period).candles.timestamp.tolist() == opens.tolist()
    names = [path.name for path in folder.iterdir()]
    assert len({name.lower() for name in names}) == 4
    assert all(name.isascii() for name in names)
    for market in (SOL, LIFE):
        assert len(cache.load(market, Timeframe("1M"), period).candles) == 3
    assert filled.reads == 4


def test_old_versions_and_leftovers_are_deleted_and_the_folder_stays_bounded(
    filled: CountingStore, folder: Path
) -> None:
    names = [f"A{number}USDT" for number in range(5)]
    markets = [Market("binanceusdm", name, name) for name in names]
    cache = CandleCache(filled, folder, limit_bytes=3 * 10_000)
    for market in markets:
        filled.candles.add_page(market, HOUR, CANDLES, [ALL])
        if market is markets[3]:
            cache.load(markets[0], HOUR, ALL)  # used again, so that A1 is the one unused longest
        cache.load(market, HOUR, ALL)
    held = {path.name.split("-")[1] for path in folder.iterdir()}
    assert held == {"A0USDT", "A3USDT", "A4USDT"}
    for seed in range(4):
        filled.verification.replace(markets[4], HOUR, random_candles(200, seed=seed))
        cache.load(markets[4], HOUR, ALL)
    assert len([path for path in folder.iterdir() if "A4USDT" in path.name]) == 1
    (folder / "x.part").write_bytes(b"half")
    (folder / "y.part").write_bytes(b"half")
    os.utime(folder / "x.part", (0, 0))
    filled.verification.replace(markets[4], HOUR, CANDLES)
    cache.load(markets[4], HOUR, ALL)
    assert not (folder / "x.part").exists(), "its writer died long ago"
    assert (folder / "y.part").exists(), "its writer may be at work"


def test_a_folder_that_cannot_be_written_only_costs_time(filled: CountingStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = CandleCache(filled, tmp_path / "file" / "candles")
    loaded = cache.load(SOL, HOUR, hours(10, 20))
    assert loaded.path is None
    assert_same_candles(loaded.candles, CANDLES.slice(10, 20))


def test_nothing_held_is_nothing_loaded(cache: CandleCache, folder: Path) -> None:
    assert len(cache.load(SOL, Timeframe("1d"), ALL).candles) == 0
    assert len(cache.load(SOL, HOUR, hours(500, 600)).candles) == 0
    assert not folder.exists()


def _load_often(url: str, folder: Path, rounds: int, problems: "multiprocessing.Queue[str]") -> None:
    store = Store(url)
    cache = CandleCache(store, folder)
    for _ in range(rounds):
        ratio = cache.load(SOL, HOUR, ALL).candles.close / CANDLES.close
        if len(ratio) != 200 or len(set(ratio.tolist())) != 1:
            problems.put("a mixture")
    store.close()


@pytest.mark.long
def test_several_programs_load_while_another_revises(
    filled: CountingStore, folder: Path, database_url: str
) -> None:
    context = multiprocessing.get_context("spawn")
    problems: multiprocessing.Queue[str] = context.Queue()
    programs = [
        context.Process(target=_load_often, args=(database_url, folder, 150, problems)) for _ in range(3)
    ]
    for program in programs:
        program.start()
    stop = threading.Event()

    def revise() -> None:
        factor = 1.0
        while not stop.wait(0.01):
            factor = 3.0 - factor  # 1 and 2: exact
            columns = {name: column * factor for name, column in CANDLES.columns().items()}
            filled.verification.replace(SOL, HOUR, Candles(CANDLES.timestamp, **columns))

    reviser = threading.Thread(target=revise)
    reviser.start()
    for program in programs:
        program.join(60)
    stop.set()
    reviser.join()
    assert [program.exitcode for program in programs] == [0, 0, 0]
    assert problems.empty()
    assert not list(folder.glob("*.part"))
