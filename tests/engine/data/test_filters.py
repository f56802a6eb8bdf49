"""What exchanges take of orders: read from their lists of markets, kept, and asked for again where it is not known."""

import json
from typing import Any

import pytest

from engine.data.exchanges.bybit import LINEAR
from engine.data.exchanges.bybit import SPOT as BYBIT_SPOT
from engine.data.exchanges.dialect import Dialect
from engine.data.exchanges.loopback import SPOT_PATH
from engine.data.filters import check_filters, needs_filters
from engine.errors import InputError
from engine.model.account import Costs, slippage_values
from engine.model.filters import Filters
from engine.model.market import Market, Period, parse_time
from tests.support.fake_exchange import FakeExchange, Fault, MakeBench, grid_candles

DAY = Period(parse_time("2024-01-01"), parse_time("2024-01-02"))
TOLD = Filters(tick=0.1, step=0.001, least=0.001, most=120.0, notional=100.0)
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HELD = Costs(filters="current")


def test_they_come_with_the_list_of_markets_and_are_kept(
    fake_exchange: FakeExchange, bench: MakeBench
) -> None:
    fake_exchange.add("SOL", "1h", grid_candles("1h", DAY), filters=TOLD)
    fake_exchange.add("ADA", "1h", grid_candles("1h", DAY))
    made = bench()
    assert {one.name: one.filters for one in made.fetcher.markets()} == {"SOLUSDT": TOLD, "ADAUSDT": None}
    assert made.store.exchanges.filters(SOL) == TOLD
    assert made.fetcher.market("SOLUSDT").filters == TOLD
    assert made.store.exchanges.filters(Market("binanceusdm", "ADAUSDT", "")) is None


def test_spot_tells_its_least_value_by_another_name(fake_exchange: FakeExchange, bench: MakeBench) -> None:
    fake_exchange.add("SOL", "1h", grid_candles("1h", DAY), filters=TOLD, path=SPOT_PATH)
    assert [one.filters for one in bench().fetcher.markets("binance")] == [TOLD]


def _filters(dialect: Dialect, entry: dict[str, Any]) -> Filters | None:
    market = dialect.market("any", entry, _Spelling())
    assert market is not None
    return market.filters


class _Spelling:
    @staticmethod
    def safe_currency_code(code: str) -> str:
        return code


# as Bybit documents them
LINEAR_ENTRY = {
    "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT",
    "settleCoin": "USDT", "launchTime": "1585526400000",
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {
        "maxOrderQty": "1190.000", "minOrderQty": "0.001", "qtyStep": "0.001", "maxMktOrderQty": "500.000",
        "minNotionalValue": "5",
    },
}  # fmt: skip
SPOT_ENTRY = {
    "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
    "priceFilter": {"tickSize": "0.01"},
    "lotSizeFilter": {
        "basePrecision": "0.000001", "quotePrecision": "0.0000001", "minOrderQty": "0.000048", "maxOrderQty": "71.7",
        "minOrderAmt": "1", "maxOrderAmt": "4000000",
    },
}  # fmt: skip


def test_bybit_tells_contracts_and_spot_in_words_of_their_own() -> None:
    assert _filters(LINEAR, LINEAR_ENTRY) == Filters(0.1, 0.001, 0.001, 500.0, 5.0)
    assert _filters(BYBIT_SPOT, SPOT_ENTRY) == Filters(tick=0.01, step=1e-6, least=0.000048, notional=1.0)


@pytest.mark.parametrize("told", [None, 5, [], {}, [None, {"filterType": []}], [{"filterType": "LOT_SIZE"}]])
def test_what_is_no_filter_was_not_told(told: Any, fake_exchange: FakeExchange, bench: MakeBench) -> None:
    fake_exchange.add("SOL", "1h", grid_candles("1h", DAY))
    info = fake_exchange.reply("/fapi/v1/exchangeInfo", {}).value
    info["symbols"][0]["filters"] = told
    fake_exchange.fail(Fault(200, json.dumps(info)), on="exchangeInfo")
    assert [one.filters for one in bench().fetcher.markets()] == [None]


def test_numbers_that_are_none_or_nothing_are_not_told() -> None:
    assert Filters.read({"tick": "0", "step": "x", "least": None, "most": "nan", "notional": "-5"}) is None
    assert Filters.read({"tick": "0.10", "step": 0, "most": "inf"}) == Filters(tick=0.1)
    assert Filters.from_json(TOLD.to_json()) == TOLD
    assert Filters().to_json() == {}
    assert str(TOLD) == "ticks of 0.1, steps of 0.001, at least 0.001, at most 120, worth at least 100"


def test_a_list_kept_before_there_were_filters_is_asked_for_again() -> None:
    asked: list[str] = []

    def listed(exchange: str) -> list[Market]:
        asked.append(exchange)
        return [Market("binanceusdm", "SOLUSDT", "", filters=TOLD)]

    check_filters(HELD, SOL, listed)
    check_filters(Costs(slippage_model="half-spread"), SOL, listed)
    check_filters(Costs(slippage=0.001), SOL, listed)
    check_filters(HELD, Market("binanceusdm", "SOLUSDT", "", filters=TOLD), listed)
    assert asked == ["binanceusdm"] * 2


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (
            HELD,
            "SOLUSDT on binanceusdm: what the exchange takes of orders is not known; --filters off runs without it",
        ),
        (
            Costs(slippage_model="half-spread"),
            "the size of its tick is not known; say what half its spread is",
        ),
    ],
)
def test_where_nobody_knows_them_a_run_that_needs_them_is_refused_in_one_line(
    costs: Costs, words: str
) -> None:
    with pytest.raises(InputError) as refused:
        check_filters(costs, SOL, lambda _: [SOL])
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_half_a_spread_that_is_given_needs_no_tick() -> None:
    costs = Costs(**slippage_values("half-spread:0.0002"))
    assert needs_filters(costs)
    check_filters(costs, SOL, lambda _: [SOL])
