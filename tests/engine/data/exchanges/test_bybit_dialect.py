"""What Bybit's answers mean: pure readers, and any bytes at all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.exchanges.answers import Answer, Banned, RateLimited, UnexpectedAnswer, Unreachable
from engine.data.exchanges.bybit import LINEAR, SPOT, fault
from engine.data.exchanges.connection import Caller, Patience
from engine.data.exchanges.dialect import dialect_of
from engine.data.exchanges.exchange import Exchange
from engine.database.store import Store
from engine.errors import BacktestError, ExchangeError, InputError
from engine.model.exchanges import EXCHANGES
from engine.model.market import Market, Period, Timeframe, timeframes_of
from engine.settings import Settings
from tests.support.examples import examples
from tests.support.fake_bybit import FakeBybit
from tests.support.fake_exchange import Fault, grid_candles
from tests.support.own_time import within

URL = "https://api.example.test/v5/market/kline?symbol=SOLUSDT"
HOUR = Timeframe("1h")
DAY = Period.parse("2024-01-01", "2024-01-01")
MAY = {"date": "Wed, 01 May 2024 12:00:00 GMT"}
MAY_MS = 1_714_564_800_000


def answer(status: int, body: str = "", **headers: str) -> Answer:
    return Answer(URL, status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def coded(code: int, text: str = "some words") -> str:
    return json.dumps({"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": 1})


class Spelling:
    """The one thing that a dialect asks of ccxt here."""

    def safe_currency_code(self, code: str) -> str:
        return {"XBT": "BTC"}.get(code, code)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (500, "oops", Unreachable, "network: api.example.test is in trouble (HTTP 500)"),
        (200, coded(10016, "Server error"), Unreachable, "is in trouble (HTTP 200, Server error)"),
        (200, coded(10000), Unreachable, "is in trouble"),
        (200, coded(10006), RateLimited, "rate limiting"),
        (429, "", RateLimited, "rate limiting"),
        (200, coded(10018), Banned, "locked this address out"),
        (200, coded(10009), Banned, "locked this address out"),
        (403, "<html>403 Forbidden: Access Too Frequent</html>", Banned, "locked this address out"),
        (403, "<html>", ExchangeError, "BACKTEST_BYBIT_URL"),
        (451, "", ExchangeError, "refuses this location"),
        (200, coded(10024), ExchangeError, "refuses this location"),
        (200, coded(10001, "params error: symbol invalid"), InputError, "does not know this symbol"),
        (200, coded(10001, "Invalid period!"), InputError, "does not serve this timeframe"),
        (200, coded(10001, "start error"), ExchangeError, "refused: start error (HTTP 200, code 10001)"),
        (400, coded(0), UnexpectedAnswer, "unexpected answer from"),
        (404, "<html>", UnexpectedAnswer, "unexpected answer from"),
    ],
)
def test_every_status_and_code_has_its_own_error_and_words(
    status: int, body: str, kind: type[BacktestError], words: str
) -> None:
    found = fault(answer(status, body))
    assert type(found) is kind
    assert words in str(found)


def test_an_answer_without_a_fault_is_left_to_its_reader() -> None:
    for body in (coded(0), "[]", "{}", '{"retCode": 10016, "result": "' + "x" * 20_000 + '"}'):
        assert fault(answer(200, body)) is None
        assert LINEAR.read_rows("SOLUSDT", json.loads(body)) is None


def test_how_long_to_wait_is_what_bybit_says() -> None:
    def wait(found: object) -> float:
        assert isinstance(found, RateLimited)
        return found.retry_after_s

    reset = str(MAY_MS + 2500)
    assert wait(fault(answer(200, coded(10006), **MAY, x_bapi_limit_reset_timestamp=reset))) == 2.5
    assert wait(fault(answer(200, coded(10006), **MAY, x_bapi_limit_reset_timestamp=str(MAY_MS)))) == 5
    assert wait(fault(answer(200, coded(10006), x_bapi_limit_reset_timestamp="9" * 15))) == 5
    assert wait(fault(answer(200, coded(10006), retry_after="7"))) == 7
    assert wait(fault(answer(403, "access too frequent"))) == 600


def test_little_left_of_a_limit_is_a_rest_until_its_reset() -> None:
    def rest(left: str, most: str, reset_ms: int) -> float:
        told = {
            "x-bapi-limit-status": left,
            "x-bapi-limit": most,
            "x-bapi-limit-reset-timestamp": str(reset_ms),
        }
        return LINEAR.rest_s(Answer(URL, 200, told, ""), MAY_MS)

    assert rest("5", "50", MAY_MS + 900) == 0.9
    assert rest("6", "50", MAY_MS + 900) == 0
    assert rest("0", "50", MAY_MS - 900) == 0
    assert rest("-1", "", MAY_MS + 900) == 0
    assert rest("0", "50", MAY_MS + 86_400_000) == 0, "an hour ahead is a mistake"
    assert LINEAR.rest_s(answer(200), MAY_MS) == 0, "strangers are told no limit"


@pytest.mark.parametrize(
    ("nano", "ms"),
    [
        ("1714564800123456789", MAY_MS + 123),
        *((odd, None) for odd in ("", "soon", "-5", "0", 5, "9" * 30, None)),
    ],
)  # fmt: skip
def test_the_clock_is_the_nanoseconds_of_the_result(nano: Any, ms: int | None) -> None:
    assert LINEAR.read_time({"retCode": 0, "result": {"timeNano": nano}, "time": 1}) == ms
    assert LINEAR.read_time({"retCode": 10016, "result": {"timeNano": nano}}) is None


PERPETUAL = {
    "symbol": "SOLUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "SOL", "quoteCoin": "USDT",
    "settleCoin": "USDT", "launchTime": "1634256000000",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("SOLUSDT", "SOL/USDT:USDT", True, 1634256000000)),
        ({"status": "PreLaunch"}, ("SOLUSDT", "SOL/USDT:USDT", True, 1634256000000)),
        ({"status": "Settling"}, ("SOLUSDT", "SOL/USDT:USDT", True, 1634256000000)),
        ({"status": "Delivering"}, ("SOLUSDT", "SOL/USDT:USDT", False, 1634256000000)),
        ({"status": "Closed"}, ("SOLUSDT", "SOL/USDT:USDT", False, 1634256000000)),
        ({"launchTime": "0"}, ("SOLUSDT", "SOL/USDT:USDT", True, None)),
        ({"launchTime": "1634256000000000"}, ("SOLUSDT", "SOL/USDT:USDT", True, None)),
        ({"launchTime": None}, ("SOLUSDT", "SOL/USDT:USDT", True, None)),
        ({"baseCoin": "XBT"}, ("SOLUSDT", "BTC/USDT:USDT", True, 1634256000000)),
        ({"contractType": "LinearFutures"}, None),
        ({"settleCoin": "EUR"}, None),
        ({"symbol": ""}, None),
        ({"quoteCoin": None}, None),
    ],
)
def test_an_instrument_is_a_market_or_left_out(changed: dict[str, Any], expected: Any) -> None:
    found = LINEAR.market("bybitlinear", PERPETUAL | changed, Spelling())
    assert (found and (found.name, found.unified, found.is_trading, found.listed_ms)) == expected
    assert LINEAR.market("bybitlinear", ["SOLUSDT"], Spelling()) is None


def test_a_spot_pair_has_neither_contract_nor_date() -> None:
    pair = {"symbol": "SOLUSDC", "baseCoin": "SOL", "quoteCoin": "USDC", "status": "Trading"}
    found = SPOT.market("bybit", pair, Spelling())
    assert found is not None
    assert (found.exchange, found.name, found.unified, found.listed_ms) == (
        "bybit",
        "SOLUSDC",
        "SOL/USDC",
        None,
    )
    assert len(SPOT.listings()) == 1


# -- every exchange that is registered


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_registered_exchange_has_its_dialect_and_its_setting(name: str) -> None:
    dialect, info = dialect_of(name), EXCHANGES[name]
    assert tuple(dialect.timeframes) == timeframes_of(name)
    assert info.url_setting is None or hasattr(Settings(), info.url_setting)
    assert dialect.page_limit > 0


# -- any answer

ONCE = Patience(timeout_s=15, attempts=1, rate_limits=0)
SOL = Market("bybitlinear", "SOLUSDT", "SOL/USDT:USDT")
ENDPOINTS: dict[str, Callable[[Exchange], Any]] = {
    "kline": lambda exchange: exchange.page(SOL, HOUR, DAY, Caller()),
    "time": lambda exchange: exchange.now_ms(Caller()),
    "instruments-info": lambda exchange: exchange.markets(Caller()),
}
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=30,
)
_keys = st.sampled_from(
    [
        "retCode",
        "retMsg",
        "result",
        "list",
        "nextPageCursor",
        "symbol",
        "timeNano",
        "baseCoin",
        "status",
        "time",
    ]
)
_objects = st.dictionaries(_keys, _json, max_size=6)
BODIES = (
    st.binary(max_size=300)
    | (_json | _objects).map(lambda value: json.dumps(value).encode())
    | _objects.map(lambda inner: json.dumps({"retCode": 0, "result": inner}).encode())
    | st.lists(_json | _objects, max_size=4).map(
        lambda rows: json.dumps({"retCode": 0, "result": {"list": rows}}).encode()
    )
)
HEADERS = st.sampled_from(
    [
        {},
        {"Content-Type": "text/html; charset=klingon"},
        {"Retry-After": "9" * 400},
        {"X-Bapi-Limit": "9" * 400, "X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": "9" * 400},
        {"X-Bapi-Limit": "50", "X-Bapi-Limit-Status": "²", "X-Bapi-Limit-Reset-Timestamp": "1"},
    ]
)


@pytest.mark.long
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    endpoint=st.sampled_from(sorted(ENDPOINTS)),
    body=BODIES,
    headers=HEADERS,
    status=st.sampled_from([200, 200, 200, 204, 400, 403, 404, 429, 500, 999]),
)
def test_any_bytes_of_bybit_are_a_value_or_an_error_in_words(
    fake_bybit: FakeBybit, store: Store, endpoint: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    fake_bybit.encoding = "latin-1"
    fake_bybit.add("SOL", "1h", grid_candles("1h", DAY))
    for name in ("bybit", "bybit ban"):
        store.exchanges.save_blocked_until(name, 0)
    exchange = Exchange("bybitlinear", LINEAR, store.exchanges, fake_bybit.url, ONCE)
    fake_bybit.always = Fault(status, body.decode("latin-1"), headers)
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
