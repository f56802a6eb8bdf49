"""The Chart page."""

from __future__ import annotations

from desktop.pages.chart.panel import ChartPanel
from desktop.pages.page import Context, Page, Place
from desktop.pages.trades.page import TradesPage


class ChartPage(Page[ChartPanel]):
    """The candles of the current run."""

    title = "Chart"
    place = Place.CENTRE

    def __init__(self, context: Context) -> None:
        super().__init__(context, ChartPanel(context.workspace))
        self.panel.step_wanted.connect(lambda by: context.page(TradesPage).step(by))
