"""What a page is to the window, and what pages share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import ClassVar, Generic, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QTableView, QWidget

from desktop.tables import formats
from desktop.theme.colours import Theme
from desktop.widgets.actions import Command
from desktop.widgets.preferences import Preferences
from desktop.widgets.undo import UNDO_S, Undo
from desktop.work.bridge import Bridge, Phase
from desktop.work.jobs import Job
from desktop.workspace import Workspace
from engine.model.run import RunResult


class Place(Enum):
    """Where in the window a page is."""

    SIDE = auto()
    CENTRE = auto()
    RESULTS = auto()


class Panel(QWidget):
    """What is seen of a page."""

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""


PanelT = TypeVar("PanelT", bound=Panel)
PageT = TypeVar("PageT", bound="Page")  # type: ignore[type-arg]


class Context(QObject):
    """What pages share: the work, the runs, the preferences, and each other; whether the database `has_answered`.

    Signals to the window: `database_changed(ok, text)`; `show_wanted(title)`; `said(text)` something good;
    `reported(level, text, details)` what went wrong, `warned(text, line)` what went wrong and is that line in the log. To
    the log: `logged(level, text, details)`. Between pages: `run_wanted(specs)` make these runs; `portfolio_wanted(text,
    words, runs)` show that text as a portfolio, and run it; `candles_changed()` what is
    held may have changed; `range_wanted(start_ms, end_ms)` look at these times in the chart; `details_wanted(line)` the
    story of a line in the log; `trade_list_wanted(id)` compare that run with another program's trades;
    `undo_offered(Undo)` it can be taken back; `times_changed()` moments are shown in another zone.
    """

    database_changed = Signal(bool, str)
    show_wanted = Signal(str)
    said = Signal(str)
    reported = Signal(str, str, str)
    warned = Signal(str, str)
    logged = Signal(str, str, str)
    run_wanted = Signal(list)
    portfolio_wanted = Signal(str, str, bool)
    compare_wanted = Signal(list)
    trade_list_wanted = Signal(str)
    candles_changed = Signal()
    range_wanted = Signal(object, object)
    details_wanted = Signal(str)
    undo_offered = Signal(object)
    times_changed = Signal()

    def __init__(
        self, bridge: Bridge, workspace: Workspace, preferences: Preferences, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.bridge, self.workspace, self.preferences = bridge, workspace, preferences
        self.pages: list[Page] = []  # type: ignore[type-arg]
        self.has_answered = False
        self._purging = QTimer(self, singleShot=True, interval=round((UNDO_S + 1) * 1000))
        self._purging.timeout.connect(lambda: bridge.ask(lambda: bridge.engine.purge(UNDO_S), lambda _: None))

    def page(self, kind: type[PageT]) -> PageT:
        """The page of a kind; a page sees those that stand before it in the list of pages from its beginning."""
        return next(page for page in self.pages if isinstance(page, kind))

    @property
    def first_are_coming(self) -> bool:
        """Whether runs are being made where the database answered that it has none."""
        return self.has_answered and self.bridge.phase is Phase.RUNNING and not self.workspace.runs

    def open(self) -> None:
        """Called inside the event loop: open the database, and let every page ask for what it shows first."""
        self.bridge.open()
        self.bridge.ask(self.bridge.engine.runs.stored, self._opened, self._not_opened)

    def close(self) -> None:
        """The window closes: what is left to be deleted for good the next start deletes."""
        self._purging.stop()

    def _opened(self, runs: list[RunResult]) -> None:
        self.database_changed.emit(True, "")
        self.has_answered = True
        self._purging.start()  # also what a window that was closed had no time for
        self.workspace.fill(runs)
        for page in self.pages:
            page.open()

    def _not_opened(self, error: Exception) -> None:
        self.database_changed.emit(False, str(error))

    def removed(self, text: str, take_back: Callable[[], object]) -> None:
        """Something was hidden: offer to bring it back, and delete it for good when that is over."""
        self.undo_offered.emit(Undo(text, take_back, UNDO_S))
        self._purging.start()

    def use_local_times(self, *, on: bool) -> None:
        """Show moments in the machine's zone, or in UTC; views follow when they are drawn next."""
        formats.use_local_times(on=on)
        self.times_changed.emit()

    def watch_window(self, watcher: QObject) -> None:
        """Let somebody filter the window's events: what is dropped on it."""
        window = self.parent()
        if window is not None:
            window.installEventFilter(watcher)


class Page(QObject, Generic[PanelT]):
    """A page of the window: a panel joined to the work. Whatever a page does not have it leaves as it is here."""

    title: ClassVar[str]
    place: ClassVar[Place]
    hears: ClassVar[frozenset[str]] = frozenset()  # kinds of jobs
    is_tall: ClassVar[bool] = False  # in the centre it uses the room of the results too

    titled = Signal(str)  # more words for its tab

    def __init__(self, context: Context, panel: PanelT) -> None:
        super().__init__(context)
        self.context, self.bridge, self.engine = context, context.bridge, context.bridge.engine
        self.panel = panel

    def commands(self) -> Sequence[Command]:
        """What the menus offer of it."""
        return ()

    def open(self) -> None:
        """The database is open: ask for what is shown first."""

    def follow(self, job: Job) -> None:
        """A job of a kind that it hears began, went on or ended."""

    def close(self) -> None:
        """The window closes: stop what is under way, begin no more."""

    @property
    def filter_field(self) -> QLineEdit | None:
        """Where its rows are filtered."""
        return None

    def tables(self) -> Mapping[str, QTableView]:
        """Tables by name whose columns stay as the user leaves them."""
        return {}

    def save(self, preferences: Preferences) -> None:
        """Keep its state for the next start."""
        for name, table in self.tables().items():
            preferences.save_header(name, table.horizontalHeader())

    def restore(self, preferences: Preferences) -> None:
        """Be as at the end of the last start."""
        for name, table in self.tables().items():
            preferences.restore_header(name, table.horizontalHeader())

    def show(self) -> None:
        """Come to the front."""
        self.context.show_wanted.emit(self.title)
