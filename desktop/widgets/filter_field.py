"""The field above a table that filters its rows, and gives the keys back to them."""

from __future__ import annotations

from typing import ClassVar, Final

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QTableView

_RETURN: Final = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class FilterField(QLineEdit):
    """Return and Down go to the rows that are left, Esc to all of them: what is typed next is no part of the words.

    `keeps_return`: Return stays in it, and is whatever the owner makes of `returnPressed`.
    """

    KEYS: ClassVar = (
        "Filters above tables",
        (
            ("Down or Return", "Go to the rows that are left"),
            ("Esc", "Empty it, and go to all rows"),
        ),
    )

    def __init__(self, name: str, hint: str, table: QTableView, *, keeps_return: bool = False) -> None:
        super().__init__(placeholderText=hint, clearButtonEnabled=True)
        self.setAccessibleName(name)
        self._table = table
        self._to_rows = (Qt.Key.Key_Down,) if keeps_return else (Qt.Key.Key_Down, *_RETURN)

    def event(self, event: QEvent) -> bool:
        """Esc clears what is typed, and stops no work meanwhile; of an empty field it is the window's."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and self.text()
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return, Down and Esc leave it."""
        if event.key() == Qt.Key.Key_Escape:
            self.clear()
        elif event.key() not in self._to_rows:
            super().keyPressEvent(event)
            return
        elif not self._table.selectionModel().hasSelection():
            self._table.selectRow(0)
        self._table.setFocus(Qt.FocusReason.OtherFocusReason)
