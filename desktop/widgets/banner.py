"""What went wrong, and what is asked, inline above the charts: never modal, gone with one click, details in the log."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import PlainLabel


class Banner(QFrame):
    """`details_wanted(line)`: the user wants to read more of what this line of the log is about."""

    details_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.sign = PlainLabel()
        self.message = PlainLabel(wordWrap=True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = tool_button("Details", "Show the whole story in the log")
        self.dismiss = tool_button("", "Dismiss")
        self._theme = DARK
        self._line = ""
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 6, 5)
        row.addWidget(self.sign)
        row.addWidget(self.message, 1)
        row.addWidget(self.details)
        row.addWidget(self.dismiss)
        self.details.clicked.connect(lambda: self.details_wanted.emit(self._line))
        self.dismiss.clicked.connect(self.hide)
        self.hide()

    def show_message(self, level: str, text: str, line: str, *, has_details: bool) -> None:
        """Show a message of level info, warning or error, which is `line` in the log."""
        self._line = line
        self.setProperty("level", level)
        self.style().polish(self)
        self.message.setText(text)
        self.message.setAccessibleName(f"{level}: {text}")
        self.details.setVisible(has_details)
        self._colour_sign()
        self.show()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.dismiss.setIcon(icon("close", theme.muted))
        self._colour_sign()

    def _colour_sign(self) -> None:
        signs = {"error": ("broken", self._theme.negative), "warning": ("broken", self._theme.warning)}
        sign, colour = signs.get(str(self.property("level")), ("info", self._theme.accent))
        self.sign.setPixmap(icon(sign, colour).pixmap(18, 18))


class Question(QFrame):
    """Something that is asked in place, with two answers, of which one is to leave all as it is. `agreed()`: the other."""

    agreed = Signal()

    def __init__(self, yes: str, no: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setProperty("level", "warning")
        self.sign = PlainLabel()
        self.message = PlainLabel(wordWrap=True)
        self.yes, self.no = QPushButton(yes), QPushButton(no)
        for button in (self.yes, self.no):
            button.setAccessibleName(button.text())
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 6, 5)
        row.addWidget(self.sign)
        row.addWidget(self.message, 1)
        row.addWidget(self.yes)
        row.addWidget(self.no)
        self.yes.clicked.connect(self.hide)
        self.yes.clicked.connect(self.agreed)
        self.no.clicked.connect(self.hide)
        self.hide()

    def ask(self, text: str) -> None:
        """Ask; the harmless answer has the focus."""
        self.message.setText(text)
        self.message.setAccessibleName(text)
        self.show()
        self.no.setFocus()

    def event(self, event: QEvent) -> bool:
        """Esc is the harmless answer, before it is anything of the window's."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() == QEvent.Type.KeyPress:
                self.hide()
            event.accept()
            return True
        return super().event(event)

    def asked(self) -> str:
        """What is asked now; empty where nothing is."""
        return "" if self.isHidden() else self.message.text()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.sign.setPixmap(icon("broken", theme.warning).pixmap(18, 18))


def with_margins(widget: QWidget) -> QWidget:
    """A banner or a question with room on both sides, where there is one to be seen."""
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(8, 0, 8, 0)
    layout.addWidget(widget)
    return box
