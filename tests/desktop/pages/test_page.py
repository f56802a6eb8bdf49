"""The protocol of pages: what stands in the list is in the window, whatever it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QLineEdit, QTableView, QVBoxLayout

from desktop.app import window as window_module
from desktop.app.window import MainWindow
from desktop.pages.page import Context, Page, Panel, Place
from desktop.theme.colours import DARK, LIGHT, Theme
from desktop.widgets.actions import Command
from desktop.widgets.preferences import Preferences
from desktop.work.jobs import Job, Task
from engine.events import Finished, Progress, Started
from tests.desktop.conftest import MakeWindow


class NotesPanel(Panel):
    """A table of notes and a filter."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.search = QTableView(), QLineEdit()
        self.table.setAccessibleName("Notes")
        self.table.setModel(QStandardItemModel(2, 2, self))
        self.theme: Theme | None = None
        layout = QVBoxLayout(self)
        layout.addWidget(self.search)
        layout.addWidget(self.table)

    def apply_theme(self, theme: Theme) -> None:
        self.theme = theme


class NotesPage(Page[NotesPanel]):
    """A page as anybody might add one."""

    title = "Notes"
    place = Place.RESULTS
    hears = frozenset({"run"})

    def __init__(self, context: Context) -> None:
        super().__init__(context, NotesPanel())
        self.heard: list[tuple[str, float | None, bool]] = []
        self.cleared = 0

    def commands(self) -> Sequence[Command]:
        return (Command("clear", "Clear notes", "Clear the notes", self._clear, "&Run", 30, ("Ctrl+9",)),)

    def _clear(self) -> None:
        self.cleared += 1

    def follow(self, job: Job) -> None:
        self.heard.append((job.subject[0], job.part, job.ending is not None))

    @property
    def filter_field(self) -> QLineEdit:
        return self.panel.search

    def tables(self) -> Mapping[str, QTableView]:
        return {"notes": self.panel.table}


@pytest.fixture
def window(make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch) -> MainWindow:
    """A window with one page more."""
    there = vars(window_module)["PAGES"]
    monkeypatch.setattr(window_module, "PAGES", (*there, NotesPage))
    return make_window()


def test_a_page_of_the_list_has_its_tab_its_key_and_its_place_in_the_menus(window: MainWindow) -> None:
    page, last = window.page(NotesPage), window.results.tabs.count() - 1
    assert window.results.tabs.tabText(last) == "Notes"
    window.actions_["show Notes"].trigger()
    assert window.results.page() == "Notes"
    assert page.panel.isVisible()
    keys = [window.actions_[f"show {one.title}"].shortcut().toString() for one in window.pages[1:]]
    assert keys[:9] == [f"Ctrl+{number}" for number in range(1, 10)]
    assert not any(keys[9:])
    run = next(menu for menu in window.menuBar().actions() if menu.text() == "&Run").menu()
    assert run is not None
    assert [action.text() for action in run.actions()][-2:] == ["", "Clear notes"]  # type: ignore[attr-defined]
    window.actions_["clear"].trigger()
    assert page.cleared == 1
    page.titled.emit("Notes (2)")
    assert window.results.tabs.tabText(last) == "Notes (2)"


@pytest.mark.pages("Set-up", "Overview")
def test_a_page_hears_the_jobs_of_its_kinds_and_no_other(window: MainWindow) -> None:
    jobs, task = window.bridge.jobs, Task("running")
    jobs.take(task, Started("f", "fetch", "SOLUSDT 1h", ("binanceusdm", "SOLUSDT", "1h")))
    jobs.take(task, Started("r", "run", "ema_cross", ("id",)))
    jobs.take(task, Progress("r", 1, 4, "candles"))
    jobs.take(task, Finished("r", None))
    assert window.page(NotesPage).heard == [("id", None, False), ("id", 0.25, False), ("id", 1.0, True)]


@pytest.mark.pages("Set-up", "Overview")
def test_a_page_is_told_the_theme_and_keeps_its_columns(window: MainWindow, make_window: MakeWindow) -> None:
    panel = window.page(NotesPage).panel
    assert panel.theme is DARK
    window.use_theme("light")
    assert panel.theme is LIGHT
    panel.table.setColumnWidth(0, 217)
    window.close()
    assert make_window().page(NotesPage).panel.table.columnWidth(0) == 217


@pytest.mark.pages("Set-up", "Overview")
def test_ctrl_f_goes_to_the_filter_of_the_page_in_front(window: MainWindow) -> None:
    window.show_page("Notes")
    window.activateWindow()
    window.actions_["filter"].trigger()
    assert window.focusWidget() is window.page(NotesPage).panel.search


def test_what_another_version_of_the_window_saved_is_read(make_window: MakeWindow, tmp_path: Path) -> None:
    """The names in the file are those of every version: header/runs of all, header/trades, header/data, values/setup, ..."""
    first = make_window(Preferences(tmp_path / "one.ini"))
    first.close()
    text = (tmp_path / "one.ini").read_text()
    for name in (
        "[header]",
        "runs%20of%20all=",
        "trades=",
        "data=",
        "setup=",
        "theme=",
        "geometry=",
        "state=",
    ):
        assert name in text
