"""Trades in groups, as a table: by side, signal, reason, month, and what the market was like."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QModelIndex, Signal
from PySide6.QtWidgets import QButtonGroup, QVBoxLayout, QWidget

from desktop.pages.analysis.tables import GroupsModel
from desktop.pages.analysis.view import REGIME_TITLES, View, facet_of, hint_of, title_of
from desktop.theme.colours import Theme
from desktop.widgets.buttons import chip
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.table_view import TableView, table_action
from engine.analysis.analysis import Analysis
from engine.analysis.groups import DIMENSIONS
from engine.model.trade_filter import TradeFilter

SYMBOL: Final = "symbol"
_SHOWN: Final = ("side", "signal", "reason", "month", "weekday", "hour", "holding", *REGIME_TITLES)
_TOLD: Final = {
    "trend": "How the market had moved until the entry; see the tab Market.",
    "volatility": "How much the market had swung until the entry; see the tab Market.",
    SYMBOL: "All compared runs, by symbol. A click goes to the run.",
}


class GroupsView(View):
    """A click on a row looks at its trades. `symbol_wanted(symbol)`: the run on it."""

    symbol_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[Analysis, TradeFilter] | None = None
        self.dimension = "side"
        self.model = GroupsModel(self)
        self.table = TableView(self.model, "Groups of trades", "")
        self.table.horizontalHeader().setStretchLastSection(False)
        self.chips = {
            key: chip(title_of(key), f"Group by: {title_of(key)}", checkable=True) for key in _SHOWN
        }
        self.chips[SYMBOL] = chip("Symbol", "Group the trades of all compared runs by symbol", checkable=True)
        group = QButtonGroup(self)
        bar = QWidget()
        flow = FlowLayout(bar)
        for key, button in self.chips.items():
            group.addButton(button)
            flow.addWidget(button)
            button.clicked.connect(lambda _=False, key=key: self.choose(key))
        self.chips["side"].setChecked(True)
        self.chips[SYMBOL].hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(bar)
        layout.addWidget(self.table, 1)
        self.table.setMinimumHeight(140)
        self.table.clicked.connect(self._pick)
        self.table.addAction(
            table_action("Pick", "Return", lambda: self._pick(self.table.currentIndex()), self.table)
        )

    def choose(self, dimension: str) -> None:
        """Group by something else."""
        self.dimension = dimension
        self.chips[dimension].setChecked(True)
        if self._shown is not None:
            self.show_analysis(*self._shown)

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """The groups of the chosen dimension."""
        self._shown = analysis, wanted
        several = bool(analysis.by_symbol)
        self.chips[SYMBOL].setVisible(several)
        if self.dimension == SYMBOL and not several:
            self.dimension = "side"
            self.chips["side"].setChecked(True)
        key = self.dimension
        groups = analysis.by_symbol if key == SYMBOL else analysis.groups.get(key, ())
        facet = wanted.facet(key)
        title, told = (
            ("Symbol", _TOLD[key])
            if key == SYMBOL
            else (title_of(key), _TOLD.get(key) or DIMENSIONS[key].told)
        )
        chosen = analysis.run.symbol if key == SYMBOL else None if facet is None else facet.label
        self.table.say(
            hint_of(analysis) if key in analysis.groups else "The candles of this run are not there yet."
        )
        self.model.show_groups(groups, chosen, title, told)
        self.table.fit_columns()

    def _pick(self, index: QModelIndex) -> None:
        if not index.isValid() or index.row() >= self.model.rowCount():
            return
        group = self.model.row_at(index.row()).group
        if self.dimension == SYMBOL:
            self.symbol_wanted.emit(group.label)
        else:
            self.facet_wanted.emit(facet_of(self.dimension, group))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
