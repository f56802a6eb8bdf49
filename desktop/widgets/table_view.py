"""The table that all panels use: compact rows, header sorting, copy as TSV, an empty state with a hint."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any, ClassVar, Final

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, QTimer
from PySide6.QtGui import (
    QAction,
    QColor,
    QFont,
    QFontMetrics,
    QGuiApplication,
    QKeySequence,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QStyleOptionHeader, QTableView, QWidget

from desktop.tables import formats
from desktop.tables.table import TableModel
from desktop.theme.colours import DARK, Theme

_AT_ONCE = 500  # rows whose numbers are looked through in one turn of the event loop
_LOOKED_AT = 25  # rows whose texts decide a column's first width
_MARKS = (Qt.ItemDataRole.DecorationRole, Qt.ItemDataRole.CheckStateRole)
_MARK_ROOM = 24
_CELL_ROOM = 16
_HEADER_ROOM = 36  # the arrow of the sorted column included
_FRAME_PX = 4
_BESIDE_THE_ARROW = "\u00a0" * 3
_ALL_HIDDEN: Final = "Nothing fits the filter."
LISTED_LATER: Final = "{} are listed as soon as the database is open."


class _Header(QHeaderView):
    """Titles that stand at the right keep clear of the arrow: Qt cuts off what lies left of it by the arrow's own width."""

    def initStyleOptionForIndex(self, option: QStyleOptionHeader, section: int) -> None:
        """How a title is drawn."""
        super().initStyleOptionForIndex(option, section)
        sorted_by = option.sortIndicator != QStyleOptionHeader.SortIndicator.None_
        if sorted_by and option.textAlignment & Qt.AlignmentFlag.AlignRight:
            option.text += _BESIDE_THE_ARROW


class RowsView(QTableView):
    """A table of whole rows: Home and End go to the first and to the last; Qt would go to a column."""

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """Where a key leads."""
        last = self.model().rowCount() - 1
        rows = {QAbstractItemView.CursorAction.MoveHome: 0, QAbstractItemView.CursorAction.MoveEnd: last}
        if action not in rows or last < 0 or self.selectionBehavior() != self.SelectionBehavior.SelectRows:
            return super().moveCursor(action, modifiers)
        return self.model().index(rows[action], max(self.currentIndex().column(), 0))


