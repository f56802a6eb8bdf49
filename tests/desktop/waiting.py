"""How tests of the window wait: for what is to be, not for a time, and on a busy machine as long as it takes."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow

PATIENCE_MS = 60_000
_TURNS = 5  # an answer that came is taken in one, and what it changed is laid out in the next
_PUT_OFF_MS = (
    1000  # what a window does a little later is due within; what is longer is a reminder or an offer
)


class PatientBot(QtBot):
    """Gives up after a minute at the earliest: a limit tells what hangs, never how fast a machine is."""

    def waitUntil(self, callback: Callable[[], Any], *, timeout: int = PATIENCE_MS) -> None:  # noqa: N802
        super().waitUntil(callback, timeout=max(timeout, PATIENCE_MS))

    def waitSignal(self, signal: Any, *, timeout: int = PATIENCE_MS, **options: Any) -> Any:  # noqa: N802
        # where no signal is as good an answer, as in assertNotEmitted, the test's own time counts
        least = 0 if options.get("raising") is False else PATIENCE_MS
        return super().waitSignal(signal, timeout=max(timeout, least), **options)

    def waitExposed(self, widget: QWidget, *, timeout: int = PATIENCE_MS) -> Any:  # noqa: N802
        return super().waitExposed(widget, timeout=max(timeout, PATIENCE_MS))


def at_rest(widget: QWidget, bot: QtBot) -> None:
    """Wait until a window, or a part, did what it put off, awaits no answer and stays where it stands, for some turns."""
    turns: list[object] = []  # what each saw, since the last that saw something to do

    def rests() -> bool:
        awaits = isinstance(widget, MainWindow) and widget.bridge.busy
        if awaits or any(map(_is_put_off, widget.findChildren(QTimer))):
            turns.clear()
            return False
        turns.append([part.geometry() for part in widget.findChildren(QWidget) if part.isVisible()])
        return len(turns) >= _TURNS and all(seen == turns[-1] for seen in turns[-_TURNS:])

    bot.waitUntil(rests)


def _is_put_off(timer: QTimer) -> bool:
    return timer.isActive() and timer.isSingleShot() and timer.interval() < _PUT_OFF_MS
