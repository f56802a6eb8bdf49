"""A table over row objects: described columns, an order index, numeric sorting with missing values last, a row filter.

Sorting and filtering never leave this class: a QSortFilterProxyModel over Python data takes seconds where this takes
milliseconds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from desktop.tables import formats
from desktop.tables.formats import exported, is_missing

Row = TypeVar("Row")
Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column. `value` gives what is sorted, `text` what is shown, `export` what leaves the program."""

    key: str
    title: str
    value: Callable[[Row], Any]
    text: Callable[[Any], str] = str
    numeric: bool = False
    signed: bool = False
    tooltip: str = ""
    export: Callable[[Any], str] = exported


class TableModel(QAbstractTableModel, Generic[Row]):
    """Rows in base order; what is seen is `order`, positions into the rows after filter and sort."""

    def __init__(self, columns: Sequence[Column[Row]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.columns = list(columns)
        self.rows: list[Row] = []
        self.order: list[int] = []
        self._sorted_by: tuple[int, bool] | None = None
        self._wanted: Callable[[Row], bool] | None = None
        self.colours: dict[str, Any] = {}

    # -- what panels use ---------------------------------------------------------------------------------------------

    def set_rows(self, rows: Iterable[Row]) -> None:
        """Show other rows; keeps sorting and filter."""
        self.beginResetModel()
        self.rows = list(rows)
        self.order = self._arranged()
        self.endResetModel()

    def set_columns(self, columns: Sequence[Column[Row]]) -> None:
        """Show other columns of the same rows, unsorted."""
        self.beginResetModel()
        self.columns = list(columns)
        self._sorted_by = None
        self.order = self._arranged()
        self.endResetModel()

    def set_filter(self, wanted: Callable[[Row], bool] | None) -> None:
        """Show only rows that are wanted."""
        self._wanted = wanted
        self.beginResetModel()
        self.order = self._arranged()
        self.endResetModel()

    def rearrange(self) -> None:
        """Sort and filter again after rows changed or were appended; selections stay on their rows."""
        wanted = self._arranged()
        held = set(self.order)
        added = [base for base in wanted if base not in held]
        if len(wanted) != len(self.order) + len(added):
            self.beginResetModel()
            self.order = wanted
            self.endResetModel()
            return
        if added:
            last = len(self.order)
            self.beginInsertRows(NO_PARENT, last, last + len(added) - 1)
            self.order = self.order + added
            self.endInsertRows()
        self._permute(wanted)

    def _permute(self, wanted: list[int]) -> None:
        if wanted == self.order:
            self.redraw()
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        places = {base: view for view, base in enumerate(wanted)}
        after = [self.index(places[self.order[index.row()]], index.column()) for index in before]
        self.order = wanted
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def redraw(self) -> None:
        """Rows changed, but none of them belongs elsewhere now."""
        if self.order:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.order) - 1, len(self.columns) - 1))

    def shown(self) -> list[Row]:
        """The visible rows in visible order."""
        return [self.rows[base] for base in self.order]

    def row_at(self, view_row: int) -> Row:
        """The row object at a visible position."""
        return self.rows[self.order[view_row]]

    def view_row(self, base: int) -> int | None:
        """Where a base position is visible, or None."""
        try:
            return self.order.index(base)
        except ValueError:
            return None

    def column_number(self, key: str) -> int:
        """The position of a column."""
        return next(number for number, column in enumerate(self.columns) if column.key == key)

    def extremes(self, column: int) -> list[Any]:
        """The smallest and the largest value of a column of numbers."""
        value = self.columns[column].value
        known = [one for one in map(value, self.rows) if not is_missing(one)]
        return [min(known), max(known)] if known else []

    def csv(self, view_rows: Iterable[int] | None = None, *, delimiter: str = ",") -> str:
        """Visible rows as CSV text with a header: exact values, decimal point, ISO times."""
        chosen = range(len(self.order)) if view_rows is None else view_rows
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        writer.writerow([column.key for column in self.columns])
        for view in chosen:
            row = self.row_at(view)
            writer.writerow([column.export(column.value(row)) for column in self.columns])
        return out.getvalue()

    # -- Qt ----------------------------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        """Visible rows."""
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: Index = NO_PARENT) -> int:
        """Columns."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, alignment, colour and tooltip of a cell."""
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.numeric else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        if role not in (
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.ForegroundRole,
            Qt.ItemDataRole.ToolTipRole,
        ):
            return None
        row = self.row_at(index.row())
        value = column.value(row)
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(value)
        if role == Qt.ItemDataRole.ForegroundRole:
            return self.foreground(column, value)
        return self.tooltip(row, column)

    def foreground(self, column: Column[Row], value: Any) -> Any:
        """The colour of a cell, or None for plain text."""
        if not column.signed or is_missing(value) or not value:
            return None
        return self.colours.get("positive" if value > 0 else "negative")

    def tooltip(self, row: Row, column: Column[Row]) -> str | None:
        """The tooltip of a cell."""
        del row, column
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles, aligned as their columns."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return formats.zoned(column.title)
        if role == Qt.ItemDataRole.ToolTipRole:
            return formats.zoned(column.tooltip) or None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.numeric else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 puts the base order back."""
        descending = order == Qt.SortOrder.DescendingOrder
        self._sorted_by = (column, descending) if 0 <= column < len(self.columns) else None
        self.rearrange()

    def _arranged(self) -> list[int]:
        rows, wanted = self.rows, self._wanted
        order = list(range(len(rows)))
        if wanted is not None:
            order = [base for base in order if wanted(rows[base])]
        if self._sorted_by is None or self._sorted_by[0] >= len(self.columns):
            return order
        number, descending = self._sorted_by
        value = self.columns[number].value
        keys = {base: key for base in order if not is_missing(key := value(rows[base]))}
        missing = [] if len(keys) == len(order) else [base for base in order if base not in keys]
        return sorted(keys, key=keys.__getitem__, reverse=descending) + missing
