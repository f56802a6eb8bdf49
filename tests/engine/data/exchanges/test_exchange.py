"""Real ccxt over real HTTP against an exchange that misbehaves: what is asked again, waited for, refused, believed."""

import json
import threading
import time
from collections.abc import Iterator

import pytest

from engine.data.exchanges.binance import FUTURES, SPOT
from engine.data.exchanges.connection import Caller, Patience, local_ms
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.loopback import SPOT_PATH
from engine.database.store import Store
from engine.errors import ExchangeError, InputError, Interrupted
from engine.events import CancelToken, Log
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, parse_time
from tests.support.fake_exchange import EAGER, NOW, FakeExchange, Fault, error, grid_candles, html
from tests.support.own_time import within

HOUR = Timeframe("1h")
DAY = Period.parse("2024-01-01", "2024-01-01")
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")


@pytest.fixture
def day(fake_exchange: FakeExchange) -> Candles:
    candles = grid_candles("1h", DAY)
    fake_exchange.add("SOL", "1h", candles, listed_ms=DAY.start)
    return candles


@pytest.fixture
def exchange(fake_exchange: FakeExchange, store: Store) -> Iterator[Exchange]:
    made = Exchange("binanceusdm", FUTURES, store.exchanges, fake_exchange.url, EAGER)
    yield made
    made.close()


def ask(exchange: Exchange, caller: Caller | None = None) -> int:
    return len(exchange.page(SOL, HOUR, DAY, caller or Caller()).candles)


# -- what is asked


def test_a_page_is_asked_for_with_both_bounds_inside_the_window(
    exchange: Exchange, day: Candles, fake_exchange: FakeExchange
) -> None:
    assert ask(exchange) == 24
    (request,) = fake_exchange.requests
    assert request.path == "/fapi/v1/klines"
    assert request.params == {
        "symbol": "SOLUSDT",
        "interval": "1h",
        "startTime": str(DAY.start),
        "endTime": str(DAY.end - 1),
        "limit": "24",
    }


def test_only_the_three_endpoints_of_one_interface_are_called(
    fake_exchange: FakeExchange, store: Store, day: Candles
) -> None:
    fake_exchange.add("BTC", "1h", day, path=SPOT_PATH)
    fake_exchange.add("ETH", "1h", day, path=SPOT_PATH)
    fake_exchange.delist("ETH", path=SPOT_PATH)
    spot = Exchange("binance", SPOT, store.exchanges, fake_exchange.url, EAGER)
    markets = spot.markets(Caller())
    spot.now_ms(Caller())
    spot.probe(markets[0], HOUR, 0, Caller())
    spot.close()
    assert [(market.name, market.unified, market.is_trading) for market in markets] == [
        ("BTCUSDT", "BTC/USDT", True),
        ("ETHUSDT", "ETH/USDT", False),
    ]
    assert [request.path for request in fake_exchange.requests] == [
        "/api/v3/exchangeInfo",
        "/api/v3/time",
        "/api/v3/klines",
    ]


def test_futures_markets_carry_the_exchange_s_listing_date(exchange: Exchange, day: Candles) -> None:
    (market,) = exchange.markets(Caller())
    assert (market, market.unified, market.listed_ms) == (SOL, "SOL/USDT:USDT", DAY.start)


def test_a_symbol_beyond_ascii_is_asked_for_and_served(
    exchange: Exchange, fake_exchange: FakeExchange
) -> None:
    fake_exchange.add("币安人生", "1h", grid_candles("1h", DAY))
    (market,) = exchange.markets(Caller())
    assert market.name == "币安人生USDT"
    assert len(exchange.page(market, HOUR, DAY, Caller()).candles) == 24


# -- faults that pass

