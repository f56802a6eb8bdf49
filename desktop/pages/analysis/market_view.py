"""The account beside the market: the symbol itself and Bitcoin; results by what the market was like at the entry."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop.pages.analysis.tables import RELATION_COLUMNS
from desktop.pages.analysis.view import REGIME_TITLES, GroupBars, View, muted
from desktop.tables.table import TableModel
from desktop.theme.colours import Theme
from desktop.widgets.table_view import TableView
from engine.analysis.analysis import Analysis
from engine.analysis.market import Bitcoin, Relation
from engine.model.trade_filter import TradeFilter

_BARS_HEIGHT = 160
_RELATIONS = 2


class MarketView(View):
    """`fetch_wanted()`: candles of Bitcoin."""

    fetch_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._analysis: Analysis | None = None
        self._bitcoin: Bitcoin | None = None
        self.model: TableModel[Relation] = TableModel(RELATION_COLUMNS, self)
        self.table = TableView(
            self.model, "The account beside the market", "The candles of this run are not there yet."
        )
        self.table.horizontalHeader().setStretchLastSection(False)
        self.note = muted()
        self.fetch = QPushButton("Fetch")
        self.fetch.setToolTip("Fetch the daily candles of Bitcoin for the days of this run")
        self.fetch.setAccessibleName("Fetch the candles of Bitcoin")
        self.told = muted()
        self.bars = [
            GroupBars(key, title, "Sum of the P&L of trades entered in that third of all candles")
            for key, title in REGIME_TITLES.items()
        ]
        self._lay_out()
        self.fetch.clicked.connect(self.fetch_wanted)

    def _lay_out(self) -> None:
        line, bars = QHBoxLayout(), QHBoxLayout()
        line.addWidget(self.note, 1)
        line.addWidget(self.fetch)
        bars.setSpacing(10)
        for chart in self.bars:
            chart.setMinimumHeight(_BARS_HEIGHT)
            chart.facet_wanted.connect(self.facet_wanted)
            bars.addWidget(chart)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        layout.addLayout(line)
        layout.addLayout(bars, 1)
        layout.addWidget(self.told)
        self.table.setFixedHeight(self.table.height_of(_RELATIONS))

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """The symbol itself at once; Bitcoin comes with `show_bitcoin`."""
        if self._analysis is None or self._analysis.run.id != analysis.run.id:
            self._bitcoin = None
        self._analysis = analysis
        for chart in self.bars:
            chart.show_analysis(analysis, wanted)
        self.told.setText(
            "Trend: how far the close had moved over the "
            f"{analysis.measured} candles before the entry; volatility: how much their returns swung. Both were known at "
            "the entry. The borders of the thirds are the whole period's: a description in hindsight, no rule to trade."
            if analysis.measured
            else "Regimes need the candles of the run."
        )
        self._show_relations()

    def show_bitcoin(self, bitcoin: Bitcoin) -> None:
        """The account beside Bitcoin, or why not."""
        self._bitcoin = bitcoin
        self._show_relations()

    @property
    def bitcoin(self) -> Bitcoin | None:
        """What is known of Bitcoin on the exchange of the run."""
        return self._bitcoin

    def set_fetching(self, fetching: bool) -> None:
        """Candles of Bitcoin are on their way, or not."""
        self.fetch.setEnabled(not fetching)
        self.fetch.setText("Fetching …" if fetching else "Fetch")

    def _show_relations(self) -> None:
        if self._analysis is None:
            return
        bitcoin, market = self._bitcoin, self._analysis.market
        beside = None if bitcoin is None else bitcoin.relation
        self.model.set_rows([one for one in (market, beside) if one is not None])
        self.table.fit_columns()
        days = 0 if market is None else market.days
        is_itself = bitcoin is not None and bitcoin.symbol == self._analysis.run.symbol
        lacks = bitcoin is not None and bitcoin.symbol is not None and not is_itself
        lacks = lacks and (beside is None or beside.days < days)
        self.fetch.setVisible(lacks)
        self.note.setText(self._note(days))

    def _note(self, days: int) -> str:
        assert self._analysis is not None
        bitcoin, exchange = self._bitcoin, self._analysis.run.exchange
        if bitcoin is None:
            return "Looking for candles of Bitcoin …"
        if bitcoin.symbol is None:
            return f"{exchange} has no Bitcoin in the currency of this run."
        if bitcoin.symbol == self._analysis.run.symbol:
            return "This run is on Bitcoin itself."
        if bitcoin.relation is None:
            return f"{bitcoin.symbol} is not held."
        if bitcoin.relation.days < days:
            return f"{bitcoin.symbol} is held of {bitcoin.relation.days} of the {days} days."
        return "Daily returns of the whole account, whatever the filter."

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        for chart in self.bars:
            chart.apply_theme(theme)
