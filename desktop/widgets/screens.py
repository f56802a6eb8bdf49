"""A window on the screen that there is: no larger than its room, and not beside it."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget


def fitted(wanted: QRect, room: QRect, least: QSize) -> QRect:
    """`wanted` shrunk and moved into `room`, not smaller than `least`."""
    size = wanted.size().boundedTo(room.size()).expandedTo(least.boundedTo(room.size()))
    left = min(max(wanted.left(), room.left()), room.left() + room.width() - size.width())
    top = min(max(wanted.top(), room.top()), room.top() + room.height() - size.height())
    return QRect(left, top, size.width(), size.height())


def fit_to_screen(window: QWidget) -> None:
    """Shrink and move a window into the room of its screen, panels of the system left out."""
    shown_on = window.screen() or QGuiApplication.primaryScreen()
    if shown_on is None or window.isMaximized() or window.isFullScreen():
        return
    room = shown_on.availableGeometry()
    frame = window.frameGeometry().size() - window.size()
    inner = QRect(room.topLeft(), room.size() - frame)
    found = fitted(QRect(window.pos(), window.size()), inner, window.minimumSize())
    if found.size() != window.size():
        window.resize(found.size())
    if found.topLeft() != window.pos():
        window.move(found.topLeft())


def fit_again(window: QWidget, size: QSize) -> None:
    """With what is drawn around it by now; a window that was given another size than this meanwhile keeps that."""
    if window.size() == size:
        fit_to_screen(window)
