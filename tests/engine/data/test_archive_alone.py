"""Where the exchange is not to be had, its bulk archive alone serves what it has, and proves nothing absent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.errors import ExchangeError
from engine.model.coverage import FetchReport
from engine.model.funding import FundingRates
from engine.model.kinds import Kind
from engine.model.market import HOUR_MS, Period, Timeframe, parse_time
from engine.settings import Settings, read_settings
from tests.support.fake_archive import MISSING, FakeArchive, Spoil
from tests.support.fake_exchange import (
    FakeExchange,
    MakeBench,
    assert_same_candles,
    error,
    grid_candles,
    without,
)

NOW = parse_time("2024-03-11T10:30")
WHOLE = Period(parse_time("2024-01-01"), NOW)
NAN = float("nan")


@pytest.fixture
def archive(fake_archive: FakeArchive) -> FakeArchive:
    """Two months of SOLUSDT by hours, of its mark price and its funding; the last day's file is not there yet."""
    fake_archive.now_ms = lambda: NOW
    fake_archive.add("SOLUSDT", "1h", grid_candles("1h", WHOLE))
    fake_archive.marks["SOLUSDT", "1h"] = grid_candles("1h", WHOLE, seed=3)
    fake_archive.funding["SOLUSDT"] = funding()
    fake_archive.spoilt["2024-03-10"] = MISSING
    fake_archive.spoilt["2024-03"] = MISSING
    return fake_archive


def funding() -> FundingRates:
    """Every 8 hours, from 2024-02-20 12:00 on every 4."""
    change = parse_time("2024-02-20T08:00")
    slow, fast = range(WHOLE.start, change + 1, 8 * HOUR_MS), range(change + 4 * HOUR_MS, NOW, 4 * HOUR_MS)
    rows = [(ms + 3, 1e-4, NAN, "Regular", 8.0) for ms in slow] + [
        (ms, -2e-5, NAN, "Regular", 4.0) for ms in fast
    ]
    return FundingRates.from_rows(rows)


@pytest.fixture
def alone(archive: FakeArchive, store: Store, tmp_path: Path) -> Iterator[DataFetcher]:
    """A program that was told not to ask the exchange."""
    settings = Settings(home=tmp_path, futures_url="off", spot_url="off", archive_url=archive.url)
    fetcher = DataFetcher(store, settings)
    yield fetcher
    fetcher.close()


def fetch(
    fetcher: DataFetcher, start: str, end: str, kind: Kind = Kind.TRADED, timeframe: str = "1h"
) -> FetchReport:
    market = fetcher.market("SOL/USDT:USDT").of(kind)
    return fetcher.fetch(market, Timeframe(timeframe), Period.parse(start, end), job="x")


def test_hours_come_day_by_day_and_the_newest_days_stay_a_gap(alone: DataFetcher, store: Store) -> None:
    report = fetch(alone, "2024-03-01", "2024-03-12")

    assert (report.fetched, report.requests, report.archive_days) == (9 * 24, 0, 9)
    held = alone.status(report.market, report.timeframe, report.period)
    assert held.gaps == (Period(parse_time("2024-03-10"), parse_time("2024-03-11T10:00")),)
    assert held.missing == ()
    there = Period(parse_time("2024-03-01"), parse_time("2024-03-10"))
    candles = store.candles.read(report.market, report.timeframe, report.period)
    assert_same_candles(candles, grid_candles("1h", WHOLE).within(there))
    assert any(
        "the archive alone was asked: what it lacks stays a gap" in notice for notice in report.notices
    )


def test_what_a_file_lacks_is_not_known_to_be_nowhere(alone: DataFetcher, archive: FakeArchive) -> None:
    hole = Period(parse_time("2024-02-03T04:00"), parse_time("2024-02-03T09:00"))
    archive.spoilt["2024-02-03"] = Spoil(candles=lambda candles: without(candles, hole))

    report = fetch(alone, "2024-02-02", "2024-02-05")

    held = alone.status(report.market, report.timeframe, report.period)
    assert (held.gaps, held.missing) == ((hole,), ())


