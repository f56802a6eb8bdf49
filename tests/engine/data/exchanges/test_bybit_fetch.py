"""What is held of Bybit's candles after fetches and checks that met holes, odd answers, ends and beginnings."""

from typing import Any

import pytest

from engine.errors import ExchangeError, InputError, Interrupted
from engine.events import CancelToken
from engine.model.coverage import AFTER_DELISTING, MAINTENANCE
from engine.model.market import Candles, Market, Period, Timeframe, parse_time
from tests.support.fake_bybit import FakeBybit, error
from tests.support.fake_exchange import Fault, MakeBench, assert_same_candles, grid_candles, without

HOUR = Timeframe("1h")
LISTED = Period.parse("2024-01-01", "2024-03-31")
SOL = Market("bybitlinear", "SOLUSDT", "SOL/USDT:USDT")


@pytest.fixture
def sol(fake_bybit: FakeBybit) -> Candles:
    candles = grid_candles("1h", LISTED)
    fake_bybit.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


@pytest.mark.parametrize("page_limit", [5, None])
@pytest.mark.parametrize("keeps", ["newest", "oldest"])
def test_gaps_are_filled_with_the_truth_and_asked_for_once(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles, page_limit: int | None, keeps: str
) -> None:
    fake_bybit.keeps = keeps
    one = bybit_bench(page_limit)
    one.fetch("2024-02-03", "2024-02-04")
    fake_bybit.served.clear()
    report = one.fetch("2024-02-01", "2024-02-06")
    assert (report.candles, report.fetched, report.missing) == (144, 96, ())
    assert_same_candles(one.held(report), sol.within(report.period))
    assert len(fake_bybit.served) == 96, "what is held is not asked for again"
    again = one.fetch("2024-02-01", "2024-02-06")
    assert (again.fetched, again.requests) == (0, 0)


def test_a_fetch_that_was_interrupted_goes_on_where_it_stopped(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles
) -> None:
    one, token = bybit_bench(24), CancelToken()
    begun: list[Any] = []

    def stop_at_the_second_page(rows: list[Any]) -> list[Any]:
        begun.extend(row for row in rows if len(rows) == 24)  # not while the listing is looked for
        if len(begun) >= 48:
            token.cancel()
        return rows

    fake_bybit.fail(Fault(rows=stop_at_the_second_page), times=100)
    with pytest.raises(Interrupted, match="candles are saved; run again"):
        one.fetch("2024-02-01", "2024-02-10", cancel=token)
    saved = one.status("2024-02-01", "2024-02-10").candles
    assert 0 < saved < 240
    fake_bybit.faults["kline"].clear()
    fake_bybit.always = error(10016, "System error")
    with pytest.raises(ExchangeError, match="candles already saved; run again"):
        one.fetch("2024-02-01", "2024-02-10")
    fake_bybit.always = None
    report = one.fetch("2024-02-01", "2024-02-10")
    assert (report.candles, report.fetched) == (240, 240 - saved)
    assert_same_candles(one.held(report), sol.within(report.period))


