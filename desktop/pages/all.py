"""The pages of the window, in order; a page is in it because it stands here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from desktop.pages.analysis.page import AnalysisPage
from desktop.pages.chart.page import ChartPage
from desktop.pages.compare.page import ComparePage
from desktop.pages.data.page import DataPage
from desktop.pages.database.page import DatabasePage
from desktop.pages.log.page import LogPage
from desktop.pages.metrics.page import MetricsPage
from desktop.pages.monte_carlo.page import MonteCarloPage
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.page import Context, Page
from desktop.pages.portfolio.page import PortfolioPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.trade_list.page import TradeListPage
from desktop.pages.trades.page import TradesPage
from desktop.pages.verdict.page import VerdictPage
from desktop.pages.walk_forward.page import WalkForwardPage

PAGES: Final[tuple[Callable[[Context], Page[Any]], ...]] = (
    SetupPage,
    OverviewPage,
    ChartPage,
    AnalysisPage,
    OptimizePage,
    RunsPage,
    TradesPage,
    MetricsPage,
    VerdictPage,
    TradeListPage,
    DataPage,
    LogPage,
    DatabasePage,
    ComparePage,
    WalkForwardPage,
    MonteCarloPage,
    PortfolioPage,
)
