"""Which keys a text field leaves to the window: the window's own, and Ctrl+Z where it has nothing newer to undo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QWidget
from shiboken6 import isValid

from desktop.widgets.undo import UndoToast


class FieldKeys(QObject):
    """A field takes every key that means something to it: on Linux Ctrl+U would empty it, Ctrl+E go to its end, and Ctrl+Z
    do nothing where nothing was typed. It follows the focus, so that it sees the events of one widget only.

    `actions`: those of the window.
    """

    def __init__(self, parent: QObject, toast: UndoToast, actions: Callable[[], Sequence[QAction]]) -> None:
        super().__init__(parent)
        self._toast, self._actions = toast, actions
        self._field: QWidget | None = None
        self._before = ""  # what stood in the field when the newest was offered
        toast.offered.connect(self._remember)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._focused)

    def _remember(self) -> None:
        self._before = "" if self._field is None else _typed_in(self._field)[0]

    def _focused(self, old: QWidget | None, new: QWidget | None) -> None:
        if old is not None and isValid(old):
            old.removeEventFilter(self)
        self._field, self._before = None, ""
        if new is not None and _field_of(new) is not None:
            self._field = new
            new.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Before the field takes a key for itself."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.modifiers() & Qt.KeyboardModifier.ControlModifier
            and watched is self._field
            and self._is_the_windows(event)
        ):
            event.ignore()
            return True
        return False

    def _is_the_windows(self, event: QKeyEvent) -> bool:
        keys = QKeySequence(event.keyCombination())
        if not any(keys in action.shortcuts() for action in self._actions()):
            return False
        if not event.matches(QKeySequence.StandardKey.Undo):
            return True
        assert self._field is not None
        text, own = _typed_in(self._field)
        return self._toast.next() is not None and (not own or text == self._before)


def _field_of(widget: QWidget) -> QLineEdit | QPlainTextEdit | None:
    """Where what is typed into a widget goes; None: nowhere."""
    if isinstance(widget, QLineEdit | QPlainTextEdit):
        return widget
    if isinstance(widget, QComboBox):
        return widget.lineEdit()
    return widget.findChild(QLineEdit) if isinstance(widget, QAbstractSpinBox) else None


def _typed_in(widget: QWidget) -> tuple[str, bool]:
    """The text, and whether the field can undo something of its own."""
    field = _field_of(widget)
    if isinstance(field, QPlainTextEdit):
        return field.toPlainText(), field.document().isUndoAvailable()
    return (field.text(), field.isUndoAvailable()) if field is not None else ("", False)
