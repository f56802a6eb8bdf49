"""Bulk files in front of the exchange: what a sound archive saves, and that no fault of one ever shows in the candles."""

import re
import threading
from collections.abc import Callable
from functools import partial

import pytest

from engine.data.exchanges.loopback import SPOT_PATH
from engine.errors import Interrupted
from engine.events import CancelToken, Event, Log, Progress
from engine.model.market import DAY_MS, HOUR_MS, Candles, Period, parse_time
from tests.engine.database.homes import eventually
from tests.support.builders import real_candles
from tests.support.database import execute
from tests.support.fake_archive import MISSING, FakeArchive, Spoil, make_zip
from tests.support.fake_exchange import (
    FakeExchange,
    MakeBench,
    assert_same_candles,
    grid_candles,
    without,
)
from tests.support.own_time import stopwatch

START, END = parse_time("2024-05-01"), parse_time("2024-05-11")
TRUTH = grid_candles("1h", Period(START - 5 * DAY_MS, END + 5 * DAY_MS))
ALL = [f"2024-05-{day:02}" for day in range(1, 11)]
DAY = "2024-05-04"


@pytest.fixture
def both(fake_exchange: FakeExchange, fake_archive: FakeArchive) -> tuple[FakeExchange, FakeArchive]:
    """SOLUSDT 1h at the exchange and in the archive; pages of 10 make a day of 24 candles worth a file."""
    fake_exchange.add("SOL", "1h", TRUTH)
    fake_archive.add("SOLUSDT", "1h", TRUTH)
    return fake_exchange, fake_archive


def test_a_long_gap_comes_from_daily_files_several_at_once_and_asks_rest_for_no_page(both, bench: MakeBench):
    fake, archive = both
    archive.always = Spoil(delay_s=0.05)
    made = bench(10, archive_url=archive.url)
    report = made.fetch("2024-05-01", "2024-05-10")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert (report.archive_days, report.fetched, report.candles) == (10, 240, 240)
    assert report.filled == (report.period,)
    assert fake.pages == []
    assert report.requests == len(fake.candle_requests) <= 1, "the listing probe at most"
    assert archive.days_sent == ALL
    assert archive.at_once > 1
    assert "archive: 10 days of SOLUSDT 1h, 8 at once" in made.logs
    assert report.to_json()["archive_days"] == 10
    again = made.fetch("2024-05-01", "2024-05-10")
    assert (again.requests, again.fetched, again.archive_days) == (0, 0, 0)


def test_days_at_the_edges_that_are_not_whole_come_from_rest(both, bench: MakeBench):
    fake, archive = both
    made = bench(10, archive_url=archive.url)
    report = made.fetch("2024-04-30T20:00", "2024-05-11T03:00")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert archive.days_sent == ALL
    assert len(fake.served) == 7


def test_days_of_the_last_two_days_come_from_rest(both, bench: MakeBench):
    fake, archive = both
    fake.clock_ms = parse_time("2024-05-10T12:30")
    made = bench(10, archive_url=archive.url)
    report = made.fetch("2024-05-01", "2024-05-10")
    assert archive.days_sent == ALL[:7], "the day of the 8th ended less than two days ago"
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert report.period.end == parse_time("2024-05-10T12:00")


@pytest.mark.parametrize(("page_limit", "end"), [(24, "2024-05-10"), (100, "2024-05-10"), (10, "2024-05-01")])
def test_where_pages_are_as_cheap_no_file_is_asked_for(both, bench: MakeBench, page_limit: int, end: str):
    _, archive = both
    made = bench(page_limit, archive_url=archive.url)
    report = made.fetch("2024-05-01", end)
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert archive.requests == []
    assert report.archive_days == 0


def spoil_rows(change):
    return Spoil(candles=change)


def scaled(candles: Candles, name: str, factor: float) -> Candles:
    columns = {key: column.copy() for key, column in candles.columns().items()}
    columns[name][5] *= factor
    return Candles(candles.timestamp, **columns)


def moved(candles: Candles, by_ms: int) -> Candles:
    return Candles(candles.timestamp + by_ms, *candles.columns().values())


