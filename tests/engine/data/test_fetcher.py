"""Gaps are found, fetched once, and proven."""

import asyncio

import numpy as np
import pytest

from engine.data.fetcher import DataFetcher
from engine.data.loopback_exchange import SPOT_PATH
from engine.errors import InputError
from engine.market import Period, Timeframe, format_time, parse_time
from tests.support.fake_exchange import grid_candles, real_candles, without

HOUR = Timeframe("1h")
YEAR = Period.parse("2023-12-01", "2024-12-03")


def hours(start: str, end: str) -> Period:
    return Period.parse(start, end)


def assert_equal(held, expected):
    assert np.array_equal(held.timestamp, expected.timestamp)
    for name, column in expected.columns().items():
        assert np.array_equal(held.columns()[name], column), name


@pytest.fixture
def sol(fake_exchange):
    candles = grid_candles("1h", YEAR)
    fake_exchange.add("SOL", "1h", candles, listed_ms=YEAR.start)
    return candles


def fetch(bench, start: str, end: str, symbol: str = "SOLUSDT", exchange: str = "binanceusdm", **more):
    market = bench.fetcher.market(symbol, exchange)
    return bench.fetcher.fetch(market, HOUR, Period.parse(start, end), job="j", **more)


def test_half_a_year_of_real_hours_takes_nine_requests_and_then_none(bench, fake_exchange):
    real = real_candles("usdm-SOLUSDT-1h")
    fake_exchange.add("SOL", "1h", real, listed_ms=parse_time("2020-09-14"))
    one = bench()
    report = fetch(one, "2024-01-01", "2024-06-30")
    assert (report.candles, report.fetched, report.requests) == (4368, 4368, 9)
    assert len(fake_exchange.candle_requests) == 9
    assert {request.params["limit"] for request in fake_exchange.candle_requests} <= {"499", "376"}
    assert_equal(one.store.read(report.market, HOUR, report.period), real.within(report.period))

    seen = len(fake_exchange.requests)
    again = fetch(one, "2024-01-01", "2024-06-30")
    assert (again.candles, again.fetched, again.requests, again.filled) == (4368, 0, 0, ())
    assert len(fake_exchange.requests) == seen, "a covered request needs no network at all"


def test_only_the_gap_of_the_leap_year_is_fetched(bench, fake_exchange, sol):
    one = bench()
    fetch(one, "2024-01-01", "2024-02-28")
    fetch(one, "2024-04-01", "2024-06-30")
    fake_exchange.requests.clear()
    report = fetch(one, "2024-01-01", "2024-06-30")
    gap = Period.parse("2024-02-29", "2024-03-31")
    assert report.filled == (gap,)
    assert report.fetched == 32 * 24
    assert report.candles == 4368
    asked = fake_exchange.pages
    assert int(asked[0].params["startTime"]) == gap.start
    assert int(asked[-1].params["endTime"]) < gap.end
    assert len(fake_exchange.candle_requests) == 2


def test_the_coroutine_returns_the_whole_frame(fake_exchange, sol, data_settings):
    fetcher = DataFetcher(settings=data_settings)
    try:
        frame = asyncio.run(fetcher.get_data("SOL/USDT", "1h", "2024-02-01", "2024-02-02"))
    finally:
        fetcher.close()
    expected = sol.within(hours("2024-02-01", "2024-02-02")).frame()
    assert frame.equals(expected)
    assert str(frame.index.tz) == "UTC"
    assert len(frame) == 48


def test_real_maintenance_holes_of_spot_are_found_and_proven(bench, fake_exchange):
    real = real_candles("spot-BTCUSDT-1h")
    fake_exchange.add("BTC", "1h", real, path=SPOT_PATH)
    fake_exchange.clock_ms = parse_time("2026-05-17")
    one = bench()
    report = fetch(one, format_time(int(real.timestamp[0])), "2026-05-15", "BTCUSDT", "binance")
    holes = [gone for gone in report.missing if gone.reason == "maintenance"]
    expected = HOUR.count(report.period) - len(real.within(report.period))
    assert sum(HOUR.count(gone.period) for gone in holes) == expected
    assert report.candles == len(real.within(report.period))
    probes = len(fake_exchange.candle_requests) - len(fake_exchange.pages)
    assert probes == len(holes) + 1
    assert len(fake_exchange.pages) == -(-report.candles // 1000)
    assert fetch(one, format_time(int(real.timestamp[0])), "2026-05-15", "BTCUSDT", "binance").requests == 0
