"""Laws of bulk files: whichever source a candle comes from, it is the same; whatever bytes come, nothing else happens."""

import io
import itertools
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.bulk import AT_ONCE, worthwhile_days
from engine.data.exchanges.archive import Archive
from engine.data.exchanges.archive_file import DoubtfulFile, read_day
from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.sample import open_sample_exchange
from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.events import Event, Progress
from engine.model.coverage import Coverage, FetchReport
from engine.model.market import DAY_MS, HOUR_MS, Candles, Market, Period, Timeframe, format_time, parse_time
from engine.settings import ARCHIVE_URL, Settings, read_settings
from tests.engine.data.exchanges.test_archive import DOUBTFUL, HALF_DAY
from tests.support.examples import examples
from tests.support.fake_archive import MISSING, FakeArchive, Spoil, make_zip
from tests.support.fake_exchange import (
    EAGER,
    Bench,
    FakeExchange,
    MakeBench,
    assert_same_candles,
    grid_candles,
    without,
)
from tests.support.own_time import within

HOUR, MINUTE, DAYS = Timeframe("1h"), Timeframe("1m"), 10
SPOILS = [HALF_DAY, *(spoil for spoil, _ in DOUBTFUL.values())]
START, _numbers = parse_time("2024-03-25"), itertools.count()


def moment(cell: int) -> int:
    return START + cell * HOUR_MS


@st.composite
def holes(draw: st.DrawFn) -> list[Period]:
    starts = st.lists(st.integers(30, DAYS * 24 - 60), max_size=3)
    lengths = st.sampled_from([1, 5, 23, 24, 40])
    return [Period(moment(start), moment(start + draw(lengths))) for start in draw(starts)]


@pytest.mark.long
@settings(
    max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    gone=holes(),
    spoilt=st.dictionaries(st.integers(0, DAYS - 1), st.sampled_from(SPOILS), max_size=3),
    held=st.tuples(st.integers(0, DAYS * 24 - 50), st.integers(1, 40)),
    asked=st.tuples(st.integers(0, 30), st.integers(DAYS * 24 - 50, DAYS * 24)),
    clock=st.integers(DAYS * 24 - 40, DAYS * 24 + 100),
)
def test_archive_only_rest_only_and_mixed_give_the_same_rows(
    fake_exchange: FakeExchange,
    fake_archive: FakeArchive,
    store: Store,
    gone: list[Period],
    spoilt: dict[int, Spoil],
    held: tuple[int, int],
    asked: tuple[int, int],
    clock: int,
) -> None:
    number = next(_numbers)
    truth = without(grid_candles("1h", Period(START, moment(DAYS * 24 + 120)), seed=number), *gone)
    fake_exchange.clock_ms = moment(clock) + 60_000
    names = {day: format_time(moment(day * 24))[:10] for day in spoilt}
    seen: dict[str, tuple[FetchReport, Coverage, Candles]] = {}
    for source in ("archive", "rest", "mixed"):
        market = list_both(fake_exchange, fake_archive, f"{source.upper()}{number}", truth)
        is_mixed = source == "mixed"
        fake_archive.spoilt = {names[day]: spoil for day, spoil in spoilt.items()} if is_mixed else {}
        bench = Bench(fake_exchange, store, 10, archive_url="off" if source == "rest" else fake_archive.url)
        if is_mixed:
            bench.fetcher.fetch(market, HOUR, Period(moment(held[0]), moment(sum(held))), job="x")
        report = bench.fetcher.fetch(market, HOUR, Period(moment(asked[0]), moment(asked[1])), job="x")
        status = store.candles.coverage(market, HOUR, report.period)
        seen[source] = report, status, store.candles.read(market, HOUR, report.period)
        bench.close()
    assert seen["archive"][0].archive_days > 0 == seen["rest"][0].archive_days
    _, expected, _ = seen["rest"]
    for _, status, rows in seen.values():
        assert_same_candles(rows, truth.within(status.period))
        assert (status.gaps, status.missing) == (expected.gaps, expected.missing)


def list_both(exchange: FakeExchange, archive: FakeArchive, base: str, candles: Candles) -> Market:
    exchange.add(base, "1h", candles)
    archive.add(f"{base}USDT", "1h", candles)
    return Market("binanceusdm", f"{base}USDT", f"{base}/USDT:USDT")


# -- any bytes

DAY = Period(START, START + DAY_MS)
CANDLES = grid_candles("1h", DAY)
GOOD = make_zip(
    "a.csv",
    "\n".join(
        ",".join(map(str, [opened, *row, opened + HOUR_MS - 1, 0, 0, 0, 0, 0]))
        for opened, *row in zip(CANDLES.timestamp.tolist(), *CANDLES.columns().values(), strict=True)
    ).encode(),
)


def assert_read_or_doubted(data: bytes) -> None:
    try:
        candles = read_day(data, HOUR, DAY)
    except DoubtfulFile:
        return
    assert 0 < len(candles) <= 24
    assert np.isin(candles.timestamp, CANDLES.timestamp).all()
    assert (np.diff(candles.timestamp) > 0).all()
    assert (candles.low > 0).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()


