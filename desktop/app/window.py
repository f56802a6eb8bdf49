"""The window: docks, tabs, menus around the pages; it knows every page by what all pages are."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import pyqtgraph as pg
from PySide6.QtCore import QByteArray, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QLineEdit,
    QMainWindow,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from desktop.app.besides import Besides
from desktop.app.front_pages import FrontPages
from desktop.app.recent_runs import RecentRuns
from desktop.app.results_room import ResultsRoom
from desktop.pages.all import PAGES
from desktop.pages.page import Context, Page, PageT, Place
from desktop.pages.progress import Overall
from desktop.theme.apply import apply_theme, follow_system
from desktop.theme.colours import SYSTEM, THEME_NAMES, Theme, theme_for, theme_named
from desktop.widgets.actions import Actions, Command
from desktop.widgets.banner import Banner, Question, with_margins
from desktop.widgets.bottom_panel import BottomPanel, DockTitle
from desktop.widgets.field_keys import FieldKeys
from desktop.widgets.labels import PlainLabel
from desktop.widgets.preferences import LAYOUT_VERSION, Preferences
from desktop.widgets.screens import fit_again, fit_to_screen
from desktop.widgets.status import StatusBar
from desktop.widgets.tab_order import follow_the_eye
from desktop.widgets.undo import UndoToast
from desktop.work.bridge import WORKING, Bridge, Phase
from desktop.work.jobs import Job
from desktop.workspace import Workspace

TITLE: Final = "Backtest"
_THEME_WORDS: Final = {"system": "Theme: as the system", "light": "Theme: light", "dark": "Theme: dark"}
UTC, LOCAL = "utc", "local"
_TIMES_WORDS: Final = {UTC: "Times: UTC", LOCAL: "Times: local"}
_KEYS: Final = 9  # Ctrl+1 to Ctrl+9 go to pages
_FILTERED: Final = "Trades"  # whose filter is gone to where the visible page has none
_FRAMED_MS: Final = 400  # a window manager frames a window after it was shown


class MainWindow(QMainWindow):
    """Everything visible."""

    def __init__(self, bridge: Bridge, preferences: Preferences, *, workers: int = 1) -> None:
        super().__init__()
        self.setWindowTitle(TITLE)
        self.resize(1440, 900)
        self.setMinimumSize(900, 520)
        self.bridge, self.preferences = bridge, preferences
        self.workspace = Workspace(self)
        self.theme: Theme = theme_named(SYSTEM)
        self._laid_out = False
        self._follows_system = True
        self._left: QWidget | None = None
        self.docks: dict[str, QDockWidget] = {}
        self.banner, self.status, self.overall = Banner(), StatusBar(workers), Overall(bridge, self)
        self.closing = Question("Stop and close", "Keep working")
        self._may_close = False
        self.context = Context(bridge, self.workspace, preferences, self)
        for make in PAGES:
            self.context.pages.append(make(self.context))
        self._build()
        self.recent = RecentRuns(self.workspace, self._show_run, self)
        self.besides = Besides(self, self.context, lambda choice: self.actions_.choices(choice))
        self.actions_ = Actions(self, self._commands(), self._other_actions())
        self.field_keys = FieldKeys(self, self.undo, self.actions_.all)
        self._connect()
        self._default_layout = self.saveState(LAYOUT_VERSION)
        self.use_times(str(preferences.read("times", UTC)), draw=False)
        self.use_theme(str(preferences.read("theme", SYSTEM)))
        self.restore()
        self._phase_changed(Phase.IDLE)

    @property
    def pages(self) -> list[Page[Any]]:
        """All pages, in order."""
        return self.context.pages

    def page(self, kind: type[PageT]) -> PageT:
        """The page of a kind."""
        return self.context.page(kind)

    def _titled(self, title: str) -> Page[Any]:
        return next(page for page in self.pages if page.title == title)

    # -- building ----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setAcceptDrops(True)
        self.setStatusBar(self.status)
        self.centre = QTabWidget(documentMode=True)
        self.centre.setAccessibleName("Views")
        self.centre.tabBar().setAccessibleName("Views")
        middle = QWidget()
        middle.setObjectName("centrePanel")
        layout = QVBoxLayout(middle)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(with_margins(self.closing))
        layout.addWidget(with_margins(self.banner))
        layout.addWidget(self.centre, 1)
        self.setCentralWidget(middle)
        self.undo = UndoToast()
        self.status.addWidget(self.undo)
        self.results = BottomPanel()
        self._place_pages()
        self._dock("Results", self.results, Qt.DockWidgetArea.BottomDockWidgetArea, self.results.title_bar)
        tall = [page.panel for page in self.pages if page.is_tall]
        self.room = ResultsRoom(
            self.docks["Results"], self.centre, lambda number: self.centre.widget(number) in tall
        )
        self.front = FrontPages(self.pages, self.centre, self.results, self.docks)
        self.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        self._share_room()
        sides = [dock.widget() for dock in self.docks.values() if dock.widget() is not self.results]
        follow_the_eye([*sides, middle, self.results.tabs, self.results])
        for field in self.findChildren(QLineEdit):  # a file dropped on one is no text
            field.setAcceptDrops(False)

    def _place_pages(self) -> None:
        for page in self.pages:
            if page.place is Place.CENTRE:
                self.centre.addTab(page.panel, page.title)
            elif page.place is Place.RESULTS:
                self.results.add_page(page.title, page.panel)
                page.titled.connect(lambda words, title=page.title: self.results.set_title(title, words))
            else:
                self._place_beside(page)

    def _place_beside(self, page: Page[Any]) -> None:
        heading = PlainLabel(page.title)
        heading.setProperty("role", "title")
        heading.setContentsMargins(10, 5, 0, 5)
        self._dock(page.title, page.panel, Qt.DockWidgetArea.LeftDockWidgetArea, DockTitle(heading))

    def _dock(self, title: str, content: QWidget, area: Qt.DockWidgetArea, title_bar: QWidget) -> None:
        dock = self.docks[title] = QDockWidget(title, self)
        dock.setObjectName(title.lower().replace("-", "") + "Dock")  # saved layouts know it by this name
        dock.setWidget(content)
        dock.setTitleBarWidget(title_bar)
        self.addDockWidget(area, dock)

    def _share_room(self) -> None:
        *beside, results = self.docks.values()
        self.resizeDocks(beside, [340] * len(beside), Qt.Orientation.Horizontal)
        self.resizeDocks([results], [round(self.height() * 0.3)], Qt.Orientation.Vertical)

    def showEvent(self, event: QShowEvent) -> None:
        """The first time, without a layout to restore, share the room out for this height."""
        super().showEvent(event)
        fit_to_screen(self)
        QTimer.singleShot(_FRAMED_MS, self, partial(fit_again, self, self.size()))
        if not self._laid_out:
            self._laid_out = True
            self._share_room()

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab goes on; but what is disabled or hidden under the focus does not push it into a field nearby, where the next
        key would be typed. It comes back when the work is done.
        """
        focused = self.focusWidget()
        if focused is not None and not (focused.isEnabled() and focused.isVisibleTo(self)):
            self._left = focused
            return False
        return super().focusNextPrevChild(forward)

    def _focus_again(self) -> None:
        left, self._left = self._left, None
        if left is not None and isValid(left) and self.focusWidget() is None and left.isEnabled():
            left.setFocus()

    def _commands(self) -> list[Command]:
        """What the pages offer, and what is the window's own."""
        themes = [
            Command(f"theme {name}", _THEME_WORDS[name], _THEME_WORDS[name], partial(self.use_theme, name), "&View", 20,
                    choice="theme")
            for name in THEME_NAMES
        ]  # fmt: skip
        times = [
            Command(f"times {name}", words, words, partial(self.use_times, name), "&View", 30, choice="times")
            for name, words in _TIMES_WORDS.items()
        ]
        return [
            *(command for page in self.pages for command in page.commands()),
            *self._page_commands(),
            *themes,
            *times,
            Command("stop", "&Stop", "Stop the work; what is finished is kept", self.bridge.stop, "&Run", 2,
                    ("Shift+F5", "Esc"), ("stop", "negative")),
            Command("undo", "&Undo", "Undo what was deleted or overwritten last", self.undo.undo, "&Edit", 0, ("Ctrl+Z",)),
            Command("quit", "&Quit", "Close the window", self.close, "&File", 10, ("Ctrl+Q",)),
            Command("filter", "Fi&lter", "Go to the filter of the visible table", self.focus_filter, "&Go", 1, ("Ctrl+F",)),
            Command("reset", "&Reset layout", "Put every panel back to its place", self.reset_layout, "&View", 12),
            *self.besides.commands(),
            Command("full_screen", "&Full screen", "Use the whole screen", self.toggle_full_screen, "&View", 13, ("F11",)),
        ]  # fmt: skip

    def _page_commands(self) -> list[Command]:
        tabs = [page for page in self.pages if page.place is not Place.SIDE]
        return [
            Command(f"show {page.title}", page.title, f"Show {page.title}", page.show, "&View", 0,
                    (f"Ctrl+{number}",) if number <= _KEYS else ())
            for number, page in enumerate(tabs, start=1)
        ]  # fmt: skip

    def _other_actions(self) -> list[tuple[str, int, QAction]]:
        for title, dock in self.docks.items():
            if dock.widget() is not self.results:
                dock.toggleViewAction().setToolTip(f"Show or hide the {title.lower()}")
        docks: list[tuple[str, int, QAction]] = [
            ("&View", 10, dock.toggleViewAction()) for dock in self.docks.values()
        ]
        return [*docks, ("&File", 5, self.recent.menuAction())]

    def _connect(self) -> None:
        bridge, context = self.bridge, self.context
        bridge.phase_changed.connect(self._phase_changed)
        bridge.problem.connect(self.report)
        bridge.jobs.changed.connect(self._pass_on)
        context.database_changed.connect(self.status.set_database)
        context.show_wanted.connect(self.show_page)
        context.said.connect(self.say)
        context.reported.connect(self.report)
        context.warned.connect(
            lambda text, line: self.banner.show_message("error", text, line, has_details=True)
        )
        self.overall.moved.connect(
            lambda: self.status.show_progress(self.overall.part(), self.overall.words())
        )
        context.undo_offered.connect(self.undo.offer)
        self.undo.changed.connect(self._undo_changed)
        self.status.stop_wanted.connect(bridge.stop)
        self.banner.details_wanted.connect(context.details_wanted)
        self.closing.agreed.connect(self.stop_and_close)
        hints = QGuiApplication.styleHints()
        hints.colorSchemeChanged.connect(self._scheme_changed)

    # -- the work ----------------------------------------------------------------------------------------------------

    def _pass_on(self, job: Job) -> None:
        for page in self.pages:
            if job.kind in page.hears:
                page.follow(job)

    def _phase_changed(self, phase: Phase) -> None:
        busy = phase is not Phase.IDLE
        self.status.set_phase(phase.value, busy=busy, can_stop=phase in WORKING)
        self.actions_.set_busy(busy=busy)
        self.actions_["stop"].setEnabled(phase in WORKING)
        if phase in WORKING:  # what is said there is of the work before
            self.banner.hide()
        if not self.bridge.under_way():
            self.closing.hide()  # nothing is left to be asked
        if not busy:
            QTimer.singleShot(0, self, self._focus_again)  # after all who hear it are enabled again

    def _undo_changed(self) -> None:
        undo = self.undo.next()
        self.actions_["undo"].setText("&Undo" if undo is None else f"&Undo: {undo.text}")

    # -- what the user asks for --------------------------------------------------------------------------------------

    def show_page(self, title: str) -> None:
        """Bring a page to the front."""
        self.front.show(self._titled(title))

    def focus_filter(self) -> None:
        """Go to the filter of the visible table."""
        field = self._titled(self.results.page()).filter_field
        if field is None:
            self.results.show_page(_FILTERED)
            field = self._titled(_FILTERED).filter_field
        if field is not None:
            field.setFocus()
            field.selectAll()

    def toggle_full_screen(self) -> None:
        """Use the whole screen, or not."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def reset_layout(self) -> None:
        """Put every panel back to its place."""
        self.preferences.forget_layout()
        self.restoreState(QByteArray(self._default_layout), LAYOUT_VERSION)
        self.room.lend()

    def use_theme(self, name: str) -> None:
        """Show another theme everywhere; "system" follows the desktop."""
        name = name if name in THEME_NAMES else SYSTEM
        self.preferences.save("theme", name)
        self.actions_[f"theme {name}"].setChecked(True)
        self._follows_system = name == SYSTEM
        follow_system(on=self._follows_system, theme=theme_named(name))
        self._show_theme(theme_named(name))

    def _scheme_changed(self, scheme: Qt.ColorScheme) -> None:
        """The desktop turned light or dark."""
        if self._follows_system and isValid(self):
            self._show_theme(theme_for(scheme))

    def _show_theme(self, theme: Theme) -> None:
        self.theme = theme
        app = QApplication.instance()
        if isinstance(app, QApplication):
            apply_theme(app, self, theme)
        self.actions_.apply_theme(theme)
        for page in self.pages:
            page.panel.apply_theme(theme)
        for part in (self.room, self.banner, self.closing, self.undo, self.status):
            part.apply_theme(theme)

    def _show_run(self, run_id: str) -> None:
        self.workspace.show(run_id)
        self.show_page("Overview")

    def use_times(self, name: str, *, draw: bool = True) -> None:
        """Show moments in UTC or in the machine's zone, everywhere; what is typed or exported stays UTC."""
        name = LOCAL if name == LOCAL else UTC
        self.context.use_local_times(on=name == LOCAL)
        self.actions_[f"times {name}"].setChecked(True)
        self.preferences.save("times", name)
        self.status.tick()
        for page in self.pages if draw else ():
            page.panel.apply_theme(self.theme)

    # -- what is said ------------------------------------------------------------------------------------------------

    def report(self, level: str, text: str, details: str) -> None:
        """Say what went wrong: in the banner and in the log, never in a dialog."""
        self.banner.show_message(level, text, text, has_details=bool(details))
        self.context.logged.emit(level, text, details)

    def say(self, text: str) -> None:
        """Say something good."""
        self.status.say(text)
        self.context.logged.emit("info", text, "")

    # -- memory ------------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Put layout, columns and the pages' state back."""
        self._laid_out = self.preferences.restore_layout(self)
        for page in self.pages:
            page.restore(self.preferences)
        self.front.restore(self.preferences)

    def remember(self) -> None:
        """Keep layout, columns and the pages' state for the next start."""
        self.room.give_back()
        self.preferences.save_layout(self)
        self.front.save(self.preferences)
        for page in self.pages:
            page.save(self.preferences)
        self.preferences.sync()

    def stop_and_close(self) -> None:
        """Close whatever is under way: it is stopped, and what is finished of it is kept."""
        self._may_close = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask once where work is under way. Then remember, stop the work, and close the plots before the interpreter goes
        (their axes complain otherwise).
        """
        working = "" if self._may_close else self.bridge.under_way()
        question = f"Still {working}. Close all the same? It is stopped then; what is finished is kept."
        if working and question != self.closing.asked():
            self.closing.ask(question)
            event.ignore()
            return
        QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._scheme_changed)
        self.remember()
        self.context.close()
        self.bridge.stop()
        for page in self.pages:
            page.close()
        self.bridge.close()
        self.workspace.blockSignals(True)  # late answers must not draw on closed plots
        for plot in self.findChildren(pg.GraphicsLayoutWidget):  # a view without axes crashes Qt when closed
            plot.close()
        for timer in self.findChildren(QTimer):
            timer.stop()
        super().closeEvent(event)
