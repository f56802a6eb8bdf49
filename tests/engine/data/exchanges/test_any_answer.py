"""P26: whatever bytes an exchange answers, there is a value or an error in words, soon. P20: what is believed is exact."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.data.exchanges.binance import FUTURES, ROWS, SPOT, Binance
from engine.data.exchanges.connection import Caller, Patience
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.pages import check_page
from engine.database.store import Store
from engine.errors import BacktestError
from engine.model.market import HOUR_MS, Market, Period, Timeframe, parse_time
from tests.support.examples import examples
from tests.support.fake_exchange import FakeExchange, Fault, grid_candles
from tests.support.own_time import within

HOUR = Timeframe("1h")
DAY = Period.parse("2024-01-01", "2024-01-01")
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
ONCE = Patience(timeout_s=15, attempts=1, rate_limits=0)

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=13) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=40,
)
_keys = st.sampled_from(
    ["symbols", "serverTime", "code", "msg", "symbol", "status", "filters", "contractType"]
)
_objects = st.dictionaries(_keys, _json, max_size=6)
BODIES = (
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | (_json | _objects | st.lists(_json, max_size=3)).map(lambda value: json.dumps(value).encode())
    | _objects.map(lambda entry: json.dumps({"symbols": [entry]}).encode())
)
HOSTILE = {
    "deep": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000,
    "a number of a megabyte": b"[[" + b"9" * 1_000_000 + b"]]",
    "beyond float": b'[[1704067200000,"1e999","1e999","1","1","1",0,"0",0,"0","0","0"]]',
    "literals of JavaScript": b"[[NaN,Infinity,-Infinity]]",
    "a byte order mark": b"\xef\xbb\xbf[]",
    "UTF-16": "[]".encode("utf-16"),
    "a lone surrogate": b'{"code":-1,"msg":"\\ud800"}',
    "a code beyond int64": b'{"code":' + b"1" * 400 + b',"msg":"x"}',
    "a code that is true": b'{"code":true,"msg":null}',
    "four megabytes": b"[" + b"1," * 2_000_000 + b"1]",
}
HEADERS = st.sampled_from(
    [
        {},
        {"Content-Type": "text/html; charset=klingon"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "deflate"},
        {"Retry-After": "soon"},
        {"Retry-After": "9" * 400},
        {"Date": "yesterday"},
        {"Date": "Mon, 99 Foo 0000 99:99:99 GMT"},
        {"X-MBX-USED-WEIGHT-1M": "9" * 400},
        {"X-MBX-USED-WEIGHT-1M": "-1"},
    ]
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 400, 404, 418, 429, 451, 500, 503, 999])
ENDPOINTS: dict[str, Callable[[Exchange], Any]] = {
    "klines": lambda exchange: exchange.page(SOL, HOUR, DAY, Caller()),
    "time": lambda exchange: exchange.now_ms(Caller()),
    "exchangeInfo": lambda exchange: exchange.markets(Caller()),
}


def answer_is_understood(
    fake: FakeExchange, store: Store, endpoint: str, fault: Fault, dialect: Binance = FUTURES
) -> None:
    for name in ("binanceusdm", "binanceusdm ban"):
        store.exchanges.save_blocked_until(name, 0)
    exchange = Exchange("binanceusdm", dialect, store.exchanges, fake.url, ONCE)
    fake.always = fault
    said = ""
    try:
        with within(10):
            ENDPOINTS[endpoint](exchange)
    except BacktestError as problem:
        said = str(problem)
    finally:
        exchange.close()
    assert "\n" not in said
    assert len(said) < 500


class RawFault(Fault):
    """A fault whose body are bytes that need not be text."""

    def __init__(self, status: int, raw: bytes, headers: dict[str, str]) -> None:
        super().__init__(status, raw.decode("latin-1"), headers)


@pytest.fixture
def fake_bytes(fake_exchange: FakeExchange) -> FakeExchange:
    """The fake exchange, which sends the bodies of faults byte for byte."""
    fake_exchange.encoding = "latin-1"
    fake_exchange.add("SOL", "1h", grid_candles("1h", DAY))
    return fake_exchange


@pytest.mark.long
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@settings(max_examples=examples(120), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=STATUSES, headers=HEADERS, body=BODIES)
def test_any_bytes_are_a_value_or_an_error_in_words(
    fake_bytes: FakeExchange, store: Store, endpoint: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    answer_is_understood(fake_bytes, store, endpoint, RawFault(status, body, headers))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_an_error_in_words(
    fake_bytes: FakeExchange, store: Store, endpoint: str, name: str
) -> None:
    answer_is_understood(fake_bytes, store, endpoint, RawFault(200, HOSTILE[name], {}))


def _entry() -> dict[str, Any]:
    fake = FakeExchange()
    fake.add("SOL", "1h", grid_candles("1h", DAY))
    entry: dict[str, Any] = fake._info("/fapi/v1")["symbols"][0]
    return entry


@pytest.mark.long
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.sampled_from(sorted(_entry())), _json), max_size=3),
    dropped=st.sets(st.sampled_from(sorted(_entry())), max_size=2),
    dialect=st.sampled_from([FUTURES, SPOT]),
)
def test_any_entry_of_the_list_of_markets_is_a_market_or_left_out_or_refused(
    fake_bytes: FakeExchange,
    store: Store,
    changes: list[tuple[str, Any]],
    dropped: set[str],
    dialect: Binance,
) -> None:
    entry = {key: value for key, value in (_entry() | dict(changes)).items() if key not in dropped}
    body = json.dumps({"symbols": [entry, _entry()]}).encode()
    answer_is_understood(fake_bytes, store, "exchangeInfo", RawFault(200, body, {}), dialect)


# -- P20

_prices = st.decimals("0.000000000001", "1000000000", places=12)
_volumes = st.decimals("0", "1000000000000000000", places=8)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.tuples(_prices, _prices, _prices, _prices, _volumes), min_size=1, max_size=24))
@example(numbers=[(Decimal("1E-12"),) * 4 + (Decimal("1E18"),), (Decimal(10**9),) * 4 + (Decimal(0),)])
def test_every_number_of_the_exchange_is_read_back_as_the_float_of_its_text(
    store: Store, numbers: list[tuple[Decimal, ...]]
) -> None:
    market = Market("binance", f"P{time.monotonic_ns()}"[:20], "P/USDT")
    start = parse_time("2024-01-01")
    rows, expected = [], []
    for number, (*prices, volume) in enumerate(numbers):
        low, open_, close, high = sorted(prices)
        texts = [format(value, "f") for value in (open_, high, low, close, volume)]
        rows.append([start + number * HOUR_MS, *texts, 0, "0", 0, "0", "0", "0"])
        expected.append(tuple(map(float, texts)))
    window = Period(start, start + len(rows) * HOUR_MS)
    page = check_page(rows, HOUR, window, "P", ROWS)
    store.candles.add_page(market, HOUR, page.candles, [window])
    held = store.candles.read(market, HOUR, window)
    assert list(zip(*(column.tolist() for column in held.columns().values()), strict=True)) == expected