PASSING = {
    "a captive portal's page": html(),
    "a gateway error": html(502),
    "server busy": error(503, -1008, "busy"),
    "an internal error with status 200": error(200, -1001),
    "half a JSON document": Fault(200, '[[1704067200000,"1","2"'),
    "an empty body": Fault(200, ""),
    "an object": Fault(200, "{}"),
    "null": Fault(200, "null"),
    "code zero": error(200, 0),
    "a dropped connection": Fault(drop=True),
    "a body cut short": Fault(cut=True),
    "a row without its last column": Fault(rows=lambda rows: [rows[0][:11], *rows[1:]]),
    "not a number": Fault(rows=lambda rows: [[rows[0][0], "NaN", *rows[0][2:]], *rows[1:]]),
    "a high below the low": Fault(rows=lambda rows: [[*rows[0][:2], "0.01", *rows[0][3:]], *rows[1:]]),
    "rows of another time": Fault(rows=lambda rows: [[row[0] - 1000 * HOUR_MS, *row[1:]] for row in rows]),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_asked_again_and_leaves_no_trace(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles, name: str
) -> None:
    fake_exchange.fail(PASSING[name], times=2)
    caller = Caller()
    page = exchange.page(SOL, HOUR, DAY, caller)
    assert page.candles.timestamp.tolist() == day.timestamp.tolist()
    assert caller.candle_requests == len(fake_exchange.candle_requests) == 3


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_stays_ends_in_words_after_a_bounded_number_of_requests(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles, name: str
) -> None:
    fake_exchange.always = PASSING[name]
    with pytest.raises(
        ExchangeError, match=r"network: |unexpected answer from|invalid candle|12 columns|repeats a page"
    ) as caught:
        ask(exchange)
    assert len(fake_exchange.requests) == EAGER.attempts
    assert "\n" not in str(caught.value)


def test_waits_between_attempts_grow_and_are_told(
    fake_exchange: FakeExchange, store: Store, day: Candles
) -> None:
    patient = Exchange(
        "binanceusdm", FUTURES, store.exchanges, fake_exchange.url, Patience(first_wait_s=0.1, attempts=3)
    )
    fake_exchange.fail(html(502), times=2)
    told: list[str] = []
    assert (
        ask(patient, Caller("j", lambda event: told.append(event.text) if isinstance(event, Log) else None))
        == 24
    )
    patient.close()
    one, two, three = (request.at for request in fake_exchange.requests)
    assert 0.1 <= two - one < three - two
    assert len(told) == 2
    assert "asking again in" in told[0]


def test_an_answer_that_does_not_come_is_a_time_out(
    fake_exchange: FakeExchange, store: Store, day: Candles
) -> None:
    hasty = Exchange(
        "binanceusdm",
        FUTURES,
        store.exchanges,
        fake_exchange.url,
        Patience(timeout_s=0.2, attempts=2, first_wait_s=0),
    )
    fake_exchange.always = Fault(delay_s=1)
    with pytest.raises(ExchangeError, match="no answer in time"):
        ask(hasty)
    hasty.close()


def test_a_host_that_does_not_exist_is_said_in_words(store: Store) -> None:
    lost = Exchange("binance", SPOT, store.exchanges, "http://exchange.invalid", Patience(attempts=1))
    with pytest.raises(ExchangeError, match=r"network: exchange\.invalid: the host name is not known"):
        lost.now_ms(Caller())
    lost.close()


def test_cancel_does_not_wait_for_an_answer_that_does_not_come(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles
) -> None:
    ask(exchange)
    fake_exchange.always = Fault(delay_s=60)
    token = CancelToken()
    threading.Timer(0.2, token.cancel).start()
    with within(1.5), pytest.raises(Interrupted):
        ask(exchange, Caller(cancel=token))


# -- refusals


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (error(451, 0, "restricted location"), ExchangeError, "HTTP 451"),
        (html(403), ExchangeError, "HTTP 403"),
        (error(400, -1121, "Invalid symbol."), InputError, "does not know this symbol"),
        (error(400, -1120, "Invalid interval."), InputError, "does not serve this timeframe"),
        (error(400, -1100, "Illegal characters"), ExchangeError, "Illegal characters"),
        (
            Fault(302, "", {"Location": "http://127.0.0.1:9/elsewhere"}),
            ExchangeError,
            "redirects are not followed",
        ),
    ],
)
def test_a_refusal_is_not_asked_again(
    exchange: Exchange,
    fake_exchange: FakeExchange,
    day: Candles,
    fault: Fault,
    kind: type[Exception],
    words: str,
) -> None:
    fake_exchange.always = fault
    with pytest.raises(kind, match=words):
        ask(exchange)
    assert len(fake_exchange.requests) == 1


def test_a_rate_limit_is_waited_for_as_long_as_told_by_everyone(
    exchange: Exchange, fake_exchange: FakeExchange, store: Store, day: Candles
) -> None:
    fake_exchange.fail(error(429, -1003, "Too many requests", Retry_After="1"))
    told: list[str] = []
    assert (
        ask(exchange, Caller("j", lambda event: told.append(event.text) if isinstance(event, Log) else None))
        == 24
    )
    first, second = fake_exchange.requests
    assert second.at - first.at >= 0.95
    assert told == ["rate limited, resuming in 1 s"]

    store.exchanges.save_blocked_until("binanceusdm", local_ms() + 700)  # as another program would
    started = time.monotonic()
    ask(exchange)
    assert time.monotonic() - started >= 0.65


