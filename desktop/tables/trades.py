"""The trades of one run as a table; the row number is the trade's place in the run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.table import Column, TableModel
from engine.model.trade import NESTED, Trade
from engine.model.trade_filter import (
    AMBIGUOUS,
    BESIDE_A_HOLE,
    LIQUIDATED,
    LOSSES,
    STILL_OPEN,
    WINS,
    Facet,
    TradeFilter,
)

_SIDES: Final = {"All sides": "", "Long": "long", "Short": "short"}
_OUTCOMES: Final = {
    "All results": "", "Wins": WINS, "Losses": LOSSES, "Open": STILL_OPEN, "Beside a hole": BESIDE_A_HOLE,
    "Liquidated": LIQUIDATED, "Ambiguous": AMBIGUOUS,
}  # fmt: skip
SIDES: Final = tuple(_SIDES)
OUTCOMES: Final = tuple(_OUTCOMES)
_PRICES: Final = frozenset(("entry_price", "exit_price"))


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade, its place in the run's list, and whether it begins or ends beside a hole in the candles."""

    place: int
    trade: Trade
    beside_hole: bool = False


def _of(name: str) -> Callable[[TradeRow], Any]:
    return lambda row: getattr(row.trade, name)


def _column(key: str, title: str, text: Callable[[Any], str], **more: Any) -> Column[TradeRow]:
    return Column(key, title, _of(key), text, **more)


def _size(value: float) -> str:
    return formats.number(value, 3 if value >= 1 else 8)


_KNOWN: Final[tuple[Column[TradeRow], ...]] = (
    Column("number", "#", lambda row: row.place + 1, formats.whole, numeric=True),
    Column("beside_hole", "⚠", lambda row: row.beside_hole, lambda beside: "⚠ hole" if beside else "",
           tooltip="Entry or exit stands beside a hole in the candles: it would have been another without the hole"),
    _column("side", "Side", lambda side: "▲ Long" if side == "long" else "▼ Short"),
    _column("entry_time", "Entry (UTC)", formats.minute, export=formats.exported_time),
    _column("exit_time", "Exit (UTC)", formats.minute, export=formats.exported_time),
    _column("candles", "Candles", formats.whole, numeric=True, tooltip="How many candles it was held"),
    _column("entry_price", "Entry price", formats.price, numeric=True),
    _column("exit_price", "Exit price", formats.price, numeric=True),
    _column("size", "Size", _size, numeric=True, tooltip="Coins"),
    _column("pnl", "P&L", formats.signed, numeric=True, signed=True, tooltip="Net of both commissions"),
    _column("return_pct", "Return %", formats.signed, numeric=True, signed=True, tooltip="Of the entry's value"),
    _column("commission", "Commission", formats.number, numeric=True),
    _column("slippage", "Slippage", formats.number, numeric=True, tooltip="What its fills lost to slippage"),
    _column("funding", "Funding", formats.number, numeric=True, tooltip="Paid on the perpetual; empty = not charged"),
    _column("price_pnl", "Price P&L", formats.signed, numeric=True, signed=True,
            tooltip="What the price alone made: before commission, slippage and funding"),
    _column("ambiguous", "?", lambda ambiguous: "? order" if ambiguous else "",
            tooltip="A candle of it can be read in two ways: what came first inside is not known"),
    _column("mae_pct", "MAE %", formats.number, numeric=True, tooltip="Worst excursion while it was held"),
    _column("mfe_pct", "MFE %", formats.number, numeric=True, tooltip="Best excursion while it was held"),
    _column("entry_signal", "Signal", str),
    _column("exit_reason", "Exit reason", lambda reason: str(reason).replace("_", " ")),
)  # fmt: skip
_UNSHOWN: Final = {"liquidated", *NESTED}  # the exit's reason says it; the details of a trade


def _others() -> Iterator[Column[TradeRow]]:
    """What a trade says beside: a new field of it is a column at once, under its own name."""
    for field in fields(Trade):
        if field.name not in _UNSHOWN | {column.key for column in _KNOWN}:
            title, is_number = field.name.replace("_", " ").capitalize(), field.type in ("int", "float")
            yield _column(field.name, title, formats.number if is_number else str, numeric=is_number)


COLUMNS: Final = (*_KNOWN, *_others())


class TradesModel(TableModel[TradeRow]):
    """Trades of the current run."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(COLUMNS, parent)

    def set_digits(self, digits: int) -> None:
        """Show prices with so many decimals: those of the market, so that the points align."""
        self.columns = [
            replace(column, text=lambda price: formats.number(price, digits))
            if column.key in _PRICES
            else column
            for column in self.columns
        ]

    def set_trades(self, trades: Sequence[Trade], beside_holes: Collection[int] = ()) -> None:
        """Show the trades of another run; `beside_holes` are places."""
        self.set_rows(TradeRow(place, trade, place in beside_holes) for place, trade in enumerate(trades))

    def foreground(self, column: Column[TradeRow], value: Any) -> Any:
        """The mark of a hole is a warning."""
        return (
            self.colours.get("warning") if column.key == "beside_hole" else super().foreground(column, value)
        )

    def total_pnl(self) -> float:
        """Sum of what is visible."""
        return sum(row.trade.pnl for row in self.shown())


def filter_words(wanted: TradeFilter) -> tuple[str, str, str]:
    """A filter as the three controls show it: side, result, words."""
    side = next(shown for shown, side in _SIDES.items() if side == wanted.side)
    outcome = next(shown for shown, outcome in _OUTCOMES.items() if outcome == wanted.outcome)
    return side, outcome, wanted.words


def trade_filter(side: str, outcome: str, text: str, facets: Iterable[Facet] = ()) -> TradeFilter:
    """The filter that the three controls show, with what is chosen beside them."""
    return TradeFilter(_SIDES[side], _OUTCOMES[outcome], text.strip(), tuple(facets))


def row_filter(wanted: TradeFilter) -> Callable[[TradeRow], bool] | None:
    """The same for rows, or None where all is wanted."""
    if wanted == TradeFilter():
        return None
    return lambda row: wanted.admits(row.place, row.trade, beside_hole=row.beside_hole)
