"""The Portfolio tab: legs, file, requests and trades above; the wallet, what each leg did and how they go together below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.charts.bar_chart import BarChart
from desktop.charts.colour_grid import Cell, ColourGrid
from desktop.charts.heat_map import HeatMap
from desktop.pages.chart_bar import RangeButtons
from desktop.pages.page import Panel
from desktop.pages.portfolio.charts import VIEWS, WalletChart, bars_of, correlation_of
from desktop.pages.portfolio.editor import PortfolioEditor
from desktop.pages.portfolio.tables import LEGS, REQUESTS, STORED, TRADES, LegRow, TradeOf
from desktop.pages.stored_list import StoredList
from desktop.tables import formats
from desktop.tables.badges import portfolio_badges
from desktop.tables.table import TableModel
from desktop.tables.trades import TradeRow
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.badge_row import BadgeRow
from desktop.widgets.buttons import combo, tool_button
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import ElidedLabel, PlainLabel
from desktop.widgets.table_view import TableView, table_action
from engine.events import Progress
from engine.model.coverage import Coverage
from engine.model.portfolio import LegSpec
from engine.model.portfolio_result import PortfolioResult, Request
from engine.model.run import FINISHED

_HINT: Final = "No portfolio yet. Write one on the File tab: New from set-up takes what is chosen there."
_BARS_HINT: Final = "What each leg did appears here."
_MAP_HINT: Final = "How the days of two legs go together appears here."
_STEPS: Final = 1000
_PICTURES_PX: Final = 360  # two charts below each other; the page scrolls
_FIGURES: Final = (
    ("return_pct", "return", formats.percent), ("max_drawdown_pct", "max DD", formats.percent),
    ("sharpe", "Sharpe", formats.number), ("trades", "trades", formats.whole),
)  # fmt: skip


class PortfolioPanel(Panel):
    """Signals: `run_wanted()`, `stop_wanted()`; `leg_wanted(name)`: a run of it alone; `moment_wanted(ms)`: look at it."""

    run_wanted = Signal()
    stop_wanted = Signal()
    leg_wanted = Signal(str)
    moment_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.specs: Sequence[LegSpec] = ()
        self.held: Mapping[str, Coverage] = {}
        self.result: PortfolioResult | None = None
        self._make_fields()
        self._make_tables()
        self._lay_out()
        self._connect()
        self.show_result(None)
        self.show_plan((), "", "", can_run=False)
        self.set_running(on=False)

    # -- building ----------------------------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        self.run, self.stop = QPushButton("Run portfolio"), tool_button("Stop", "Stop; nothing is kept of it")
        self.run.setProperty("primary", True)
        self.run.setToolTip("Fetch what is missing and play all legs on one wallet (F8)")
        self.optimize = tool_button("Optimize …", "Choose on the Optimize page what varies of the portfolio")
        self.walk = tool_button("Walk forward …", "Choose on the Walk-forward page in what windows it varies")
        self.leg_run = tool_button("Run leg alone", "Make a run of the picked leg by itself (Enter)")
        self.plan, self.problem = PlainLabel(wordWrap=True), PlainLabel(wordWrap=True)
        self.words, self.notes = ElidedLabel(), PlainLabel(wordWrap=True)
        self.plan.setProperty("role", "muted")
        self.words.setProperty("role", "muted")
        for label in (self.problem, self.notes):
            label.setProperty("role", "warning")
        self.heading = BadgeRow()
        self.heading.setAccessibleName("The portfolio and its checks")
        self.progress = QProgressBar(minimum=0, maximum=_STEPS, textVisible=False)
        self.progress.setAccessibleName("Progress of the portfolio")
        self.editor = PortfolioEditor()

    def _make_tables(self) -> None:
        self.legs: TableModel[LegRow] = TableModel(LEGS, self)
        self.requests: TableModel[Request] = TableModel(REQUESTS, self)
        self.trades: TableModel[TradeOf] = TableModel(TRADES, self)
        self.leg_table = TableView(self.legs, "Legs", _HINT)
        self.request_table = TableView(self.requests, "Requests", _HINT)
        self.trade_table = TableView(self.trades, "Trades of all legs", _HINT)
        self.stored: StoredList[PortfolioResult] = StoredList(
            "portfolio",
            STORED,
            "Show the stored portfolio",
            written="as JSON and TOML, its trades, equity and contention as CSV",
        )
        self.stored.resume.hide()

    @property
    def tables(self) -> Mapping[str, TableView]:
        """By the names under which their columns are kept."""
        return {
            "portfolio legs": self.leg_table,
            "portfolio requests": self.request_table,
            "portfolio trades": self.trade_table,
        }

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = FlowLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        for shown in (self.run, self.stop, self.optimize, self.walk, self.leg_run):
            row.addWidget(shown)
        self.tabs = QTabWidget(documentMode=True)
        for widget, title in (
            (self.leg_table, "Legs"), (self.editor, "File"), (self.request_table, "Requests"),
            (self.trade_table, "Trades"), (self.stored, "Stored"),
        ):  # fmt: skip
            self.tabs.addTab(widget, title)
        for named in (self.tabs, self.tabs.tabBar()):
            named.setAccessibleName("Portfolio")
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.tabs)
        self.splitter.addWidget(self._pictures())
        self.splitter.setSizes([380, 620])
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self.splitter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 6, 4)
        layout.setSpacing(3)
        for line in (bar, self.plan, self.problem, self.heading, self.notes, self.progress):
            layout.addWidget(line)
        layout.addWidget(area, 1)

    def _pictures(self) -> QWidget:
        self.wallet, self.bars = WalletChart(), BarChart("What each leg did")
        self.map: HeatMap[ColourGrid] = HeatMap()
        self.map.setAccessibleName("Correlation of the legs' days")
        self.bar_words, self.map_words = ElidedLabel(), ElidedLabel()
        self.views = combo("What the bars show of each leg", (view.title for view in VIEWS.values()))
        for at, view in enumerate(VIEWS.values()):
            self.views.setItemData(at, view.meaning, Qt.ItemDataRole.ToolTipRole)
        self.views.currentIndexChanged.connect(lambda _: self._draw_bars())
        self.empty = PlainLabel(
            "The wallet and what each leg made of it appear here.", alignment=Qt.AlignmentFlag.AlignCenter
        )
        self.empty.setProperty("role", "muted")
        self.drawn = QStackedWidget()
        ranges, row = QWidget(), QHBoxLayout()
        ranges.setLayout(row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(RangeButtons(self.wallet))
        row.addWidget(self.words, 1)
        for part in (self.empty, _column(ranges, self.wallet)):
            self.drawn.addWidget(part)
        self.of_legs = _column(self.views, self.bar_words, self.bars, self.map_words, self.map)
        self.of_legs.hide()
        pictures = QSplitter()
        pictures.setChildrenCollapsible(False)
        pictures.addWidget(self.drawn)
        pictures.addWidget(self.of_legs)
        pictures.setSizes([640, 400])
        pictures.setMinimumHeight(_PICTURES_PX)
        return pictures

    def _connect(self) -> None:
        self.run.clicked.connect(self.run_wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.leg_run.clicked.connect(self._want_leg)
        self.leg_table.doubleClicked.connect(lambda _: self._want_leg())
        self.leg_table.selectionModel().selectionChanged.connect(lambda *_: self._picked())
        self.request_table.selectionModel().selectionChanged.connect(lambda *_: self._requested())
        self.trade_table.selectionModel().selectionChanged.connect(lambda *_: self._traded())
        self.bars.picked.connect(lambda number: self.pick(self._bar_names()[number]))
        self.bars.hovered.connect(lambda _: self._tell())
        self.map.hovered.connect(lambda _: self._tell())
        self.wallet.hovered.connect(lambda x: self.words.setText(self.wallet.words(x)))
        save = QShortcut(
            QKeySequence.StandardKey.Save, self.editor, context=Qt.ShortcutContext.WidgetWithChildrenShortcut
        )
        save.activated.connect(self.editor.save_wanted)
        self.leg_table.offer(
            table_action("Run leg alone", "Return", self._want_leg, self.leg_table),
            table_action("Copy", "Ctrl+C", self.leg_table.copy, self.leg_table),
        )
        for table in (self.request_table, self.trade_table):
            table.offer(table_action("Copy", "Ctrl+C", table.copy, table))

    # -- what is asked for -------------------------------------------------------------------------------------------

    def show_plan(self, specs: Sequence[LegSpec], plan: str, problem: str, *, can_run: bool) -> None:
        """The legs that stand in the file, or why it cannot be run."""
        self.specs = specs
        for label, text in ((self.plan, plan), (self.problem, problem)):
            label.setText(text)
            label.setVisible(bool(text))
        self.run.setEnabled(can_run)
        for button in (self.optimize, self.walk):
            button.setEnabled(bool(specs))
        self._fill_legs()

    def show_held(self, held: Mapping[str, Coverage]) -> None:
        """What is held of the legs' candles, by their names."""
        self.held = held
        self._fill_legs()

    def set_running(self, *, on: bool) -> None:
        """One begins or is over."""
        self.progress.setVisible(on)
        self.progress.setRange(0, 0)
        self.stop.setEnabled(on)

    def show_progress(self, progress: Progress) -> None:
        """How far the running one is."""
        if progress.total:
            self.progress.setRange(0, _STEPS)
            self.progress.setValue(round(min(1.0, progress.done / progress.total) * _STEPS))

    # -- what came out -----------------------------------------------------------------------------------------------

    @property
    def _finished(self) -> PortfolioResult | None:
        """What is shown, where it has figures."""
        return self.result if self.result is not None and self.result.status == FINISHED else None

    @property
    def _view(self) -> str:
        """What the bars show."""
        return list(VIEWS)[self.views.currentIndex()]

    def show_result(self, result: PortfolioResult | None) -> None:
        """Show what came of one."""
        self.result = result
        finished = self._finished
        self.heading.show_badges(_headline(result), portfolio_badges(result) if result is not None else ())
        self.heading.setVisible(result is not None)
        notes = [] if result is None else [result.error or "", *result.notes]
        self.notes.setText(" · ".join(note for note in notes if note))
        self.notes.setVisible(bool(self.notes.text()))
        self.request_table.say(_HINT if finished is None else "Every request got all it asked for.")
        self.trade_table.say(_HINT if finished is None else "No trades.")
        self.requests.set_rows(() if finished is None else finished.contended)
        pairs = [] if finished is None else finished.trades
        self.trades.set_rows((name, TradeRow(place, trade)) for place, (name, trade) in enumerate(pairs))
        for table in (self.request_table, self.trade_table):
            table.fit_columns(widest=160)
        for tab, words, count in ((2, "Requests", len(self.requests.rows)), (3, "Trades", len(pairs))):
            self.tabs.setTabText(tab, words if finished is None else f"{words} ({formats.whole(count)})")
        self._fill_legs()
        self.leg_table.fit_columns(widest=160)
        self.draw()

    def draw(self) -> None:
        """The pictures of what is shown, the picked leg standing out."""
        shown = self._finished
        self.wallet.show_result(shown, self.picked)
        self.words.setText(self.wallet.words(None))
        self.drawn.setCurrentIndex(int(shown is not None))
        self.of_legs.setVisible(shown is not None)
        self.map.show_grid(None if shown is None else correlation_of(shown), "")
        self._draw_bars()

    def _draw_bars(self) -> None:
        """The chosen figure of the legs."""
        bars = [] if self._finished is None else bars_of(self._finished, self._view)
        names = [bar.label for bar in bars]
        self.bars.show_bars(bars, names.index(self.picked) if self.picked in names else None, _BARS_HINT)
        self._tell()

    def _bar_names(self) -> list[str]:
        return [bar.label for bar in self.bars.bars]

    def _tell(self) -> None:
        """The words of the bar and of the cell under the pointer."""
        bar, cell = self.bars.cursor_bar, self.map.cursor_cell
        self.bar_words.setText(VIEWS[self._view].meaning if bar is None else self.bars.bars[bar].words)
        self.map_words.setText(self._cell_words(cell))

    def _cell_words(self, cell: Cell | None) -> str:
        grid = self.map.grid
        if grid is None:
            return _MAP_HINT
        if cell is None:
            return "Correlation of the legs' days"
        column, row = cell
        value = float(grid.values[row, column])
        told = formats.NO_VALUE if value != value else formats.signed(value)
        return f"{grid.ys[row]} and {grid.xs[column]}: {told}"

    # -- legs and moments --------------------------------------------------------------------------------------------

    @property
    def picked(self) -> str | None:
        """The leg that is picked in the list."""
        rows = self.leg_table.selected_rows()
        return self.legs.row_at(rows[0]).spec.name if len(rows) == 1 else None

    def pick(self, name: str) -> None:
        """Pick a leg, wherever it was clicked."""
        places = [at for at, row in enumerate(self.legs.rows) if row.spec.name == name]
        if places:
            self.tabs.setCurrentIndex(0)
            self.leg_table.select_row(self.legs.view_row(places[0]))

    def _picked(self) -> None:
        self.leg_run.setEnabled(self.picked is not None)
        self.draw()

    def _fill_legs(self) -> None:
        picked = self.picked
        specs = self.specs or ([] if self.result is None else [leg.spec for leg in self.result.legs])
        rows = [LegRow.of(spec, self.held.get(spec.name), self.result) for spec in specs]
        if rows != self.legs.rows:
            first = not self.legs.rows
            self.legs.set_rows(rows)
            if first:
                self.leg_table.fit_columns(widest=160)
            if picked is not None:
                self.leg_table.select_row(
                    next(
                        (self.legs.view_row(at) for at, row in enumerate(rows) if row.spec.name == picked),
                        None,
                    )
                )
        self.leg_run.setEnabled(self.picked is not None)

    def _want_leg(self) -> None:
        if self.picked is not None:
            self.leg_wanted.emit(self.picked)

    def _requested(self) -> None:
        rows = self.request_table.selected_rows()
        self._look_at(self.requests.row_at(rows[0]).time if len(rows) == 1 else None)

    def _traded(self) -> None:
        rows = self.trade_table.selected_rows()
        self._look_at(self.trades.row_at(rows[0])[1].trade.entry_time if len(rows) == 1 else None)

    def _look_at(self, time_ms: int | None) -> None:
        self.wallet.mark(time_ms)
        if time_ms is not None:
            self.words.setText(self.wallet.words(time_ms / 1000))
            self.moment_wanted.emit(time_ms)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        for part in (self.wallet, self.bars, self.map, self.heading, self.editor, self.stored):
            part.apply_theme(theme)
        for table in self.tables.values():
            table.apply_theme(theme)
        self.run.setIcon(icon("run", theme.accent_text))
        self.stop.setIcon(icon("stop", theme.negative))
        for button in (self.optimize, self.walk):
            button.setIcon(icon("next", theme.muted))
        self.leg_run.setIcon(icon("run", theme.positive))


def _column(*widgets: QWidget) -> QWidget:
    side = QWidget()
    layout = QVBoxLayout(side)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    for widget in widgets:
        layout.addWidget(widget, int(isinstance(widget, (WalletChart, BarChart, HeatMap))))
    return side


def _headline(result: PortfolioResult | None) -> str:
    """Which one it is, and what it made."""
    if result is None:
        return ""
    figures = [f"{word} {text(result.metrics.get(name))}" for name, word, text in _FIGURES]
    return "  ·  ".join([result.spec.name, *(figures if result.status == FINISHED else [result.status])])
