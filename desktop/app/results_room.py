"""The room of the results: hidden and shown by key and button, and lent to pages of the centre that want the full height."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QToolButton

from desktop.theme.colours import Theme
from desktop.theme.icons import icon


class ResultsRoom(QObject):
    """While a tall page is in front the dock is hidden, and afterwards it is as it was. Who shows it meanwhile keeps it.

    `action` shows and hides it, `button` does it beside the tabs of the centre.
    """

    def __init__(self, dock: QDockWidget, centre: QTabWidget, is_tall: Callable[[int], bool]) -> None:
        super().__init__(dock)
        self._dock, self._centre, self._is_tall = dock, centre, is_tall
        self._is_lent = False
        self._height = 0
        self.action: QAction = dock.toggleViewAction()
        self.action.setShortcut(QKeySequence("Ctrl+J"))
        self.button = QToolButton()
        self.button.setObjectName("resultsButton")
        self.button.setDefaultAction(self.action)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        centre.setCornerWidget(self.button, Qt.Corner.TopRightCorner)
        self.action.triggered.connect(self._taken)
        self.action.toggled.connect(self._turned)
        centre.currentChanged.connect(self._turn)
        self._name()

    def _taken(self) -> None:
        """The user showed or hid it: that counts."""
        self._is_lent = False

    def _turn(self, number: int) -> None:
        if self._is_tall(number):
            if not self._dock.isHidden():
                self._is_lent = True
                self._dock.hide()
        else:
            self.give_back()

    def give_back(self) -> None:
        """Show it again if it is lent: its place is remembered as the user left it."""
        if self._is_lent:
            self._is_lent = False
            self._dock.show()

    def lend(self) -> None:
        """Hide it again where a tall page is in front."""
        self._turn(self._centre.currentIndex())

    def _turned(self, shown: bool) -> None:
        """Hidden or shown, by whomever: Qt gives it another height when it comes back."""
        window = self._dock.parentWidget()
        if not shown:
            self._height = self._dock.height()
        elif self._height and isinstance(window, QMainWindow):
            window.resizeDocks([self._dock], [self._height], Qt.Orientation.Vertical)
        self._name()

    def _name(self) -> None:
        words = "Hide the results" if self.action.isChecked() else "Show the results"
        self.action.setToolTip(f"{words} (Ctrl+J)")
        self.button.setAccessibleName(words)

    def apply_theme(self, theme: Theme) -> None:
        """Colour the button's icon."""
        self.action.setIcon(icon("results", theme.muted))
