"""The exchanges there are: what every part of the program may know of them. How each is spoken to, its dialect knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.model.kinds import Kind


@dataclass(frozen=True, slots=True)
class ExchangeInfo:
    """One exchange by our name. To add one: an entry below, its dialect, and the setting for its address.

    `dialect`: the module of engine.data.exchanges that lists it in DIALECTS. `url_setting`: the field of Settings that
    replaces scheme and host of its addresses.
    """

    name: str
    title: str
    dialect: str
    url_setting: str | None = None
    is_perpetual: bool = False  # contracts without an end, which pay funding
    lacks: tuple[str, ...] = ()  # of our timeframes, those that it has no candles of
    kinds: tuple[Kind, ...] = (Kind.TRADED,)  # of series that we can ask it for

    @property
    def has_funding(self) -> bool:
        """Whether funding rates can be asked of it."""
        return Kind.FUNDING in self.kinds


_BYBIT_LACKS: Final = ("1s", "8h", "3d")
EXCHANGES: Final[Mapping[str, ExchangeInfo]] = {
    one.name: one
    for one in (
        ExchangeInfo(
            "binanceusdm",
            "Binance USD-M futures",
            "binance",
            "futures_url",
            is_perpetual=True,
            lacks=("1s",),
            kinds=tuple(Kind),
        ),
        ExchangeInfo("binance", "Binance spot", "binance", "spot_url"),
        ExchangeInfo(
            "bybitlinear",
            "Bybit linear perpetuals",
            "bybit",
            "bybit_url",
            is_perpetual=True,
            lacks=_BYBIT_LACKS,
        ),
        ExchangeInfo("bybit", "Bybit spot", "bybit", "bybit_url", lacks=_BYBIT_LACKS),
        # generated candles and funding rates, served on loopback in Binance's format
        ExchangeInfo(
            "sample",
            "Sample market (offline)",
            "binance",
            lacks=("1s",),
            kinds=(Kind.TRADED, Kind.FUNDING),
        ),
    )
}


def describe(name: str) -> ExchangeInfo:
    """What is known of an exchange; of one that is not known any more, as old runs may name it, nothing but that."""
    return EXCHANGES.get(name) or ExchangeInfo(name, name, "")
