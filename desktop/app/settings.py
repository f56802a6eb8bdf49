"""Settings: how the window looks, and what the program is set to, with where that comes from. Beside the main window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import PlainLabel
from engine.model.setting import CHOSEN, SettingSeen

Problem = Callable[[str, str], str]  # of a variable and a text: why it is no value


@dataclass(frozen=True, slots=True)
class _Words:
    """What a setting is called and does; `is_folder`: whether it can be looked for."""

    title: str
    tip: str
    is_folder: bool = False


_GROUPS: Final[Mapping[str, Mapping[str, _Words]]] = {
    "Folders": {
        "BACKTEST_HOME": _Words("&Data folder", "Embedded database, log, cache, your own strategies. Nothing is moved: "
                                "a new folder begins empty", is_folder=True),
        "BACKTEST_STRATEGIES": _Words("More &strategies", "More folders with strategy files, separated by : (; on Windows)",
                                      is_folder=True),
    },
    "Work": {
        "BACKTEST_WORKERS": _Words("&Workers", "How many processes compute at once"),
        "BACKTEST_RUN_TIMEOUT_S": _Words("&Longest run, in seconds", "A run that takes longer is stopped"),
        "BACKTEST_RUN_MEMORY_MB": _Words("Most &memory of a run, in MB", "A run that needs more is stopped"),
        "BACKTEST_CROSSCHECK": _Words("Cross-chec&k", "Check compiled runs by another simulator: on, off, or the longest "
                                      "period to check, in candles"),
        "BACKTEST_CLUSTER": _Words("Dask &cluster", "A scheduler whose workers do the work, tcp://host:port, or off"),
    },
}  # fmt: skip


class _Row:
    """A setting: its name, a field, and beside it what is in force and where that comes from."""

    def __init__(self, variable: str, words: _Words) -> None:
        self.variable, self.words = variable, words
        self.label = PlainLabel(words.title)
        self.field = QLineEdit()
        self.field.setAccessibleName(words.title.replace("&", ""))
        self.label.setBuddy(self.field)
        self.source = PlainLabel(wordWrap=True)
        self.seen: SettingSeen | None = None
        for widget in (self.label, self.field):
            widget.setToolTip(words.tip)

    def show(self, seen: SettingSeen) -> None:
        """What is known of it."""
        self.seen = seen
        with QSignalBlocker(self.field):  # nobody typed it
            self.field.setText(seen.at_next_start if seen.source == CHOSEN or seen.is_fixed else "")
        self.field.setPlaceholderText(seen.default)
        self.field.setReadOnly(seen.is_fixed)
        self.say("")

    def say(self, problem: str) -> None:
        """Why what is typed is no value, else where the value comes from."""
        self.source.setText(problem or ("" if self.seen is None else source_words(self.seen)))
        self.source.setProperty("role", "error" if problem else "muted")
        self.field.setProperty("bad", bool(problem))
        self.field.setAccessibleDescription(self.source.text())
        for widget in (self.source, self.field):
            widget.style().polish(widget)

    def changed(self) -> str | None:
        """What is typed where it differs from what is known."""
        known = "" if self.seen is None or self.seen.source != CHOSEN else self.seen.at_next_start
        text = self.field.text().strip()
        return None if self.seen is None or self.seen.is_fixed or text == known else text


def source_words(seen: SettingSeen) -> str:
    """In use: 2, the default. From the next start: 4, chosen here."""
    origin = {CHOSEN: "chosen here", "default": "the default"}.get(seen.source, f"set in {seen.source}")
    if seen.is_fixed:
        origin += f" as {seen.variable}, which wins: change it there"
    if seen.needs_restart:
        return (
            f"In use: {seen.in_use or 'none'}. From the next start: {seen.at_next_start or 'none'}, {origin}."
        )
    return f"In use: {seen.in_use or 'none'}, {origin}."


class SettingsWindow(QWidget):
    """`save_wanted(texts by variable)`, `database_wanted()`: go to the page that chooses it.

    `looks`: what can be chosen at once, by name: actions of which one is checked. `problem`: see above.
    """

    save_wanted = Signal(object)
    database_wanted = Signal()

    def __init__(self, parent: QWidget, looks: Mapping[str, Sequence[QAction]], problem: Problem) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Settings")
        self.resize(720, 640)
        self._problem = problem
        self.looks = {name: _Choice(name, actions) for name, actions in looks.items() if actions}
        self.rows = {name: _Row(name, words) for group in _GROUPS.values() for name, words in group.items()}
        self.database = PlainLabel(wordWrap=True)
        self.database_page = QPushButton("Choose the d&atabase …")
        self.database_page.setToolTip("Go to the Database page")
        self.said = PlainLabel(wordWrap=True)
        self.save = QPushButton("Sa&ve for the next start")
        self.save.setProperty("primary", True)
        widest = max(row.label.sizeHint().width() for row in self.rows.values())
        for row in self.rows.values():
            row.label.setMinimumWidth(widest)
        for button in (self.database_page, self.save):
            button.setAccessibleName(button.text().replace("&", ""))
        self._lay_out()
        self._connect()
        self._update()

    # -- building ----------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        content = QWidget()
        content.setObjectName("settingsForm")
        column = QVBoxLayout(content)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(8)
        column.addWidget(_heading("Appearance"))
        column.addLayout(self._looks_grid())
        column.addWidget(_heading("Database"))
        column.addWidget(self.database)
        column.addWidget(self.database_page, 0, Qt.AlignmentFlag.AlignLeft)
        for title, group in _GROUPS.items():
            column.addWidget(_heading(title))
            column.addLayout(self._grid(group))
        column.addStretch(1)
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(content)
        foot = QHBoxLayout()
        foot.setContentsMargins(16, 8, 16, 10)
        foot.addWidget(self.said, 1)
        foot.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(area, 1)
        layout.addLayout(foot)

    def _looks_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setColumnStretch(2, 1)
        for line, (name, combo) in enumerate(self.looks.items()):
            label = PlainLabel(f"&{name.capitalize()}")
            label.setBuddy(combo)
            grid.addWidget(label, line, 0)
            grid.addWidget(combo, line, 1)
        return grid

    def _grid(self, group: Mapping[str, _Words]) -> QGridLayout:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(10)
        for line, name in enumerate(group):
            row = self.rows[name]
            grid.addWidget(row.label, 2 * line, 0)
            grid.addWidget(row.field, 2 * line, 1)
            if row.words.is_folder:
                look = tool_button("Browse …", f"Look for a folder: {row.words.title.replace('&', '')}")
                look.clicked.connect(partial(self._browse, row))
                grid.addWidget(look, 2 * line, 2)
            grid.addWidget(row.source, 2 * line + 1, 1, 1, 2)
        return grid

    def _connect(self) -> None:
        for row in self.rows.values():
            row.field.textChanged.connect(lambda _, row=row: self._edited(row))
        self.save.clicked.connect(lambda: self.save_wanted.emit(self.changes()))
        self.database_page.clicked.connect(self.database_wanted)
        self.addAction("Close", Qt.Key.Key_Escape, self.close)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show_settings(self, settings: Sequence[SettingSeen], database: str) -> None:
        """What is in force, and which database is."""
        for seen in settings:
            self.rows[seen.variable].show(seen)
        self.database.setText(database)
        self._update()

    def say(self, text: str, *, ok: bool) -> None:
        """What came of saving."""
        self.said.setText(text)
        self.said.setProperty("role", "good" if ok else "error")
        self.said.style().polish(self.said)

    def changes(self) -> dict[str, str]:
        """What is typed and not kept yet, by variable."""
        found = {name: row.changed() for name, row in self.rows.items()}
        return {name: text for name, text in found.items() if text is not None}

    def _edited(self, row: _Row) -> None:
        row.say(self._problem(row.variable, row.field.text()))
        self.said.clear()
        self._update()

    def _update(self) -> None:
        bad = any(row.field.property("bad") for row in self.rows.values())
        changed = bool(self.changes())
        self.save.setEnabled(changed and not bad)
        self.save.setToolTip(
            "What is marked is no value"
            if bad
            else "Keep what is typed in the data folder; the command line uses it too. It counts from the next start"
            if changed
            else "Nothing is changed"
        )

    def _browse(self, row: _Row) -> None:
        folder = QFileDialog.getExistingDirectory(self, row.words.title.replace("&", ""), row.field.text())
        if folder:
            row.field.setText(folder)


class _Choice(QComboBox):
    """The same as some actions of which one is checked: it shows that one and triggers the chosen one."""

    def __init__(self, name: str, actions: Sequence[QAction]) -> None:
        super().__init__()
        self._actions = actions
        self.setAccessibleName(name.capitalize())
        for action in actions:
            words = action.text().replace("&", "").rpartition(": ")[2]
            self.addItem(words[:1].upper() + words[1:])
            action.toggled.connect(self._follow)
        self._follow()
        self.activated.connect(lambda number: actions[number].trigger())

    def _follow(self) -> None:
        checked = [number for number, action in enumerate(self._actions) if action.isChecked()]
        self.setCurrentIndex(checked[0] if checked else -1)


def _heading(text: str) -> QLabel:
    label = PlainLabel(text)
    label.setProperty("role", "title")
    return label
