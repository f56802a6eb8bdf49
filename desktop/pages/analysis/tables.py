"""The tables of the Analysis page; the tooltip of a column says how it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from desktop.tables import formats
from desktop.tables.table import Column, Index, TableModel
from engine.analysis.account import MONTHS, Calendar, Drawdown
from engine.analysis.groups import Group
from engine.analysis.market import Relation
from engine.analysis.streaks import Streak

_STRONGEST: Final = 110  # alpha of the colour behind the best and the worst month
_LEFT_OUT: Final = "Positions still open count among trades and sum, not here."


def _plain_percent(value: Any, digits: int = 1) -> str:
    return formats.NO_VALUE if formats.is_missing(value) else f"{formats.number(value, digits)} %"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group, its place among the groups, and whether its trades alone are looked at."""

    number: int
    group: Group
    chosen: bool = False

    @property
    def label(self) -> str:
        """Marked where it is chosen."""
        return f"● {self.group.label}" if self.chosen else self.group.label


def _of(name: str, title: str, text: Any, tooltip: str, *, signed: bool = False) -> Column[GroupRow]:
    return Column(
        name, title, lambda row: getattr(row.group, name), text, numeric=True, signed=signed, tooltip=tooltip
    )


def group_columns(title: str, told: str) -> list[Column[GroupRow]]:
    """The columns of a table of groups of that kind."""
    return [
        Column("group", title, lambda row: row.number, str, tooltip=told),
        _of("trades", "Trades", formats.whole, "Trades of the group, an open position included."),
        _of("win_rate_pct", "Win rate", _plain_percent, f"Wins / closed trades; break-even counts against. {_LEFT_OUT}"),
        _of("profit_factor", "Profit factor", formats.number, f"Money won / money lost; – without losses. {_LEFT_OUT}"),
        _of("pnl", "Sum", formats.signed, "Sum of P&L, after commission.", signed=True),
        _of("share_pct", "Share", _plain_percent,
            "Share of profit: sum / what all listed trades made together, its sign left out. Below 0 the group lost.",
            signed=True),
        _of("mean_pnl", "Mean", formats.signed, "Sum / trades.", signed=True),
        _of("mean_return_pct", "Mean %", formats.signed, "Mean return on the value at entry.", signed=True),
    ]  # fmt: skip


class GroupsModel(TableModel[GroupRow]):
    """Groups of trades of one dimension."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(group_columns("Group", ""), parent)

    def show_groups(self, groups: Sequence[Group], chosen: str | None, title: str, told: str) -> None:
        """Show groups of trades; those without any are left out."""
        labels = [group.label for group in groups]
        columns = group_columns(title, told)
        columns[0] = Column(
            "group", title, lambda row: row.number, lambda number: labels[number], tooltip=told,
            export=lambda number: labels[number],
        )  # fmt: skip
        if [column.title for column in columns] != [column.title for column in self.columns]:
            self.set_columns(columns)
        self.columns = columns
        self.set_rows(
            GroupRow(number, group, group.label == chosen)
            for number, group in enumerate(groups)
            if group.trades
        )

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """As of any table; the chosen group is marked."""
        if role == Qt.ItemDataRole.DisplayRole and index.column() == 0:
            return self.row_at(index.row()).label
        return super().data(index, role)


def _short(value: Any) -> str:
    return formats.signed(value, 1)


@dataclass(frozen=True, slots=True)
class YearRow:
    """Returns of a year in percent; NaN outside the run."""

    year: int
    months: tuple[float, ...]
    total: float


def _month_column(number: int) -> Column[YearRow]:
    told = "Equity at the end of the month / at the end of the month before - 1 (the first from the starting cash), UTC"
    return Column(f"{MONTHS[number].lower()}_pct", MONTHS[number], lambda row: row.months[number], _short,
                  numeric=True, signed=True, tooltip=told)  # fmt: skip


class CalendarModel(TableModel[YearRow]):
    """Years x months, with the year's total; the number is in the cell, the colour behind it only repeats it."""

    def __init__(self, parent: Any = None) -> None:
        total: Column[YearRow] = Column("total_pct", "Year", lambda row: row.total, _short, numeric=True,
                                        signed=True, tooltip="The months of the year, compounded")  # fmt: skip
        super().__init__(
            [Column("year", "%", lambda row: row.year, str), *map(_month_column, range(12)), total], parent
        )
        self._largest = 1.0

    def show_calendar(self, calendar: Calendar | None) -> None:
        """Show another run's months."""
        if calendar is None:
            self.set_rows(())
            return
        known = np.abs(calendar.months[~np.isnan(calendar.months)])
        self._largest = float(known.max()) or 1.0
        rows = zip(calendar.years, calendar.months.tolist(), calendar.totals.tolist(), strict=True)
        self.set_rows(YearRow(year, tuple(months), total) for year, months, total in rows)

    def period_of(self, index: Index) -> tuple[str, np.datetime64, np.datetime64] | None:
        """The month of a cell (the year of one at the ends): its name, start and end; None outside the run."""
        row, number = self.row_at(index.row()), index.column() - 1
        if not 0 <= number < 12:
            start = np.datetime64(str(row.year), "Y")
            return str(row.year), start, start + 1
        if np.isnan(row.months[number]):
            return None
        month = np.datetime64(f"{row.year}-{number + 1:02d}", "M")
        return f"{MONTHS[number]} {row.year}", month, month + 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """As of any table, with a colour behind the months."""
        if role != Qt.ItemDataRole.BackgroundRole or not 0 < index.column() <= 12:
            return super().data(index, role)
        value = self.row_at(index.row()).months[index.column() - 1]
        colour = self.colours.get("positive" if value > 0 else "negative")
        if formats.is_missing(value) or not value or colour is None:
            return None
        behind = QColor(colour)
        behind.setAlpha(round(_STRONGEST * min(1.0, abs(value) / self._largest)))
        return behind

    def tooltip(self, row: YearRow, column: Column[YearRow]) -> str | None:
        """The exact value, and whose."""
        value = column.value(row)
        if column.key == "year" or formats.is_missing(value):
            return None
        return f"{column.title} {row.year}: {formats.percent(value)}".replace("Year ", "")

    def foreground(self, column: Column[YearRow], value: Any) -> Any:
        """Plain text on coloured cells."""
        return super().foreground(column, value) if column.key == "total_pct" else None


