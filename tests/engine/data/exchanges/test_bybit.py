"""Bybit through real ccxt and real HTTP: what is asked, what is believed, which candles are held in the end."""

import json
import threading
import time
from collections.abc import Iterator

import pytest

from engine.data.exchanges.bybit import LINEAR, SPOT
from engine.data.exchanges.connection import Caller, local_ms
from engine.data.exchanges.exchange import Exchange
from engine.database.store import Store
from engine.errors import ExchangeError, InputError, Interrupted
from engine.events import CancelToken, Log
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, parse_time
from tests.support import fake_bybit as fake_module
from tests.support.fake_bybit import FakeBybit, error
from tests.support.fake_exchange import (
    EAGER,
    NOW,
    Fault,
    assert_same_candles,
    grid_candles,
    html,
    without,
)
from tests.support.own_time import within

HOUR = Timeframe("1h")
DAY = Period.parse("2024-01-01", "2024-01-01")
LISTED = Period.parse("2024-01-01", "2024-03-31")
SOL = Market("bybitlinear", "SOLUSDT", "SOL/USDT:USDT")


@pytest.fixture
def sol(fake_bybit: FakeBybit) -> Candles:
    candles = grid_candles("1h", LISTED)
    fake_bybit.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


@pytest.fixture
def exchange(fake_bybit: FakeBybit, store: Store) -> Iterator[Exchange]:
    made = Exchange("bybitlinear", LINEAR, store.exchanges, fake_bybit.url, EAGER)
    yield made
    made.close()


# -- what is asked


def test_a_page_is_asked_for_with_both_bounds_inside_the_window(
    exchange: Exchange, sol: Candles, fake_bybit: FakeBybit
) -> None:
    page = exchange.page(SOL, HOUR, DAY, Caller())
    assert_same_candles(page.candles, sol.within(DAY))
    (request,) = fake_bybit.requests
    assert request.path == "/v5/market/kline"
    assert request.params == {
        "category": "linear",
        "symbol": "SOLUSDT",
        "interval": "60",
        "start": str(DAY.start),
        "end": str(DAY.end - 1),
        "limit": "24",
    }


@pytest.mark.parametrize("keeps", ["newest", "oldest"])
def test_no_request_can_be_answered_with_a_part_of_its_window(
    exchange: Exchange, sol: Candles, fake_bybit: FakeBybit, keeps: str
) -> None:
    fake_bybit.keeps = keeps
    page = exchange.page(SOL, HOUR, LISTED, Caller())
    cut = Period(LISTED.start, LISTED.start + 1000 * HOUR_MS)
    assert page.asked == cut
    assert_same_candles(page.candles, sol.within(cut))


def test_markets_of_all_parts_of_the_list_are_found_and_other_contracts_left_out(
    exchange: Exchange, sol: Candles, fake_bybit: FakeBybit
) -> None:
    usdc = {
        "symbol": "BTCPERP", "contractType": "LinearPerpetual", "status": "Settling", "baseCoin": "BTC",
        "quoteCoin": "USDC", "settleCoin": "USDC", "launchTime": "1612137600000",
    }  # fmt: skip
    dated = {**usdc, "symbol": "BTC-27DEC24", "contractType": "LinearFutures", "status": "Trading"}
    fake_bybit.more = [
        {**usdc, "status": "Trading"},
        dated,
        {
            **usdc,
            "symbol": "NEWUSDT",
            "baseCoin": "NEW",
            "quoteCoin": "USDT",
            "settleCoin": "USDT",
            "status": "PreLaunch",
        },
        {**usdc, "symbol": "ODD", "settleCoin": "EUR", "status": "Trading"},
        {"symbol": 5, "status": "Trading"},
    ]
    fake_bybit.part = 2
    markets = exchange.markets(Caller())
    assert [(one.name, one.unified, one.is_trading, one.listed_ms) for one in markets] == [
        ("SOLUSDT", "SOL/USDT:USDT", True, LISTED.start),
        ("BTCPERP", "BTC/USDC:USDC", True, 1612137600000),
        ("NEWUSDT", "NEW/USDT:USDT", True, 1612137600000),
    ]
    cursors = [request.params.get("cursor") for request in fake_bybit.requests]
    assert cursors == [None, "at=2", "at=4", None]


def test_a_list_that_repeats_its_cursor_is_not_followed_for_ever(
    exchange: Exchange, sol: Candles, fake_bybit: FakeBybit
) -> None:
    entry = fake_bybit.truth("/v5/market/instruments-info", {"category": "linear"}).value["result"]["list"][0]
    body = {"retCode": 0, "result": {"list": [entry], "nextPageCursor": "at%3D0"}}
    fake_bybit.always = Fault(200, json.dumps(body))
    with pytest.raises(ExchangeError, match="repeats a page of its list of markets"):
        exchange.markets(Caller())


