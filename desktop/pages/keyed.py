"""The widgets that answer keys by themselves; `KEYS` of each: the heading of its keys, and what they do, for Help."""

from __future__ import annotations

from typing import Final

from desktop.charts.bar_chart import BarChart
from desktop.charts.excursion_chart import ExcursionChart
from desktop.charts.heat_map import HeatMap
from desktop.charts.time_chart import TimeChart
from desktop.pages.optimize.front_view import KeyedFront
from desktop.pages.optimize.parallel_view import KeyedLines
from desktop.pages.setup.market_list import MarketTable
from desktop.pages.walk_forward.charts import WalkChart
from desktop.widgets.date_field import DateField
from desktop.widgets.filter_field import FilterField
from desktop.widgets.table_view import TableView

KEYED: Final = (
    TimeChart, TableView, FilterField, DateField, MarketTable, BarChart, HeatMap, ExcursionChart, KeyedLines, KeyedFront,
    WalkChart,
)  # fmt: skip
