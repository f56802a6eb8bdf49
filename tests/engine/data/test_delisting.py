"""A tail is called delisted only when the exchange's own list, asked then, says that the market trades no more."""

import contextlib
import threading

import pytest

from engine.data.sync import Sync
from engine.errors import ExchangeError
from engine.events import CancelToken, ignore_event
from engine.model.coverage import AFTER_DELISTING, MAINTENANCE
from engine.model.market import DAY_MS, HOUR_MS, Candles, Period, Timeframe, parse_time
from tests.support.fake_exchange import (
    Bench,
    FakeExchange,
    Fault,
    MakeBench,
    assert_same_candles,
    error,
    grid_candles,
    html,
    without,
)

HOUR = Timeframe("1h")
LISTED = Period.parse("2024-01-01", "2025-01-31")
MONTH = ("2024-05-01", "2024-05-31")
END = Period.parse("2024-05-21", "2024-05-31")
EMPTY = Fault(200, "[]")
NO_MORE = (
    "BREAK",
    "HALT",
    "SETTLING",
    "DELIVERING",
    "DELIVERED",
    "PRE_DELIVERING",
    "CLOSE",
    "PENDING_TRADING",
)


@pytest.fixture
def truth(fake_exchange: FakeExchange) -> Candles:
    candles = grid_candles("1h", LISTED)
    fake_exchange.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


@pytest.fixture
def ended(fake_exchange: FakeExchange) -> Candles:
    """No candle after May 20."""
    candles = grid_candles("1h", Period.parse("2024-01-01", "2024-05-20"))
    fake_exchange.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


def silence(one: Bench, after: int = 0) -> None:
    """Every candle request is answered with nothing, after so many right answers."""
    one.fake.fail(*[Fault()] * after)
    one.fake.fail(EMPTY, times=50)


def speak(one: Bench) -> None:
    one.fake.faults["klines"].clear()


def pass_days(one: Bench, days: int) -> None:
    one.fake.clock_ms += days * DAY_MS
    offset = one.store.exchanges.clock_offset_ms("binanceusdm") or 0
    one.store.exchanges.save_clock_offset("binanceusdm", offset + days * DAY_MS)


def told(one: Bench) -> list[tuple[Period, str]]:
    return [(gone.period, gone.reason) for gone in one.status(*MONTH).missing]


def test_a_trading_market_that_answers_nothing_has_a_gap_and_the_fetch_fails(
    bench: MakeBench, truth: Candles
) -> None:
    one = bench(page_limit=100)
    one.fetch("2024-01-01", "2024-01-01")
    silence(one, after=2)
    with pytest.raises(ExchangeError) as caught:
        one.fetch(*MONTH)
    assert str(caught.value) == (
        "no 1h candle of SOLUSDT at or after 2024-05-09 08:00 UTC is served, 544 stay a gap although binanceusdm says "
        "that it trades, 200 candles already saved; run again to continue"
    )
    status = one.status(*MONTH)
    assert (status.candles, status.complete, status.missing) == (200, False, ())
    speak(one)
    report = one.fetch(*MONTH)
    assert (report.fetched, report.missing) == (544, ())
    assert_same_candles(one.held(report), truth.within(report.period))


def test_an_immediate_repeat_of_a_silent_tail_costs_one_probe(bench: MakeBench, ended: Candles) -> None:
    one = bench()
    for expected in (None, 1, 1):
        asked = len(one.fake.candle_requests)
        with pytest.raises(ExchangeError, match="264 stay a gap although binanceusdm says that it trades"):
            one.fetch(*MONTH)
        assert expected in (None, len(one.fake.candle_requests) - asked)
    assert one.status(*MONTH).gaps == (END,)


def test_the_list_is_asked_anew_before_a_tail_is_called_delisted(bench: MakeBench, ended: Candles) -> None:
    one = bench()
    one.fetcher.markets()  # which says that it trades
    one.fake.delist("SOL")
    report = one.fetch(*MONTH)
    assert [(gone.period, gone.reason) for gone in report.missing] == [(END, AFTER_DELISTING)]
    assert "SOLUSDT is not traded any more" in report.notices
    assert not one.fetcher.market("SOLUSDT").is_trading, "and what it says is remembered"
    assert one.fetch(*MONTH).requests == 0


def test_a_cached_list_that_calls_it_delisted_is_not_believed(bench: MakeBench, ended: Candles) -> None:
    one = bench()
    one.fake.delist("SOL")
    one.fetcher.markets()
    one.fake.add("SOL", "1h", ended, listed_ms=LISTED.start)  # trades again
    with pytest.raises(ExchangeError, match="264 stay a gap"):
        one.fetch(*MONTH)
    assert told(one) == []


@pytest.mark.long_except("BREAK", "HALT")
@pytest.mark.parametrize("status", NO_MORE)
def test_every_status_but_trading_is_no_trading(bench: MakeBench, ended: Candles, status: str) -> None:
    one = bench()
    one.fake.statuses["SOLUSDT"] = status
    one.fetch(*MONTH)
    assert told(one) == [(END, AFTER_DELISTING)]


def test_a_symbol_that_the_list_dropped_trades_no_more(bench: MakeBench, ended: Candles) -> None:
    """Its candles are served still, as Binance does for a while."""
    one = bench()
    one.fetch("2024-05-01", "2024-05-10")
    one.fake.add("BTC", "1h", ended)
    whole = one.fake._info
    one.fake._info = lambda api: {  # type: ignore[method-assign]
        "symbols": [symbol for symbol in whole(api)["symbols"] if symbol["symbol"] != "SOLUSDT"]
    }
    one.fetch(*MONTH)
    assert told(one) == [(END, AFTER_DELISTING)]


