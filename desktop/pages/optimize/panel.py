"""The Optimize tab: the plan on the left, what came of it on the right."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from desktop.pages.optimize.plan_form import PlanForm
from desktop.pages.optimize.results import ResultsView
from desktop.pages.page import Panel
from desktop.theme.colours import Theme


class OptimizePanel(Panel):
    """Plan and results beside each other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.plan, self.results = PlanForm(), ResultsView()
        self.results.setContentsMargins(4, 6, 6, 4)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.plan)
        layout.addWidget(self.results, 1)
        self.results.plan.toggled.connect(self.plan.setVisible)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.plan.apply_theme(theme)
        self.results.apply_theme(theme)