DRAWDOWN_COLUMNS: Final[tuple[Column[Drawdown], ...]] = (
    Column("depth_pct", "Depth", lambda row: row.depth_pct, _plain_percent, numeric=True,
           tooltip="Lowest close / running peak - 1; the peak starts at the cash"),
    Column("days", "Days", lambda row: row.days, lambda days: formats.number(days, 1), numeric=True,
           tooltip="From the peak to the recovery, or to the end of the run"),
    Column("money", "Money", lambda row: row.money, formats.signed, numeric=True, tooltip="Lowest close - running peak"),
    Column("start", "Start (UTC)", lambda row: row.start_ms, formats.minute, export=formats.exported_time,
           tooltip="Close of the last peak"),
    Column("trough", "Trough (UTC)", lambda row: row.trough_ms, formats.minute, export=formats.exported_time,
           tooltip="The deepest close"),
    Column("recovery", "Recovery (UTC)", lambda row: row.recovery_ms, formats.minute, export=formats.exported_time,
           tooltip="The first close at the peak again; – where it did not come before the end"),
)  # fmt: skip

STREAK_COLUMNS: Final[tuple[Column[Streak], ...]] = (
    Column("kind", "In a row", lambda row: "wins" if row.won else "losses",
           lambda kind: "▲ Wins" if kind == "wins" else "▼ Losses",
           tooltip="Closed trades in order of their entry; break-even ends a streak"),
    Column("trades", "Trades", lambda row: row.trades, formats.whole, numeric=True),
    Column("pnl", "Sum", lambda row: row.pnl, formats.signed, numeric=True, signed=True),
    Column("start", "First entry (UTC)", lambda row: row.start_ms, formats.minute, export=formats.exported_time),
    Column("end", "Last exit (UTC)", lambda row: row.end_ms, formats.minute, export=formats.exported_time),
)  # fmt: skip

RELATION_COLUMNS: Final[tuple[Column[Relation], ...]] = (
    Column("market", "Market", lambda row: row.market, str, tooltip="Whose daily returns the account's are compared with"),
    Column("days", "Days", lambda row: row.days, formats.whole, numeric=True,
           tooltip="UTC days of which both are known; below 30 nothing is said"),
    Column("alpha_pct", "Alpha", lambda row: row.alpha_pct, formats.percent, numeric=True, signed=True,
           tooltip="(Mean daily return - beta x mean daily return of the market) x 365"),
    Column("beta", "Beta", lambda row: row.beta, formats.number, numeric=True,
           tooltip="Covariance of daily returns with the market's / variance of the market's"),
    Column("correlation", "Correlation", lambda row: row.correlation, formats.number, numeric=True,
           tooltip="Of daily returns with the market's, from -1 to 1"),
)  # fmt: skip
