"""Two runs side by side: curves over tables of what differs."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from desktop.charts.equity_chart import MONEY, PERCENT, EquityChart, run_curve
from desktop.pages.compare.source_view import SourceView
from desktop.pages.page import Panel
from desktop.tables import formats
from desktop.tables.comparison import (
    input_columns,
    input_rows,
    metric_cell,
    metric_columns,
    metric_rows,
    trade_columns,
)
from desktop.tables.run_names import names_in, period_text
from desktop.tables.table import Column, Index, TableModel
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import swatch
from desktop.widgets.buttons import chip
from desktop.widgets.labels import ElidedLabel, PlainLabel
from desktop.widgets.table_view import TableView
from desktop.workspace import Workspace
from engine.model.comparison import MetricDifference, RunComparison, SourceFile, TradeDifference
from engine.model.run import RunResult

_HINT = "Select two runs in the table below and press Ctrl+B,\nor right-click one: Side by side, Source as it was."
_TODAY = "today's"


class MetricsBesideModel(TableModel[MetricDifference]):
    """Figures in their own units."""

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Each metric writes its own values."""
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole and column.numeric:
            row = self.row_at(index.row())
            return metric_cell(row, column.key, column.value(row))
        return super().data(index, role)

    def foreground(self, column: Column[MetricDifference], value: Any) -> Any:
        """More is not always better: a difference has its sign, and no colour."""
        del column, value


class ComparePanel(Panel):
    """`swap_wanted()`; `trade_wanted(run, place)`: a trade is to be seen on the chart."""

    swap_wanted = Signal()
    trade_wanted = Signal(object, int)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.workspace = workspace
        self.comparison: RunComparison | None = None
        self.names = (ElidedLabel(), ElidedLabel())
        self.signs = (PlainLabel(), PlainLabel())
        self.swap = chip("Swap", "Let the runs change places: differences are the second less the first")
        self.chart = EquityChart()
        self.inputs: TableModel[Any] = TableModel((), self)
        self.metrics = MetricsBesideModel((), self)
        self.trades: TableModel[TradeDifference] = TableModel((), self)
        self.tables = {
            "Set-up": TableView(self.inputs, "What went in", ""),
            "Metrics": TableView(self.metrics, "Figures side by side", ""),
            "Trades": TableView(self.trades, "Trades that differ", "The runs made the same trades."),
        }
        self.source = SourceView()
        self.tabs = QTabWidget(documentMode=True)
        for part in (self.tabs, self.tabs.tabBar()):
            part.setAccessibleName("Parts of the comparison")
        self.empty = PlainLabel(_HINT)
        self.empty.setProperty("role", "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._theme = DARK
        self._runs: list[RunResult] = []
        self._lay_out()
        self.swap.clicked.connect(self.swap_wanted)
        self.tables["Trades"].activated.connect(self._open_trade)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        for sign, name in zip(self.signs, self.names, strict=True):
            bar.addWidget(sign)
            bar.addWidget(name, 1)
        bar.addWidget(self.swap)
        for title, table in self.tables.items():
            self.tabs.addTab(table, title)
        self.tabs.addTab(self.source, "Source")
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(self.chart)
        parts.addWidget(self.tabs)
        parts.setSizes([200, 260])
        full = QWidget()
        inner = QVBoxLayout(full)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(bar)
        inner.addWidget(parts, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(full)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 6, 4)
        layout.addWidget(self.stack)

    def show_comparison(self, found: RunComparison) -> None:
        """Two runs side by side."""
        self.comparison = found
        self._show_runs([found.left, found.right])
        names = names_in(self.workspace, [found.left, found.right])
        rows = input_rows(found)
        self.inputs.set_columns(input_columns(names))
        self.inputs.set_rows(rows)
        quotes = {formats.quote_of(run.market.unified) for run in (found.left, found.right)}
        self.metrics.set_columns(
            metric_columns(names, quotes.pop() if len(quotes) == 1 else "quote currency")
        )
        self.metrics.set_rows(metric_rows(found))
        self.trades.set_columns(trade_columns(names))
        self.trades.set_rows(found.trades)
        self.source.show_files(found.sources, "the second run's")
        for table in self.tables.values():
            table.fit_columns()
        differing = sum(bool(row.sign) for row in rows)
        counts = (
            f"Set-up: {differing} differ",
            "Metrics",
            f"Trades: {len(found.trades):,} differ, {found.equal_trades:,} equal",
        )
        for number, title in enumerate(counts):
            self.tabs.setTabText(number, title)
            self.tabs.setTabEnabled(number, True)

    def show_source(self, run: RunResult, files: list[SourceFile]) -> None:
        """The source of one run beside today's."""
        self.comparison = None
        self._show_runs([run])
        for number, (title, table) in enumerate(self.tables.items()):
            table.table.set_rows(())
            self.tabs.setTabText(number, title)
            self.tabs.setTabEnabled(number, False)
        self.source.show_files(files, _TODAY)
        self.tabs.setCurrentWidget(self.source)

    def _show_runs(self, runs: list[RunResult]) -> None:
        self._runs = runs
        self.stack.setCurrentIndex(1)
        self.swap.setEnabled(len(runs) == 2)
        names = names_in(self.workspace, runs)
        for number, (sign, label) in enumerate(zip(self.signs, self.names, strict=True)):
            shown = number < len(runs)
            sign.setVisible(shown)
            label.setVisible(shown)
            if shown:
                label.setText(" · ".join(_told(names[number], runs[number])))
        self._draw()

    def _draw(self) -> None:
        runs = self._runs
        names = names_in(self.workspace, runs)
        made = [
            run_curve(run, self._theme.curve(number), names[number], current=number == 0)
            for number, run in enumerate(runs)
        ]
        several = len({(run.symbol, run.exchange, run.costs.cash) for run in runs}) > 1
        self.chart.quote = formats.quote_of(runs[0].market.unified) if runs else ""
        curves = [curve for curve in made if curve is not None]
        self.chart.show_curves(curves, PERCENT if several else MONEY, keep_view=False)
        for number, sign in enumerate(self.signs):
            sign.setPixmap(QIcon(swatch(self._theme.curve(number))).pixmap(14, 12))

    def _open_trade(self, index: QModelIndex) -> None:
        """A double click, or Enter, shows a trade on its run's chart."""
        if self.comparison is None or index.row() >= self.trades.rowCount():
            return
        row = self.trades.row_at(index.row())
        run, trade = (self.comparison.left, row.left) if row.left else (self.comparison.right, row.right)
        if trade is not None:
            self.trade_wanted.emit(run, run.trades.index(trade))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.chart.apply_theme(theme)
        for table in self.tables.values():
            table.apply_theme(theme)
        self.source.apply_theme(theme)
        self._draw()


def _told(name: str, run: RunResult) -> list[str]:
    """A run's name, and what of its series and its period the name does not say."""
    words = name.split()
    series = " ".join(word for word in (run.symbol, run.timeframe.name) if word not in words)
    period = period_text(run)
    return [name, *([series] if series else ()), *(() if period in name else (period,))]
