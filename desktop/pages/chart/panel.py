"""The candles of the current run with their controls and a read-out that never jumps."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.charts.price_chart import PriceChart
from desktop.charts.read_out import MOST_FILLS
from desktop.pages.chart_bar import RangeButtons
from desktop.pages.page import Panel
from desktop.tables.run_names import name_in
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import chip
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import Choice
from desktop.widgets.when_seen import WhenSeen
from desktop.workspace import Workspace
from engine.model.plots import Plot
from engine.model.run import FAILED, RunResult

_MARGINS = 16
_SCARCE_PX = 420  # of the page's height: below it the fills of trades give way to the candles
_FEW_LINES = 3
_POINT = "Point at a marker to read of its trade here, click it to select the trade."
_FILL_WORDS = 40  # characters that a fill takes
_SAMPLE = 50  # trades among which the longest words are looked for
_NO_RUN = "No run to show yet.\nSelect a run in the table below, or press F5."


class ChartPanel(Panel):
    """`step_wanted(+1 or -1)`: the next or previous trade."""

    step_wanted = Signal(int)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.workspace = workspace
        self.chart = PriceChart()
        self.read_out, self.details = _words("Candle under the crosshair"), _words("Trade")
        self.timeframe = Choice()
        self.timeframe.setToolTip("Timeframe of the candles shown here; the test keeps its own")
        self.timeframe.setAccessibleName("Timeframe of the chart")
        self.equity = chip(
            "Equity", "Equity and drawdown below the candles, where there is room", checkable=True
        )
        self.equity.setChecked(True)
        self.log = chip("Log", "Logarithmic scale: equal steps are equal percentages", checkable=True)
        self.indicators = chip("Indicators ▾", "Show or hide indicators")
        self.indicators.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.indicators)
        self.indicators.setMenu(self.menu)
        self.previous = chip("", "Previous trade (P)")
        self.next = chip("", "Next trade (N)")
        self.position = PlainLabel()
        self.position.setProperty("role", "muted")
        self.empty = PlainLabel(_NO_RUN, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.empty.setProperty("role", "muted")
        self._drawing = WhenSeen(self, self.draw)
        self._hovered: tuple[int, ...] = ()
        self._drawn: tuple[str, bool] | None = None
        self._plots: dict[str, Mapping[str, Plot]] = {}
        self._from_chart = False
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        controls = QWidget()
        flow = FlowLayout(controls, spacing=6)
        for widget in (RangeButtons(self.chart), self.timeframe, self.indicators, self.equity, self.log):
            flow.addWidget(widget)
        controls.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        bar = QHBoxLayout()
        bar.setSpacing(6)
        bar.addWidget(controls, 1)
        trades = QHBoxLayout()
        for part in (self.position, self.previous, self.next):
            trades.addWidget(part)
        bar.addLayout(trades)
        bar.setAlignment(trades, Qt.AlignmentFlag.AlignTop)
        full = QWidget()
        inner = QVBoxLayout(full)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(5)
        inner.addLayout(bar)
        inner.addWidget(self.read_out)
        inner.addWidget(self.details)
        inner.addWidget(self.chart, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(full)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 6, 4)
        layout.addWidget(self.stack)

    def _connect(self) -> None:
        self.workspace.current_changed.connect(self.refresh)
        self.workspace.runs_changed.connect(self._runs_changed)
        self.workspace.details_changed.connect(self._details_changed)
        self.workspace.trade_changed.connect(self._show_trade)
        self.workspace.trade_list_changed.connect(self._draw_theirs)
        self.workspace.their_trade_changed.connect(
            lambda: self.chart.theirs.select(self.workspace.their_trade)
        )
        self.chart.hovered.connect(self._hover)
        self.chart.trade_clicked.connect(self._marker_clicked)
        self.chart.trades_hovered.connect(self._hover_trades)
        self.timeframe.activated.connect(lambda _: self._use_timeframe())
        self.equity.toggled.connect(self._show_equity)
        self.log.toggled.connect(lambda on: self.chart.set_log(on=on))
        self.previous.clicked.connect(lambda: self.step_wanted.emit(-1))
        self.next.clicked.connect(lambda: self.step_wanted.emit(1))

    def _runs_changed(self, ids: list[str]) -> None:
        """It may have another name."""
        run = self.workspace.current_run()
        if run is not None and run.id in ids and self.chart.run is not None and self.chart.run.id == run.id:
            self.chart.set_name(name_in(self.workspace, run))

    def _details_changed(self, run_id: str) -> None:
        if run_id == self.workspace.current:
            self.refresh()

    def refresh(self) -> None:
        """Show the current run, or say why not yet. Drawing waits for its own turn of the event loop: no long turns."""
        run = self.workspace.current_run()
        candles = None if run is None else self.workspace.candles(run.id)
        ready = run is not None and candles is not None and run.equity is not None
        self.empty.setText(_hint(run))
        self.stack.setCurrentIndex(1 if ready else 0)
        mark = (run.id, ready) if run is not None else None
        if mark == self._drawn:
            return
        self._drawn = mark
        self._drawing.wish()

    def set_plots(self, plots: dict[str, Mapping[str, Plot]]) -> None:
        """How strategies want their columns drawn, by strategy."""
        if plots != self._plots:
            self._plots = plots
            self._drawing.wish()

    def draw(self) -> None:
        """Draw the current run now."""
        run = self.workspace.current_run()
        candles = None if run is None else self.workspace.candles(run.id)
        ready = run is not None and candles is not None and run.equity is not None
        plots = self._plots.get(run.strategy) if run is not None else None
        self._drawing.done()
        self._hovered = ()
        self.chart.set_name("" if run is None else name_in(self.workspace, run))
        self._hold_theirs()
        self.chart.show_run(run if ready else None, candles if ready else None, plots)
        self._fill_menu()
        self._fill_timeframes()
        self._hover(None)
        self._show_trade()

    def _hold_theirs(self) -> None:
        run = self.workspace.current_run()
        found = None if run is None else self.workspace.trade_list(run.id)
        self.chart.theirs.show(() if found is None else found.theirs)

    def _draw_theirs(self) -> None:
        """Another program's trades came or went: the view stays where it is."""
        self._hold_theirs()
        self.chart.redraw()

    def _fill_menu(self) -> None:
        self.menu.clear()
        names = self.chart.indicator_colours()
        self.indicators.setEnabled(bool(names))
        for name in names:
            action = self.menu.addAction(name)
            action.setToolTip(f"Show or hide {name}")
            action.setCheckable(True)
            action.setChecked(name not in self.chart.hidden)
            action.toggled.connect(lambda on, name=name: self._toggle(name, on=on))

    def _fill_timeframes(self) -> None:
        names, wanted = self.chart.timeframes(), self.chart.wanted_timeframe
        self.timeframe.clear()
        for number, name in enumerate(names):
            self.timeframe.addItem(f"{name} (test)" if number == 0 else name, name)
        self.timeframe.setCurrentIndex(names.index(wanted) if wanted in names else 0)
        self.timeframe.setEnabled(len(names) > 1)

    def _use_timeframe(self) -> None:
        first = self.timeframe.currentIndex() <= 0
        self.chart.set_timeframe(None if first else self.timeframe.currentData())
        self._hover(None)

    def _show_equity(self, on: bool) -> None:
        self.chart.show_equity(on=on)
        self._hover(None)

    def _toggle(self, name: str, *, on: bool) -> None:
        self.chart.toggle(name, hidden=not on)
        self._hover(None)

    def _hover(self, x: float | None) -> None:
        self.read_out.setText(self.chart.read_out(x))
        if x is None:
            self._give_room()

    def _give_room(self) -> None:
        """As many lines as all of it needs; they stay while the pointer moves over the candles."""
        _fix_height(self.read_out, self.width() - _MARGINS, self.read_out.text())
        most = _FEW_LINES if self.height() < _SCARCE_PX else None
        _fix_height(self.details, self.width() - _MARGINS, self._longest_trade(), most)

    def _longest_trade(self) -> str:
        run = self.chart.run
        if run is None or not run.trades:
            return ""
        words = [
            len(trade.entry_signal) + len(trade.exit_reason) + _FILL_WORDS * min(len(trade.fills), MOST_FILLS)
            for trade in run.trades[:_SAMPLE]
        ]
        return self.chart.trades_text((words.index(max(words)),))

    def _hover_trades(self, indices: tuple[int, ...]) -> None:
        self._hovered = indices
        self._write_trade()

    def _write_trade(self) -> None:
        """The trade under the pointer; without one, the selected."""
        chosen = () if self.workspace.trade is None else (self.workspace.trade,)
        words = self.chart.trades_text(self._hovered or chosen)
        run = self.chart.run
        self.details.setVisible(run is not None and bool(run.trades))
        self.details.setToolTip(words)  # where it is cut off
        self.details.setText(words or f"<span style='color:{self.chart.theme.muted}'>{_POINT}</span>")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The read-out wraps."""
        super().resizeEvent(event)
        self._give_room()

    def _marker_clicked(self, index: int) -> None:
        self._from_chart = True
        self.workspace.select_trade(index)
        self._from_chart = False

    def _show_trade(self) -> None:
        run, index = self.workspace.current_run(), self.workspace.trade
        self.chart.select_trade(index, move=not self._from_chart)
        self._write_trade()
        self._hover(None)
        total = 0 if run is None else len(run.trades)
        self.previous.setEnabled(total > 0)
        self.next.setEnabled(total > 0)
        self.position.setText(
            f"Trade {index + 1} of {total}" if index is not None else f"{total} trade{'s' * (total != 1)}"
        )

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.chart.apply_theme(theme)
        self.previous.setIcon(icon("previous", theme.text))
        self.next.setIcon(icon("next", theme.text))
        self._write_trade()
        self._hover(None)


def _words(name: str) -> QLabel:
    label = QLabel(textFormat=Qt.TextFormat.RichText, wordWrap=True)
    label.setAccessibleName(name)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    return label


def _fix_height(label: QLabel, width: int, text: str, most_lines: int | None = None) -> None:
    """As high as this text needs, or as some lines of it; its own width is not known yet while the panel changes."""
    line = label.fontMetrics().lineSpacing() + 2
    shown = label.text()
    label.setText(text)
    label.setMinimumHeight(0)  # the one it has would count as needed
    height = max(line, label.heightForWidth(max(1, width)))
    label.setFixedHeight(height if most_lines is None else min(height, most_lines * line))
    label.setText(shown)


def _hint(run: RunResult | None) -> str:
    if run is None:
        return _NO_RUN
    if run.status == FAILED:
        return f"This run failed.\n{run.error}"
    return "Loading candles …"
