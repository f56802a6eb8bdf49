"""The trades of the current run: filter, sort, copy, export; a selected row moves the chart."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QItemSelection, Qt, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.page import Panel
from desktop.tables import formats
from desktop.tables.badges import trades_beside_holes
from desktop.tables.trades import OUTCOMES, SIDES, TradesModel, filter_words, row_filter, trade_filter
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import chip, combo, tool_button
from desktop.widgets.filter_field import FilterField
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import PlainLabel
from desktop.widgets.table_view import TableView
from desktop.workspace import Workspace
from engine.model.run import FAILED, FINISHED, RunResult
from engine.model.trade_filter import TradeFilter

_PRICES_READ = 500
_FACETS_WIDTH = 110
_TYPED_PX = 240
_NO_RUN = "Select a run to see its trades."


class TradesPanel(Panel):
    """`saved(path)` after a CSV was written, `not_saved(reason)` otherwise; `trade_list_wanted(id)`: compare that run."""

    saved = Signal(str)
    trade_list_wanted = Signal(str)
    not_saved = Signal(str)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.model = TradesModel(self)
        self.table = TableView(self.model, "Trades", _NO_RUN)
        self.side, self.outcome = combo("Side", SIDES), combo("Result", OUTCOMES)
        self.text = FilterField("Filter trades", "Filter by signal, reason, date (Ctrl+F)", self.table)
        self.text.setFixedWidth(_TYPED_PX)
        self.count = PlainLabel()
        self.count.setProperty("role", "muted")
        self.facets = chip("", "Show all groups of trades again")
        self.export = tool_button("CSV …", "Write the visible trades to a CSV file (Ctrl+E)")
        self.theirs = tool_button("Compare …", "Compare this run with a trade list of another program")
        self._shown: str | None = None
        self._fitted = False
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = FlowLayout(bar, spacing=6)
        row.setContentsMargins(8, 4, 8, 4)
        # what comes and goes, or changes its length, moves none of the others
        for part in (self.side, self.outcome, self.text, self.theirs, self.export, self.facets, self.count):
            row.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.table)

    def _connect(self) -> None:
        self.side.currentTextChanged.connect(lambda _: self._filter())
        self.outcome.currentTextChanged.connect(lambda _: self._filter())
        self.text.textChanged.connect(lambda _: self._filter())
        self.facets.clicked.connect(lambda: self.workspace.set_filter(self.workspace.filter.without_facets()))
        self.workspace.filter_changed.connect(self._show_filter)
        self.export.clicked.connect(self.ask_and_export)
        self.theirs.clicked.connect(lambda: self.trade_list_wanted.emit(self.workspace.current or ""))
        self.table.selectionModel().selectionChanged.connect(self._selected)
        self.workspace.current_changed.connect(self._show_run)
        self.workspace.details_changed.connect(self._details_changed)
        self.workspace.trade_changed.connect(self._show_trade)
        self._show_filter()

    def _details_changed(self, run_id: str) -> None:
        run = self.workspace.current_run()
        if run is not None and run.id == run_id and self._shown != self._mark(run):
            self._show_run()

    def _mark(self, run: RunResult) -> str:
        return _mark(run, has_candles=self.workspace.candles(run.id) is not None)

    def _show_run(self) -> None:
        run = self.workspace.current_run()
        self._shown = None if run is None else self._mark(run)
        self.table.say(_hint(run))
        self.model.set_digits(self._price_digits(run))
        beside = frozenset() if run is None else trades_beside_holes(run)
        self.model.set_trades(() if run is None else run.trades, beside)
        self.table.setColumnHidden(self.model.column_number("beside_hole"), not beside)
        self._fit()
        self._update()
        self._show_trade()

    def _fit(self) -> None:
        if self.model.rowCount() and not self._fitted:
            self._fitted = True
            self.table.fit_columns()
        else:
            self.table.widen_columns()

    def _price_digits(self, run: RunResult | None) -> int:
        """The decimals of the market's prices, read from its candles; until they are there, from the trades' own."""
        candles = None if run is None else self.workspace.candles(run.id)
        if candles is not None:
            return formats.tick_digits(candles.close[-_PRICES_READ:].tolist())
        return formats.tick_digits(
            trade.entry_price for trade in ([] if run is None else run.trades[:_PRICES_READ])
        )

    def _show_trade(self) -> None:
        place = self.workspace.trade
        view = None if place is None else self.model.view_row(place)
        if view is not None or self.table.selected_rows():
            self.table.select_row(view)

    def _selected(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        del selected, deselected
        rows = self.table.selected_rows()
        if len(rows) == 1:
            self.workspace.select_trade(self.model.row_at(rows[0]).place)

    def _filter(self) -> None:
        controls = self.side.currentText(), self.outcome.currentText(), self.text.text()
        self.workspace.set_filter(trade_filter(*controls, self.workspace.filter.facets))

    def _show_filter(self) -> None:
        """Whoever chose it: the controls show it, the table follows."""
        wanted = self.workspace.filter
        side, outcome, words = filter_words(wanted)
        for widget in (self.side, self.outcome, self.text):
            widget.blockSignals(True)
        self.side.setCurrentText(side)
        self.outcome.setCurrentText(outcome)
        if self.text.text().strip() != words:  # not while a space is typed
            self.text.setText(words)
        for widget in (self.side, self.outcome, self.text):
            widget.blockSignals(False)
        chosen = ", ".join(map(str, wanted.facets))
        self.facets.setVisible(bool(chosen))
        cut = self.facets.fontMetrics().elidedText(chosen, Qt.TextElideMode.ElideRight, _FACETS_WIDTH)
        self.facets.setText(f"✕ {cut}")
        self.facets.setToolTip(f"Chosen on the Analysis page: {chosen}. A click shows all trades again.")
        self.model.set_filter(row_filter(wanted))
        self._update()
        self._show_trade()

    def clear_filter(self) -> None:
        """Show all trades."""
        self.workspace.set_filter(TradeFilter())

    def step(self, by: int) -> None:
        """Select the next (or previous, -1) visible trade."""
        if not self.model.rowCount():
            return
        rows = self.table.selected_rows()
        start = (rows[0] + by) if rows else (0 if by > 0 else self.model.rowCount() - 1)
        self.table.select_row(min(max(start, 0), self.model.rowCount() - 1))

    def ask_and_export(self) -> None:
        """Ask for a file and write the visible trades to it."""
        run = self.workspace.current_run()
        if run is None:
            return
        name = f"trades-{run.strategy}-{run.symbol}-{run.timeframe}.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Export trades", name, "CSV (*.csv)")
        if path:
            self.write_csv(Path(path))

    def write_csv(self, path: Path) -> None:
        """Write the visible trades, exact values, ISO times."""
        try:
            path.write_text(self.model.csv(), encoding="utf-8", newline="")
        except OSError as error:
            self.not_saved.emit(f"{path} cannot be written ({error.strerror}); nothing was exported")
            return
        self.saved.emit(str(path))

    def _update(self) -> None:
        total, shown = len(self.model.rows), self.model.rowCount()
        some = "" if shown == total else f"{formats.whole(shown)} of "
        text = f"{some}{formats.whole(total)} trade{'' if total == 1 else 's'}"
        run = self.workspace.current_run()
        quote = "" if run is None else f" {formats.quote_of(run.market.unified)}"
        self.count.setText(f"{text} · sum {formats.signed(self.model.total_pnl())}{quote}" if total else "")
        self.export.setEnabled(shown > 0)
        self.theirs.setEnabled(run is not None and run.status == FINISHED)
        if run is not None:
            self.table.say(_hint(run))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        self.export.setIcon(icon("export", theme.muted))
        self.theirs.setIcon(icon("import", theme.muted))


def _mark(run: RunResult, *, has_candles: bool) -> str:
    return f"{run.id}:{run.status}:{len(run.trades)}:{has_candles}"


def _hint(run: RunResult | None) -> str:
    if run is None:
        return _NO_RUN
    if run.status == FAILED:
        return f"This run failed: {run.error}"
    if run.status != FINISHED:
        return "This run was stopped before it ended."
    return "Loading …" if run.equity is None else "This run made no trades."
