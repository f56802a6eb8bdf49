"""Which exchange and symbols: filters over a check list of every market, favourites, lists under names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from desktop.pages.setup.market_list import MarketListModel, MarketTable
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import chip, tool_button
from desktop.widgets.filter_field import FilterField
from desktop.widgets.labels import PlainLabel, breakable
from desktop.widgets.named_sets import NamedSets
from desktop.widgets.still_fields import Choice
from engine.model.exchanges import EXCHANGES
from engine.model.market import Market

_MOST_ROWS: Final = 6
_ANY: Final = "Any"


class MarketForm(QWidget):
    """Signals: `changed()` other symbols; `exchange_changed(id)`; `refresh_wanted(id)` load the list from the exchange;
    `starred_changed()`; of the menu of a symbol, each with its name: `max_wanted`, `gaps_wanted`, `delete_wanted`.
    """

    changed = Signal()
    exchange_changed = Signal(str)
    refresh_wanted = Signal(str)
    starred_changed = Signal()
    max_wanted = Signal(str)
    gaps_wanted = Signal(str)
    delete_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.exchange = Choice()
        for name, info in EXCHANGES.items():
            self.exchange.addItem(info.title, name)
        self.exchange.setAccessibleName("Exchange")
        self.refresh = tool_button("", "Load the list of symbols from the exchange again")
        self.model = MarketListModel(self)
        self.list = MarketTable(self.model)
        self.search = FilterField("Search symbols", "Search (Ctrl+L)", self.list, keeps_return=True)
        self.quote = Choice()
        self.quote.setAccessibleName("Show only symbols counted in this currency")
        self.quote.setToolTip("Show only symbols counted in this currency")
        self.quote.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.quote.setMinimumContentsLength(5)
        self.quote.addItem(_ANY)
        self.favourites = chip("", "Show only favourites, and what is checked", checkable=True)
        self.lists = NamedSets("List", "the checked symbols")
        self.note = PlainLabel(wordWrap=True)
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
        self.list.menu_wanted.connect(self._show_menu)
        self.model.chosen_changed.connect(self._chosen_changed)
        self.model.starred_changed.connect(self.starred_changed)
        self.quote.currentIndexChanged.connect(lambda _: self._filter())
        self.favourites.toggled.connect(lambda _: self._filter())
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
        filters = QHBoxLayout()
        filters.setSpacing(4)
        filters.addWidget(self.search, 1)
        filters.addWidget(self.quote)
        filters.addWidget(self.favourites)
        layout.addLayout(filters)
        layout.addWidget(self.list)
        layout.addWidget(self.lists)
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
        self._set_markets(markets)
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
            self._set_markets([(market, True) for market in markets])
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
        self.favourites.setIcon(icon("starred", theme.accent))
        self.list.apply_theme(theme)
        self.lists.apply_theme(theme)
        self.retry.setIcon(icon("refresh", theme.text))

    def _exchange_changed(self) -> None:
        self._set_markets([])
        self.model.set_held({})
        self.exchange_changed.emit(self.exchange_id())

    def _searched(self, text: str) -> None:
        self.model.search(text)
        self._note()

    def _toggle_first(self) -> None:
        if self.search.text().strip() and self.model.rowCount():
            self.model.toggle(0)

    def _set_markets(self, markets: list[tuple[Market, bool]]) -> None:
        """Another list, with its currencies to choose from; the one that is chosen stays where it can."""
        self.model.set_markets(markets)
        chosen, quotes = self.quote.currentText(), [_ANY, *self.model.quotes()]
        self.quote.blockSignals(True)
        self.quote.clear()
        self.quote.addItems(quotes)
        self.quote.setCurrentIndex(max(0, quotes.index(chosen) if chosen in quotes else 0))
        self.quote.blockSignals(False)
        self._filter()

    def _filter(self) -> None:
        quote = self.quote.currentText()
        self.model.show_only("" if quote == _ANY else quote, starred=self.favourites.isChecked())
        self._note()

    def menu_of(self, row: int) -> QMenu:
        """What can be done with the symbol of a row."""
        name = self.model.market(row).name
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        star = "Remove from favourites" if name in self.model.starred else "Add to favourites"
        menu.addAction(star).triggered.connect(lambda: self.model.toggle_star(name))
        menu.addSeparator()
        longest = menu.addAction("Max period")
        longest.setToolTip(f"Test {name} from its first candle to now")
        longest.triggered.connect(lambda: self.max_wanted.emit(name))
        gaps = menu.addAction("Check gaps")
        gaps.setToolTip("Show what is held of the chosen timeframe, and where it has gaps")
        gaps.triggered.connect(lambda: self.gaps_wanted.emit(name))
        delete = menu.addAction("Delete data")
        delete.setToolTip("Delete the candles of the chosen timeframe; Undo brings them back for a while")
        delete.setEnabled(name in self.model.held)
        delete.triggered.connect(lambda: self.delete_wanted.emit(name))
        return menu

    def _show_menu(self, row: int, place: QPoint) -> None:
        menu = self.menu_of(row)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)

    def _chosen_changed(self) -> None:
        self._note()
        self.changed.emit()

    def _note(self) -> None:
        count = len(self.model.markets)
        self.list.setFixedHeight(self.list.row_height() * min(max(count, 1), _MOST_ROWS) + 6)
        self.retry.setVisible(bool(self._problem))
        self._set_role("warning" if self._problem else "muted")
        if self._problem:
            self.note.setText(breakable(f"{self._problem}. {_without_network(count, self.model.chosen)}"))
        elif self._loading and not (self.model.chosen and count):
            self.note.setText("Loading symbols …" + (f" {_those_held(count)} meanwhile." if count else ""))
        elif not count:
            self.note.setText("No symbols loaded yet; the button above loads them from the exchange.")
        elif not self.model.rowCount():
            self.note.setText(f"None of {count} symbols {self._filter_words()}.")
        elif not self.model.chosen:
            self.note.setText(f"{count} symbols. Check the ones to test.")
        else:
            names = ", ".join(self.model.chosen[:4]) + (" …" if len(self.model.chosen) > 4 else "")
            self.note.setText(f"{len(self.model.chosen)} of {count}: {names}")

    def _filter_words(self) -> str:
        words = f"contains “{self.search.text()}”" if self.search.text() else "fits"
        kinds = [self.quote.currentText()] if self.quote.currentIndex() > 0 else []
        kinds += ["favourites"] if self.favourites.isChecked() else []
        return f"{words} among {' '.join(kinds)}" if kinds else words

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