@pytest.mark.long_except("fault0", "fault2")
@pytest.mark.parametrize(
    "fault", [html(), error(451), error(503, -1008, "busy"), error(418, -1003, "banned")]
)
def test_a_list_that_cannot_be_asked_proves_nothing(bench: MakeBench, ended: Candles, fault: Fault) -> None:
    one = bench()
    one.fetcher.markets()
    one.fake.delist("SOL")
    one.fake.fail(fault, on="exchangeInfo", times=9)
    with pytest.raises(
        ExchangeError, match=r"whether it still trades could not be asked: .*480 candles already saved"
    ):
        one.fetch(*MONTH)
    assert one.status(*MONTH).gaps == (END,)
    assert told(one) == []


def test_a_list_that_cannot_be_asked_reopens_no_tail_that_was_confirmed(
    bench: MakeBench, ended: Candles
) -> None:
    one = bench()
    one.fake.delist("SOL")
    one.fetch(*MONTH)
    assert one.status(*MONTH).complete
    one.fake.clock_ms += 25 * HOUR_MS
    one.fake.fail(error(451), on="exchangeInfo", times=9)
    with contextlib.suppress(ExchangeError):
        one.fetch(*MONTH)
    assert one.status(*MONTH).complete


def test_a_young_tail_of_a_trading_market_stays_a_gap_without_an_error(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    fake_exchange.add("SOL", "1h", grid_candles("1h", Period.parse("2024-01-01", "2024-05-20")))
    fake_exchange.clock_ms = parse_time("2024-05-21T18:30")
    one = bench()
    report = one.fetch("2024-05-20", "2024-05-21")
    assert (report.candles, report.missing) == (24, ())
    assert any("18 stay a gap" in notice for notice in report.notices)
    assert [request.path for request in one.fake.requests if request.path.endswith("Info")] == [
        "/fapi/v1/exchangeInfo"
    ], "only to find the market"


def test_a_tail_once_called_delisted_is_a_gap_again_when_the_market_trades(
    bench: MakeBench, ended: Candles
) -> None:
    """As an older version left it, or after the exchange brought the market back."""
    one = bench()
    one.fake.delist("SOL")
    one.fetch(*MONTH)
    one.fake.add("SOL", "1h", ended, listed_ms=LISTED.start)
    assert one.fetch(*MONTH).requests == 0, "the confirmation is young"
    pass_days(one, 2)
    with pytest.raises(ExchangeError, match="264 stay a gap although"):
        one.fetch(*MONTH)
    assert one.status(*MONTH).gaps == (END,)
    whole = without(grid_candles("1h", LISTED), Period.parse("2024-05-21", "2024-05-24"))
    one.fake.add("SOL", "1h", whole, listed_ms=LISTED.start)
    report = one.fetch(*MONTH)
    assert told(one) == [(Period.parse("2024-05-21", "2024-05-24"), MAINTENANCE)]
    assert_same_candles(one.held(report), whole.within(report.period))


def test_verify_reopens_at_once_what_counts_as_delisted_but_trades(bench: MakeBench, ended: Candles) -> None:
    one = bench()
    one.fake.delist("SOL")
    market = one.fetch(*MONTH).market
    one.fake.add("SOL", "1h", ended, listed_ms=LISTED.start)
    dry = one.fetcher.verify(market, HOUR, job="v", dry_run=True)
    assert one.status(*MONTH).complete
    report = one.fetcher.verify(market, HOUR, job="v")
    assert (
        report.notices
        == dry.notices
        == ("SOLUSDT trades: 264 cells that counted as delisted are a gap again",)
    )
    assert (report.checked, report.repaired_ranges) == (480, 1)
    assert one.status(*MONTH).gaps == (END,)


def test_verify_leaves_a_delisted_tail_as_it_is(bench: MakeBench, ended: Candles) -> None:
    one = bench()
    one.fake.delist("SOL")
    market = one.fetch(*MONTH).market
    report = one.fetcher.verify(market, HOUR, job="v")
    assert (report.differences, report.still_missing) == (0, (END,))
    assert told(one) == [(END, AFTER_DELISTING)]


def test_sync_says_that_a_series_is_silent_and_keeps_the_others_going(
    bench: MakeBench, ended: Candles
) -> None:
    one = bench()
    one.fake.add("BTC", "1h", grid_candles("1h", LISTED), listed_ms=LISTED.start)
    for symbol in ("SOLUSDT", "BTCUSDT"):
        one.fetch("2024-05-10", "2024-05-12", symbol=symbol)
    btc, sol = Sync(one.store, one.fetcher, ignore_event, CancelToken()).round()
    assert (btc.error, btc.last_ms) == (None, parse_time("2025-01-14T23:00"))
    assert "says that it trades" in str(sol.error)
    assert sol.last_ms == parse_time("2024-05-20T23:00")


def test_several_fetchers_of_a_silent_market_all_fail_and_none_believes(
    bench: MakeBench, ended: Candles
) -> None:
    many, failed = [bench() for _ in range(3)], []
    many[0].fetcher.markets()

    def fetch(one: Bench) -> None:
        try:
            one.fetch(*MONTH)
        except ExchangeError as problem:
            failed.append(str(problem))

    threads = [threading.Thread(target=fetch, args=(one,)) for one in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(failed) == 3
    assert all("264 stay a gap" in text for text in failed)
    assert many[0].status(*MONTH).gaps == (END,)
    assert len(many[0].fake.pages) == 1, "the first one's; the others sent a probe each"
