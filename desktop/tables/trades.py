"""The trades of one run as a table; the row number is the trade's place in the run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.table import Column, TableModel
from engine.model.trade import Trade

SIDES: Final = ("All sides", "Long", "Short")
_PRICES: Final = frozenset(("entry_price", "exit_price"))
OUTCOMES: Final = ("All results", "Wins", "Losses", "Open", "Beside a hole")


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
    _column("mae_pct", "MAE %", formats.number, numeric=True, tooltip="Worst excursion while it was held"),
    _column("mfe_pct", "MFE %", formats.number, numeric=True, tooltip="Best excursion while it was held"),
    _column("entry_signal", "Signal", str),
    _column("exit_reason", "Exit reason", lambda reason: str(reason).replace("_", " ")),
)  # fmt: skip
_UNSHOWN: Final = {"funding"}  # not charged yet


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


def trade_filter(side: str, outcome: str, text: str) -> Callable[[TradeRow], bool] | None:
    """The row filter of the three controls, or None where all is wanted."""
    words = text.strip().lower().split()
    if side == SIDES[0] and outcome == OUTCOMES[0] and not words:
        return None

    def wanted(row: TradeRow) -> bool:
        trade = row.trade
        if side != SIDES[0] and trade.side != side.lower():
            return False
        is_open = trade.exit_reason == "open"
        fits = {
            OUTCOMES[0]: True,
            OUTCOMES[1]: not is_open and trade.pnl > 0,
            OUTCOMES[2]: not is_open and trade.pnl <= 0,
            OUTCOMES[3]: is_open,
            OUTCOMES[4]: row.beside_hole,
        }[outcome]
        if not fits:
            return False
        shown = f"{trade.entry_signal} {trade.exit_reason.replace('_', ' ')} {trade.side} {formats.minute(trade.entry_time)}"
        return all(word in shown.lower() for word in words)

    return wanted
