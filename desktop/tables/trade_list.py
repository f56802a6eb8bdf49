"""What differs between a run's trades and another program's, as a table: kind, ours, theirs, money."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.table import Column, TableModel
from engine.model.trade_comparison import KINDS, Said, TradeListComparison, TradeListDifference, is_time

ALL: Final = ""
_PRICES: Final = ("entry_price", "exit_price")


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One difference, and when the trade was entered (ms): ours, or theirs where it is alone."""

    one: TradeListDifference
    entered: int


def _said(kind: str, value: Said) -> str:
    if value is None:
        return formats.NO_VALUE
    if isinstance(value, str):
        return value.replace("_", " ")
    if is_time(kind):
        return formats.minute(value)
    return formats.price(value) if kind in _PRICES else formats.number(value, 8 if kind == "size" else 2)


def _number(place: int | None) -> str:
    return "" if place is None else formats.whole(place)


def _candles(count: int | None) -> str:
    return "" if count is None else formats.signed(count, 0)


def _beside(value: Callable[[TradeListDifference], Said]) -> Callable[[DifferenceRow], str]:
    return lambda row: _said(row.one.kind, value(row.one))


COLUMNS: Final[tuple[Column[DifferenceRow], ...]] = (
    Column("ours", "#", lambda row: None if row.one.ours is None else row.one.ours + 1, _number, numeric=True,
           tooltip="Our trade, as the Trades page counts them"),
    Column("theirs", "Theirs #", lambda row: None if row.one.theirs is None else row.one.theirs + 1, _number, numeric=True,
           tooltip="Their trade, by its entry"),
    Column("entered", "Entry (UTC)", lambda row: row.entered, formats.minute, export=formats.exported_time),
    Column("kind", "What differs", lambda row: KINDS[row.one.kind]),
    Column("candles", "Candles", lambda row: row.one.candles, _candles, numeric=True,
           tooltip="How many candles theirs is later; − earlier"),
    Column("our_value", "Ours", _beside(lambda one: one.our_value), numeric=True),
    Column("their_value", "Theirs", _beside(lambda one: one.their_value), numeric=True),
    Column("money", "Money", lambda row: row.one.money, formats.signed, numeric=True, signed=True,
           tooltip="What it makes of our profit less theirs"),
)  # fmt: skip


class DifferencesModel(TableModel[DifferenceRow]):
    """The differences of one comparison, by time."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(COLUMNS, parent)

    def show_kind(self, kind: str) -> None:
        """Show those of one kind alone, or ALL."""
        self.set_filter(None if kind == ALL else lambda row: row.one.kind == kind)


def difference_rows(found: TradeListComparison, entries: Callable[[int], int]) -> list[DifferenceRow]:
    """Rows by time; `entries`: when our trade at a place was entered, ms."""
    return [
        DifferenceRow(
            one, entries(one.ours) if one.ours is not None else found.theirs[one.theirs or 0].entry_time
        )
        for one in found.differences
    ]


def kind_words(found: TradeListComparison) -> dict[str, str]:
    """What can be chosen to be shown: words of each kind that there is, with its count and money, by kind."""
    counts = {ALL: f"All differences ({formats.whole(len(found.differences))})"}
    for total in found.totals():
        if total.kind != "rounding":
            title = KINDS[total.kind].capitalize()
            counts[total.kind] = f"{title} ({formats.whole(total.count)}), {formats.signed(total.money)}"
    return counts


def in_the_window(words: str) -> str:
    """A note or an error of the engine without the options of the command: "(--tz)"."""
    return re.sub(r" \(--[a-z]+\)", "", words)
