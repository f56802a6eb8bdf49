"""Gaps are found, fetched once, and proven."""

import asyncio

import pandas as pd
import pytest

from engine.data.exchanges.connection import Patience
from engine.data.exchanges.loopback import SPOT_PATH
from engine.data.fetcher import DataFetcher
from engine.errors import ExchangeError, InputError, Interrupted
from engine.events import CancelToken, Event, Progress
from engine.model.market import Candles, Period, Timeframe, format_time, parse_time
from engine.settings import Settings
from tests.support.builders import real_candles
from tests.support.fake_exchange import (
    FakeExchange,
    Fault,
    MakeBench,
    assert_same_candles,
    error,
    grid_candles,
)

HOUR = Timeframe("1h")
LISTED = Period.parse("2023-12-01", "2025-01-31")


@pytest.fixture
def sol(fake_exchange: FakeExchange) -> Candles:
    candles = grid_candles("1h", LISTED)
    fake_exchange.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


def test_half_a_year_of_real_hours_takes_nine_requests_and_then_none(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    real = real_candles("usdm-SOLUSDT-1h")
    fake_exchange.add("SOL", "1h", real, listed_ms=parse_time("2020-09-14"))
    one = bench()
    report = one.fetch("2024-01-01", "2024-06-30")
    assert (report.candles, report.fetched, report.requests) == (4368, 4368, 9)
    assert len(fake_exchange.candle_requests) == 9
    assert {request.params["limit"] for request in fake_exchange.candle_requests} == {"499", "376"}
    assert_same_candles(one.held(report), real.within(report.period))

    seen = len(fake_exchange.requests)
    again = one.fetch("2024-01-01", "2024-06-30")
    assert (again.candles, again.fetched, again.requests, again.filled) == (4368, 0, 0, ())
    assert len(fake_exchange.requests) == seen, "a covered request needs no network at all"


def test_only_the_gap_of_the_leap_year_is_fetched(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    one = bench()
    one.fetch("2024-01-01", "2024-02-28")
    one.fetch("2024-04-01", "2024-06-30")
    fake_exchange.requests.clear()
    report = one.fetch("2024-01-01", "2024-06-30")
    gap = Period.parse("2024-02-29", "2024-03-31")
    assert report.filled == (gap,)
    assert (report.fetched, report.candles) == (32 * 24, 4368)
    asked = fake_exchange.pages
    assert len(asked) == len(fake_exchange.candle_requests) == 2
    assert int(asked[0].params["startTime"]) == gap.start
    assert int(asked[-1].params["endTime"]) < gap.end
    assert_same_candles(one.held(report), sol.within(report.period))


def test_several_gaps_in_one_request_are_each_fetched(bench: MakeBench, sol: Candles) -> None:
    one = bench(page_limit=7)
    one.fetch("2024-01-03", "2024-01-03")
    one.fetch("2024-01-05T05:00", "2024-01-05T06:00")
    report = one.fetch("2024-01-01", "2024-01-07")
    assert report.filled == (
        Period.parse("2024-01-01", "2024-01-02"),
        Period.parse("2024-01-04", "2024-01-05T05:00"),
        Period.parse("2024-01-05T06:00", "2024-01-07"),
    )
    assert_same_candles(one.held(report), sol.within(report.period))


def test_the_coroutine_returns_the_whole_frame(
    fake_exchange: FakeExchange, sol: Candles, data_settings: Settings
) -> None:
    fetcher = DataFetcher(settings=data_settings)
    try:
        frame = asyncio.run(fetcher.get_data("SOL/USDT", "1h", "2024-02-01", "2024-02-02"))
    finally:
        fetcher.close()
    assert frame.equals(sol.within(Period.parse("2024-02-01", "2024-02-02")).frame())
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert str(frame.index.tz) == "UTC"
    assert len(frame) == 48


def test_data_fetcher_alone_reads_its_settings_from_the_environment(
    fake_exchange: FakeExchange, sol: Candles, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url + "/")
    fetcher = DataFetcher()
    try:
        assert len(asyncio.run(fetcher.get_data("solusdt", "1h", "2024-02-01", "2024-02-01"))) == 24
    finally:
        fetcher.close()


@pytest.mark.long
def test_real_maintenance_holes_of_spot_are_found_and_proven(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    real = real_candles("spot-BTCUSDT-1h")
    fake_exchange.add("BTC", "1h", real, path=SPOT_PATH)
    fake_exchange.clock_ms = parse_time("2026-05-17")
    one = bench()
    span = (format_time(int(real.timestamp[0])), "2026-05-15")
    report = one.fetch(*span, symbol="BTCUSDT", exchange="binance")
    assert {gone.reason for gone in report.missing} == {"maintenance"}
    assert len(report.missing) == 27
    assert sum(HOUR.count(gone.period) for gone in report.missing) == 122
    assert_same_candles(one.held(report), real.within(report.period))
    probes = len(fake_exchange.candle_requests) - len(fake_exchange.pages)
    assert probes == 27 + 1, "one for each hole, one for the listing"
    assert len(fake_exchange.pages) == -(-report.candles // 1000)
    assert one.fetch(*span, symbol="BTCUSDT", exchange="binance").requests == 0


def test_volumes_beyond_a_trillion_and_tiny_prices_are_exact(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    real = real_candles("spot-SHIBUSDT-1h")
    fake_exchange.add("SHIB", "1h", real, path=SPOT_PATH)
    one = bench()
    report = one.fetch("2021-05-10", "2021-06-29", symbol="SHIBUSDT", exchange="binance")
    assert_same_candles(one.held(report), real.within(report.period))
    assert real.volume.max() > 1e13


def test_weeks_and_months_follow_their_own_grid(bench: MakeBench, fake_exchange: FakeExchange) -> None:
    for timeframe in ("1w", "1M", "3d"):
        fake_exchange.add("SOL", timeframe, grid_candles(timeframe, LISTED), listed_ms=LISTED.start)
    one = bench(page_limit=3)
    assert one.fetch("2024-01-01", "2024-12-31", timeframe="1M").candles == 12
    assert one.fetch("2024-01-01", "2024-12-31", timeframe="1w").candles == 53
    assert one.fetch("2024-01-01", "2024-12-31", timeframe="3d").candles == 122
    assert one.fetch("2024-01-01", "2024-12-31", timeframe="1M").requests == 0


# -- what the user asked for


def test_an_unknown_symbol_gets_a_suggestion_and_inserts_nothing(bench: MakeBench, sol: Candles) -> None:
    one = bench()
    with pytest.raises(InputError, match="did you mean SOLUSDT"):
        one.fetch("2024-01-01", "2024-01-02", symbol="SOLUSD")
    assert one.store.symbols.active("binanceusdm") == set()
    assert not one.fake.candle_requests


def test_a_symbol_listed_since_the_list_was_saved_is_found(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    one = bench()
    one.fetcher.markets()
    one.store.exchanges.save_markets("binanceusdm", one.store.exchanges.markets("binanceusdm"), LISTED.start)
    fake_exchange.add("NEW", "1h", sol)
    assert one.fetcher.market("NEWUSDT").unified == "NEW/USDT:USDT"


def test_a_second_of_futures_is_refused_with_the_list(bench: MakeBench, sol: Candles) -> None:
    with pytest.raises(InputError, match="binanceusdm has no 1s candles; it has: 1m, 3m"):
        bench().fetch("2024-01-01", "2024-01-02", timeframe="1s")


def test_a_period_between_two_candles_is_refused(bench: MakeBench, sol: Candles) -> None:
    with pytest.raises(InputError, match="no 1h candle opens in 2024-01-01 00:10"):
        bench().fetch("2024-01-01T00:10", "2024-01-01T00:50")


def test_bounds_off_the_grid_are_rounded_up_and_not_asked_again(bench: MakeBench, sol: Candles) -> None:
    one = bench()
    report = one.fetch("2024-01-01T00:10", "2024-01-01T03:10")
    assert report.period == Period.parse("2024-01-01T01:00", "2024-01-01T04:00")
    assert report.candles == 3
    assert one.fetch("2024-01-01T00:10", "2024-01-01T03:10").requests == 0


def test_the_end_is_clipped_to_the_last_closed_candle(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    fake_exchange.clock_ms = parse_time("2024-05-01T12:34")
    one = bench()
    report = one.fetch("2024-05-01", "2024-05-02")
    assert report.period.end == parse_time("2024-05-01T12:00")
    assert report.candles == 12
    assert any("last closed 1h candle opened at 2024-05-01 11:00" in notice for notice in report.notices)
    assert one.fetch("2024-05-01", "2024-05-02").requests == 0
    assert one.status("2024-05-01", "2024-05-02").complete
    assert_same_candles(one.held(report), sol.within(report.period))


def test_the_candle_still_open_is_never_stored_and_its_final_values_are(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    fake_exchange.clock_ms = parse_time("2024-05-01T11:59:59")
    one = bench()
    assert one.fetch("2024-05-01", "2024-05-02").candles == 11
    fake_exchange.clock_ms = parse_time("2024-05-01T12:00")
    report = one.fetch("2024-05-01", "2024-05-02")
    assert (report.candles, report.fetched) == (12, 1)
    assert_same_candles(one.held(report), sol.within(report.period))


def test_a_candle_that_closed_a_moment_ago_may_still_change_and_is_waited_for(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    listed = Period.parse("2024-01-01", "2024-01-31")
    final = grid_candles("1h", listed)
    early = Candles(final.timestamp, *(column * 0.99 for column in final.columns().values()))
    fake_exchange.add("SOL", "1h", early)
    fake_exchange.clock_ms = parse_time("2024-01-20T10:00:00.200")
    waited: list[float] = []

    class Waiting(CancelToken):
        def sleep(self, seconds: float) -> None:
            waited.append(seconds)
            fake_exchange.add("SOL", "1h", final)

    one = bench(patience=Patience(timeout_s=30, settle_s=1.5))
    report = one.fetch("2024-01-19", "2024-01-20", cancel=Waiting())
    assert waited == [1.3]
    assert_same_candles(one.held(report), final.within(report.period))


def test_a_period_in_the_future_asks_for_no_candles(bench: MakeBench, sol: Candles) -> None:
    one = bench()
    with pytest.raises(InputError, match="last closed one opened at 2025-01-14 23:00"):
        one.fetch("2025-01-15", "2025-01-20")
    assert not one.fake.candle_requests
    with pytest.raises(InputError, match="last closed one opened at"):
        one.status("2025-01-15", "2025-01-20")


def test_a_period_before_listing_costs_one_probe_ever(bench: MakeBench, sol: Candles) -> None:
    one = bench()
    for _ in range(2):
        with pytest.raises(InputError, match="first candle at 2023-12-01 00:00 UTC"):
            one.fetch("2023-01-01", "2023-06-01")
    assert [request.params["startTime"] for request in one.fake.candle_requests] == ["0"]


def test_a_period_that_starts_before_listing_begins_with_a_notice(bench: MakeBench, sol: Candles) -> None:
    one = bench()
    report = one.fetch("2023-11-30", "2023-12-01")
    assert report.candles == 24
    assert [(gone.reason, gone.period) for gone in report.missing] == [
        ("before_listing", Period.parse("2023-11-30", "2023-11-30"))
    ]
    assert report.notices == ("SOLUSDT has its first 1h candle at 2023-12-01 00:00 UTC",)
    assert one.fetch("2023-11-30", "2023-12-01").requests == 0
    assert one.status("2023-11-30", "2023-12-01").complete


def test_a_listing_hint_that_comes_too_early_does_not_make_a_hole(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    candles = grid_candles("1h", Period.parse("2024-01-03", "2024-02-01"))
    fake_exchange.add("SOL", "1h", candles, listed_ms=parse_time("2024-01-01"))
    report = bench().fetch("2024-01-02", "2024-01-04")
    assert [gone.reason for gone in report.missing] == ["before_listing"]
    assert report.candles == 48


def test_a_listing_hint_that_comes_too_late_hides_nothing(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    fake_exchange.add("SOL", "1h", sol, listed_ms=parse_time("2024-03-01"))
    report = bench().fetch("2024-01-02", "2024-01-04")
    assert (report.candles, report.missing) == (72, ())


# -- without a network, without patience


def test_what_is_held_is_served_without_an_exchange(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    one = bench()
    one.fetch("2024-01-01", "2024-01-10")
    one.fetch("2025-01-01", "2025-01-31")
    fake_exchange.close()
    assert one.fetch("2024-01-02", "2024-01-09").candles == 8 * 24
    report = one.fetch("2025-01-01", "2025-01-31")
    assert report.candles == 14 * 24, "the end is clipped by the last known clock"
    with pytest.raises(ExchangeError, match=r"network: .*connection refused.*nothing was fetched"):
        one.fetch("2024-01-01", "2024-01-11")


def test_what_is_held_is_served_to_a_banned_address(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    one = bench()
    one.fetch("2025-01-01", "2025-01-31")
    fake_exchange.always = error(418, -1003, "banned", Retry_After="60")
    assert one.fetch("2025-01-01", "2025-01-31").candles == 14 * 24
    assert any("locked this address out" in text for text in one.logs)


def test_markets_come_from_the_cache_when_the_exchange_is_away(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    one = bench()
    assert [market.unified for market in one.fetcher.markets()] == ["SOL/USDT:USDT"]
    fake_exchange.close()
    assert [market.name for market in one.fetcher.markets()] == ["SOLUSDT"]
    one.store.exchanges.save_markets(
        "binanceusdm", one.store.exchanges.markets("binanceusdm"), LISTED.start
    )  # long ago
    assert [market.name for market in one.fetcher.markets()] == ["SOLUSDT"]
    with pytest.raises(InputError):
        one.fetcher.market("NOPE")
    with pytest.raises(ExchangeError, match="network"):
        one.fetcher.markets("binanceusdm", refresh=True)
    with pytest.raises(ExchangeError, match="network"):
        one.fetcher.markets("binance")


def test_a_ping_tells_the_host_and_its_clock(bench: MakeBench, fake_exchange: FakeExchange) -> None:
    one = bench()
    host, offset_ms = one.fetcher.ping()
    assert host == fake_exchange.url.removeprefix("http://")
    assert abs(offset_ms - (one.store.exchanges.clock_offset_ms("binanceusdm") or 0)) < 1000
    fake_exchange.close()
    with pytest.raises(ExchangeError, match="connection refused"):
        one.fetcher.ping()


def test_cancel_keeps_every_finished_page(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    one = bench(page_limit=10)
    token = CancelToken()

    def stop_at_thirty(event: Event) -> None:
        if (isinstance(event, Progress) and event.done >= 30) or len(fake_exchange.pages) >= 5:
            token.cancel()

    with pytest.raises(Interrupted, match=r"stopped, \d+ candles are saved"):
        one.fetch("2024-01-01", "2024-01-10", cancel=token, on_event=stop_at_thirty)
    status = one.status("2024-01-01", "2024-01-10")
    assert status.candles >= 30
    assert status.candles % 10 == 0
    assert status.gaps[0].start == HOUR.shift(status.period.start, status.candles)
    report = one.fetch("2024-01-01", "2024-01-10")
    assert report.fetched == 240 - status.candles
    assert_same_candles(one.held(report), sol.within(report.period))


def test_cancelling_the_coroutine_stops_the_fetch(
    fake_exchange: FakeExchange, sol: Candles, data_settings: Settings
) -> None:
    fetcher = DataFetcher(settings=data_settings)

    async def give_up_at_once() -> None:
        await asyncio.wait_for(fetcher.get_data("SOLUSDT", "1h", "2024-01-01", "2024-12-31"), timeout=0.3)

    fake_exchange.fail(Fault(delay_s=0.5), times=20)
    try:
        with pytest.raises(TimeoutError):
            asyncio.run(give_up_at_once())
        asked = len(fake_exchange.requests)
        assert asked <= 4
    finally:
        fetcher.close()


def test_progress_counts_candles_to_the_end(bench: MakeBench, sol: Candles) -> None:
    one = bench(page_limit=24)
    one.fetch("2024-01-01", "2024-01-10")
    progress = [event for event in one.events if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total == 240
    assert {event.unit for event in progress} == {"candles"}
    assert [event.done for event in progress] == sorted(event.done for event in progress)
