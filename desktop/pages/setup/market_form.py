"""Which exchange and symbols: a search field over a check list of every market."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QVBoxLayout,
    QWidget,
)

from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import breakable
from engine.model.exchanges import EXCHANGES
from engine.model.market import Market

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
_MOST_ROWS: Final = 6


class MarketListModel(QAbstractListModel):
    """Markets that match the search, chosen ones first. `chosen_changed()` when a check box moved."""

    chosen_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.markets: list[tuple[Market, bool]] = []
        self.chosen: list[str] = []
        self._shown: list[tuple[Market, bool]] = []
        self._search = ""

    def set_markets(self, markets: list[tuple[Market, bool]]) -> None:
        """Show another exchange's markets."""
        self.markets = sorted(markets, key=lambda pair: (not pair[1], not pair[0].is_trading, pair[0].name))
        self._arrange()

    def set_chosen(self, names: list[str]) -> None:
        """Check these symbols, known here or not yet."""
        self.chosen = list(dict.fromkeys(names))
        self._arrange()
        self.chosen_changed.emit()

    def search(self, text: str) -> None:
        """Show only symbols that contain the text, with or without the slash."""
        self._search = text.strip().upper().replace("/", "").replace(" ", "")
        self._arrange()

    def _arrange(self) -> None:
        self.beginResetModel()
        matching = [pair for pair in self.markets if self._search in pair[0].name.upper()]
        chosen = set(self.chosen)
        first = [pair for pair in matching if pair[0].name in chosen]
        self._shown = first + [pair for pair in matching if pair[0].name not in chosen]
        self.endResetModel()

    def market(self, row: int) -> Market:
        """The market of a visible row."""
        return self._shown[row][0]

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        """Matching markets."""
        return 0 if parent.isValid() else len(self._shown)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Every row has a check box."""
        return super().flags(index) | Qt.ItemFlag.ItemIsUserCheckable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name, check box, and what is known in the tooltip."""
        market, active = self._shown[index.row()]
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


