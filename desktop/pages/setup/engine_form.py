"""Which engine makes the runs."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QWidget

from engine.model.simulators import ENGINES

_STORIES: Final = {
    "auto": "Compiled for strategies that give signals, reference for backtesting.py's own.",
    "compiled": "Our kernel, thousands of times faster. Refuses strategies written for backtesting.py.",
    "reference": "backtesting.py itself, candle by candle. Slow, and what the other is checked against.",
}


class EngineForm(QWidget):
    """`changed()`."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = QComboBox()
        for name in ENGINES:
            self.combo.addItem(name.capitalize(), name)
        self.combo.setAccessibleName("Engine")
        self.story = QLabel(wordWrap=True)
        self.story.setProperty("role", "muted")
        label = QLabel("En&gine")
        label.setBuddy(self.combo)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self.combo, 0, 1)
        grid.addWidget(self.story, 1, 0, 1, 2)
        self.combo.currentIndexChanged.connect(lambda _: self._changed())
        self._changed()

    def engine(self) -> str:
        """auto, compiled or reference."""
        return str(self.combo.currentData())

    def set_engine(self, name: str) -> None:
        """Choose an engine."""
        self.combo.setCurrentIndex(self.combo.findData(name))

    def _changed(self) -> None:
        self.story.setText(_STORIES[self.engine()])
        self.combo.setToolTip(self.story.text())
        self.changed.emit()