HALF_DAY = spoil_rows(lambda candles: candles.slice(0, 7))
BOMB = Spoil(pack=lambda name, _: make_zip(name, b"0" * 5_000_000))
DOUBTFUL = {
    "404": (MISSING, "is not there"),
    "no checksum": (Spoil(checksum=lambda _: None), "has no checksum"),
    "wrong checksum": (Spoil(checksum=lambda _: "0" * 64), "does not match its checksum"),
    "checksum of rubbish": (Spoil(checksum=lambda _: "\x80 <html>"), "does not match its checksum"),
    "changed on the way": (Spoil(sent=lambda data: data[:-1] + b"?"), "does not match its checksum"),
    "corrupt zip": (Spoil(pack=lambda name, text: make_zip(name, text)[:-30]), "cannot be read"),
    "corrupt content": (Spoil(pack=lambda name, text: flipped(make_zip(name, text), 200)), "cannot be read"),
    "no zip": (Spoil(pack=lambda _, text: text), "cannot be read"),
    "empty file": (Spoil(pack=lambda *_: b""), "cannot be read"),
    "zip bomb": (BOMB, "unpacks to more"),
    "large zip": (Spoil(pack=lambda *_: b"PK" * 50_000), "is larger than"),
    "two members": (Spoil(pack=lambda name, text: make_zip(name, text, ("b", b""))), "holds 2 files"),
    "unknown packing": (
        Spoil(pack=lambda name, text: make_zip(name, text, method=14)),
        "is packed in an unknown way",
    ),
    "no rows": (Spoil(candles=lambda candles: candles.slice(0, 0)), "holds no candle"),
    "more rows than cells": (Spoil(text=lambda text: text * 2), "more than a day has candles"),
    "not text": (Spoil(text=lambda text: text.replace("1", "١")), "cannot be read"),
    "a column short": (Spoil(text=lambda text: text.replace(",0\n", "\n")), "is not believed"),
    "a price that is no number": (Spoil(text=lambda text: text.replace(".", "x", 1)), "is not believed"),
    "low above open": (spoil_rows(lambda c: scaled(c, "low", 2)), "is not believed"),
    "a price of zero": (spoil_rows(lambda c: scaled(c, "low", 0)), "is not believed"),
    "negative volume": (spoil_rows(lambda c: scaled(c, "volume", -1)), "is not believed"),
    "off the grid": (spoil_rows(lambda c: moved(c, 14_789)), "is not believed"),
    "a microsecond late": (
        Spoil(text=lambda text: re.sub(r"(?m)^(\d+)", r"\g<1>001", text)),
        "is not believed",
    ),
    "another day": (spoil_rows(lambda c: moved(c, DAY_MS)), "is not believed"),
    "a row of another day": (spoil_rows(lambda c: moved(c, HOUR_MS)), "is not believed"),
    "in shreds": (spoil_rows(lambda c: without(c, *shreds(c))), "lacks 12 candles"),
    "refused": (Spoil(status=403), "was refused (HTTP 403)"),
    "server in trouble": (Spoil(status=503), "was refused (HTTP 503)"),
    "redirected": (Spoil(status=302, headers={"Location": "http://example.com/"}), "elsewhere"),
    "hung up": (Spoil(drop=True), "did not arrive (network: 127.0.0.1"),
    "cut short": (Spoil(cut=True), "did not arrive (network: 127.0.0.1"),
}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def shreds(candles: Candles) -> list[Period]:
    return [Period(int(opened), int(opened) + HOUR_MS) for opened in candles.timestamp[::2]]


@pytest.mark.long_except("404", "wrong checksum", "corrupt zip", "a price of zero")
@pytest.mark.parametrize("fault", DOUBTFUL)
def test_a_doubtful_day_is_asked_by_rest_whole(both, bench: MakeBench, fault: str):
    fake, archive = both
    archive.spoilt[DAY], reason = DOUBTFUL[fault]
    made = bench(10, archive_url=archive.url)
    report = made.fetch("2024-05-01", "2024-05-10")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    start = parse_time(DAY)
    assert fake.served == [int(t) for t in TRUTH.within(Period(start, start + DAY_MS)).timestamp]
    assert report.archive_days == 9
    assert report.missing == ()
    told = [text for text in made.logs if DAY in text]
    assert len(told) == 1
    assert reason in told[0]
    assert told[0].endswith("asked by REST")


def test_half_a_day_with_a_good_checksum_is_completed_by_rest(both, bench: MakeBench):
    fake, archive = both
    archive.spoilt[DAY] = HALF_DAY
    made = bench(10, archive_url=archive.url)
    report = made.fetch("2024-05-01", "2024-05-10")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert len(fake.served) == 17
    assert report.archive_days == 10
    assert f"archive: {DAY} lacks 17 candles, asked by REST" in made.logs