def test_cancel_works_during_a_rate_limit(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles
) -> None:
    ask(exchange)
    fake_exchange.fail(error(429, -1003, "Too many requests", Retry_After="50"))
    token = CancelToken()
    stop = lambda event: token.cancel() if isinstance(event, Log) else None  # noqa: E731
    with within(2), pytest.raises(Interrupted):
        ask(exchange, Caller("j", stop, token))


def test_a_ban_ends_it_at_once_and_is_kept_by_every_program_until_it_ends(
    exchange: Exchange, fake_exchange: FakeExchange, store: Store, day: Candles
) -> None:
    fake_exchange.fail(error(418, -1003, "IP banned", Retry_After="1"))
    with pytest.raises(
        ExchangeError, match=r"locked this address out until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    ):
        ask(exchange)
    other_program = Exchange("binanceusdm", FUTURES, store.exchanges, fake_exchange.url, EAGER)
    with pytest.raises(ExchangeError, match="nothing is asked before then"):
        ask(other_program)
    assert len(fake_exchange.requests) == 1
    time.sleep(1.05)
    assert ask(other_program) == 24
    other_program.close()


def test_nearly_used_up_weight_pauses_until_the_next_minute(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles
) -> None:
    fake_exchange.clock_ms = parse_time("2024-05-01T12:00:59")
    fake_exchange.fail(Fault(headers={"X-MBX-USED-WEIGHT-1M": "2300"}))
    ask(exchange)
    started = time.monotonic()
    with within(10, anyhow=50):
        ask(exchange)
    assert time.monotonic() - started > 0.5


# -- the clock


def test_the_clock_is_the_exchange_s_and_remembered(
    exchange: Exchange, fake_exchange: FakeExchange, store: Store
) -> None:
    told: list[str] = []
    now = exchange.now_ms(
        Caller("j", lambda event: told.append(event.text) if isinstance(event, Log) else None)
    )
    assert now == NOW
    offset = store.exchanges.clock_offset_ms("binanceusdm")
    assert offset is not None
    assert abs(local_ms() + offset - NOW) < 5000
    assert "local clock differs" in told[0]
    caller = Caller("j", lambda event: told.append(event.text) if isinstance(event, Log) else None)
    for _ in range(3):
        exchange.now_ms(caller)
    assert len(told) == 1, "a command asks for the time more than once"
    fake_exchange.clock_ms += 3_600_000
    exchange.now_ms(caller)
    assert len(told) == 2, "the clocks have parted further"


def test_the_date_header_is_the_clock_where_the_time_endpoint_fails(
    exchange: Exchange, fake_exchange: FakeExchange
) -> None:
    fake_exchange.fail(html(404), on="time", times=2)
    assert exchange.now_ms(Caller()) == NOW
    assert len(fake_exchange.requests) == 2


@pytest.mark.parametrize(
    "body", ['{"serverTime": null}', '{"serverTime": "soon"}', '{"serverTime": true}', "[]"]
)
def test_a_time_that_is_none_is_asked_again(
    exchange: Exchange, fake_exchange: FakeExchange, body: str
) -> None:
    fake_exchange.fail(Fault(200, body), on="time")
    assert exchange.now_ms(Caller()) == NOW


@pytest.mark.parametrize("body", ["{}", "null", "<html>", '{"symbols": []}', '{"symbols": {}}', "[]"])
def test_a_list_of_markets_that_is_none_never_counts_as_empty(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles, body: str
) -> None:
    fake_exchange.fail(Fault(200, body), on="exchangeInfo")
    assert len(exchange.markets(Caller())) == 1
    fake_exchange.always = Fault(200, body)
    with pytest.raises(ExchangeError, match="unexpected answer"):
        exchange.markets(Caller())


def test_entries_that_are_no_perpetuals_are_left_out(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles
) -> None:
    right = fake_exchange.reply("/fapi/v1/exchangeInfo", {}).value
    dated = {
        **right["symbols"][0],
        "symbol": "SOLUSDT_250328",
        "contractType": "CURRENT_QUARTER",
        "deliveryDate": 1743120000000,
    }
    fake_exchange.fail(
        Fault(200, json.dumps({"symbols": [dated, None, {"symbol": 5}, *right["symbols"]]})),
        on="exchangeInfo",
    )
    assert [market.name for market in exchange.markets(Caller())] == ["SOLUSDT"]


def test_a_probe_does_not_take_microseconds_for_a_far_later_candle(
    exchange: Exchange, fake_exchange: FakeExchange, day: Candles
) -> None:
    fake_exchange.fail(Fault(rows=lambda rows: [[row[0] * 1000, *row[1:]] for row in rows]))
    assert exchange.probe(SOL, HOUR, DAY.start, Caller()).cells == [DAY.start]
    assert len(fake_exchange.requests) == 2
