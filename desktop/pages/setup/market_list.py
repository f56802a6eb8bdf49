"""The list of symbols: check boxes, what is held of each in the chosen period, and a star for favourites."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Any, ClassVar, Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from desktop.charts.strip import paint_strip
from desktop.pages.setup.coverage_view import coverage_words
from desktop.tables import formats
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.table_view import RowsView
from engine.model.coverage import Coverage
from engine.model.market import Market

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
_STRIP_PX: Final = 40


class Place(IntEnum):
    """The columns."""

    NAME = 0
    HELD = 1
    STAR = 2


def held_text(coverage: Coverage | None) -> str:
    """For how much of a period the exchange need not be asked: 84 %; empty where nothing of the series is held."""
    if coverage is None or not coverage.expected:
        return ""
    to_fetch = sum(map(coverage.timeframe.count, coverage.gaps))
    return f"{formats.whole(math.floor(100 * (1 - to_fetch / coverage.expected)))} %"


class MarketListModel(QAbstractTableModel):
    """Markets that match the filters, chosen ones first, then favourites. Signals: `chosen_changed()` a check box moved;
    `starred_changed()` a star did.
    """

    chosen_changed = Signal()
    starred_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.markets: list[tuple[Market, bool]] = []
        self.chosen: list[str] = []
        self.starred: list[str] = []
        self.held: Mapping[str, Coverage] = {}
        self._shown: list[tuple[Market, bool]] = []
        self._search, self._quote, self._starred_only = "", "", False
        self._theme = DARK

    def set_markets(self, markets: list[tuple[Market, bool]]) -> None:
        """Show another exchange's markets."""
        self.markets = sorted(markets, key=lambda pair: (not pair[1], not pair[0].is_trading, pair[0].name))
        self._arrange()

    def set_chosen(self, names: list[str]) -> None:
        """Check these symbols, known here or not yet."""
        self.chosen = list(dict.fromkeys(names))
        self._arrange()
        self.chosen_changed.emit()

    def set_starred(self, names: Collection[str]) -> None:
        """The favourites of this exchange."""
        self.starred = list(names)
        self._arrange()

    def set_held(self, held: Mapping[str, Coverage]) -> None:
        """What is held of the chosen period, by symbol."""
        self.held = held
        if self._shown:
            first, last = self.index(0, Place.HELD), self.index(len(self._shown) - 1, Place.HELD)
            self.dataChanged.emit(first, last)

    def search(self, text: str) -> None:
        """Show only symbols that contain the text, with or without the slash."""
        self._search = text.strip().upper().replace("/", "").replace(" ", "")
        self._arrange()

    def show_only(self, quote: str, *, starred: bool) -> None:
        """Show only symbols counted in this currency (empty: in any), or only favourites."""
        self._quote, self._starred_only = quote, starred
        self._arrange()

    def quotes(self) -> list[str]:
        """The currencies that markets are counted in, those of most markets first."""
        count: dict[str, int] = {}
        for market, _ in self.markets:
            quote = formats.quote_of(market.unified)
            count[quote] = count.get(quote, 0) + 1
        return sorted(filter(None, count), key=lambda quote: (-count[quote], quote))

    def _arrange(self) -> None:
        self.beginResetModel()
        chosen, starred = set(self.chosen), set(self.starred)
        matching = [
            pair for pair in self.markets
            if self._search in pair[0].name.upper()
            and (not self._quote or formats.quote_of(pair[0].unified) == self._quote)
            and (not self._starred_only or pair[0].name in starred or pair[0].name in chosen)
        ]  # fmt: skip
        self._shown = sorted(
            matching, key=lambda pair: (pair[0].name not in chosen, pair[0].name not in starred)
        )
        self.endResetModel()

    def market(self, row: int) -> Market:
        """The market of a visible row."""
        return self._shown[row][0]

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        """Matching markets."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = NO_PARENT) -> int:
        """Name, held, star."""
        return 0 if parent.isValid() else len(Place)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Every row has a check box."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == Place.NAME else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name, check box, what is held, star; what is known in the tooltips."""
        market, active = self._shown[index.row()]
        if index.column() == Place.HELD:
            return self._held_data(self.held.get(market.name), role)
        if index.column() == Place.STAR:
            return self._star_data(market.name, role)
        if role == Qt.ItemDataRole.DisplayRole:
            return market.name if market.is_trading else f"{market.name}  (not trading)"
        if role == Qt.ItemDataRole.CheckStateRole:
            return Qt.CheckState.Checked if market.name in self.chosen else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            return market.unified + (" · candles held" if active else "")
        if role == Qt.ItemDataRole.FontRole and active:
            bold = QFont()
            bold.setBold(True)
            return bold
        return None

    def _held_data(self, coverage: Coverage | None, role: int) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return held_text(coverage)
        if role == Qt.ItemDataRole.ToolTipRole:
            return coverage_words(coverage) if coverage else "Nothing held of this timeframe"
        if role == Qt.ItemDataRole.UserRole:
            return coverage
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def _star_data(self, name: str, role: int) -> Any:
        on = name in self.starred
        if role == Qt.ItemDataRole.DecorationRole:
            return icon("starred", self._theme.accent) if on else icon("star", self._theme.muted)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return "A favourite" if on else "No favourite; click the star, or press F"
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Check or uncheck a symbol."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        name = self.market(index.row()).name
        if Qt.CheckState(value) == Qt.CheckState.Checked:
            self.chosen.append(name)
        else:
            self.chosen = [other for other in self.chosen if other != name]
        self.dataChanged.emit(index, index)
        self.chosen_changed.emit()
        return True

    def toggle(self, row: int) -> None:
        """Check a row that is not, and the other way round."""
        index = self.index(row, Place.NAME)
        is_on = self.market(row).name in self.chosen
        state = Qt.CheckState.Unchecked if is_on else Qt.CheckState.Checked
        self.setData(index, state, Qt.ItemDataRole.CheckStateRole)

    def toggle_star(self, name: str) -> None:
        """Make a symbol a favourite, or none; its row stays where it is until the list is filled again."""
        others = [other for other in self.starred if other != name]
        self.starred = others if name in self.starred else [*others, name]
        self.dataChanged.emit(self.index(0, Place.STAR), self.index(self.rowCount() - 1, Place.STAR))
        self.starred_changed.emit()

    def apply_theme(self, theme: Theme) -> None:
        """Colour the stars."""
        self._theme = theme
        self.set_held(self.held)


