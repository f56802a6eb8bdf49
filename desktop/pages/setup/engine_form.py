"""Which engine makes the runs, and how many candles it sees before the period."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import Choice, WholeField
from engine.model.simulators import ENGINES, MAX_WARMUP

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
        self.combo = Choice()
        for name in ENGINES:
            self.combo.addItem(name.capitalize(), name)
        self.combo.setAccessibleName("Engine")
        self.story = PlainLabel(wordWrap=True)
        self.story.setProperty("role", "muted")
        self.before = WholeField(maximum=MAX_WARMUP, singleStep=50, suffix=" candles")
        self.before.setSpecialValueText("as the strategy asks")
        self.before.setGroupSeparatorShown(True)
        self.before.setAccessibleName("Warm-up")
        self.before.setToolTip("At least so many candles before the period; a strategy may ask for more")
        label, before = PlainLabel("Engine"), PlainLabel("&Warm-up")
        label.setBuddy(self.combo)
        before.setBuddy(self.before)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self.combo, 0, 1)
        grid.addWidget(self.story, 1, 0, 1, 2)
        grid.addWidget(before, 2, 0)
        grid.addWidget(self.before, 2, 1)
        self.combo.currentIndexChanged.connect(lambda _: self._changed())
        self.before.valueChanged.connect(lambda _: self.changed.emit())
        self._changed()

    def engine(self) -> str:
        """auto, compiled or reference."""
        return str(self.combo.currentData())

    def warmup(self) -> int | None:
        """At least so many candles before the period; None: as the strategy asks."""
        return self.before.value() or None

    def set_choice(self, engine: str, warmup: int | None = None) -> None:
        """Choose an engine and a warm-up."""
        self.combo.setCurrentIndex(self.combo.findData(engine))
        self.before.setValue(warmup or 0)

    def _changed(self) -> None:
        self.story.setText(_STORIES[self.engine()])
        self.combo.setToolTip(self.story.text())
        self.changed.emit()
