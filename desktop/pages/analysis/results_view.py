"""What trades made: a histogram of results, how long they were held, streaks."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from desktop.pages.analysis.tables import STREAK_COLUMNS
from desktop.pages.analysis.view import GroupBars, View, hint_of, muted
from desktop.tables import formats
from desktop.tables.table import TableModel
from desktop.theme.colours import Theme
from desktop.widgets.buttons import chip
from desktop.widgets.table_view import TableView, table_action
from engine.analysis.analysis import Analysis
from engine.analysis.streaks import Streak
from engine.model.trade_filter import Facet, TradeFilter

STREAK = "streak"
_CHART_HEIGHT = 190
_TABLE_HEIGHT = 150


class ResultsView(View):
    """A click on a bar or a streak looks at its trades."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[Analysis, TradeFilter] | None = None
        self.results = GroupBars(
            "result",
            "Result of a trade",
            "How many trades ended in that range, after commission; 0 is an edge",
            counts=True,
        )
        self.holding = GroupBars(
            "holding",
            "Candles held",
            "How many trades were held so many candles, from entry to exit",
            counts=True,
        )
        self.percent = chip("%", "In percent of the entry's value in place of money", checkable=True)
        self.model: TableModel[Streak] = TableModel(STREAK_COLUMNS, self)
        self.table = TableView(self.model, "Streaks", "")
        self.table.horizontalHeader().setStretchLastSection(False)
        self.streaks = muted()
        self._lay_out()
        self.percent.toggled.connect(self._in_percent)
        self.table.clicked.connect(self._pick)
        self.table.addAction(
            table_action("Pick", "Return", lambda: self._pick(self.table.currentIndex()), self.table)
        )

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 4, 4, 0)
        grid.setSpacing(6)
        for column, chart in enumerate((self.results, self.holding)):
            chart.setMinimumHeight(_CHART_HEIGHT)
            chart.facet_wanted.connect(self.facet_wanted)
            grid.addWidget(chart, 0, column)
            grid.setColumnStretch(column, 3 - column)
        line = QHBoxLayout()
        line.addWidget(self.percent, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.streaks, 1)
        grid.addLayout(line, 1, 0, 1, 2)
        self.table.setMinimumHeight(_TABLE_HEIGHT)
        grid.addWidget(self.table, 2, 0, 1, 2)
        grid.setRowStretch(0, 3)
        grid.setRowStretch(2, 2)

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """Histogram, holding times, streaks."""
        self._shown = analysis, wanted
        self.results.show_analysis(analysis, wanted)
        self.holding.show_analysis(analysis, wanted)
        self.model.set_rows(analysis.streaks)
        self.table.say(hint_of(analysis))
        self.table.fit_columns()
        lengths = {won: [one.trades for one in analysis.streaks if one.won is won] for won in (True, False)}
        told = [
            f"longest streak of {word} {max(found)}, mean {formats.number(sum(found) / len(found), 1)}"
            for word, found in (("wins", lengths[True]), ("losses", lengths[False]))
            if found
        ]
        self.streaks.setText(f"Streaks: {'; '.join(told) or 'none'}. A click shows their trades.")

    def _in_percent(self, on: bool) -> None:
        self.results.set_dimension("result_pct" if on else "result")
        if self._shown is not None:
            self.results.show_analysis(*self._shown)

    def _pick(self, index: QModelIndex) -> None:
        if not index.isValid() or index.row() >= self.model.rowCount():
            return
        streak = self.model.row_at(index.row())
        kind = "wins" if streak.won else "losses"
        label = f"of {streak.trades} {kind} from {formats.day(streak.start_ms)}"
        self.facet_wanted.emit(Facet(STREAK, label, frozenset(streak.places), "Streak"))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.results.apply_theme(theme)
        self.holding.apply_theme(theme)
        self.table.apply_theme(theme)
