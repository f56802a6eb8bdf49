"""The leverage brackets that are known: of Binance's USD-M perpetuals a dated list that ships, and a newer one once it was
fetched (`bracket_update.py`). No source has a history: a list says what held on its day.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

from engine.data.market_names import find_market
from engine.errors import InputError, reason
from engine.model.account import Costs
from engine.model.brackets import Brackets
from engine.model.exchanges import describe
from engine.model.market import SAMPLE_EXCHANGE, Market

USDM: Final = "binanceusdm"
SHIPPED: Final = "usdm_brackets.json"  # in the package `resources`
STORED: Final = "brackets.json"  # in BACKTEST_HOME
# of the sample market, as invented as its prices
_SAMPLE: Final = [
    (0.0, 0.01, 50.0),
    (50_000.0, 0.025, 20.0),
    (250_000.0, 0.05, 10.0),
    (1_000_000.0, 0.125, 4.0),
]

Rows = list[tuple[float, float, float]]  # floor (quote currency), maintenance margin rate, most leverage


@dataclass(frozen=True, slots=True, eq=False)
class BracketList:
    """Rows by market name, where they are from and of which day (ISO) they are."""

    source: str
    day: str
    rows: Mapping[str, Rows]

    def of(self, name: str) -> Brackets | None:
        """The brackets of a market, None where the list lacks it. Raises InputError where its rows make no table."""
        return Brackets.of(self.rows[name], self.source, self.day) if name in self.rows else None

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads: rows that several markets share stand there once."""
        numbers: dict[str, int] = {}
        tables: list[Rows] = []
        symbols = {}
        for name, rows in sorted(self.rows.items()):
            number = symbols[name] = numbers.setdefault(repr(rows), len(tables))
            if number == len(tables):
                tables.append(rows)
        return {"source": self.source, "day": self.day, "tables": tables, "symbols": symbols}

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """The list as it was written; raises KeyError, TypeError, ValueError or IndexError where it was not."""
        tables: list[Rows] = [
            [(float(floor), float(rate), float(most)) for floor, rate, most in table]
            for table in document["tables"]
        ]
        rows = {name: tables[number] for name, number in document["symbols"].items()}
        return cls(str(document["source"]), str(document["day"]), rows)


def read_brackets(home: Path) -> BracketList:
    """The list of Binance's USD-M perpetuals: the one fetched last, else the one that ships. Raises InputError."""
    stored = home / STORED
    try:
        text = stored.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = resources.files("resources").joinpath(SHIPPED).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "no text"
        raise InputError(f"{stored} cannot be read ({why}); {_REMOVE}") from None
    try:
        return BracketList.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise InputError(f"{stored} holds no leverage brackets; {_REMOVE}") from None


_REMOVE: Final = "remove it to use those that ship, or run `backtest brackets --update`"


def list_of(exchange: str, home: Path) -> BracketList | None:
    """All brackets known of an exchange, None where none are. Raises InputError as `read_brackets`."""
    if exchange == SAMPLE_EXCHANGE:
        return BracketList("invented, as the sample market is", "2024-12-31", {"SAMPLEUSDT": _SAMPLE})
    return read_brackets(home) if exchange == USDM else None


def brackets_of(market: Market, home: Path) -> Brackets | None:
    """The brackets of a market, None where nobody knows them. Raises InputError as `read_brackets`."""
    known = list_of(market.exchange, home)
    return None if known is None else known.of(market.name)


def named_in(known: BracketList, symbol: str, exchange: str) -> str:
    """The name of the market that `symbol` means in any of its spellings; raises InputError with the nearest names."""
    typed = symbol.strip().upper().partition(":")[0].replace("/", "")
    listed = [Market(exchange, name, name) for name in known.rows]
    return find_market(typed, listed, f"the list of brackets of {exchange}").name


def check_leverage(costs: Costs, market: Market, home: Path) -> None:
    """Raise InputError for a leverage that a market's position can never have. None, margin off, is always possible."""
    leverage = costs.leverage
    if leverage is None:
        return
    if not describe(market.exchange).is_perpetual and market.exchange != SAMPLE_EXCHANGE:
        raise InputError(f"{market} is spot: it has no margin; leave the leverage out; nothing was run")
    brackets = brackets_of(market, home)
    if brackets is None and leverage > 1:
        raise InputError(
            f"no leverage brackets of {market} are known, so its liquidation cannot be computed; leave the leverage out or "
            f"take 1{'; `backtest brackets --update` asks for newer ones' if market.exchange == USDM else ''}; "
            "nothing was run"
        )
    if brackets is not None and leverage > brackets.most_leverage():
        raise InputError(
            f"a leverage of {leverage:g} is above the most that {market} allows, {brackets.most_leverage():g} "
            f"(brackets of {brackets.day}); nothing was run"
        )