def test_a_good_file_is_read_exactly() -> None:
    assert_same_candles(read_day(GOOD, HOUR, DAY), CANDLES)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_doubted(data: bytes) -> None:
    assert_read_or_doubted(data)


@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4),
    st.integers(0, len(GOOD)),
)
def test_any_damage_to_a_good_zip_is_read_or_doubted(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    assert_read_or_doubted(bytes(data))
    assert_read_or_doubted(bytes(data[:length]))


@settings(max_examples=examples(200))
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    str(START),
                    str(START * 1000),
                    "1",
                    "-1",
                    "nan",
                    "inf",
                    "1e400",
                    "",
                    "0",
                    "x",
                    "99" * 20,
                    "1_0",
                ]
            ),
            max_size=13,
        ),
        max_size=30,
    ),
    st.sampled_from(["\n", "\r\n", "\r", ";"]),
)
def test_any_rows_are_read_or_doubted(rows: list[list[str]], newline: str) -> None:
    assert_read_or_doubted(make_zip("a", newline.join(",".join(row) for row in rows).encode()))


@pytest.mark.long_except("8")
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_refused_without_being_unpacked(method: int) -> None:
    bomb = make_zip("a.csv", b"1" * 100_000_000, method=method)
    tracemalloc.start()
    with pytest.raises(DoubtfulFile):
        read_day(bomb, HOUR, DAY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_zip_that_announces_less_than_it_holds_is_refused() -> None:
    content = zipfile.ZipFile(io.BytesIO(GOOD)).read("a.csv")
    real, less = (len(content) - cut for cut in (0, 100))
    liar = GOOD.replace(struct.pack("<L", real), struct.pack("<L", less))
    assert liar != GOOD
    with pytest.raises(DoubtfulFile, match="cannot be read"):
        read_day(liar, HOUR, DAY)


# -- the way there


@pytest.mark.long
def test_no_more_days_are_in_memory_than_come_at_once_however_slowly_they_are_stored(
    fake_exchange: FakeExchange, fake_archive: FakeArchive, bench: MakeBench
) -> None:
    truth = grid_candles("1h", Period(START, START + 60 * DAY_MS))
    list_both(fake_exchange, fake_archive, "SOL", truth)
    ahead = []

    def slow(event: Event) -> None:
        if isinstance(event, Progress):
            time.sleep(0.2)
            ahead.append(len(fake_archive.days_sent) - event.done / 24)

    report = bench(10, archive_url=fake_archive.url).fetch("2024-03-25", "2024-05-23", on_event=slow)
    assert report.archive_days == 60
    assert len(ahead) > 4
    assert max(ahead) <= 2 * AT_ONCE


def test_a_redirect_to_another_host_is_not_followed(
    fake_exchange: FakeExchange, fake_archive: FakeArchive, bench: MakeBench
) -> None:
    list_both(fake_exchange, fake_archive, "SOL", grid_candles("1h", Period(START, START + 30 * DAY_MS)))
    with FakeArchive() as other:
        fake_archive.always = Spoil(status=302, headers={"Location": f"{other.url}/x.zip"})
        report = bench(10, archive_url=fake_archive.url).fetch("2024-03-25", "2024-04-10")
        assert other.requests == []
    assert (report.archive_days, report.candles) == (0, 17 * 24)


def test_a_file_that_drips_is_given_up() -> None:
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(10_000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
        while not stop.wait(0.05):  # 45 s for the whole file
            try:
                connection.sendall(b"0")
            except OSError:
                break
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        archive = Archive(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=5, longest_s=0.4)
        market = Market("binance", "SOLUSDT", "SOL/USDT")
        with within(2):
            file = archive.day(market, HOUR, DAY, threading.Event())
        stop.set()
        archive.close()
    assert (file.trouble, file.doubt, file.holes) == (True, "did not arrive in time", (DAY,))


def test_the_proxy_of_the_environment_is_asked_but_not_for_this_machine(
    fake_archive: FakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_archive.add("SOLUSDT", "1h", CANDLES)
    market = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
    for proxy, url in (
        (fake_archive.url, "http://archive.invalid"),
        ("http://127.0.0.1:9", fake_archive.url),
    ):
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        archive = Archive(url)
        assert_same_candles(archive.day(market, HOUR, DAY, threading.Event()).candles, CANDLES)
        archive.close()


# -- when it is used

NOW = parse_time("2024-06-01T12:00")
FUTURES_PAGE, SPOT_PAGE = 499, 1000


@pytest.mark.parametrize(
    ("timeframe", "page", "days", "used"),
    [
        ("1m", FUTURES_PAGE, 2, 2),
        ("1m", FUTURES_PAGE, 1, 0),
        ("1m", SPOT_PAGE, 3, 3),
        ("1m", SPOT_PAGE, 2, 0),
        ("1s", SPOT_PAGE, 1, 1),
        ("3m", FUTURES_PAGE, 1000, 0),
        ("1h", FUTURES_PAGE, 1000, 0),
        ("1d", 1, 1000, 0),
        ("3d", 1, 1000, 0),
        ("1w", 1, 1000, 0),
        ("1M", 1, 1000, 0),
    ],
)
def test_files_are_asked_for_only_where_they_cost_less_than_pages(
    timeframe: str, page: int, days: int, used: int
) -> None:
    start = parse_time("2020-01-01")
    gaps = [Period(start - HOUR_MS, start + days * DAY_MS + HOUR_MS)]
    found = worthwhile_days(Timeframe(timeframe), gaps, page, NOW)
    assert found == [Period(start + day * DAY_MS, start + (day + 1) * DAY_MS) for day in range(used)]


def test_only_days_that_ended_two_days_ago_are_asked_for() -> None:
    gaps = [Period(parse_time("2024-05-01"), parse_time("2024-06-01"))]
    assert worthwhile_days(MINUTE, gaps, 499, NOW)[-1].end == parse_time("2024-05-30")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ARCHIVE_URL),
        ({"archive_url": "off"}, None),
        ({"archive_url": "OFF"}, None),
        ({"archive_url": "http://mirror:8080/"}, "http://mirror:8080"),
        ({"spot_url": "http://x"}, None),
        ({"futures_url": "http://x"}, None),
        ({"futures_url": "http://x", "archive_url": "http://mirror"}, "http://mirror"),
        ({"futures_url": "http://x", "archive_url": "off"}, None),
    ],
)
def test_the_archive_is_off_when_told_and_when_only_rest_is_replaced(
    given: dict[str, str], expected: str | None
) -> None:
    assert read_settings(**given).archive == expected