class HeldDelegate(QStyledItemDelegate):
    """Paints what is held over time in front of how much that is."""

    theme: Theme = DARK

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """The strip, and the text."""
        super().paint(painter, option, index)
        coverage = index.data(Qt.ItemDataRole.UserRole)
        if coverage is None:
            return
        area = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        strip = QRectF(area.left() + 2, area.center().y() - 2.5, _STRIP_PX, 5)
        paint_strip(painter, strip, coverage, self.theme)
        painter.restore()


class MarketTable(RowsView):
    """Keys: Space checks, Return too, F stars. `menu_wanted(row, place on the screen)`."""

    KEYS: ClassVar = (
        "Symbols",
        (
            ("Space or Return", "Check a symbol, or not"),
            ("F", "Make it a favourite, or not"),
        ),
    )

    menu_wanted = Signal(int, object)

    def __init__(self, model: MarketListModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setModel(model)
        self.setProperty("framed", True)
        self.setAccessibleName("Symbols")
        self.setShowGrid(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.horizontalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 5)
        self.verticalHeader().setMinimumSectionSize(self.fontMetrics().height() + 5)
        self.horizontalHeader().setMinimumSectionSize(20)
        self._delegate = HeldDelegate(self)
        self.setItemDelegateForColumn(Place.HELD, self._delegate)
        header = self.horizontalHeader()
        header.setSectionResizeMode(Place.NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in (
            (Place.HELD, _STRIP_PX + 16 + self.fontMetrics().horizontalAdvance("100 %")),
            (Place.STAR, 26),
        ):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.setColumnWidth(column, width)
        self.clicked.connect(self._clicked)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._ask_menu)

    def row_height(self) -> int:
        """The height of a row, px."""
        return self.verticalHeader().defaultSectionSize()

    def _clicked(self, index: QModelIndex) -> None:
        if index.column() == Place.STAR:
            self._model.toggle_star(self._model.market(index.row()).name)

    def _ask_menu(self, point: Any) -> None:
        index = self.indexAt(point)
        if not index.isValid():  # the key, with the pointer elsewhere
            index = self.currentIndex()
        if index.isValid():
            self.menu_wanted.emit(index.row(), self.viewport().mapToGlobal(point))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Check and star from the keyboard."""
        row = self.currentIndex().row()
        if row >= 0 and event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._model.toggle(row)
        elif row >= 0 and event.key() == Qt.Key.Key_F and not event.modifiers():
            self._model.toggle_star(self._model.market(row).name)
        else:
            super().keyPressEvent(event)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._delegate.theme = theme
        self._model.apply_theme(theme)
        self.viewport().update()
