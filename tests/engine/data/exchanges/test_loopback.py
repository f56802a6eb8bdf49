"""The loopback exchange follows Binance's rules, asked over plain HTTP."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from engine.data.exchanges.loopback import FUTURES_PATH, SPOT_PATH, Listing, LoopbackExchange
from engine.model.market import HOUR_MS, Candles, Period, parse_time
from tests.support.fake_exchange import grid_candles

YEAR = Period.parse("2024-01-01", "2024-12-31")
NOW = parse_time("2024-03-01T10:30")


@pytest.fixture(scope="module")
def hours() -> Candles:
    return grid_candles("1h", YEAR)


@pytest.fixture(scope="module")
def loopback(hours: Candles) -> Iterator[LoopbackExchange]:
    listings = [
        Listing(path, "SOL", "USDT", {"1h": hours}, listed_ms=YEAR.start)
        for path in (SPOT_PATH, FUTURES_PATH)
    ]
    with LoopbackExchange(listings, lambda: NOW) as exchange:
        yield exchange


def get(loopback: LoopbackExchange, path: str, **params: Any) -> tuple[int, Any, http.client.HTTPMessage]:
    host = loopback.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", f"{path}?{urlencode(params)}")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body) if body.startswith((b"{", b"[")) else body, answer.headers


def klines(loopback: LoopbackExchange, path: str = "/api/v3/klines", **params: Any) -> list[list[Any]]:
    status, rows, _ = get(loopback, path, symbol="SOLUSDT", interval="1h", **params)
    assert status == 200
    assert isinstance(rows, list)
    return rows


def test_both_bounds_are_inclusive_on_the_open_time(loopback: LoopbackExchange) -> None:
    start = parse_time("2024-02-01")
    rows = klines(loopback, startTime=start, endTime=start + 3 * HOUR_MS)
    assert [row[0] for row in rows] == [start + i * HOUR_MS for i in range(4)]
    assert len(klines(loopback, startTime=start, endTime=start)) == 1
    assert klines(loopback, startTime=start + 1, endTime=start + 2) == []


def test_a_row_has_twelve_fields_in_binance_s_types(loopback: LoopbackExchange, hours: Candles) -> None:
    (row,) = klines(loopback, startTime=0, limit=1)
    assert len(row) == 12
    assert row[0] == YEAR.start
    assert [float(text) for text in row[1:6]] == [float(column[0]) for column in hours.columns().values()]
    assert all(isinstance(text, str) for text in row[1:6])
    assert row[6] == YEAR.start + HOUR_MS - 1


def test_with_a_start_the_oldest_rows_come_and_without_the_newest(loopback: LoopbackExchange) -> None:
    opened = NOW - NOW % HOUR_MS
    assert [row[0] for row in klines(loopback, limit=2)] == [opened - HOUR_MS, opened]
    end = parse_time("2024-02-01")
    assert [row[0] for row in klines(loopback, endTime=end, limit=2)] == [end - HOUR_MS, end]
    assert klines(loopback, startTime=0, limit=1)[0][0] == YEAR.start


def test_the_candle_still_open_comes_last_with_values_that_will_change(
    loopback: LoopbackExchange, hours: Candles
) -> None:
    last = klines(loopback, startTime=NOW - 2 * HOUR_MS)[-1]
    assert last[0] == NOW - NOW % HOUR_MS
    final = hours.within(Period(last[0], last[0] + 1))
    assert float(last[4]) != final.close[0]
    assert float(last[5]) != final.volume[0]


def test_limits_default_to_500_and_are_capped_by_the_interface(loopback: LoopbackExchange) -> None:
    assert len(klines(loopback, startTime=0)) == 500
    assert len(klines(loopback, startTime=0, limit=5000)) == 1000
    assert len(klines(loopback, "/fapi/v1/klines", startTime=0, limit=5000)) == len(
        klines(loopback, "/fapi/v1/klines", startTime=0, limit=1500)
    )


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "NOPE", "interval": "1h"}, -1121),
        ({"symbol": "SOLUSDT", "interval": "1mo"}, -1120),
        ({"symbol": "SOLUSDT", "interval": "1h", "startTime": "soon"}, -1100),
        ({}, -1121),
    ],
)
def test_bad_requests_get_binance_s_codes(
    loopback: LoopbackExchange, params: dict[str, str], code: int
) -> None:
    status, body, _ = get(loopback, "/fapi/v1/klines", **params)
    assert (status, body["code"]) == (400, code)


def test_the_time_is_the_clock_s_in_body_and_header(loopback: LoopbackExchange) -> None:
    status, body, headers = get(loopback, "/fapi/v1/time")
    assert (status, body) == (200, {"serverTime": NOW})
    assert headers["Date"] == "Fri, 01 Mar 2024 10:30:00 GMT"


@pytest.mark.parametrize("path", ["/", "/fapi/v1/order", "/api/v4/klines", "/../secret"])
def test_anything_else_is_not_found(loopback: LoopbackExchange, path: str) -> None:
    assert get(loopback, path)[0] == 404


def test_tiny_prices_are_written_as_binance_writes_them() -> None:
    tiny = Candles.from_rows([(YEAR.start, 1e-05, 1.2e-05, 9e-06, 1e-05, 3.2e13)])
    with LoopbackExchange([Listing(SPOT_PATH, "SOL", "USDT", {"1h": tiny})], lambda: NOW) as exchange:
        (row,) = klines(exchange, startTime=0)
    assert row[1:4] == ["0.00001", "0.000012", "0.000009"]
    assert float(row[5]) == 3.2e13


def test_after_closing_nobody_gets_an_answer(hours: Candles) -> None:
    exchange = LoopbackExchange([], lambda: NOW)
    host = exchange.start().removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", "/fapi/v1/time")
    connection.getresponse().read()
    exchange.close()

    def ask_again() -> None:
        connection.request("GET", "/fapi/v1/time")
        connection.getresponse()

    with pytest.raises((http.client.HTTPException, OSError)):
        ask_again()
    connection.close()
    exchange.close()
