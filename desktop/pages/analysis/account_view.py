"""The account over time: its rolling Sharpe ratio and its drawdowns. Equity is the whole run's, whatever the filter."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QSize, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QVBoxLayout, QWidget

from desktop.charts.pane import Pane
from desktop.charts.time_chart import TimeChart
from desktop.pages.analysis.tables import DRAWDOWN_COLUMNS
from desktop.pages.analysis.view import View
from desktop.tables import formats
from desktop.tables.table import TableModel
from desktop.theme.colours import DARK, Theme
from desktop.widgets.buttons import chip
from desktop.widgets.labels import ElidedLabel
from desktop.widgets.table_view import TableView, table_action
from engine.analysis.account import ROLLING_DAYS, Drawdown
from engine.analysis.analysis import Analysis
from engine.model.market import DAY_MS
from engine.model.trade_filter import TradeFilter

_CHART_HEIGHT = 150
_TABLE_HEIGHT = 140


class SharpeChart(TimeChart):
    """One line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pane = self.add_pane(Pane("Rolling Sharpe ratio", include_zero=True), 1)
        self.setAccessibleName("Rolling Sharpe ratio")

    def sizeHint(self) -> QSize:
        """No more than it needs: a scroll area would give the scene's size, and scroll for it."""
        return QSize(self.minimumWidth(), self.minimumHeight())


class AccountView(View):
    """`range_wanted(start_ms, end_ms)`: look at these times in the chart."""

    range_wanted = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._analysis: Analysis | None = None
        self._theme = DARK
        self.window_days = ROLLING_DAYS[1]
        self.chart = SharpeChart()
        self.read_out = ElidedLabel(
            tip="Mean / standard deviation (ddof 1) of the daily returns of the last so many days x sqrt(365)"
        )
        self.windows = {
            days: chip(f"{days} days", f"Over the last {days} days", checkable=True) for days in ROLLING_DAYS
        }
        self.model: TableModel[Drawdown] = TableModel(DRAWDOWN_COLUMNS, self)
        self.table = TableView(self.model, "Drawdowns", "The account was never below its peak.")
        self.table.horizontalHeader().setStretchLastSection(False)
        self._lay_out()
        self.chart.hovered.connect(self._hover)
        self.table.clicked.connect(self._pick)
        self.table.addAction(
            table_action("Pick", "Return", lambda: self._pick(self.table.currentIndex()), self.table)
        )

    def _lay_out(self) -> None:
        bar, group = QHBoxLayout(), QButtonGroup(self)
        bar.setSpacing(4)
        for days, button in self.windows.items():
            group.addButton(button)
            bar.addWidget(button)
            button.clicked.connect(lambda _=False, days=days: self.choose(days))
        self.windows[self.window_days].setChecked(True)
        bar.addWidget(self.read_out, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 4, 0)
        layout.setSpacing(4)
        layout.addLayout(bar)
        layout.addWidget(self.chart, 3)
        layout.addWidget(self.table, 2)
        self.chart.setMinimumHeight(_CHART_HEIGHT)
        self.table.setMinimumHeight(_TABLE_HEIGHT)

    def choose(self, days: int) -> None:
        """Look back so many days."""
        self.window_days = days
        self.windows[days].setChecked(True)
        self._draw()

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """Of another run."""
        del wanted
        if self._analysis is not None and self._analysis.run is analysis.run:
            self._analysis = analysis
            return  # no filter changes it
        self._analysis = analysis
        self._draw()
        self.model.set_rows(analysis.drawdowns)
        self.table.fit_columns()

    def _draw(self) -> None:
        pane = self.chart.pane
        pane.clear()
        rolling = None if self._analysis is None else self._analysis.rolling.get(self.window_days)
        if rolling is not None:
            times = rolling.times / 1000
            pane.add_curve(times, rolling.values, self._theme.accent, width=1.6)
            pane.add_levels([0.0], None, None, self._theme)
            self.chart.set_bounds(float(times[0]), float(times[-1]), DAY_MS / 1000)
            self.chart.show_all()
        self._hover(None)

    def _hover(self, x: float | None) -> None:
        rolling = None if self._analysis is None else self._analysis.rolling.get(self.window_days)
        if rolling is None:
            self.read_out.setText(
                f"The run is shorter than {self.window_days} days: there is no window to look at."
            )
            return
        at = len(rolling.times) - 1 if x is None else self.chart.nearest(rolling.times / 1000, x)
        assert at is not None
        until, value = formats.minute(int(rolling.times[at])), formats.number(float(rolling.values[at]))
        self.read_out.setText(
            f"Sharpe ratio of the {self.window_days} days until {until} {formats.zone_name()}: {value}"
        )

    def _pick(self, index: QModelIndex) -> None:
        if not index.isValid() or index.row() >= self.model.rowCount() or self._analysis is None:
            return
        fall = self.model.row_at(index.row())
        end = fall.recovery_ms if fall.recovery_ms is not None else self._analysis.run.period.end
        self.range_wanted.emit(fall.start_ms, end)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.chart.apply_theme(theme)
        self.table.apply_theme(theme)
        self._draw()
