"""What the window remembers between starts: geometry, docks, theme, column widths, and the last set-up.

A layout is stored with a version; one saved by another version of the window is refused by Qt and the default is used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QHeaderView, QMainWindow

LAYOUT_VERSION: Final = 1


class Preferences:
    """A small INI file. Nothing in it is secret, nothing in it is needed."""

    def __init__(self, path: Path) -> None:
        self._settings = QSettings(str(path), QSettings.Format.IniFormat)

    def save_layout(self, window: QMainWindow) -> None:
        """Remember where the window and its docks are."""
        self._settings.setValue("window/geometry", window.saveGeometry())
        self._settings.setValue("window/state", window.saveState(LAYOUT_VERSION))

    def restore_layout(self, window: QMainWindow) -> bool:
        """Put the window back; False where nothing fitting was saved."""
        geometry = self._settings.value("window/geometry")
        state = self._settings.value("window/state")
        if not isinstance(geometry, QByteArray) or not isinstance(state, QByteArray):
            return False
        return window.restoreGeometry(geometry) and window.restoreState(state, LAYOUT_VERSION)

    def save_header(self, name: str, header: QHeaderView) -> None:
        """Remember a table's column widths and sorting."""
        self._settings.setValue(f"header/{name}", header.saveState())

    def restore_header(self, name: str, header: QHeaderView) -> bool:
        """Put a table's columns back."""
        state = self._settings.value(f"header/{name}")
        return isinstance(state, QByteArray) and header.restoreState(state)

    def save(self, name: str, value: Any) -> None:
        """Remember a JSON value."""
        self._settings.setValue(f"values/{name}", json.dumps(value))

    def read(self, name: str, default: Any = None) -> Any:
        """A JSON value as saved, or the default where there is none or it is damaged."""
        text = self._settings.value(f"values/{name}")
        if not isinstance(text, str):
            return default
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return default

    def sync(self) -> None:
        """Write to disk now."""
        self._settings.sync()

    def forget_layout(self) -> None:
        """Forget docks and geometry, keep the rest."""
        self._settings.remove("window")
        self._settings.remove("header")