def test_a_hole_in_a_file_is_missing_only_when_the_exchange_says_so_twice(fake_exchange, fake_archive, bench):
    hole = Period(parse_time("2024-05-04T02:00"), parse_time("2024-05-04T06:00"))
    truth = without(TRUTH, hole)
    fake_exchange.add("SOL", "1h", truth)
    fake_archive.add("SOLUSDT", "1h", truth)
    made = bench(10, archive_url=fake_archive.url)
    report = made.fetch("2024-05-01", "2024-05-10")
    assert_same_candles(made.held(report), truth.within(report.period))
    assert [gone.period for gone in report.missing] == [hole]
    assert [gone.reason for gone in report.missing] == ["maintenance"]
    assert fake_exchange.served == []
    assert [int(request.params["startTime"]) for request in fake_exchange.candle_requests[-2:]] == [
        hole.start
    ] * 2
    assert made.fetch("2024-05-01", "2024-05-10").requests == 0


def test_an_outage_over_midnight_is_one_hole(fake_exchange, fake_archive, bench: MakeBench):
    hole = Period(parse_time("2024-05-04T20:00"), parse_time("2024-05-06T01:00"))
    truth = without(TRUTH, hole)
    fake_exchange.add("SOL", "1h", truth)
    fake_archive.add("SOLUSDT", "1h", truth)
    made = bench(10, archive_url=fake_archive.url)
    report = made.fetch("2024-05-01", "2024-05-10")
    assert [gone.period for gone in report.missing] == [hole]
    assert_same_candles(made.held(report), truth.within(report.period))


@pytest.mark.long_except("binance-True-False", "binanceusdm-False-True")
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("microseconds", [True, False])
@pytest.mark.parametrize("exchange", ["binance", "binanceusdm"])
def test_header_or_not_and_milliseconds_or_microseconds_give_the_same_candles(
    fake_exchange, fake_archive, bench: MakeBench, header: bool, microseconds: bool, exchange: str
):
    path = {"path": SPOT_PATH} if exchange == "binance" else {}
    fake_exchange.add("SOL", "1h", TRUTH, **path)
    fake_archive.add("SOLUSDT", "1h", TRUTH, **path)
    fake_archive.header, fake_archive.microseconds = header, microseconds
    made = bench(10, archive_url=fake_archive.url)
    report = made.fetch("2024-05-01", "2024-05-10", exchange=exchange)
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert report.archive_days == 10
    assert ("/data/spot/daily/klines/" in fake_archive.requests[0]) == (exchange == "binance")


@pytest.mark.long
def test_a_month_of_real_minutes_comes_through_files_to_the_last_bit(
    fake_exchange, fake_archive, bench: MakeBench
):
    truth = real_candles("usdm-SOLUSDT-1m")
    fake_exchange.clock_ms = int(truth.timestamp[-1]) + 30 * DAY_MS
    fake_exchange.add("SOL", "1m", truth)
    fake_archive.add("SOLUSDT", "1m", truth)
    made = bench(archive_url=fake_archive.url)
    report = made.fetch("2025-05-05", "2025-06-01", timeframe="1m")
    assert_same_candles(made.held(report), truth.within(report.period))
    assert report.archive_days == 28
    assert fake_exchange.pages == []


@pytest.mark.long_except("../../evil.csv", "/etc/passwd")
@pytest.mark.parametrize("name", ["../../evil.csv", "/etc/passwd", "C:\\x", "e\x1b[2J.csv", "a" * 5000])
def test_the_name_of_the_zips_member_is_ignored(both, bench: MakeBench, tmp_path, monkeypatch, name: str):
    _, archive = both
    monkeypatch.chdir(tmp_path)
    archive.always = Spoil(pack=lambda _, text: make_zip(name, text))
    report = bench(10, archive_url=archive.url).fetch("2024-05-01", "2024-05-10")
    assert report.archive_days == (10 if len(name) < 4000 else 0), "a name may not make the file large"
    assert report.candles == 240
    assert not list(tmp_path.rglob("evil*"))


def test_a_symbol_beyond_ascii_has_files_too(fake_exchange, fake_archive, bench: MakeBench):
    fake_exchange.add("币安人生", "1h", TRUTH)
    fake_archive.add("%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT", "1h", TRUTH)
    made = bench(10, archive_url=fake_archive.url)
    assert made.fetch("2024-05-01", "2024-05-10", symbol="币安人生USDT").archive_days == 10


