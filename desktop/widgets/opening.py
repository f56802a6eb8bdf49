"""Files and folders opened with what the user's system has for them."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from PySide6.QtCore import QProcess, QUrl
from PySide6.QtGui import QDesktopServices


def open_path(path: Path) -> bool:
    """Have the system open a folder, or a file that it does not execute; False where it has nothing for it.

    True only says that it was asked, and nothing may come up: callers say which path it is.
    """
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


def edit_file(path: Path) -> bool:
    """Open a text file in an editor: the system's, else the one that VISUAL names. False where there is none.

    On Windows the system's own would run a Python file.
    """
    return (sys.platform != "win32" and open_path(path)) or _edit_with(os.environ.get("VISUAL", ""), path)


def _edit_with(command: str, path: Path) -> bool:
    try:
        program, *words = shlex.split(command)
    except ValueError:  # nothing, or a quote that is never closed
        return False
    started = QProcess.startDetached(program, [*words, str(path)])
    return bool(started[0] if isinstance(started, tuple) else started)
