"""What can be undone: the newest on top, offered for a while in a small frame in the status bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout

from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import ElidedLabel

UNDO_S: Final = 30.0  # what was removed can be brought back for so long
_MOST: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class Undo:
    """Something that was done: in words, and what takes it back. `lasts_s`: how long it can be, None for ever; `quiet`: not
    worth a frame, the keys are enough.
    """

    text: str
    take_back: Callable[[], object]
    lasts_s: float | None = None
    quiet: bool = False
    done_s: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        """Whether it is too late."""
        return self.lasts_s is not None and time.monotonic() - self.done_s > self.lasts_s


class UndoToast(QFrame):
    """Stands in the status bar, where it covers nothing. `changed()`: there is another thing to undo, or none; `offered()`:
    a newer one.
    """

    changed = Signal()
    offered = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("toast")
        self._done: list[Undo] = []
        self._theme = DARK
        self.message = ElidedLabel()
        self.button = tool_button("Undo", "Undo this (Ctrl+Z)")
        self.dismiss = tool_button("", "Dismiss; Ctrl+Z still undoes it")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.message)
        row.addWidget(self.button)
        row.addWidget(self.dismiss)
        self._timer = QTimer(self, singleShot=True, interval=round(UNDO_S * 1000))
        self._timer.timeout.connect(self.hide)
        self.button.clicked.connect(lambda: self.undo())
        self.dismiss.clicked.connect(self.hide)
        self.hide()

    def offer(self, undo: Undo) -> None:
        """Something was done that can be undone."""
        self._done = [*self._done[1 - _MOST :], undo]
        if not undo.quiet:
            self.message.setText(undo.text)
            self._timer.start()
            self.show()
        self.offered.emit()
        self.changed.emit()

    def next(self) -> Undo | None:
        """What would be undone."""
        while self._done and self._done[-1].is_over:
            self._done.pop()
        return self._done[-1] if self._done else None

    def undo(self) -> None:
        """Undo what was done last; what is too old is left out."""
        undo = self.next()
        self.hide()
        if undo is not None:
            self._done.remove(undo)
            undo.take_back()
        self.changed.emit()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.button.setIcon(icon("reset", theme.accent))
        self.dismiss.setIcon(icon("close", theme.muted))
