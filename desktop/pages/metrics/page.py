"""The Metrics page."""

from __future__ import annotations

from desktop.pages.metrics.panel import MetricsPanel
from desktop.pages.page import Context, Page, Place


class MetricsPage(Page[MetricsPanel]):
    """The figures of the compared runs side by side."""

    title = "Metrics"
    place = Place.RESULTS

    def __init__(self, context: Context) -> None:
        super().__init__(context, MetricsPanel(context.workspace))

    def open(self) -> None:
        """Ask what the figures mean."""
        self.bridge.ask(self.engine.runs.metric_definitions, self.panel.set_definitions)
