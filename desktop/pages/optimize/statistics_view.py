"""Whether the best of a sweep is more than luck: sentences, where the best of one half lands in the other."""

from __future__ import annotations

import math
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from desktop.charts.overfitting_charts import DegradationChart, LogitChart
from desktop.theme.colours import Theme
from desktop.widgets.labels import PlainLabel
from engine.model.sweep_statistics import SweepStatistics

_HINT: Final = "Open a sweep, or make one: what all its trials say about the best of them appears here."
_WAIT: Final = "Comparing the trials …"
_YEAR: Final = math.sqrt(365)


class StatisticsView(QScrollArea):
    """Follows the shown sweep; `shown` is what it says."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, widgetResizable=True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("Whether the best of the sweep is more than luck")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.shown: SweepStatistics | None = None
        self.words = PlainLabel(wordWrap=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setAccessibleName("Statistics of the sweep")
        self.logits, self.degradation = LogitChart(), DegradationChart()
        self.charts = QWidget()
        row = QHBoxLayout(self.charts)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.logits, 1)
        row.addWidget(self.degradation, 1)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(8, 6, 6, 4)
        layout.addWidget(self.words)
        layout.addWidget(self.charts, 1)
        layout.addStretch()
        self.setWidget(page)
        self.clear()

    def clear(self, *, waiting: bool = False) -> None:
        """Nothing is known, or not yet."""
        self.shown = None
        self.words.setText(_WAIT if waiting else _HINT)
        self.charts.hide()

    def fail(self, error: Exception) -> None:
        """Nothing will be known: say why."""
        if self.shown is None:
            self.words.setText(f"The trials could not be compared: {error}")

    def show_statistics(self, found: SweepStatistics) -> None:
        """Show what is known of a sweep."""
        self.shown = found
        self.words.setText("\n".join(f"•  {line}" for line in found.sentences))
        self.charts.setVisible(bool(len(found.logits)))
        if len(found.logits):
            self.logits.show_counts(*found.histogram())
            intercept = None if found.intercept is None else found.intercept * _YEAR
            self.degradation.show_points(found.chosen * _YEAR, found.achieved * _YEAR, found.slope, intercept)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.logits.apply_theme(theme)
        self.degradation.apply_theme(theme)
