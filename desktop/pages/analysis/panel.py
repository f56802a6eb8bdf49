"""The tabs of the Analysis page under one line that says which trades are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from desktop.pages.analysis.account_view import AccountView
from desktop.pages.analysis.calendar_view import CalendarView
from desktop.pages.analysis.costs_view import CostsView
from desktop.pages.analysis.exits_view import ExitsView
from desktop.pages.analysis.filter_bar import FilterBar
from desktop.pages.analysis.groups_view import GroupsView
from desktop.pages.analysis.market_view import MarketView
from desktop.pages.analysis.results_view import ResultsView
from desktop.pages.analysis.view import View
from desktop.pages.page import Panel
from desktop.theme.colours import DARK, Theme
from desktop.widgets.labels import PlainLabel
from desktop.widgets.tab_order import follow_the_eye
from desktop.workspace import Workspace
from engine.analysis.analysis import Analysis
from engine.model.run import FAILED, FINISHED, RunResult

ViewT = TypeVar("ViewT", bound=View)
NO_RUN: Final = "No run to analyse yet.\nSelect a run in the table below, or press F5."
VIEWS: Final[Mapping[str, type[View]]] = {
    "Calendar": CalendarView,
    "Groups": GroupsView,
    "Results": ResultsView,
    "MAE / MFE": ExitsView,
    "Account": AccountView,
    "Costs": CostsView,
    "Market": MarketView,
}


class AnalysisPanel(Panel):
    """Tabs are built when they are first looked at: plots take long to make.

    Signals: `built(View)`; `seen()` it came to the front, `market_seen()` its tab of the market did: both may need figures.
    """

    built = Signal(object)
    seen = Signal()
    market_seen = Signal()

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.workspace = workspace
        self.analysis: Analysis | None = None
        self.filter = FilterBar(workspace)
        self.views: dict[str, View] = {}
        self.tabs = QTabWidget(documentMode=True)
        for part in (self.tabs, self.tabs.tabBar()):
            part.setAccessibleName("Figures")
        self.empty = PlainLabel(NO_RUN, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.empty.setProperty("role", "muted")
        self._areas = {title: _area(title) for title in VIEWS}
        self._stale: set[str] = set()
        self._theme = DARK
        self._drawing = QTimer(self, singleShot=True, interval=0)
        self._drawing.timeout.connect(self._show_tab)
        self._lay_out()
        self.tabs.currentChanged.connect(self._show_tab)
        workspace.filter_changed.connect(self.filter.show_filter)

    def _lay_out(self) -> None:
        for title, area in self._areas.items():
            self.tabs.addTab(area, title)
        full = QWidget()
        inner = QVBoxLayout(full)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(2)
        inner.addWidget(self.filter)
        inner.addWidget(self.tabs, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(full)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 6, 4)
        layout.addWidget(self.stack)

    def view(self, kind: type[ViewT]) -> ViewT:
        """The tab of a kind."""
        title = next(title for title, other in VIEWS.items() if other is kind)
        found = self.views.get(title) or self._build(title)
        assert isinstance(found, kind)
        return found

    def _build(self, title: str) -> View:
        view = self.views[title] = VIEWS[title]()
        view.setObjectName("centrePanel")
        view.facet_wanted.connect(
            lambda facet: self.workspace.set_filter(self.workspace.filter.toggled(facet))
        )
        view.apply_theme(self._theme)
        self._areas[title].setWidget(view)
        follow_the_eye([self])
        self.built.emit(view)
        return view

    @property
    def tab(self) -> str:
        """The title of the tab in front."""
        return self.tabs.tabText(self.tabs.currentIndex())

    def show_tab(self, title: str) -> None:
        """Bring a tab to the front."""
        self.tabs.setCurrentIndex(list(VIEWS).index(title))

    def show_state(self, run: RunResult | None) -> None:
        """Say why there is nothing to see of a run, where its figures are not there."""
        self.empty.setText(_hint(run))
        if run is None or run.equity is None or run.status != FINISHED:
            self.analysis = None
        ready = self.analysis is not None and run is not None and self.analysis.run.id == run.id
        self.stack.setCurrentIndex(1 if ready else 0)

    def show_analysis(self, analysis: Analysis) -> None:
        """Show figures; a tab draws them when it is in front."""
        self.analysis = analysis
        self._stale = set(VIEWS)
        self.filter.show_analysis(analysis)
        self.filter.show_filter()
        self.stack.setCurrentIndex(1)
        self._show_tab()

    def _show_tab(self, _: int = 0) -> None:
        title = self.tab
        if self.analysis is None:
            return
        if title not in self.views:
            self._build(title)
            self._drawing.start()  # in a turn of its own: both take long
            return
        if title in self._stale:
            self._stale.discard(title)
            self.views[title].show_analysis(self.analysis, self.workspace.filter)
        if title == "Market":
            self.market_seen.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """It may be late."""
        super().showEvent(event)
        self.seen.emit()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        for view in self.views.values():
            view.apply_theme(theme)


def _area(title: str) -> QScrollArea:
    area = QScrollArea(widgetResizable=True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setAccessibleName(title)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area


def _hint(run: RunResult | None) -> str:
    if run is None:
        return NO_RUN
    if run.status == FAILED:
        return f"This run failed.\n{run.error}"
    return "Loading …" if run.status == FINISHED else "This run was stopped before it ended."
