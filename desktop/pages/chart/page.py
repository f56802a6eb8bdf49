"""The Chart page."""

from __future__ import annotations

from desktop.pages.chart.panel import ChartPanel
from desktop.pages.page import Context, Page, Place
from desktop.pages.setup.page import SetupPage
from desktop.pages.trades.page import TradesPage
from engine.model.parameters import StrategyInfo
from engine.model.plots import read_plots


class ChartPage(Page[ChartPanel]):
    """The candles of the current run."""

    title = "Chart"
    place = Place.CENTRE

    def __init__(self, context: Context) -> None:
        super().__init__(context, ChartPanel(context.workspace))
        self.panel.step_wanted.connect(lambda by: context.page(TradesPage).step(by))
        context.range_wanted.connect(
            lambda start_ms, end_ms: self.panel.chart.show_range(start_ms / 1000, end_ms / 1000)
        )
        context.page(SetupPage).strategies_loaded.connect(self._strategies_loaded)

    def _strategies_loaded(self, infos: list[StrategyInfo]) -> None:
        self.panel.set_plots({info.name: read_plots(info.plots) for info in infos})
