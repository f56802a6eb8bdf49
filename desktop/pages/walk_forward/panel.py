"""The Walk-forward tab: what to do above, the windows as rows, four pictures of them below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.optimize.map_view import MapView
from desktop.pages.page import Panel
from desktop.pages.stored_list import StoredList
from desktop.pages.walk_forward.charts import (
    ChosenParams,
    StitchedEquity,
    Timeline,
    TrainedAndTested,
    WalkChart,
)
from desktop.pages.walk_forward.tables import STORED, Row, walk_words, window_columns
from desktop.tables.table import TableModel
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import combo, together, tool_button
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import PlainLabel
from desktop.widgets.table_view import TableView, table_action
from engine.events import Progress
from engine.model.walk_forward import MODES, WalkForward

_HINT: Final = (
    "No walk-forward yet. Vary parameters on the Optimize tab, choose the lengths above, and press F7."
)
_NO_WINDOWS: Final = "No window of this walk-forward has a result."
_MAP_HINT: Final = "Pick a window in the list or in a picture: all combinations in its training appear here."
_MAP_READ_OUT: Final = "★ best of the training · framed: the chosen"
_STEPS: Final = 1000
_FIELD_PX: Final = 62


class WalkForwardPanel(Panel):
    """Signals: `run_wanted()`, `stop_wanted()`, `changed()` what is asked for; of the shown one: `window_picked()`,
    `stitched_wanted()`, `window_wanted(number)` a run of that training.
    """

    run_wanted = Signal()
    stop_wanted = Signal()
    changed = Signal()
    window_picked = Signal()
    stitched_wanted = Signal()
    window_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.walk: WalkForward | None = None
        self.picked: int | None = None
        self.train, self.test, self.gap = (
            _length("Train", "90d"),
            _length("Test", "30d"),
            _length("Gap", "0"),
        )
        self.mode = combo("Mode: trainings move on, or all begin with the period", MODES)
        self.run = QPushButton("Walk forward")
        self.run.setProperty("primary", True)
        self.run.setToolTip(
            "Choose parameters in one window and trade them in the next, again and again (F7)"
        )
        self.stop = tool_button("Stop", "Stop; it can be gone on with")
        self.plan, self.problem = PlainLabel(wordWrap=True), PlainLabel(wordWrap=True)
        self.words, self.caution = PlainLabel(wordWrap=True), PlainLabel(wordWrap=True)
        self.progress = QProgressBar(minimum=0, maximum=_STEPS, textVisible=False)
        self.progress.setAccessibleName("Progress of the walk-forward")
        self.model: TableModel[Row] = TableModel((), self)
        self.table = TableView(self.model, "Windows", _HINT)
        self.stored: StoredList[WalkForward] = StoredList(
            "walk-forward", STORED, "Show the stored walk-forward"
        )
        self.map = MapView(_MAP_READ_OUT, _MAP_HINT)
        self.charts: Sequence[WalkChart] = (StitchedEquity(), ChosenParams(), Timeline(), TrainedAndTested())
        self.stitched = tool_button("Stitched run", "Show the stitched run: chart, trades, checks")
        self.window_run = tool_button("Run training", "Make a run of the picked window's training (Enter)")
        self._lay_out()
        self._connect()
        self.show_walk(None)
        self.show_plan("", "", can_run=False)  # until it is known what would be run
        self.set_running(on=False)

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = FlowLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        for words, field in (
            ("Trai&n", self.train),
            ("Test", self.test),
            ("Ga&p", self.gap),
            ("Mode", self.mode),
        ):
            label = PlainLabel(words)
            label.setBuddy(field)
            # an underlined letter is drawn apart, so that words are wider than they are measured
            label.setContentsMargins(0, 0, 4, 0)
            row.addWidget(together(label, field))
        row.addWidget(together(self.run, self.stop))
        for label, role in ((self.plan, "muted"), (self.problem, "warning"), (self.caution, "warning")):
            label.setProperty("role", role)
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.addTab(_with_bar(self.table, self.stitched, self.window_run), "Windows")
        self.tabs.addTab(self.map, "Heat map")
        self.tabs.addTab(self.stored, "Stored")
        for part in (self.tabs, self.tabs.tabBar()):
            part.setAccessibleName("Windows and walk-forwards")
        pictures = QWidget()
        grid = QGridLayout(pictures)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for at, chart in enumerate(self.charts):
            grid.addWidget(chart, at // 2, at % 2)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.tabs)
        self.splitter.addWidget(pictures)
        self.splitter.setSizes([400, 600])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 6, 4)
        layout.setSpacing(3)
        for widget in (bar, self.plan, self.problem, self.words, self.caution, self.progress):
            layout.addWidget(widget)
        area = QScrollArea(widgetResizable=True)  # pages share the least height of the tallest
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self.splitter)
        layout.addWidget(area, 1)

    def _connect(self) -> None:
        for field in (self.train, self.test, self.gap):
            field.textChanged.connect(lambda _: self.changed.emit())
            field.returnPressed.connect(self.run.click)
        self.mode.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.run.clicked.connect(lambda: self.run_wanted.emit())
        self.stop.clicked.connect(lambda: self.stop_wanted.emit())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._selected())
        for chart in self.charts:
            chart.picked.connect(self.pick)
        self.stitched.clicked.connect(lambda: self.stitched_wanted.emit())
        self.window_run.clicked.connect(self._want_window)
        self.table.doubleClicked.connect(lambda _: self._want_window())
        self.table.offer(
            table_action("Run training", "Return", self._want_window, self.table),
            table_action("Copy", "Ctrl+C", self.table.copy, self.table),
        )

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show_walk(self, walk: WalkForward | None) -> None:
        """Show a walk-forward; none of its windows is picked."""
        self.walk, self.picked = walk, None
        if walk is not None:
            self.model.set_columns(window_columns(walk))
        self.model.set_rows([] if walk is None else list(enumerate(walk.results)))
        self.table.fit_columns(widest=140)
        self.table.say(_HINT if walk is None else _NO_WINDOWS)
        self.words.setText("" if walk is None else walk_words(walk))
        notes = [] if walk is None else walk.notes
        self.caution.setText("⚠ " + " · ".join(notes) if notes else "")
        for label in (self.words, self.caution):
            label.setVisible(bool(label.text()))
        self._draw()

    def pick(self, number: int) -> None:
        """Pick a window, wherever it was clicked."""
        self.table.select_row(self.model.view_row(number))

    def _selected(self) -> None:
        rows = self.table.selected_rows()
        picked = self.model.row_at(rows[0])[0] if len(rows) == 1 else None
        if picked != self.picked:
            self.picked = picked
            self._draw()

    def _draw(self) -> None:
        for chart in self.charts:
            chart.show_walk(self.walk, self.picked)
        has_map = self.walk is not None and self.picked is not None
        self.map.set_sweep(self.walk.trained(self.picked or 0) if has_map and self.walk is not None else None)
        self._update()
        if has_map:
            self.window_picked.emit()

    def set_running(self, *, on: bool) -> None:
        """One begins or is over."""
        self.progress.setVisible(on)
        self.progress.setRange(0, 0)
        self.stop.setEnabled(on)
        self._update()

    def show_progress(self, progress: Progress) -> None:
        """How far the running one is."""
        if progress.total:
            self.progress.setRange(0, _STEPS)
            self.progress.setValue(round(min(1.0, progress.done / progress.total) * _STEPS))

    def show_plan(self, plan: str, problem: str, *, can_run: bool, idle: bool = True) -> None:
        """What would be done, or why nothing can be; whether nothing is under way."""
        self.stored.set_idle(idle=idle)
        for label, text in ((self.plan, plan), (self.problem, problem)):
            label.setText(text)
            label.setVisible(bool(text))
        self.run.setEnabled(can_run)
        self._update()

    def _want_window(self) -> None:
        if self.picked is not None:
            self.window_wanted.emit(self.picked)

    def _update(self) -> None:
        self.stitched.setEnabled(self.walk is not None and self.walk.stitched is not None)
        self.window_run.setEnabled(self.picked is not None)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        for chart in self.charts:
            chart.apply_theme(theme)
        for table in (self.table, self.stored):
            table.apply_theme(theme)
        self.map.apply_theme(theme)
        self.run.setIcon(icon("run", theme.accent_text))
        self.stop.setIcon(icon("stop", theme.negative))
        self.stitched.setIcon(icon("next", theme.muted))
        self.window_run.setIcon(icon("run", theme.positive))


def _length(name: str, text: str) -> QLineEdit:
    field = QLineEdit(text)
    field.setAccessibleName(name)
    field.setToolTip(f"{name}: a length such as 180d, 12h or 4w")
    field.setMaximumWidth(_FIELD_PX)
    return field


def _with_bar(table: QWidget, *buttons: QWidget) -> QWidget:
    bar, page = QWidget(), QWidget()
    bar.setObjectName("filterBar")
    row = FlowLayout(bar)
    row.setContentsMargins(6, 3, 6, 3)
    for button in buttons:
        row.addWidget(button)
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(bar)
    layout.addWidget(table)
    return page