class MarketForm(QWidget):
    """Signals: `changed()` other symbols; `exchange_changed(id)`; `refresh_wanted(id)` load the list from the exchange."""

    changed = Signal()
    exchange_changed = Signal(str)
    refresh_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.exchange = QComboBox()
        for name, info in EXCHANGES.items():
            self.exchange.addItem(info.title, name)
        self.exchange.setAccessibleName("Exchange")
        self.refresh = tool_button("", "Load the list of symbols from the exchange again")
        self.search = QLineEdit(placeholderText="Search symbols (Ctrl+L)", clearButtonEnabled=True)
        self.search.setAccessibleName("Search symbols")
        self.model = MarketListModel(self)
        self.list = QListView(uniformItemSizes=True)
        self.list.setModel(self.model)
        self.list.setProperty("framed", True)
        self.list.setAccessibleName("Symbols")
        self.note = QLabel(wordWrap=True)
        self.note.setProperty("role", "muted")
        self.note.setMinimumWidth(1)
        self.retry = tool_button("Retry", "Ask the exchange for its symbols again")
        self.retry.hide()
        self._loading = False
        self._problem = ""
        self._lay_out()
        self.exchange.currentIndexChanged.connect(lambda _: self._exchange_changed())
        for button in (self.refresh, self.retry):
            button.clicked.connect(lambda: self.refresh_wanted.emit(self.exchange_id()))
        self.search.textChanged.connect(self._searched)
        self.search.returnPressed.connect(self._toggle_first)
        self.list.activated.connect(self._toggle)
        self.model.chosen_changed.connect(self._chosen_changed)
        self._note()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(4)
        top.addWidget(self.exchange, 1)
        top.addWidget(self.refresh)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(top)
        layout.addWidget(self.search)
        layout.addWidget(self.list)
        foot = QHBoxLayout()
        foot.addWidget(self.note, 1)
        foot.addWidget(self.retry, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(foot)

    def sizeHint(self) -> QSize:
        """Room for five symbols."""
        return QSize(300, 220)

    def exchange_id(self) -> str:
        """The chosen exchange."""
        return str(self.exchange.currentData())

    def symbols(self) -> tuple[str, ...]:
        """The chosen symbols."""
        return tuple(self.model.chosen)

    def set_choice(self, exchange: str, symbols: tuple[str, ...]) -> None:
        """Choose an exchange and symbols."""
        self.model.set_chosen(list(symbols))
        self.exchange.setCurrentIndex(self.exchange.findData(exchange))

    def set_markets(self, exchange: str, markets: list[tuple[Market, bool]]) -> None:
        """The exchange's list arrived; late answers for another exchange are dropped."""
        if exchange != self.exchange_id():
            return
        self._loading, self._problem = False, ""
        self.model.set_markets(markets)
        known = {market.name for market, _ in markets}
        kept = [name for name in self.model.chosen if name in known]
        if not kept and len(known) == 1:
            kept = list(known)
        if kept != self.model.chosen:
            self.model.set_chosen(kept)
        self._note()

    def set_loading(self, exchange: str) -> None:
        """The exchange is asked for its list."""
        if exchange == self.exchange_id():
            self._loading, self._problem = True, ""
            self._note()

    def set_held(self, exchange: str, markets: list[Market]) -> None:
        """Symbols of which candles are held: they can be chosen before the list comes, and without it."""
        if exchange == self.exchange_id() and not self.model.markets:
            self.model.set_markets([(market, True) for market in markets])
            self._note()

    def set_unreachable(self, exchange: str, problem: str) -> None:
        """There is no list: why."""
        if exchange == self.exchange_id():
            self._loading, self._problem = False, problem
            self._note()

    def listed_ms(self) -> int | None:
        """The earliest listing of the chosen symbols as the exchange hints it."""
        times = [market.listed_ms for market, _ in self.model.markets if market.name in self.model.chosen]
        known = [time for time in times if time is not None]
        return min(known) if known else None

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icon."""
        self.refresh.setIcon(icon("refresh", theme.muted))
        self.retry.setIcon(icon("refresh", theme.text))

    def _exchange_changed(self) -> None:
        self.model.set_markets([])
        self.exchange_changed.emit(self.exchange_id())

    def _searched(self, text: str) -> None:
        self.model.search(text)
        self._note()

    def _toggle_first(self) -> None:
        if self.search.text().strip() and self.model.rowCount():
            self._toggle(self.model.index(0))

    def _toggle(self, index: QModelIndex) -> None:
        checked = self.model.data(index, Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
        state = Qt.CheckState.Unchecked if checked else Qt.CheckState.Checked
        self.model.setData(index, state, Qt.ItemDataRole.CheckStateRole)

    def _chosen_changed(self) -> None:
        self._note()
        self.changed.emit()

    def _note(self) -> None:
        count = len(self.model.markets)
        row = self.list.sizeHintForRow(0) if self.model.rowCount() else self.fontMetrics().height() + 4
        self.list.setFixedHeight(row * min(max(self.model.rowCount(), 1), _MOST_ROWS) + 8)
        self.retry.setVisible(bool(self._problem))
        self._set_role("warning" if self._problem else "muted")
        if self._problem:
            self.note.setText(breakable(f"{self._problem}. {_without_network(count, self.model.chosen)}"))
        elif self._loading and not self.model.chosen:
            self.note.setText("Loading symbols …" + (f" {_those_held(count)} meanwhile." if count else ""))
        elif not count:
            self.note.setText("No symbols loaded yet; the button above loads them from the exchange.")
        elif not self.model.rowCount():
            self.note.setText(f"None of {count} symbols contains “{self.search.text()}”.")
        elif not self.model.chosen:
            self.note.setText(f"{count} symbols. Check the ones to test.")
        else:
            names = ", ".join(self.model.chosen[:4]) + (" …" if len(self.model.chosen) > 4 else "")
            self.note.setText(f"{len(self.model.chosen)} of {count}: {names}")

    def _set_role(self, role: str) -> None:
        if self.note.property("role") != role:
            self.note.setProperty("role", role)
            self.note.style().polish(self.note)


def _those_held(count: int) -> str:
    return f"{count} symbol{'' if count == 1 else 's'} with candles held can be used"


def _without_network(count: int, chosen: Sequence[str]) -> str:
    if not count:
        return "Candles of a file can be imported, and the sample market works without a network."
    return f"{_those_held(count)} without it{': ' + ', '.join(chosen[:4]) if chosen else ''}."
