"""Which PostgreSQL the program uses: three choices, a trial, and what the next start does. No password is shown."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.page import Panel
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import PlainLabel
from engine.model.database_choice import (
    ADDRESS,
    CONTAINER,
    EMBEDDED,
    CurrentDatabase,
    DatabaseChoice,
    DatabaseSeen,
)

_NAMES: Final = {
    EMBEDDED: ("Em&bedded", "A private PostgreSQL in the data folder, started and stopped by this program."),
    CONTAINER: ("&Container", "The one that docker compose starts on this machine."),
    ADDRESS: ("Address", "Any other PostgreSQL, 14 or newer."),
}
_EXAMPLE: Final = "postgresql://user@host:5432/database"


class DatabasePanel(Panel):
    """`test_wanted(DatabaseChoice)`, `choose_wanted(DatabaseChoice)`; `shown()`: ask what is in use."""

    test_wanted = Signal(object)
    choose_wanted = Signal(object)
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kinds = {kind: QRadioButton(name) for kind, (name, _) in _NAMES.items()}
        self._group = QButtonGroup(self)
        self.story = _label("muted")
        self.address, self.password = QLineEdit(placeholderText=_EXAMPLE), QLineEdit()
        self.address.setAccessibleName("Address of the database, without password")
        self.password.setAccessibleName("Password of the database")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.test = QPushButton("Test co&nnection")
        self.choose = QPushButton("&Use from the next start")
        self.choose.setProperty("primary", True)
        self.now, self.seen, self.advice = _label("muted"), _label(""), _label("")
        self.command = _label("")
        self.copy = tool_button("Copy", "Copy the command")
        self._current: CurrentDatabase | None = None
        self._edited = False
        self._addresses = {EMBEDDED: "", CONTAINER: "", ADDRESS: ""}
        self._lay_out()
        self._connect()
        self.kinds[EMBEDDED].setChecked(True)
        self._clear_seen()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(16)
        for kind, button in self.kinds.items():
            button.setToolTip(_NAMES[kind][1])
            self._group.addButton(button)
            row.addWidget(button)
        row.addWidget(self.story, 1)
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.addRow("Address", self.address)
        self.form.addRow("&Password", self.password)
        for field in (self.address, self.password):
            field.setMaximumWidth(460)
        buttons = _row(self.test, self.choose)
        for label in (self.advice, self.command):
            label.setWordWrap(False)
        self.command.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._advice_row = QWidget()
        self._advice_row.setLayout(_row(self.advice, self.command, self.copy))
        content = QWidget()
        content.setObjectName("databaseForm")
        column = QVBoxLayout(content)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(7)
        column.addWidget(self.now)
        column.addLayout(row)
        column.addLayout(self.form)
        column.addLayout(buttons)
        column.addWidget(self.seen)
        column.addWidget(self._advice_row)
        column.addStretch(1)
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(content)
        area.setAccessibleName("Choice of the database")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)

    def _connect(self) -> None:
        self._group.buttonClicked.connect(lambda _: self._kind_clicked())
        self.address.textEdited.connect(self._address_edited)
        self.password.textEdited.connect(lambda _: self._password_edited())
        self.address.editingFinished.connect(self._move_password)
        self.test.clicked.connect(self.try_it)
        self.choose.clicked.connect(lambda: self.choose_wanted.emit(self.choice()))
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.command.text()))

    # -- what is shown -----------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Looked at: ask again what is in use."""
        super().showEvent(event)
        self.shown.emit()

    def show_current(self, current: CurrentDatabase) -> None:
        """What is in use and what the next start uses; what the user has begun to fill in stays."""
        if not self._edited:
            self.kinds[current.next_choice.kind].setChecked(True)
            self._addresses[current.next_choice.kind] = current.next_choice.address
            self.password.clear()
        self._current = current
        self._addresses[CONTAINER] = current.container
        self.now.setText(now_words(current))
        self._kind_changed()

    def show_chosen(self, current: CurrentDatabase) -> None:
        """What was filled in is kept."""
        self._edited = False
        self.show_current(current)

    def choice(self) -> DatabaseChoice:
        """What is filled in."""
        kind = next(kind for kind, button in self.kinds.items() if button.isChecked())
        if kind == EMBEDDED:
            return DatabaseChoice(EMBEDDED)
        return DatabaseChoice(kind, self.address.text().strip(), self.password.text())

    def show_seen(self, choice: DatabaseChoice, seen: DatabaseSeen) -> None:
        """What the trial found, unless something else is filled in by now."""
        self._set_waiting(waiting=False)
        if choice != self.choice():
            return
        self._say("good" if seen.ok else "error", seen.text)
        self.advice.setText(seen.advice)
        self.command.setText(seen.command)
        self._advice_row.setVisible(bool(seen.advice))
        for part in (self.command, self.copy):
            part.setVisible(bool(seen.command))

    def _kind_clicked(self) -> None:
        self._edited = True
        self.password.clear()
        self._clear_seen()
        self._kind_changed()

    def _kind_changed(self) -> None:
        kind = self.choice().kind
        self.story.setText(_NAMES[kind][1])
        for number in range(self.form.rowCount()):
            self.form.setRowVisible(number, kind != EMBEDDED)
        self.address.setText(self._addresses[kind])
        self.address.setReadOnly(kind == CONTAINER)
        knows = self._current is not None and self._current.knows_password
        in_env = kind == CONTAINER and knows
        self.password.setPlaceholderText(
            "POSTGRES_PASSWORD of .env" if in_env else "empty: the one kept for this address"
        )
        self.choose.setEnabled(self._current is not None and not self._current.set_by)
        self.choose.setToolTip(
            f"DATABASE_URL is set in {self._current.set_by} and wins; remove it there to choose here"
            if self._current is not None and self._current.set_by
            else "Kept in the data folder; the command line uses it too"
        )

    def _password_edited(self) -> None:
        self._edited = True
        self._clear_seen()

    def _address_edited(self, text: str) -> None:
        self._edited = True
        self._addresses[self.choice().kind] = text
        self._clear_seen()

    def _move_password(self) -> None:
        """A password that was pasted with the address goes where it is not seen."""
        scheme, separator, rest = self.address.text().partition("://")
        login, at, where = rest.rpartition("@")
        user, colon, password = login.partition(":")
        if separator and at and colon:
            self.password.setText(unquote(password))
            self.address.setText(f"{scheme}://{user}@{where}")
            self._addresses[ADDRESS] = self.address.text()

    def try_it(self) -> None:
        """Ask for a trial of what is filled in."""
        self._clear_seen()
        self._set_waiting(waiting=True)
        self._say("muted", "Connecting …")
        self.test_wanted.emit(self.choice())

    def _set_waiting(self, *, waiting: bool) -> None:
        self.test.setEnabled(not waiting)

    def _clear_seen(self) -> None:
        self.seen.hide()
        self._advice_row.hide()

    def _say(self, role: str, text: str) -> None:
        self.seen.setProperty("role", role)
        self.seen.style().polish(self.seen)
        self.seen.setText(text)
        self.seen.show()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.copy.setIcon(icon("copy", theme.muted))


def now_words(current: CurrentDatabase) -> str:
    """Which database is in use, by whose choice, and what the next start uses."""

    def words(choice: DatabaseChoice) -> str:
        return choice.kind if choice.kind == EMBEDDED else f"{choice.kind}, {choice.address}"

    now = f"In use: {words(current.choice)}"
    if current.set_by:
        return f"{now}. DATABASE_URL is set in {current.set_by} and wins; remove it there to choose here."
    if current.next_choice != current.choice:
        return f"{now}. From the next start: {words(current.next_choice)}."
    return f"{now}."


def _label(role: str) -> QLabel:
    label = PlainLabel(wordWrap=True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setProperty("role", role)
    return label


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    return row
