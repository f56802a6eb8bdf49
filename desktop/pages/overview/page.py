"""The Overview page."""

from __future__ import annotations

from desktop.pages.overview.panel import OverviewPanel
from desktop.pages.page import Context, Page, Place


class OverviewPage(Page[OverviewPanel]):
    """Equity curves and figures of the compared runs."""

    title = "Overview"
    place = Place.CENTRE

    def __init__(self, context: Context) -> None:
        super().__init__(context, OverviewPanel(context.workspace))
        self.bridge.phase_changed.connect(lambda _: self.panel.say_none(coming=context.first_are_coming))

    def open(self) -> None:
        """Ask what the figures mean."""
        self.bridge.ask(self.engine.runs.metric_definitions, self.panel.tiles.set_definitions)
