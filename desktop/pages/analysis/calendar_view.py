"""When it earned: months of the account, weekdays and hours of the entries."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QModelIndex
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QVBoxLayout, QWidget

from desktop.pages.analysis.tables import CalendarModel
from desktop.pages.analysis.view import GroupBars, View, muted
from desktop.tables import formats
from desktop.theme.colours import Theme
from desktop.widgets.table_view import TableView, table_action
from engine.analysis.analysis import Analysis
from engine.model.trade_filter import Facet, TradeFilter

HELD = "held"
_MOST_YEARS = 12
_BARS_HEIGHT = 170


class CalendarView(View):
    """A click on a month (or a year) looks at the trades that were held in it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._analysis: Analysis | None = None
        self.model = CalendarModel(self)
        self.table = TableView(self.model, "Monthly returns", "The equity of this run is not there.")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setAlternatingRowColors(False)
        self.table.setSortingEnabled(False)  # months stay in order, and no arrow needs room
        header = self.table.horizontalHeader()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setStyleSheet("QHeaderView::section { padding: 4px; }")  # fourteen columns in little width
        self.table.setStyleSheet("QTableView::item { padding: 2px 0px; }")
        header.setMinimumSectionSize(header.fontMetrics().horizontalAdvance("−100.0") + 2)
        self.note = muted()
        self.weekdays = GroupBars(
            "weekday", "Weekday of entry (UTC)", "Sum of the P&L of trades entered on that day"
        )
        self.hours = GroupBars("hour", "Hour of entry (UTC)", "Sum of the P&L of trades entered in that hour")
        self._lay_out()
        self.table.clicked.connect(self._pick)
        self.table.addAction(
            table_action("Pick", "Return", lambda: self._pick(self.table.currentIndex()), self.table)
        )

    def _lay_out(self) -> None:
        bars = QHBoxLayout()
        bars.setSpacing(10)
        for chart in (self.weekdays, self.hours):
            chart.setMinimumHeight(_BARS_HEIGHT)
            chart.facet_wanted.connect(self.facet_wanted)
            bars.addWidget(chart, 2 if chart is self.weekdays else 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        layout.addWidget(self.note)
        layout.addLayout(bars, 1)

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """Months, weekdays, hours."""
        self._analysis = analysis
        self.model.show_calendar(analysis.calendar)
        rows = min(max(1, self.model.rowCount()), _MOST_YEARS)
        self.table.setFixedHeight(self.table.height_of(rows))
        total = (
            ""
            if analysis.calendar is None
            else f"All months compounded: {formats.percent(analysis.calendar.total)}. "
        )
        self.note.setText(
            f"{total}Months are the account's, whatever the filter; a click on one shows the trades held in it."
        )
        for chart in (self.weekdays, self.hours):
            chart.show_analysis(analysis, wanted)

    def _pick(self, index: QModelIndex) -> None:
        found = self.model.period_of(index) if index.isValid() else None
        if found is None or self._analysis is None:
            return
        name, start, end = found
        bounds = (int(edge.astype("datetime64[ms]").astype(np.int64)) for edge in (start, end))
        first, last = bounds
        places = frozenset(
            place
            for place, trade in enumerate(self._analysis.run.trades)
            if trade.entry_time < last and trade.exit_time >= first
        )
        self.facet_wanted.emit(Facet(HELD, name, places, "Held in"))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        self.weekdays.apply_theme(theme)
        self.hours.apply_theme(theme)
