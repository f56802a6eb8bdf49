"""What came of a sweep: a line of words, the best trials, two pictures of all of them, and the list of stored sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.optimize.cells import Grid
from desktop.pages.optimize.coordinates import axes_of, wanted_by
from desktop.pages.optimize.front_view import FrontView
from desktop.pages.optimize.map_view import MAP_HINT, MapView
from desktop.pages.optimize.parallel_view import LINES_HINT, ParallelView
from desktop.pages.optimize.statistics_view import StatisticsView
from desktop.pages.optimize.stored import StoredSweeps
from desktop.pages.optimize.trials import TrialsModel, Wanted, position_of
from desktop.pages.optimize.words import progress_words, sweep_words
from desktop.tables import formats
from desktop.tables.badges import sweep_badges
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.badge_row import BadgeRow
from desktop.widgets.buttons import chip, tool_button
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import PlainLabel
from desktop.widgets.table_view import TableView, table_action
from engine.events import Progress
from engine.model.sweep import SweepResult
from engine.model.sweep_statistics import SweepStatistics

_HINT: Final = "No sweep yet. Vary parameters on the left and press F6, or open a stored sweep."
_NO_FIGURES: Final = "No trial of this sweep came to figures."
_RUNNING: Final = "Trying the first combinations …"
_SHARES: Final = [1000, 1000]
_STEPS: Final = 1000
_NARROWEST: Final = 280  # tabs that need more scroll; the whole window fits into 900
_WIDE_PX: Final = 500
_HIGH_PX: Final = 440


class ResultsView(QWidget):
    """Signals: `params_wanted(position)` load a trial's parameters; `run_wanted(position)` make a run of it;
    `export_wanted(id)` of the shown sweep; `wanted_changed()`: other trials are to be seen, see `wanted`.
    """

    params_wanted = Signal(int)
    run_wanted = Signal(int)
    export_wanted = Signal(str)
    wanted_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sweep: SweepResult | None = None
        self.picked: int | None = None
        self._running = False
        self.words = PlainLabel(wordWrap=True)
        self.words.setAccessibleName("What came of the sweep")
        self.plan = chip("Plan", "Show the plan at the left, or give its room to the results", checkable=True)
        self.plan.setChecked(True)
        self.badges = BadgeRow()
        self.badges.title.hide()
        self.caution = PlainLabel(wordWrap=True)
        self.caution.setProperty("role", "warning")
        self.progress = QProgressBar(minimum=0, maximum=_STEPS, textVisible=False)
        self.progress.setAccessibleName("Progress of the sweep")
        self.model = TrialsModel(self)
        self.table = TableView(self.model, "Best trials", _HINT)
        self.use = tool_button("Use parameters", "Put the trial's parameters into the set-up on the left")
        self.run = tool_button(
            "Run this one", "Make a run of the selected trial: chart, trades, checks (Enter)"
        )
        self.export = tool_button("Export …", "Write this sweep as JSON and all its trials as CSV")
        self.map, self.parallel, self.front, self.stored = (
            MapView(),
            ParallelView(),
            FrontView(),
            StoredSweeps(),
        )
        self.statistics = StatisticsView()
        self.wanted: Wanted | None = None
        self._definitions: Mapping[str, Any] = {}
        self._lay_out()
        self._connect()
        self.show_sweep(None)
        self.set_running(on=False)

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = FlowLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        for button in (self.use, self.run, self.export):
            row.addWidget(button)
        trials = QWidget()
        inner = QVBoxLayout(trials)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(bar)
        inner.addWidget(self.table)
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.addTab(trials, "Trials")
        self.tabs.addTab(self.statistics, "Statistics")
        self.tabs.addTab(self.stored, "Stored")
        self.front.hide()
        for part in (self.tabs, self.tabs.tabBar()):
            part.setAccessibleName("Trials and sweeps")
        self.pictures = QSplitter(Qt.Orientation.Horizontal)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        for splitter in (self.pictures, self.splitter):
            splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.tabs)
        self.splitter.addWidget(self.pictures)
        self._put_beside()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        head = QHBoxLayout()
        head.addWidget(self.words, 1)
        head.addWidget(self.plan, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)
        layout.addLayout(head)
        for widget in (self.badges, self.caution, self.progress):
            layout.addWidget(widget)
        layout.addWidget(self.splitter, 1)

    def _connect(self) -> None:
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._selected())
        self.table.doubleClicked.connect(lambda _: self._run_picked())
        self.table.offer(
            table_action("Run this one", "Return", self._run_picked, self.table),
            table_action(
                "Use its parameters", "Shift+Return", lambda: self._emit(self.params_wanted), self.table
            ),
            table_action("Copy", "Ctrl+C", self.table.copy, self.table),
        )
        self.run.clicked.connect(self._run_picked)
        self.export.clicked.connect(self._export)
        self.parallel.brushed.connect(self._brushed)
        self.parallel.picked.connect(self._pick)
        self.use.clicked.connect(lambda: self._emit(self.params_wanted))
        self.map.picked.connect(self._pick)
        self.front.picked.connect(self._pick)
        self.front.marked.connect(self.select)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def set_definitions(self, definitions: Mapping[str, Any]) -> None:
        """What each metric is called and means."""
        self._definitions = definitions
        self.map.set_definitions(definitions)

    def show_sweep(self, sweep: SweepResult | None) -> None:
        """Show a sweep, or the same one further on: the picked trial stays picked."""
        number = self.picked_number() if _is_same(sweep, self.sweep) else None
        if sweep is not self.sweep:
            self.statistics.clear(waiting=sweep is not None and bool(len(sweep)))
        self.sweep = sweep
        self.picked = None if sweep is None or number is None else position_of(sweep, number)
        self.parallel.set_sweep(
            sweep, () if sweep is None or not len(sweep) else axes_of(sweep, self._definitions)
        )
        self.map.set_sweep(sweep)
        self._show_front()
        self._sift()
        self._say()

    def _show_front(self) -> None:
        """A tab of its own where there are two objectives; it stays while the next sweep has no trials yet."""
        at = self.tabs.indexOf(self.front)
        two = at >= 0 if self.sweep is None else len(self.sweep.spec.objectives) > 1
        if two and at < 0:
            self.tabs.insertTab(1, self.front, "Front")
        elif not two and at >= 0:
            self.tabs.removeTab(at)
            self.front.hide()
        self.front.show_sweep(self.sweep if two else None, self._definitions)

    def _sift(self) -> None:
        """Which trials are to be seen, by what is brushed."""
        sweep = self.sweep
        self.wanted = None if sweep is None else wanted_by(sweep, self.parallel.axes, self.parallel.brushes)
        if self.picked is not None and self.wanted is not None and not self.wanted[self.picked]:
            self.picked = None
        self.parallel.set_wanted(self.wanted)
        self._refill()
        self._mark()

    def _brushed(self) -> None:
        self._sift()
        self._say_count()
        self.wanted_changed.emit()

    def show_map(self, grid: Grid) -> None:
        """The map is drawn; a late one of another sweep is dropped."""
        if self.sweep is not None and grid.sweep.id in (self.sweep.id, self.map.market_of(self.sweep).id):
            self.map.show_map(grid)
            self._mark()

    def statistics_wanted(self) -> SweepResult | None:
        """The shown sweep, where somebody looks for what its trials say and it is not known yet."""
        looked_at = self.tabs.currentWidget() is self.statistics and self.statistics.shown is None
        return (
            self.sweep
            if looked_at and not self._running and self.sweep is not None and len(self.sweep)
            else None
        )

    def show_statistics(self, found: tuple[SweepResult, SweepStatistics]) -> None:
        """It is known; late for another sweep it is dropped."""
        if found[0] is self.sweep:
            self.statistics.show_statistics(found[1])

    def _mark(self) -> None:
        self.map.mark(self.picked_number())
        self.parallel.mark(self.picked)
        self.front.mark(self.picked)

    def _refill(self) -> None:
        model = self.table.selectionModel()
        model.blockSignals(True)
        changed = self.model.show_sweep(self.sweep, self._definitions, self.picked, self.wanted)
        if changed and self.sweep is not None:
            self.table.fit_columns(widest=140)
            self.table.setColumnWidth(0, self.fontMetrics().horizontalAdvance("# 200") + 16)
        number = self.picked_number()
        view = None if number is None else self.model.view_row_of(number)
        self.table.select_row(view)
        model.blockSignals(False)
        self._update()

    def _say(self) -> None:
        sweep = self.sweep
        self.words.setText("" if sweep is None else sweep_words(sweep, self._definitions))
        self.badges.show_badges("", [] if sweep is None else sweep_badges(sweep))
        self.badges.setVisible(bool(self.badges.shown))
        notes = [] if sweep is None or not sweep.done else sweep.cautions
        self.caution.setText("⚠ " + " · ".join(notes) if notes else "")
        self.table.say(_RUNNING if self._running else _HINT if sweep is None else _NO_FIGURES)
        self.words.setVisible(bool(self.words.text()))
        self.caution.setVisible(bool(notes))
        self._say_count()

    def _say_count(self) -> None:
        shown, sweep = self.model.rowCount(), self.sweep
        some = sweep is not None and sweep.done - sweep.failed > shown
        self.tabs.setTabText(0, f"Best {formats.whole(shown)}" if some else "Trials")

    def set_running(self, *, on: bool) -> None:
        """A sweep begins or is over."""
        self._running = on
        self._update()
        self._say()
        self.progress.setVisible(on)
        self.progress.setRange(0, 0)
        self.map.empty.setText(_RUNNING if on else MAP_HINT)
        self.parallel.empty.setText(_RUNNING if on else LINES_HINT)

    def show_progress(self, progress: Progress) -> None:
        """How far the running sweep is."""
        if progress.total:
            self.progress.setRange(0, _STEPS)
            self.progress.setValue(round(min(1.0, progress.done / progress.total) * _STEPS))
        self.words.setText(progress_words(progress))
        self.words.show()

    # -- picking -----------------------------------------------------------------------------------------------------

    def picked_number(self) -> int | None:
        """The number of the picked trial."""
        if self.sweep is None or self.picked is None:
            return None
        return int(self.sweep.numbers[self.picked])

    def pick_best(self) -> None:
        """Select the best trial, unless another one is picked."""
        if self.sweep is not None and self.picked is None and self.sweep.best is not None:
            self.table.select_row(self.model.view_row_of(int(self.sweep.numbers[self.sweep.order[0]])))

    def _pick(self, number: int) -> None:
        """A trial was clicked in a picture: select it and load its parameters."""
        self.select(number)
        self._emit(self.params_wanted)

    def select(self, number: int) -> None:
        """Pick the trial of a number, where it is among those shown."""
        self.picked = None if self.sweep is None else position_of(self.sweep, number)
        self._refill()
        self._mark()

    def _selected(self) -> None:
        rows = self.table.selected_rows()
        self.picked = self.model.row_at(rows[0]).position if len(rows) == 1 else None
        self._mark()
        self._update()

    def _export(self) -> None:
        if self.sweep is not None:
            self.export_wanted.emit(self.sweep.id)

    def _run_picked(self) -> None:
        self._emit(self.run_wanted)

    def _emit(self, signal: Any) -> None:
        if self.picked is not None and self.run.isEnabled():
            signal.emit(self.picked)

    def _update(self) -> None:
        usable = self.picked is not None and self.sweep is not None and self.picked not in self.sweep.errors
        self.run.setEnabled(usable)
        self.use.setEnabled(usable)
        self.export.setEnabled(self.sweep is not None and not self._running and bool(len(self.sweep)))

    def minimumSizeHint(self) -> QSize:
        """What the table or a picture alone needs: together they stand only where there is room."""
        needed = self.tabs.minimumSizeHint().expandedTo(self.map.minimumSizeHint())
        return QSize(min(needed.width(), _NARROWEST), self.tabs.minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The pictures stand below the table where there is room, else they are tabs."""
        super().resizeEvent(event)
        below = self.width() >= _WIDE_PX and self.height() >= _HIGH_PX
        if below == (self.tabs.indexOf(self.map) < 0):
            return
        if below:
            self._put_beside()
        else:
            self.tabs.insertTab(1, self.map, "Heat map")
            self.tabs.insertTab(2, self.parallel, "Parallel")
            self.pictures.hide()

    def _put_beside(self) -> None:
        for picture in (self.map, self.parallel):
            if self.tabs.indexOf(picture) >= 0:
                self.tabs.removeTab(self.tabs.indexOf(picture))
            self.pictures.addWidget(picture)
            picture.show()
        self.pictures.show()
        self.pictures.setSizes(_SHARES)
        self.splitter.setSizes(_SHARES)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        self.badges.apply_theme(theme)
        self.map.apply_theme(theme)
        self.parallel.apply_theme(theme)
        self.front.apply_theme(theme)
        self.statistics.apply_theme(theme)
        self.export.setIcon(icon("export", theme.muted))
        self.stored.apply_theme(theme)
        self.run.setIcon(icon("run", theme.positive))
        self.use.setIcon(icon("previous", theme.muted))


def _is_same(one: SweepResult | None, other: SweepResult | None) -> bool:
    return one is not None and other is not None and one.id == other.id
