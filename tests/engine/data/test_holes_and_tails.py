"""What counts as missing, and what it takes to be believed."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import ExchangeError, InputError
from engine.model.market import DAY_MS, HOUR_MS, Candles, Period, Timeframe, parse_time
from engine.settings import Settings
from tests.support.fake_exchange import (
    Bench,
    FakeExchange,
    Fault,
    MakeBench,
    assert_same_candles,
    error,
    grid_candles,
    html,
)

HOUR = Timeframe("1h")
LISTED = Period.parse("2023-12-01", "2025-01-31")
WEEK = ("2024-01-01", "2024-01-07")
MADE_UP = Period.parse("2024-01-02T03:00", "2024-01-02T09:00")

ListSol = Callable[..., Candles]  # the fixture list_sol


def missing(one: Bench, start: str = WEEK[0], end: str = WEEK[1]) -> list[tuple[Period, str]]:
    return [(gone.period, gone.reason) for gone in one.status(start, end).missing]


@pytest.mark.long_except("5", "24", "499")
@pytest.mark.parametrize("page_limit", [2, 5, 6, 7, 24, 100, 499])
def test_a_hole_is_found_at_any_page_size_and_confirmed_once(
    bench: MakeBench, list_sol: ListSol, page_limit: int
) -> None:
    candles = list_sol(MADE_UP)
    one = bench(page_limit=page_limit)
    report = one.fetch(*WEEK)
    assert missing(one) == [(MADE_UP, "maintenance")]
    assert_same_candles(one.held(report), candles.within(report.period))
    probes = [int(r.params["startTime"]) for r in one.fake.candle_requests if "endTime" not in r.params]
    assert probes == [0, MADE_UP.start]
    assert all(
        request.params["limit"] == "1"
        for request in one.fake.candle_requests
        if "endTime" not in request.params
    )
    assert one.fetch(*WEEK).requests == 0


def test_a_hole_at_the_start_and_the_end_of_the_period_is_a_hole(bench: MakeBench, list_sol: ListSol) -> None:
    list_sol(
        Period.parse("2023-12-31", "2024-01-01T05:00"), Period.parse("2024-01-07T20:00", "2024-01-08T02:00")
    )
    one = bench()
    one.fetch(*WEEK)
    assert missing(one) == [
        (Period.parse("2024-01-01", "2024-01-01T05:00"), "maintenance"),
        (Period.parse("2024-01-07T20:00", "2024-01-07"), "maintenance"),
    ]
    assert one.fetch(*WEEK).requests == 0


def test_a_period_that_is_one_hole_is_complete_and_empty(bench: MakeBench, list_sol: ListSol) -> None:
    list_sol(Period.parse("2023-12-30", "2024-01-10"))
    one = bench()
    report = one.fetch(*WEEK)
    assert (report.candles, report.fetched) == (0, 0)
    assert report.filled == (Period.parse(*WEEK),)
    assert one.status(*WEEK).complete
    assert one.fetch(*WEEK).requests == 0


def test_a_page_that_forgets_candles_does_not_make_them_missing(bench: MakeBench, list_sol: ListSol) -> None:
    candles = list_sol()
    one = bench()
    one.fake.fail(Fault(rows=lambda rows: rows[:50] + rows[60:]))
    report = one.fetch(*WEEK)
    assert report.missing == ()
    assert_same_candles(one.held(report), candles.within(report.period))


def test_an_empty_page_in_the_middle_of_trading_is_not_believed(bench: MakeBench, list_sol: ListSol) -> None:
    candles = list_sol()
    one = bench(page_limit=50)
    one.fake.fail(Fault(200, "[]"), times=1)
    report = one.fetch(*WEEK)
    assert report.missing == ()
    assert_same_candles(one.held(report), candles.within(report.period))


def test_two_empty_answers_about_the_newest_old_cells_of_a_market_that_trades_are_not_believed(
    bench: MakeBench, list_sol: ListSol
) -> None:
    """Nothing later was served that would prove them missing, so they are asked for once more."""
    list_sol()
    one = bench()
    one.fetch("2023-12-01", "2023-12-01")  # proves the listing
    one.fake.fail(Fault(200, "[]"), times=2)
    report = one.fetch("2024-05-02", "2024-05-02")
    assert (report.candles, report.missing) == (24, ())


def test_a_probe_that_forgets_the_candle_behind_a_hole_is_not_believed(
    bench: MakeBench, list_sol: ListSol
) -> None:
    list_sol(MADE_UP, listed=False)
    one = bench()
    one.fetch("2023-12-01", "2023-12-01")  # the listing is proven
    one.fake.fail(Fault(), Fault(200, "[]"), Fault(200, "[]"))  # the page is right, the probe is not
    one.fetch(*WEEK)
    assert missing(one) == [(MADE_UP, "maintenance")]


@pytest.mark.parametrize("keep", [1, 3, 11])
def test_a_server_that_answers_short_pages_is_followed_to_the_end(
    bench: MakeBench, list_sol: ListSol, keep: int
) -> None:
    candles = list_sol(MADE_UP)
    one = bench(page_limit=24)
    one.fake.always = Fault(rows=lambda rows: rows[:keep])
    report = one.fetch("2024-01-02", "2024-01-03")
    assert missing(one, "2024-01-02", "2024-01-03") == [(MADE_UP, "maintenance")]
    assert_same_candles(one.held(report), candles.within(report.period))


def test_a_server_that_repeats_one_page_is_told_apart_and_left(bench: MakeBench, list_sol: ListSol) -> None:
    list_sol()
    one = bench(page_limit=24)
    first: list[Any] = []

    def repeat(rows: list[Any]) -> list[Any]:
        first.extend(rows if not first else [])
        return first

    one.fake.always = Fault(rows=repeat)
    with pytest.raises(ExchangeError, match=r"repeats a page .*24 candles already saved"):
        one.fetch(*WEEK)
    assert one.status(*WEEK).candles == 24
    one.fake.always = None
    assert one.fetch(*WEEK).fetched == 144


@pytest.mark.parametrize(
    "oddity",
    [
        lambda rows: [*rows, *rows],
        lambda rows: rows[::-1],
        lambda rows: [row for row in rows for _ in range(2)],
    ],
    ids=["twice", "backwards", "each twice"],
)
def test_rows_in_disorder_give_the_same_candles(
    bench: MakeBench, list_sol: ListSol, oddity: Callable[[list[Any]], list[Any]]
) -> None:
    candles = list_sol(MADE_UP)
    one = bench(page_limit=10)
    one.fake.always = Fault(rows=oddity)
    report = one.fetch(*WEEK)
    assert missing(one) == [(MADE_UP, "maintenance")]
    assert_same_candles(one.held(report), candles.within(report.period))


def test_candles_beside_the_grid_are_missing_cells_and_not_asked_for_again(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    grid = grid_candles("1h", Period.parse("2023-12-01", "2024-02-01"))
    shifted = grid.timestamp.copy()
    beside = (shifted >= MADE_UP.start) & (shifted < MADE_UP.end)
    shifted[beside] += 28 * 60_000 + 14_800
    fake_exchange.add("SOL", "1h", Candles(shifted, *grid.columns().values()), listed_ms=LISTED.start)
    fake_exchange.clock_ms = parse_time("2024-02-01")
    one = bench()
    report = one.fetch(*WEEK)
    assert missing(one) == [(MADE_UP, "off_grid")]
    assert report.candles == 7 * 24 - 6
    assert any("beside the grid" in text for text in one.logs)
    assert one.fetch(*WEEK).requests == 0


def test_a_market_without_a_single_candle_is_an_error_and_not_an_empty_success(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    fake_exchange.add("SOL", "1h", Candles.empty())
    with pytest.raises(ExchangeError, match="lists SOLUSDT but serves no candle of it"):
        bench().fetch(*WEEK)


# -- the end of what is served


@pytest.mark.long
def test_maintenance_under_way_stays_a_gap_and_costs_one_probe_a_time(
    bench: MakeBench, list_sol: ListSol
) -> None:
    candles = list_sol(Period.parse("2025-01-14T20:00", "2025-01-15T03:00"))
    one = bench()
    one.fake.clock_ms = parse_time("2025-01-14T23:30")
    report = one.fetch("2025-01-14", "2025-01-14")
    assert report.candles == 20
    assert report.missing == ()
    assert any("3 stay a gap" in notice for notice in report.notices)
    assert one.status("2025-01-14", "2025-01-14").gaps == (
        Period.parse("2025-01-14T20:00", "2025-01-14T23:00"),
    )

    again = one.fetch("2025-01-14", "2025-01-14")
    assert (again.requests, again.fetched) == (1, 0)
    assert "endTime" not in one.fake.candle_requests[-1].params

    one.fake.clock_ms = parse_time("2025-01-15T04:30")  # trading is on again
    report = one.fetch("2025-01-14", "2025-01-15")
    assert missing(one, "2025-01-14", "2025-01-15") == [
        (Period.parse("2025-01-14T20:00", "2025-01-15T03:00"), "maintenance")
    ]
    assert_same_candles(one.held(report), candles.within(report.period))
    assert one.fetch("2025-01-14", "2025-01-15").requests == 0


def test_the_tail_of_a_delisted_market_is_asked_again_after_a_day(
    bench: MakeBench, list_sol: ListSol
) -> None:
    list_sol(until="2024-05-31")
    one = bench()
    one.fake.delist("SOL")
    report = one.fetch("2024-05-30", "2024-06-02")
    tail = Period.parse("2024-06-01", "2024-06-02")
    assert [(gone.period, gone.reason) for gone in report.missing] == [(tail, "after_delisting")]
    assert report.candles == 48
    assert "SOLUSDT is not traded any more" in report.notices
    assert one.fetch("2024-05-30", "2024-06-02").requests == 0

    one.fake.clock_ms += 2 * DAY_MS
    one.store.exchanges.save_clock_offset(
        "binanceusdm", (one.store.exchanges.clock_offset_ms("binanceusdm") or 0) + 2 * DAY_MS
    )
    assert one.fetch("2024-05-30", "2024-06-02").requests == 2, "a page and a probe"
    assert missing(one, "2024-05-30", "2024-06-02") == [(tail, "after_delisting")]
    assert one.fetch("2024-05-30", "2024-06-02").requests == 0


def test_a_market_that_comes_back_gets_its_hole_and_its_candles(bench: MakeBench, list_sol: ListSol) -> None:
    list_sol(until="2024-05-31")
    one = bench()
    one.fake.delist("SOL")
    one.fetch("2024-05-30", "2024-06-30")
    relisted = list_sol(Period.parse("2024-06-01", "2024-06-09"))
    assert one.fetch("2024-05-30", "2024-06-30").requests == 0, "the confirmation is young"
    one.store.exchanges.save_clock_offset(
        "binanceusdm", (one.store.exchanges.clock_offset_ms("binanceusdm") or 0) + 2 * DAY_MS
    )
    one.fake.clock_ms += 2 * DAY_MS
    report = one.fetch("2024-05-30", "2024-06-30")
    assert missing(one, "2024-05-30", "2024-06-30") == [
        (Period.parse("2024-06-01", "2024-06-09"), "maintenance")
    ]
    assert_same_candles(one.held(report), relisted.within(report.period))
    assert one.status("2024-05-30", "2024-06-30").complete


def test_only_the_old_part_of_a_silent_tail_counts_as_delisted(bench: MakeBench, list_sol: ListSol) -> None:
    list_sol(until="2025-01-11")
    one = bench()
    one.fake.delist("SOL")
    report = one.fetch("2025-01-10", "2025-01-20")
    old = Period.parse("2025-01-12", "2025-01-14T00:00")
    assert [(gone.period, gone.reason) for gone in report.missing] == [(old, "after_delisting")]
    assert one.status("2025-01-10", "2025-01-20").gaps == (Period.parse("2025-01-14", "2025-01-14"),)
    assert one.fetch("2025-01-10", "2025-01-20").requests == 1


# -- faults in the middle


def test_a_fault_that_stays_keeps_the_pages_before_it_and_a_rerun_continues(
    bench: MakeBench, list_sol: ListSol
) -> None:
    candles = list_sol(MADE_UP)
    one = bench(page_limit=24)
    one.fake.fail(Fault(), times=4)
    one.fake.fail(html(502), times=5)
    with pytest.raises(ExchangeError, match=r"network: .* \d+ candles already saved; run again to continue"):
        one.fetch(*WEEK)
    saved = one.status(*WEEK).candles
    assert saved > 0
    report = one.fetch(*WEEK)
    assert report.fetched == report.candles - saved
    assert_same_candles(one.held(report), candles.within(report.period))


def test_a_ban_in_the_middle_keeps_what_is_saved_and_says_until_when(
    bench: MakeBench, list_sol: ListSol
) -> None:
    list_sol()
    one = bench(page_limit=24)
    one.fake.fail(Fault(), Fault(), error(418, -1003, "banned", Retry_After="120"))
    with pytest.raises(ExchangeError, match=r"locked this address out until .*48 candles already saved"):
        one.fetch(*WEEK)
    asked = len(one.fake.requests)
    with pytest.raises(ExchangeError, match="locked this address out"):
        one.fetch(*WEEK)
    assert len(one.fake.requests) == asked
    assert one.fetch("2024-01-01", "2024-01-02").candles == 48, "what is held is still served"


def test_an_unknown_symbol_of_the_exchange_ends_in_an_input_error(
    bench: MakeBench, list_sol: ListSol
) -> None:
    list_sol()
    one = bench()
    one.fake.fail(error(400, -1121, "Invalid symbol."))
    with pytest.raises(InputError, match="does not know this symbol"):
        one.fetch(*WEEK)


# -- two at once


def test_two_programs_on_the_same_gap_fetch_it_once(bench: MakeBench, list_sol: ListSol) -> None:
    candles = list_sol(MADE_UP)
    two = [bench(page_limit=24), bench(page_limit=24)]
    fake = two[0].fake
    two[0].fetcher.markets()
    fake.always = Fault(delay_s=0.02)
    reports: list[Any] = []
    threads = [threading.Thread(target=lambda one=one: reports.append(one.fetch(*WEEK))) for one in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [report.candles for report in reports] == [7 * 24 - 6] * 2
    assert sorted(report.fetched for report in reports) == [0, 7 * 24 - 6]
    starts = [request.params["startTime"] for request in fake.pages]
    assert len(starts) == len(set(starts))
    assert any("is downloading SOLUSDT 1h; waiting" in text for one in two for text in one.logs)
    assert_same_candles(two[0].held(reports[0]), candles.within(reports[0].period))


def test_overlapping_periods_at_once_share_their_candles(bench: MakeBench, list_sol: ListSol) -> None:
    list_sol()
    one = bench(page_limit=30)
    one.fetcher.markets()
    periods = [("2024-01-01", "2024-01-10"), ("2024-01-05", "2024-01-15"), ("2024-01-03", "2024-01-12")]
    threads = [threading.Thread(target=one.fetch, args=period) for period in periods]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    status = one.status("2024-01-01", "2024-01-15")
    assert status.complete
    assert status.candles == 15 * 24
    served = [
        int(request.params["startTime"]) + HOUR_MS * cell
        for request in one.fake.pages
        for cell in range(int(request.params["limit"]))
    ]
    assert len(served) == len(set(served)) == 15 * 24


@pytest.mark.long
def test_a_program_killed_in_the_middle_leaves_only_proven_pages(
    bench: MakeBench, list_sol: ListSol, data_settings: Settings
) -> None:
    candles = list_sol(MADE_UP)
    one = bench(page_limit=499)
    fake = one.fake
    fake.fail(Fault(), Fault(), Fault(delay_s=60))  # pages one and two, then silence
    assert data_settings.database_url is not None
    program = (
        "import asyncio; from engine.data.fetcher import DataFetcher\n"
        "asyncio.run(DataFetcher().get_data('SOLUSDT', '1h', '2024-01-05', '2024-06-30'))"
    )
    places = {
        "DATABASE_URL": data_settings.database_url,
        "BACKTEST_FUTURES_URL": fake.url,
    }
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ | places) as process:
        deadline = time.monotonic() + 60
        while len(fake.pages) < 3 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    assert one.status("2024-01-05", "2024-06-30").candles == 2 * 499
    report = one.fetch("2024-01-05", "2024-06-30")
    assert report.fetched == report.candles - 2 * 499
    assert_same_candles(one.held(report), candles.within(report.period))