class TableView(RowsView):
    """Shows a TableModel."""

    KEYS: ClassVar = (
        "Tables",
        (
            ("Ctrl+C", "Copy the selected rows, or all"),
            ("Home or End", "Go to the first row, or to the last"),
        ),
    )

    def __init__(self, model: TableModel[Any], name: str, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = model
        self._hint = hint
        self._theme = DARK
        self._narrow: list[int] = []
        self._widening = QTimer(self, interval=0)
        self._widening.timeout.connect(self._widen_next)
        self.setHorizontalHeader(_Header(Qt.Orientation.Horizontal, self))
        self.setModel(model)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSortingEnabled(True)
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = self.horizontalHeader()
        header.setSectionsClickable(True)
        header.setHighlightSections(False)
        header.setTextElideMode(Qt.TextElideMode.ElideRight)
        # nothing is ever selected in it: to draw a title Qt asks every row of the column whether it is selected
        header.setSelectionModel(QItemSelectionModel(model, header))
        header.setSectionsMovable(True)
        header.setStretchLastSection(True)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setResizeContentsPrecision(25)
        header.setMinimumSectionSize(36)

    def apply_theme(self, theme: Theme) -> None:
        """Colour what the model colours by meaning."""
        self._theme = theme
        names = ("positive", "negative", "warning", "muted", "accent")
        self.table.colours = {name: QColor(getattr(theme, name)) for name in names}
        self.viewport().update()
        self.horizontalHeader().viewport().update()  # its times may be of another zone

    def height_of(self, rows: int) -> int:
        """Pixels that show so many rows under the header, also where columns are scrolled."""
        header, bar = self.horizontalHeader().sizeHint(), self.horizontalScrollBar().sizeHint()
        return header.height() + rows * self.verticalHeader().defaultSectionSize() + bar.height() + _FRAME_PX

    def fit_columns(self, widest: int = 260) -> None:
        """Make columns as wide as their first rows need. Qt would ask each cell for all that it could be drawn with."""
        model = self.table
        for column in range(model.columnCount()):
            cells = [model.index(row, column) for row in range(min(_LOOKED_AT, model.rowCount()))]
            wanted = max(map(self._text_width, cells), default=0) + _CELL_ROOM
            marks = cells[:1] and any(model.data(cells[0], role) is not None for role in _MARKS)
            title = str(model.headerData(column, Qt.Orientation.Horizontal) or "")
            room = self.horizontalHeader().fontMetrics().horizontalAdvance(title) + _HEADER_ROOM
            self.setColumnWidth(column, min(widest, max(wanted + (_MARK_ROOM if marks else 0), room)))
        self.widen_columns()

    def _text_width(self, cell: QModelIndex) -> int:
        font = self.table.data(cell, Qt.ItemDataRole.FontRole)
        metrics = QFontMetrics(font) if isinstance(font, QFont) else self.fontMetrics()
        return metrics.horizontalAdvance(str(self.table.data(cell) or ""))

    def widen_columns(self) -> None:
        """No number and no title is cut: widen what is too narrow for its title, its largest or its smallest value. Of many
        rows one column a turn of the event loop: each takes some milliseconds.
        """
        self._narrow = list(range(len(self.table.columns)))
        if len(self.table.rows) > _AT_ONCE:
            self._widening.start()
            return
        while self._narrow:
            self._widen_next()

    def _widen_next(self) -> None:
        if not self._narrow:
            self._widening.stop()
            return
        number = self._narrow.pop(0)
        column, header, cells = self.table.columns[number], self.horizontalHeader(), self.fontMetrics()
        title = header.fontMetrics().horizontalAdvance(formats.zoned(column.title)) + _HEADER_ROOM
        texts = [column.text(value) for value in self.table.extremes(number)] if column.numeric else []
        wanted = max([title, *(cells.horizontalAdvance(text) + _CELL_ROOM for text in texts)])
        if not self.isColumnHidden(number) and self.columnWidth(number) < wanted:
            self.setColumnWidth(number, wanted)

    def let_columns_be_chosen(self, hidden: Collection[str]) -> QMenu:
        """A menu of all columns, also on the header: what is not checked is not shown. `hidden`: keys of those at first."""
        menu, header = QMenu("Columns", self), self.horizontalHeader()
        for number, column in enumerate(self.table.columns):
            self.setColumnHidden(number, column.key in hidden)
            action = menu.addAction(column.title.replace("&", "&&"))
            action.setCheckable(True)
            action.setToolTip(column.tooltip)
            action.setEnabled(number > 0)
            action.toggled.connect(partial(self._show_column, number))
        menu.aboutToShow.connect(lambda: self._mark_shown(menu))
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(lambda point: menu.popup(header.mapToGlobal(point)))
        return menu

    def _mark_shown(self, menu: QMenu) -> None:
        for number, action in enumerate(menu.actions()):
            action.setChecked(not self.isColumnHidden(number))

    def _show_column(self, number: int, shown: bool) -> None:
        if shown == self.isColumnHidden(number):
            self.setColumnHidden(number, not shown)
            self.widen_columns()

    def selected_rows(self) -> list[int]:
        """Selected visible rows from top to bottom. Rows are selected whole; Qt's selectedRows would ask every cell."""
        chosen = self.selectionModel().selection()
        spans = [chosen.at(number) for number in range(chosen.count())]
        return sorted({row for span in spans for row in range(span.top(), span.bottom() + 1)})

    def select_row(self, view_row: int | None) -> None:
        """Select one row and scroll to it; None selects nothing."""
        if view_row is None:
            self.clearSelection()
            return
        index = self.table.index(view_row, 0)
        if view_row not in self.selected_rows() or len(self.selected_rows()) != 1:
            # not selectRow: with Ctrl down, as by Ctrl+Z, it adds to what is selected
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self.scrollTo(index, QAbstractItemView.ScrollHint.EnsureVisible)

    def say(self, hint: str) -> None:
        """What a table without rows says from now on."""
        self._hint = hint
        self.viewport().update()

    @property
    def hint(self) -> str:
        """What stands in place of rows: why there are none, or that the filter hides them."""
        return _ALL_HIDDEN if self.table.rows else self._hint

    def copy(self) -> None:
        """Put the selected rows (all, where none is) on the clipboard as TSV with a header."""
        rows = self.selected_rows() or None
        QGuiApplication.clipboard().setText(self.table.csv(rows, delimiter="\t"))

    def keyPressEvent(self, event: Any) -> None:
        """Ctrl+C copies."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """An empty table says what would fill it."""
        super().paintEvent(event)
        if self.table.rowCount():
            return
        painter = QPainter(self.viewport())
        painter.setPen(QColor(self._theme.muted))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self.viewport().rect().adjusted(20, 8, -20, -8), flags, self.hint)

    def offer(self, *actions: QAction) -> None:
        """What can be done with the selected rows: by key, and in the context menu."""
        self.addActions(actions)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def context_point(self, event_point: QPoint) -> QPoint:
        """Where on the screen a context menu belongs."""
        return self.viewport().mapToGlobal(event_point)


def table_action(text: str, keys: str, do: Callable[[], object], table: QWidget) -> QAction:
    """An action whose key counts while the table has the focus."""
    action = QAction(text, table)
    action.setShortcuts(
        [QKeySequence(key) for key in ("Return", "Enter")] if keys == "Return" else [QKeySequence(keys)]
    )
    action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
    action.setToolTip(f"{text} ({keys})")
    action.triggered.connect(lambda: do())
    return action
