"""Markets that are known without an exchange: for whom it refuses its list of them, and whom its archive alone serves.

A list that ships with the program is old; so any symbol that is spelt like a market is taken for one, and the archive says
what it has of it.
"""

import re
from typing import Final

from engine.model.market import Market

_BASES: Final = """
    BTC ETH SOL XRP BNB DOGE ADA TRX LINK AVAX SUI LTC BCH DOT NEAR APT UNI ICP ETC XLM HBAR ATOM FIL ARB OP INJ AAVE ALGO
    VET GRT SAND MANA AXS THETA XTZ EOS NEO KAVA ZEC DASH COMP SNX MKR CRV RUNE EGLD FTM GALA CHZ ENJ ZIL IOTA QTUM
"""
_QUOTES: Final = {
    "binanceusdm": ("USDT", "USDC"),
    "binance": ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY"),
}


def shipped_markets(exchange: str) -> list[Market]:
    """The much traded markets of an exchange that has an archive, by name."""
    quote = _QUOTES[exchange][0]
    return [_market(exchange, base, quote) for base in sorted(_BASES.split())]


def spelt_market(symbol: str, exchange: str) -> Market | None:
    """The market that a symbol would be, by its spelling: SOLUSDT, SOL/USDT, SOL/USDT:USDT."""
    text = symbol.strip().upper()
    for quote in _QUOTES[exchange]:
        base = text.removesuffix(f":{quote}").removesuffix(quote).removesuffix("/")
        if (
            base
            and text.startswith(base)
            and re.fullmatch(r"[A-Z0-9]{1,15}", base)
            and quote in text[len(base) :]
        ):
            return _market(exchange, base, quote)
    return None


def _market(exchange: str, base: str, quote: str) -> Market:
    settled = f":{quote}" if exchange == "binanceusdm" else ""
    return Market(exchange, base + quote, f"{base}/{quote}{settled}")