def test_spot_is_a_category_of_its_own_without_a_date_of_listing(fake_bybit: FakeBybit, store: Store) -> None:
    fake_bybit.add("SOL", "1h", grid_candles("1h", DAY), path=fake_module.SPOT)
    spot = Exchange("bybit", SPOT, store.exchanges, fake_bybit.url, EAGER)
    (market,) = spot.markets(Caller())
    spot.now_ms(Caller())
    assert (market.name, market.unified, market.listed_ms) == ("SOLUSDT", "SOL/USDT", None)
    assert len(spot.page(market, HOUR, DAY, Caller()).candles) == 24
    assert [request.path for request in fake_bybit.requests] == [
        "/v5/market/instruments-info",
        "/v5/market/time",
        "/v5/market/kline",
    ]
    assert {request.params.get("category", "spot") for request in fake_bybit.requests} == {"spot"}
    spot.close()


def test_the_clock_is_bybit_s_and_the_date_header_where_it_fails(
    exchange: Exchange, fake_bybit: FakeBybit
) -> None:
    assert exchange.now_ms(Caller()) == NOW
    fake_bybit.fail(html(404), on="time", times=2)
    assert exchange.now_ms(Caller()) == NOW


# -- where a series begins


@pytest.mark.parametrize("keeps", ["newest", "oldest"])
@pytest.mark.parametrize(
    ("timeframe", "start", "most"),
    [
        ("1m", "2024-03-28T13:37", 9),
        ("1h", "2023-11-05T07:00", 6),
        ("1d", "2024-02-29", 5),
        ("1w", "2024-01-29", 5),
    ],
)
def test_the_first_candle_is_found_by_few_requests(
    exchange: Exchange, fake_bybit: FakeBybit, timeframe: str, start: str, most: int, keeps: str
) -> None:
    fake_bybit.keeps = keeps
    listed = parse_time(start)
    fake_bybit.add("SOL", timeframe, grid_candles(timeframe, Period(listed, parse_time("2024-03-31"))))
    page = exchange.probe(SOL, Timeframe(timeframe), 0, Caller())
    assert page.cells == [listed]
    assert len(fake_bybit.requests) <= most
    assert all(int(one.params["limit"]) <= 1000 for one in fake_bybit.requests)


@pytest.mark.parametrize("hole", [("2024-02-03", "2024-02-05"), ("2024-01-31", "2024-03-20")])
def test_the_first_candle_after_a_hole_is_found_however_long_the_hole(
    exchange: Exchange, fake_bybit: FakeBybit, hole: tuple[str, str]
) -> None:
    gone = Period.parse(*hole)
    fake_bybit.add("SOL", "1m", without(grid_candles("1m", LISTED), gone))
    assert exchange.probe(SOL, Timeframe("1m"), gone.start, Caller()).cells == [gone.end]
    assert exchange.probe(SOL, Timeframe("1m"), gone.start - 60_000, Caller()).cells == [gone.start - 60_000]


def test_nothing_is_found_after_the_last_candle(exchange: Exchange, sol: Candles) -> None:
    assert exchange.probe(SOL, HOUR, LISTED.end, Caller()).cells == []