@pytest.mark.parametrize(("archive", "days"), [("url", 3), ("off", 0), (None, 0)])
def test_the_settings_decide_whether_a_fetcher_asks_the_archive(
    fake_exchange: FakeExchange, fake_archive: FakeArchive, store: Store, archive: str | None, days: int
) -> None:
    truth = grid_candles("1m", Period(START, START + 4 * DAY_MS))
    fake_exchange.add("SOL", "1m", truth)
    fake_archive.add("SOLUSDT", "1m", truth)
    url = fake_archive.url if archive == "url" else archive
    fetcher = DataFetcher(store, Settings(futures_url=fake_exchange.url, archive_url=url))
    period = Period(START, START + 3 * DAY_MS)
    report = fetcher.fetch(fetcher.market("SOLUSDT"), MINUTE, period, job="x")
    fetcher.close()
    assert (report.archive_days, report.candles) == (days, 3 * 1440)
    assert bool(fake_archive.requests) == bool(days)


def test_the_sample_market_never_asks_an_archive(fake_archive: FakeArchive, store: Store) -> None:
    with closing(open_sample_exchange()) as sample:
        small_pages = Exchange("sample", FUTURES, store.exchanges, sample.url, EAGER, 10)
        fetcher = DataFetcher(store, Settings(archive_url=fake_archive.url), {"sample": small_pages})
        market = fetcher.market("SAMPLEUSDT", "sample")
        report = fetcher.fetch(market, HOUR, Period.parse("2024-01-01", "2024-01-07"), job="x")
        small_pages.close()
    assert (report.candles, fake_archive.requests) == (7 * 24, [])


@pytest.mark.long
def test_a_program_killed_while_files_come_leaves_whole_days_and_the_next_fetch_completes(
    fake_exchange: FakeExchange, fake_archive: FakeArchive, bench: MakeBench, database_url: str
) -> None:
    truth = grid_candles("1m", Period(START, START + 12 * DAY_MS))
    fake_exchange.add("SOL", "1m", truth)
    fake_archive.add("SOLUSDT", "1m", truth)
    late = [format_time(START + day * DAY_MS)[:10] for day in range(9, 12)]
    fake_archive.spoilt = {day: Spoil(delay_s=30) for day in late}
    program = (
        "import asyncio; from engine.data.fetcher import DataFetcher\n"
        "asyncio.run(DataFetcher().get_data('SOLUSDT', '1m', '2024-03-25', '2024-04-05'))"
    )
    places = {
        "DATABASE_URL": database_url,
        "BACKTEST_FUTURES_URL": fake_exchange.url,
        "BACKTEST_ARCHIVE_URL": fake_archive.url,
    }
    one = bench(archive_url=fake_archive.url)
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ | places) as process:
        deadline = time.monotonic() + 60
        while one.status("2024-03-25", "2024-04-02", timeframe="1m").candles < 9 * 1440:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    assert one.status("2024-03-25", "2024-04-05", timeframe="1m").candles == 9 * 1440
    assert one.status("2024-03-25", "2024-04-02", timeframe="1m").complete
    fake_archive.spoilt = {late[0]: MISSING}
    report = one.fetch("2024-03-25", "2024-04-05", timeframe="1m")
    assert (report.fetched, report.archive_days) == (3 * 1440, 2)
    assert_same_candles(one.held(report), truth.within(report.period))