def test_funding_comes_by_months_with_the_intervals_that_the_archive_tells(
    alone: DataFetcher, store: Store
) -> None:
    report = fetch(alone, "2024-01-30", "2024-03-05", Kind.FUNDING)

    held, unknown = store.funding.known(report.market, report.period)
    truth = funding().within(Period(parse_time("2024-01-30"), parse_time("2024-03-01")))
    assert held.sha256() == truth.sha256()
    assert np.array_equal(held.interval_hours, truth.interval_hours)
    assert unknown == (Period(parse_time("2024-02-29T21:00"), parse_time("2024-03-06")),)


def test_a_settlement_that_a_months_file_lacks_stays_a_gap(
    alone: DataFetcher, archive: FakeArchive, store: Store
) -> None:
    lines = {f"{parse_time('2024-02-25T04:00')},4,-2e-05\n": ""}
    archive.spoilt["2024-02"] = Spoil(text=lambda text: text.replace(*next(iter(lines.items()))))

    report = fetch(alone, "2024-02-24", "2024-02-26", Kind.FUNDING)

    unknown = store.funding.known(report.market, report.period)[1]
    assert unknown == (Period(parse_time("2024-02-25T01:00"), parse_time("2024-02-25T05:00")),)


def test_a_broken_months_file_is_not_believed(alone: DataFetcher, archive: FakeArchive, store: Store) -> None:
    archive.spoilt["2024-02"] = Spoil(text=lambda text: text.replace(",8,0.0001", ",8,5", 1))

    report = fetch(alone, "2024-02-02", "2024-02-05", Kind.FUNDING)

    assert report.fetched == 0
    assert len(store.funding.read(report.market, WHOLE)) == 0


@pytest.mark.long
def test_mark_candles_have_files_of_their_own(alone: DataFetcher, store: Store) -> None:
    report = fetch(alone, "2024-02-02", "2024-02-03", Kind.MARK)

    marks = grid_candles("1h", WHOLE, seed=3).within(report.period)
    assert_same_candles(store.candles.read(report.market, report.timeframe, report.period), marks)


@pytest.mark.long
def test_candles_of_more_than_a_day_come_by_months(
    alone: DataFetcher, archive: FakeArchive, store: Store
) -> None:
    weeks = grid_candles("1w", WHOLE)
    archive.add("SOLUSDT", "1w", weeks)

    report = fetch(alone, "2024-01-01", "2024-02-29", timeframe="1w")

    assert_same_candles(
        store.candles.read(report.market, report.timeframe, WHOLE),
        weeks.within(Period(WHOLE.start, parse_time("2024-03-01"))),
    )


def test_a_refused_country_is_served_by_the_archive_and_told_why(
    fake_exchange: FakeExchange, archive: FakeArchive, bench: MakeBench
) -> None:
    fake_exchange.always = error(451, text="Service unavailable from a restricted location")
    there = bench(archive_url=archive.url)

    report = there.fetch("2024-02-02", "2024-02-05")

    assert (report.fetched, report.candles) == (96, 96)
    assert any(
        "refuses this location" in notice and "the archive alone" in notice for notice in report.notices
    )
    assert len(fake_exchange.requests) < 10


def test_without_an_archive_a_refusal_is_an_error(fake_exchange: FakeExchange, bench: MakeBench) -> None:
    fake_exchange.always = error(451)

    with pytest.raises(ExchangeError, match="refuses this location"):
        bench().fetch("2024-02-02", "2024-02-05")


@pytest.mark.long
def test_a_market_that_only_its_spelling_tells_is_asked_of_the_archive(
    alone: DataFetcher, archive: FakeArchive
) -> None:
    archive.add("NEWCOINUSDT", "1h", grid_candles("1h", WHOLE))

    market = alone.market("newcoin/usdt")
    report = alone.fetch(market, Timeframe("1h"), Period.parse("2024-02-02", "2024-02-02"), job="x")

    assert (market.unified, report.candles) == ("NEWCOIN/USDT:USDT", 24)
    assert "BTCUSDT" in {one.name for one in alone.markets()}


def test_off_leaves_the_archive_on() -> None:
    off = read_settings(futures_url="off", spot_url="OFF", database_url="postgresql://x/y")

    assert off.archive == "https://data.binance.vision"
    assert replace(off, futures_url="http://127.0.0.1:1").archive is None