def test_a_short_answer_does_not_move_the_beginning_of_a_series(
    exchange: Exchange, sol: Candles, fake_bybit: FakeBybit
) -> None:
    fake_bybit.fail(Fault(rows=lambda rows: rows[: len(rows) // 2]))  # newest first: the beginning is lost
    assert exchange.probe(SOL, HOUR, 0, Caller()).cells == [LISTED.start]


# -- faults that pass

PASSING = {
    "a captive portal's page": html(),
    "a gateway error": html(502),
    "a system error in the body": error(10016, "System error. Please try again later."),
    "a server's time out": error(10000, "Server Timeout"),
    "half a JSON document": Fault(200, '{"retCode":0,"result":{"list":[["1704067200000","1"'),
    "an empty body": Fault(200, ""),
    "an empty object": Fault(200, "{}"),
    "a list": Fault(200, "[]"),
    "null": Fault(200, "null"),
    "a result of nothing": Fault(200, '{"retCode":0,"retMsg":"OK","result":{}}'),
    "a result that is no object": Fault(200, '{"retCode":0,"retMsg":"OK","result":[]}'),
    "a code that is a truth": Fault(200, '{"retCode":false,"result":{"list":[]}}'),
    "another symbol": Fault(200, '{"retCode":0,"result":{"symbol":"BTCUSDT","list":[]}}'),
    "a dropped connection": Fault(drop=True),
    "a body cut short": Fault(cut=True),
    "a row without its turnover": Fault(rows=lambda rows: [rows[0][:6], *rows[1:]]),
    "a time that is a number": Fault(rows=lambda rows: [[int(rows[0][0]), *rows[0][1:]], *rows[1:]]),
    "not a number": Fault(rows=lambda rows: [[rows[0][0], "NaN", *rows[0][2:]], *rows[1:]]),
    "a high below the low": Fault(rows=lambda rows: [[*rows[0][:2], "0.01", *rows[0][3:]], *rows[1:]]),
    "rows of another time": Fault(
        rows=lambda rows: [[str(int(row[0]) - 1000 * HOUR_MS), *row[1:]] for row in rows]
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_asked_again_and_leaves_no_trace(
    exchange: Exchange, fake_bybit: FakeBybit, sol: Candles, name: str
) -> None:
    fake_bybit.fail(PASSING[name], times=2)
    caller = Caller()
    page = exchange.page(SOL, HOUR, DAY, caller)
    assert_same_candles(page.candles, sol.within(DAY))
    assert caller.candle_requests == len(fake_bybit.candle_requests) == 3


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_stays_ends_in_words_after_a_bounded_number_of_requests(
    exchange: Exchange, fake_bybit: FakeBybit, sol: Candles, name: str
) -> None:
    fake_bybit.always = PASSING[name]
    with pytest.raises(ExchangeError) as caught:
        exchange.page(SOL, HOUR, DAY, Caller())
    assert len(fake_bybit.requests) == EAGER.attempts
    assert "\n" not in str(caught.value)


# -- refusals and limits


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (html(403), ExchangeError, "HTTP 403"),
        (error(10024, "Compliance rules triggered"), ExchangeError, "refuses this location"),
        (error(10001, "Not supported symbols"), InputError, "does not know this symbol"),
        (error(10029, "The requested symbol is invalid"), InputError, "does not know this symbol"),
        (error(10001, "Invalid period!"), InputError, "does not serve this timeframe"),
        (error(10001, "params error: limit"), ExchangeError, r"params error: limit \(HTTP 200, code 10001\)"),
        (error(10017, "Route not found", 404), ExchangeError, "Route not found"),
        (Fault(302, "", {"Location": "http://127.0.0.1:9/x"}), ExchangeError, "redirects are not followed"),
    ],
)
def test_a_refusal_is_not_asked_again(
    exchange: Exchange, fake_bybit: FakeBybit, sol: Candles, fault: Fault, kind: type[Exception], words: str
) -> None:
    fake_bybit.always = fault
    with pytest.raises(kind, match=words):
        exchange.page(SOL, HOUR, DAY, Caller())
    assert len(fake_bybit.requests) == 1


def test_a_rate_limit_in_the_body_is_waited_for_until_its_reset_by_both_categories(
    exchange: Exchange, fake_bybit: FakeBybit, store: Store, sol: Candles
) -> None:
    reset = {"X-Bapi-Limit-Reset-Timestamp": str(NOW + 1000)}
    fake_bybit.fail(error(10006, "Too many visits!", 200, **reset))
    told: list[str] = []
    caller = Caller("j", lambda event: told.append(event.text) if isinstance(event, Log) else None)
    assert len(exchange.page(SOL, HOUR, DAY, caller).candles) == 24
    first, second = fake_bybit.requests
    assert second.at - first.at >= 0.95
    assert told == ["rate limited, resuming in 1 s"]

    store.exchanges.save_blocked_until("bybit", local_ms() + 700)  # as a program that asks for spot would
    started = time.monotonic()
    exchange.page(SOL, HOUR, DAY, Caller())
    assert time.monotonic() - started >= 0.65


@pytest.mark.parametrize(
    "fault",
    [
        Fault(403, "403, access too frequent", {"Retry-After": "1"}),
        error(10018, "Exceeded the IP Rate Limit.", Retry_After="1"),
    ],
    ids=["by status", "by code"],
)
def test_a_ban_ends_it_at_once_and_is_kept_by_every_program_until_it_ends(
    exchange: Exchange, fake_bybit: FakeBybit, store: Store, sol: Candles, fault: Fault
) -> None:
    fake_bybit.fail(fault)
    with pytest.raises(ExchangeError, match=r"locked this address out until \d{4}-\d\d-\d\d"):
        exchange.page(SOL, HOUR, DAY, Caller())
    spot = Exchange("bybit", SPOT, store.exchanges, fake_bybit.url, EAGER)
    with pytest.raises(ExchangeError, match="nothing is asked before then"):
        spot.now_ms(Caller())
    assert len(fake_bybit.requests) == 1
    time.sleep(1.05)
    assert spot.now_ms(Caller()) == NOW
    spot.close()


def test_a_nearly_used_up_limit_is_waited_for(
    exchange: Exchange, fake_bybit: FakeBybit, sol: Candles
) -> None:
    told = {"X-Bapi-Limit": "50", "X-Bapi-Limit-Status": "4", "X-Bapi-Limit-Reset-Timestamp": str(NOW + 800)}
    fake_bybit.fail(Fault(headers=told), Fault(headers={**told, "X-Bapi-Limit-Status": "40"}))
    exchange.page(SOL, HOUR, DAY, Caller())
    started = time.monotonic()
    with within(5):
        exchange.page(SOL, HOUR, DAY, Caller())
    assert time.monotonic() - started > 0.7
    with within(0.6):
        exchange.page(SOL, HOUR, DAY, Caller())


def test_cancel_does_not_wait_for_an_answer_that_does_not_come(
    exchange: Exchange, fake_bybit: FakeBybit, sol: Candles
) -> None:
    exchange.page(SOL, HOUR, DAY, Caller())
    fake_bybit.always = Fault(delay_s=60)
    token = CancelToken()
    threading.Timer(0.2, token.cancel).start()
    with within(1.5), pytest.raises(Interrupted):
        exchange.page(SOL, HOUR, DAY, Caller(cancel=token))
