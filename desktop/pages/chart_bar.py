"""The row of small buttons above a chart: range buttons and whatever the chart adds."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from desktop.charts.time_chart import RANGES, TimeChart
from desktop.widgets.buttons import chip


class RangeButtons(QWidget):
    """1D 1W 1M 3M 1Y All over a chart."""

    def __init__(self, chart: TimeChart, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        self.buttons: dict[str, QToolButton] = {}
        for name, span in RANGES.items():
            button = chip(name, f"Show {name}")
            button.clicked.connect(lambda _=False, span=span: chart.show_last(span))
            self.buttons[name] = button
            row.addWidget(button)
        everything = chip("All", "Show everything")
        everything.clicked.connect(chart.show_all)
        self.buttons["All"] = everything
        row.addWidget(everything)
