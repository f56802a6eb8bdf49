"""The Chart page."""

from __future__ import annotations

from desktop.pages.chart.panel import ChartPanel
from desktop.pages.page import Context, Page, Place
from desktop.pages.setup.page import SetupPage
from desktop.pages.trades.page import TradesPage
from desktop.widgets.preferences import Preferences
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

    def save(self, preferences: Preferences) -> None:
        """Keep how charts are drawn."""
        super().save(preferences)
        panel = self.panel
        preferences.save("chart", {"equity": panel.equity.isChecked(), "log": panel.log.isChecked()})

    def restore(self, preferences: Preferences) -> None:
        """Draw as at the end of the last start."""
        super().restore(preferences)
        kept = preferences.read("chart", {})
        if isinstance(kept, dict):
            self.panel.equity.setChecked(bool(kept.get("equity", True)))
            self.panel.log.setChecked(bool(kept.get("log", False)))

    def _strategies_loaded(self, infos: list[StrategyInfo]) -> None:
        self.panel.set_plots({info.name: read_plots(info.plots) for info in infos})
