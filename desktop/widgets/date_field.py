"""A field for a date or time (UTC): typed in any usual way, pasted, stepped by days, or picked from a calendar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from PySide6.QtCore import QDate, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFocusEvent, QKeyEvent, QTextCharFormat
from PySide6.QtWidgets import QCalendarWidget, QFrame, QLineEdit, QToolButton, QVBoxLayout, QWidget

from desktop.tables.dates import DAY_MS, FORMS, read_moment, write_moment
from desktop.theme.colours import Theme
from desktop.theme.icons import icon

_FIRST_DAY, _LAST_DAY = QDate(1970, 1, 1), QDate(2199, 12, 31)


class DateField(QLineEdit):
    """`moment_changed()`: another time, or one that cannot be read. `moment` is the last one entered, in ms; `problem` says
    why the text is none, and is empty where it is one. `is_end`: a bare day is included. `clock` tells now, in ms.
    """

    KEYS: ClassVar = (
        "Dates",
        (
            ("Up or Down", "A day later or earlier"),
            ("Alt+Down", "Open the calendar"),
            ("Esc", "Back to what stood there"),
        ),
    )

    moment_changed = Signal()

    def __init__(self, name: str, *, is_end: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.is_end = is_end
        self.moment, self.problem = 0, ""
        self._settled = 0
        self.clock: Callable[[], int] = lambda: round(time.time() * 1000)
        self.setAccessibleName(f"{name} (UTC)")
        self._tip = f"{name}; UTC. Write {FORMS}. Up and Down step by days, Alt+Down opens a calendar"
        self.setToolTip(self._tip)
        self.calendar = QAction("Open a calendar", self)
        self.calendar.triggered.connect(self.open_calendar)
        self.addAction(self.calendar, QLineEdit.ActionPosition.TrailingPosition)
        self.popup: CalendarPopup | None = None
        self._theme: Theme | None = None
        self.textEdited.connect(lambda _: self._read())
        self.editingFinished.connect(self._tidy)
        self.set_moment(0)

    def set_moment(self, ms: int) -> None:
        """Show a time; nobody typed it."""
        self.moment = self._settled = ms
        self.setText(write_moment(ms, is_end=self.is_end))
        self._judge("")

    def _read(self) -> None:
        found = read_moment(self.text(), self.clock(), is_end=self.is_end)
        # where it is none, not what the first letters of it would have meant
        self.moment = found if isinstance(found, int) else self._settled
        self._judge("" if isinstance(found, int) else found)
        self.moment_changed.emit()

    def _judge(self, problem: str) -> None:
        self.problem = problem
        self.setToolTip(problem or self._tip)
        self.setAccessibleDescription(problem)
        if bool(self.property("bad")) != bool(problem):
            self.setProperty("bad", bool(problem))
            self.style().polish(self)

    def _tidy(self) -> None:
        """What was understood is written out; what was not stays for correction."""
        if not self.problem:
            self._settled = self.moment
            self.setText(write_moment(self.moment, is_end=self.is_end))

    def _take(self, ms: int) -> None:
        self.set_moment(ms)
        self.moment_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down step by days, Alt+Down opens the calendar, Escape goes back to the last time."""
        key, alt = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if key == Qt.Key.Key_Down and alt:
            self.open_calendar()
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._take(max(DAY_MS, self.moment + (DAY_MS if key == Qt.Key.Key_Up else -DAY_MS)))
        elif key == Qt.Key.Key_Escape and self.isModified():
            self._take(self._settled)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Coming from another field everything is selected, so that typing replaces it."""
        super().focusInEvent(event)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self.selectAll()

    def open_calendar(self) -> None:
        """Pick a day from a calendar under the field."""
        day = QDate(1970, 1, 1).addDays((self.moment - int(self.is_end)) // DAY_MS)
        self.popup = CalendarPopup(day, self._pick, self._theme, self)
        self.popup.move(self.mapToGlobal(QPoint(0, self.height())))
        self.popup.show()

    def _pick(self, day: QDate) -> None:
        self._take((_FIRST_DAY.daysTo(day) + int(self.is_end)) * DAY_MS)
        self.setFocus()

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icon."""
        self._theme = theme
        self.calendar.setIcon(icon("calendar", theme.muted))


class CalendarPopup(QFrame):
    """A month to pick a day from; gone with a click elsewhere, Escape, or the choice."""

    def __init__(
        self, day: QDate, picked: Callable[[QDate], object], theme: Theme | None, parent: QWidget
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("story")
        self.month = QCalendarWidget()
        self.month.setAccessibleName("Calendar")
        self.month.setDateRange(_FIRST_DAY, _LAST_DAY)
        self.month.setFirstDayOfWeek(Qt.DayOfWeek.Monday)
        self.month.setVerticalHeaderFormat(QCalendarWidget.VerticalHeaderFormat.NoVerticalHeader)
        self.month.setSelectedDate(day)
        self.month.setMinimumWidth(self.month.fontMetrics().horizontalAdvance("Wed ") * 10)
        self.month.setMinimumHeight(self.month.fontMetrics().height() * 14)
        if theme is not None:
            self._colour(theme)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.month)
        self._picked = picked
        self.month.clicked.connect(self._take)
        self.month.activated.connect(self._take)
        self.month.setFocus()

    def _colour(self, theme: Theme) -> None:
        plain = QTextCharFormat()
        plain.setForeground(QColor(theme.text))
        for weekend in (Qt.DayOfWeek.Saturday, Qt.DayOfWeek.Sunday):
            self.month.setWeekdayTextFormat(weekend, plain)
        for name, shape in (("prev", "previous"), ("next", "next")):
            button = self.month.findChild(QToolButton, f"qt_calendar_{name}month")
            if button is not None:
                button.setIcon(icon(shape, theme.text))

    def _take(self, day: QDate) -> None:
        if self.isVisible():  # a click is told twice where it also activates
            self.close()
            self._picked(day)
