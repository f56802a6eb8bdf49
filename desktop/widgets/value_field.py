"""A field for a number or a text that never changes what nobody edited: it holds the value itself, not what it shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QAbstractSpinBox, QWidget

from desktop.tables.run_names import value_text
from desktop.widgets.still_fields import BY_KEY_OR_CLICK, Still

_LEAST_PX = 64


class ValueField(Still, QAbstractSpinBox):
    """`value_changed()`: another value, or a text that is none. `problem` says why it is none, and is empty where it is one.

    `read` gives the value of a text, or raises ValueError; `low`, `high` bound the steps of numbers.
    """

    value_changed = Signal()

    def __init__(
        self,
        value: Any,
        read: Callable[[str], Any],
        *,
        low: float | None = None,
        high: float | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._read, self._low, self._high = read, low, high
        self._value, self.problem = value, ""
        self.setMinimumWidth(_LEAST_PX)
        self.setFocusPolicy(BY_KEY_OR_CLICK)
        self.setProperty(
            "words", isinstance(value, str)
        )  # without arrows; NoButtons leaves a styled field 1 px
        self.lineEdit().textEdited.connect(self._edited)
        self.set_value(value)

    def value(self) -> Any:
        """The value, to the last bit; where the text is none, the last that was."""
        return self._value

    def set_value(self, value: Any) -> None:
        """Show a value; nobody typed it."""
        self._value = value
        self.lineEdit().setText(value_text(value))
        self.lineEdit().setCursorPosition(0)
        self._judge("")

    def _edited(self, text: str) -> None:
        try:
            self._value = self._read(text.strip())
        except ValueError as error:
            self._judge(str(error))
        else:
            self._judge("")
        self.value_changed.emit()

    def _judge(self, problem: str) -> None:
        self.problem = problem
        self.setAccessibleDescription(problem)
        if bool(self.property("bad")) != bool(problem):
            self.setProperty("bad", bool(problem))
            self.style().polish(self)

    # -- steps -------------------------------------------------------------------------------------------------------

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Anything may be typed: what is wrong is said, not swallowed."""
        return (QValidator.State.Acceptable, text, position)

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Up and down where there is a number and room."""
        flag = QAbstractSpinBox.StepEnabledFlag
        found = flag.StepNone
        if not isinstance(self._value, int | float):
            return found
        if self._high is None or self._value < self._high:
            found |= flag.StepUpEnabled
        if self._low is None or self._value > self._low:
            found |= flag.StepDownEnabled
        return found

    def stepBy(self, steps: int) -> None:
        """One of a whole number; of any other, one of its second digit. Stays inside the bounds."""
        if not isinstance(self._value, int | float):
            return
        if isinstance(self._value, int):
            value: float = self._value + steps
        else:
            size = math.floor(math.log10(abs(self._value))) if self._value else 0
            value = float(Decimal(repr(self._value)) + steps * Decimal(1).scaleb(size - 1))
        value = value if self._high is None else min(value, self._high)
        value = value if self._low is None else max(value, self._low)
        self.set_value(type(self._value)(value))
        self.lineEdit().selectAll()
        self.value_changed.emit()
