"""What is seen is drawn first: work that waits for a turn of the event loop of its own, longer while nobody would see it.

One change of the selection has several views draw themselves. Each alone is short; all in one turn hold up the window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QWidget

_UNSEEN_MS: Final = 150
_BETWEEN_MS: Final = 12  # after one, for what it changed to be painted and for the user's own events


class WhenSeen(QObject):
    """`wish` has `call` called once, `delay_ms` after the first of several wishes; later while `widget` is not visible, but
    as soon as it is.
    """

    _last: ClassVar[float] = 0.0

    def __init__(self, widget: QWidget, call: Callable[[], object], delay_ms: int = 0) -> None:
        super().__init__(widget)
        self._widget, self._call, self._delay = widget, call, delay_ms
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._due)
        widget.installEventFilter(self)

    def wish(self) -> None:
        """Call it soon."""
        if not self._timer.isActive():
            self._timer.start(self._delay + (0 if self._widget.isVisible() else _UNSEEN_MS))

    def done(self) -> None:
        """It was called meanwhile, or nothing is to be called any more."""
        self._timer.stop()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The widget is shown: what waited comes next."""
        if event.type() == QEvent.Type.Show and watched is self._widget and self._timer.isActive():
            self._timer.start(0)
        return False

    def _due(self) -> None:
        if (time.monotonic() - WhenSeen._last) * 1000 < _BETWEEN_MS:
            self._timer.start(_BETWEEN_MS)
            return
        try:
            self._call()
        finally:
            WhenSeen._last = time.monotonic()