def test_where_archive_and_rest_differ_what_is_held_stays_and_the_file_fills_the_rest(both, bench: MakeBench):
    """Each cell has one source, and nothing held is overwritten: `verify` compares with REST, whose word is final."""
    _, archive = both
    archive.add("SOLUSDT", "1h", scaled_all(TRUTH))
    made = bench(10, archive_url=archive.url)
    assert made.fetch(DAY, DAY).archive_days == 0
    report = made.fetch("2024-05-01", "2024-05-10")
    assert report.archive_days == 9
    held, day = made.held(report), Period(parse_time(DAY), parse_time(DAY) + DAY_MS)
    assert_same_candles(held.within(day), TRUTH.within(day))
    for rest in (Period(START, day.start), Period(day.end, END)):
        assert_same_candles(held.within(rest), scaled_all(TRUTH).within(rest))


def scaled_all(candles: Candles) -> Candles:
    columns = {**candles.columns(), "volume": candles.volume * 2}
    return Candles(candles.timestamp, **columns)


def test_an_archive_that_does_not_answer_is_left_alone_after_a_few_days(both, bench: MakeBench):
    _, archive = both
    archive.always = Spoil(drop=True)
    made = bench(10, archive_url=archive.url)
    report = made.fetch("2024-04-27", "2024-05-15")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert report.archive_days == 0
    assert len(archive.requests) < 19
    assert any("is left alone for now" in text for text in made.logs)


def test_an_archive_that_is_not_there_changes_nothing(both, bench: MakeBench):
    _, archive = both
    url = archive.url
    archive.close()
    made = bench(10, archive_url=url)
    report = made.fetch("2024-05-01", "2024-05-10")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert any("connection refused" in text for text in made.logs)


def test_stop_works_within_two_seconds_while_files_hang_and_keeps_finished_days(
    both, bench: MakeBench, database_url: str
):
    _, archive = both
    for day in ALL[4:]:
        archive.spoilt[day] = Spoil(delay_s=30)
    made = bench(10, archive_url=archive.url)
    token, own_s = CancelToken(), list[Callable[[], float]]()

    def stop() -> None:
        eventually(lambda: execute(database_url, "SELECT count(*) FROM ohlcv_data") == [(96,)])
        own_s.append(stopwatch())
        token.cancel()

    threading.Thread(target=stop).start()
    with pytest.raises(Interrupted, match="96 candles are saved; run again to continue"):
        made.fetch("2024-05-01", "2024-05-10", cancel=token)
    assert own_s[0]() < 2
    assert made.status("2024-05-01", "2024-05-04").complete
    archive.spoilt.clear()
    report = made.fetch("2024-05-01", "2024-05-10")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    assert len(report.filled) == 1
    assert (report.fetched, report.archive_days) == (144, 6)


@pytest.mark.long
def test_days_are_stored_while_others_are_still_under_way_and_progress_counts_candles(both, bench: MakeBench):
    _, archive = both
    archive.spoilt[ALL[-1]] = Spoil(delay_s=0.7)
    made = bench(10, archive_url=archive.url)
    seen: list[tuple[float, int]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            held = made.status("2024-05-01", "2024-05-10").candles
            seen.append((event.done, held))
            assert (event.unit, event.total) == ("candles", 240)

    made.fetch("2024-05-01", "2024-05-10", on_event=listen)
    assert seen[0][0] < 240
    assert all(done <= held for done, held in seen)
    assert seen[-1][0] == 240


def with_bad_open(number: int, text: str) -> str:
    return text.replace(".", "x" * number, 1)


def test_many_doubtful_days_are_told_in_a_few_lines(both, bench: MakeBench):
    _, archive = both
    archive.always = MISSING
    archive.spoilt = {f"2024-05-{day:02}": Spoil(text=partial(with_bad_open, day)) for day in range(1, 13)}
    made = bench(10, archive_url=archive.url)
    report = made.fetch("2024-04-27", "2024-05-15")
    assert_same_candles(made.held(report), TRUTH.within(report.period))
    lines = [event.text for event in made.events if isinstance(event, Log) and "asked by REST" in event.text]
    assert len(lines) == 9
    assert "archive: 5 more days are doubtful, asked by REST" in lines
    assert any("2024-04-27 is not there" in line and "and 6 more until 2024-05-15" in line for line in lines)