ODD = {
    "out of order": Fault(rows=lambda rows: rows[1::2] + rows[::2]),
    "doubled": Fault(rows=lambda rows: rows + rows),
    "short": Fault(rows=lambda rows: rows[: max(1, len(rows) // 2)]),
    "forgetful": Fault(rows=lambda rows: rows[::2]),
    "empty": Fault(200, '{"retCode":0,"retMsg":"OK","result":{"list":[]}}'),
    "strays": Fault(rows=lambda rows: rows + [[str(int(row[0]) - 10**10), *row[1:]] for row in rows[:-1]]),
}


@pytest.mark.long_except("out of order", "forgetful", "empty")
@pytest.mark.parametrize("name", ODD)
def test_one_odd_answer_leaves_no_hole(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles, name: str
) -> None:
    one = bybit_bench(24)
    one.fetch("2024-01-05", "2024-01-05")
    fake_bybit.fail(ODD[name])
    report = one.fetch("2024-02-01", "2024-02-04")
    assert (report.candles, report.missing) == (96, ())
    assert_same_candles(one.held(report), sol.within(report.period))


def test_holes_are_known_as_missing_after_two_answers_and_asked_for_no_more(
    bybit_bench: MakeBench, fake_bybit: FakeBybit
) -> None:
    holes = [Period.parse("2024-02-02T05:00", "2024-02-02T09:00"), Period.parse("2024-02-04", "2024-02-10")]
    truth = without(grid_candles("1h", LISTED), *holes)
    fake_bybit.add("SOL", "1h", truth)
    one = bybit_bench(24)
    report = one.fetch("2024-02-01", "2024-02-12")
    assert [(gone.period, gone.reason) for gone in report.missing] == [(hole, MAINTENANCE) for hole in holes]
    assert_same_candles(one.held(report), truth.within(report.period))
    assert one.fetch("2024-02-01", "2024-02-12").requests == 0


def test_a_period_from_before_the_listing_begins_with_the_first_candle(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles
) -> None:
    one = bybit_bench()
    report = one.fetch("2023-06-01", "2024-01-03")
    assert report.candles == 72
    assert "has its first 1h candle at 2024-01-01 00:00 UTC" in report.notices[-1]
    with pytest.raises(InputError, match="first candle at 2024-01-01"):
        one.fetch("2023-06-01", "2023-07-01")


def test_a_market_that_is_not_yet_traded_is_listed_and_has_no_candle(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles
) -> None:
    fake_bybit.add("NEW", "1h", Candles.empty(), listed_ms=LISTED.start)
    fake_bybit.statuses["NEWUSDT"] = "PreLaunch"
    with pytest.raises(ExchangeError, match="lists NEWUSDT but serves no candle of it"):
        bybit_bench().fetch("2024-02-01", "2024-02-02", symbol="NEWUSDT")


def test_the_open_candle_is_never_stored_whatever_the_local_clock(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles
) -> None:
    fake_bybit.clock_ms = parse_time("2024-02-05T12:34:56")
    one = bybit_bench()
    report = one.fetch("2024-02-05", "2024-02-05")
    assert report.period.end == parse_time("2024-02-05T12:00")
    assert_same_candles(one.held(report), sol.within(report.period))
    assert any("differs from bybitlinear's" in text for text in one.logs)


def test_a_symbol_that_is_gone_from_the_list_keeps_its_candles_and_its_end(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles
) -> None:
    fake_bybit.add("BTC", "1h", sol)
    one = bybit_bench()
    one.fetch("2024-03-01", "2024-03-02")
    fake_bybit.delist("SOL")
    one.fetcher.markets("bybitlinear", refresh=True)
    report = one.fetch("2024-03-01", "2024-04-02")
    assert report.candles == 31 * 24
    assert [(gone.period.start, gone.reason) for gone in report.missing] == [(LISTED.end, AFTER_DELISTING)]
    fake_bybit._listings.pop(("linear", "SOLUSDT"))
    assert one.fetch("2024-03-01", "2024-04-02").requests == 0
    with pytest.raises(InputError, match="does not know this symbol"):
        one.fetch("2024-02-20", "2024-03-02")


def test_a_market_that_trades_but_serves_nothing_old_is_an_error_and_stays_a_gap(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles
) -> None:
    one = bybit_bench()
    with pytest.raises(ExchangeError, match="stay a gap although bybitlinear says that it trades"):
        one.fetch("2024-03-30", "2024-04-05")
    status = one.status("2024-03-30", "2024-04-05")
    assert (status.candles, [gap.start for gap in status.gaps]) == (48, [LISTED.end])


@pytest.mark.parametrize("timeframe", ["1s", "8h", "3d"])
def test_a_timeframe_that_bybit_lacks_is_refused_in_words(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, sol: Candles, timeframe: str
) -> None:
    with pytest.raises(InputError, match=f"bybitlinear has no {timeframe} candles; it has: 1m, 3m, "):
        bybit_bench().fetch("2024-02-01", "2024-02-02", timeframe=timeframe)
    assert fake_bybit.candle_requests == []


@pytest.mark.parametrize("page_limit", [7, None])
def test_verify_finds_what_differs_what_is_new_and_what_is_only_here(
    bybit_bench: MakeBench, fake_bybit: FakeBybit, page_limit: int | None
) -> None:
    hole = Period.parse("2024-02-02T05:00", "2024-02-03T20:00")
    early = without(grid_candles("1h", LISTED), hole)
    fake_bybit.add("SOL", "1h", early)
    one = bybit_bench(page_limit)
    report = one.fetch("2024-02-01", "2024-02-05")
    late = grid_candles("1h", LISTED)
    late.close[750] *= 1.0001
    gone = Period(int(late.timestamp[850]), int(late.timestamp[851]))
    truth = without(late, gone)
    fake_bybit.add("SOL", "1h", truth)
    found = one.fetcher.verify(SOL, HOUR, report.period, job="x")
    assert (found.added, len(found.revised[0]), found.only_here) == (39, 1, (gone,))
    held = one.held(report)
    assert_same_candles(without(held, gone), truth.within(report.period))
