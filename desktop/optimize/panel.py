"""The Optimize tab: the plan on the left, what came of it on the right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSplitter, QWidget

from desktop.optimize.plan_form import PlanForm
from desktop.optimize.results import ResultsView
from desktop.theme import Theme


class OptimizePanel(QWidget):
    """Plan and results beside each other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.plan, self.results = PlanForm(), ResultsView()
        self.results.setContentsMargins(4, 6, 6, 4)
        self.plan.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.plan)
        self.splitter.addWidget(self.results)
        self.splitter.setStretchFactor(0, 0)
        self.splitter.setStretchFactor(1, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)

    def release(self) -> None:
        """Close the plot."""
        self.results.map.map.close()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.plan.apply_theme(theme)
        self.results.apply_theme(theme)
