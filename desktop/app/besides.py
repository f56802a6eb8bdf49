"""The windows beside the main one, each there once: settings, and what Help offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QWidget
from shiboken6 import isValid

from desktop.app.about import About, Licences, licences
from desktop.app.reference import Reference, glossary, shortcuts
from desktop.app.settings import SettingsWindow
from desktop.pages.database.panel import now_words
from desktop.pages.page import Context
from desktop.widgets.actions import Command
from desktop.widgets.opening import open_path
from engine.model.setting import SettingSeen

LOOKS = ("theme", "times")  # groups of actions that Settings offers too
_SAVED = "Saved. It counts from the next start."


class Besides(QObject):
    """`choices`: the actions of a group of which one is the chosen one."""

    def __init__(
        self, window: QMainWindow, context: Context, choices: Callable[[str], Sequence[QAction]]
    ) -> None:
        super().__init__(window)
        self._window, self._context, self._choices = window, context, choices
        self._open: dict[str, QWidget] = {}

    def commands(self) -> list[Command]:
        """Settings and Help."""
        return [
            Command("settings", "&Settings …", "Database, folders, workers, theme, times", self.settings, "&Edit", 20,
                    ("Ctrl+,",)),
            Command("shortcuts", "Keyboard &shortcuts", "Every key of this window", self.shortcuts, "&Help", 0, ("F1",)),
            Command("glossary", "&Metrics glossary", "What every metric means, with its formula", self.glossary, "&Help", 1),
            Command("log_folder", "Open &log folder", "Open the folder with the log file", self.log_folder, "&Help", 10),
            Command("licences", "L&icences", "The licences of everything inside", self.licences, "&Help", 20),
            Command("about", "&About", "Version, and where things lie", self.about, "&Help", 21),
        ]  # fmt: skip

    def _show(self, name: str, make: Callable[[], QWidget]) -> QWidget:
        """Open it, or bring it to the front as it is."""
        found = self._open.get(name)
        if found is None or not isValid(found):
            found = self._open[name] = make()
        found.show()
        found.raise_()
        found.activateWindow()
        return found

    # -- help --------------------------------------------------------------------------------------------------------

    def shortcuts(self) -> None:
        """Every key, read from the actions as they are now."""
        window = self._window
        self._show("shortcuts", lambda: Reference(window, "Keyboard shortcuts", shortcuts(window)))

    def glossary(self) -> None:
        """Every metric."""
        self._show("glossary", lambda: Reference(self._window, "Metrics glossary", glossary()))

    def log_folder(self) -> None:
        """Have the desktop open the folder of the log file."""
        folder = self._context.bridge.engine.settings.log_file.parent
        if folder.is_dir() and open_path(folder):
            self._context.said.emit(f"Opening {folder}")
        else:
            self._context.reported.emit(
                "warning", f"The log folder cannot be opened from here: it is {folder}", ""
            )

    def about(self) -> None:
        """The version, and where things lie."""
        settings = self._context.bridge.engine.settings
        self._show("about", lambda: About(self._window, settings.home, settings.log_file))

    def licences(self) -> None:
        """The licences, which are read in a thread."""
        shown = self._show("licences", lambda: Licences(self._window))

        def show(text: str) -> None:
            if isValid(shown) and isinstance(shown, Licences):
                shown.show_text(text)

        self._context.bridge.ask(lambda: "\n".join(licences()), show)

    # -- settings ----------------------------------------------------------------------------------------------------

    def settings(self) -> None:
        """What is in force, asked anew; one that is open stays as it is, with what is typed."""
        is_open = self._shown() is not None
        self._show("settings", self._make_settings)
        if not is_open:
            self._ask()

    def _make_settings(self) -> SettingsWindow:
        looks = {name: self._choices(name) for name in LOOKS}
        made = SettingsWindow(self._window, looks, self._context.bridge.engine.choices.problem)
        made.save_wanted.connect(self._save)
        made.database_wanted.connect(lambda: self._context.show_wanted.emit("Database"))
        made.database_wanted.connect(self._window.activateWindow)
        return made

    def _shown(self) -> SettingsWindow | None:
        found = self._open.get("settings")
        return found if isinstance(found, SettingsWindow) and isValid(found) else None

    def _ask(self) -> None:
        engine = self._context.bridge.engine

        def question() -> tuple[list[SettingSeen], str]:
            return engine.choices.all(), now_words(engine.databases.current())

        def show(answer: tuple[list[SettingSeen], str]) -> None:
            shown = self._shown()
            if shown is not None:
                shown.show_settings(*answer)

        self._context.bridge.ask(question, show)

    def _save(self, texts: Mapping[str, str]) -> None:
        engine = self._context.bridge.engine

        def say(text: str, *, ok: bool) -> None:
            shown = self._shown()
            if shown is not None:
                shown.say(text, ok=ok)

        def saved(_: None) -> None:
            self._ask()
            say(_SAVED, ok=True)

        self._context.bridge.ask(
            lambda: engine.choices.choose(texts), saved, lambda error: say(str(error), ok=False)
        )
