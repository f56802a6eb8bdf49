"""Help > About and Help > Licences: the version, where things lie, and the licences of everything that is installed."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from desktop.widgets.labels import PlainLabel

_OURS: Final = "backtest-desktop"
_TEXTS: Final = ("licen", "copying", "notice")  # how files with the words of a licence are called


class About(QWidget):
    """A window beside the main one, which nothing waits for; Esc closes it."""

    def __init__(self, parent: QWidget, home: Path, log_file: Path) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("About Backtest")
        lines = (
            f"Backtest {version(_OURS)}",
            "Free software under the AGPL-3.0-or-later; see Help > Licences",
            f"Python {platform.python_version()}, Qt {qVersion()}, {platform.system()} {platform.machine()}",
            f"Data: {home}",
            f"Log: {log_file}",
        )
        self.words = PlainLabel("\n".join(lines), self)
        self.words.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.words.setAccessibleName("About Backtest")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 14, 18, 14)
        layout.addWidget(self.words)
        self.addAction("Close", Qt.Key.Key_Escape, self.close)


class Licences(QWidget):
    """What the program is made of, and the licences of that; reading them takes a while, so they come with `show_text`."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Licences")
        self.resize(680, 520)
        self.text = QPlainTextEdit("Reading …", self, readOnly=True)
        self.text.setAccessibleName("Licences")
        layout = QVBoxLayout(self)
        layout.addWidget(PlainLabel("What Backtest is made of, and the licences of that:"))
        layout.addWidget(self.text, 1)
        self.addAction("Close", Qt.Key.Key_Escape, self.close)

    def show_text(self, text: str) -> None:
        """They are read."""
        self.text.setPlainText(text)


def licences() -> Iterator[str]:
    """A line for each package with its version and licence; then the words of each."""
    named = {package.name.lower(): package for package in distributions()}  # some are found twice
    packages = [named[name] for name in sorted(named)]
    for package in packages:
        yield f"{package.name} {package.version}: {_licence(package)}"
    for package in packages:
        for file in package.files or ():
            if ".dist-info" in str(file.parent) and file.name.lower().startswith(_TEXTS):
                path = Path(str(package.locate_file(file)))
                if path.is_file():
                    words = path.read_text(encoding="utf-8", errors="replace")
                    yield f"\n---- {package.name}: {file.name}\n\n{words.strip()}"


def _licence(package: Distribution) -> str:
    said = package.metadata
    classified = [
        line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or () if line.startswith("License")
    ]
    told = said.get_all("License-Expression") or said.get_all("License") or classified
    return (", ".join(told) or "see its words below").strip().partition("\n")[0][:100]
