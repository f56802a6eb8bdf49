"""Every way to write a symbol finds its market; nothing else does, and nothing is done with what was written."""

import pytest

from engine.data.market_names import find_market
from engine.errors import InputError
from engine.model.market import Market

MARKETS = [
    Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT"),
    Market("binanceusdm", "BTCUSDT", "BTC/USDT:USDT"),
    Market("binanceusdm", "币安人生USDT", "币安人生/USDT:USDT"),
]


@pytest.mark.parametrize("text", ["SOLUSDT", "sol/usdt", "SOL/USDT:USDT", " solusdt "])
def test_every_way_to_write_a_symbol_finds_it(text: str):
    assert find_market(text, MARKETS, "binanceusdm").unified == "SOL/USDT:USDT"


def test_a_symbol_beyond_ascii_is_found():
    assert find_market("币安人生USDT", MARKETS, "binanceusdm").name == "币安人生USDT"


def test_an_unknown_symbol_gets_a_suggestion():
    with pytest.raises(InputError, match="did you mean SOLUSDT"):
        find_market("SOLUSD", MARKETS, "binanceusdm")


@pytest.mark.parametrize(
    "text", ["x'; DROP TABLE symbols;--", "../../x", "A\x00B", "x" * 10_000, "%", "_", ""]
)
def test_a_hostile_symbol_is_only_unknown(text: str):
    with pytest.raises(InputError) as caught:
        find_market(text, MARKETS, "binanceusdm")
    assert len(str(caught.value)) < 200
    assert "\x00" not in str(caught.value)
