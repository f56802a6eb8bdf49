"""The tables of the Monte Carlo page, and the bars of its histogram."""

from __future__ import annotations

from typing import Final

from desktop.charts.bar_chart import Bar
from desktop.tables import formats
from desktop.tables.table import Column
from engine.model.monte_carlo import Histogram, Loss, Spread, figure_digits, figure_title

Figure = tuple[str, Spread]
_QUANTILES: Final = ("5 %", "25 %", "50 %", "75 %", "95 %")


def _shown(row: Figure, value: float | None) -> str:
    return formats.number(value, figure_digits(row[0]))


def _quantile(place: int, title: str) -> Column[Figure]:
    tip = f"{title} of the paths have a lower one"
    return Column(title, title, lambda row: _shown(row, row[1].quantiles[place]), numeric=True, tooltip=tip)


FIGURE_COLUMNS: Final[list[Column[Figure]]] = [
    Column("figure", "Figure", lambda row: figure_title(row[0])),
    Column(
        "original",
        "This run",
        lambda row: _shown(row, row[1].original),
        numeric=True,
        tooltip="Of the run itself, computed as those of the paths: at the ends of days, or after each trade",
    ),
    *(_quantile(place, title) for place, title in enumerate(_QUANTILES)),
]


def _share(value: float) -> str:
    return f"{formats.number(value * 100, 1)} %"


LOSS_COLUMNS: Final[list[Column[Loss]]] = [
    Column("loss", "Lost", lambda row: row.loss_pct, lambda value: f"{value:g} %", numeric=True),
    Column(
        "ruin",
        "Of the start",
        lambda row: row.ruin,
        _share,
        numeric=True,
        tooltip="Share of the paths that at some time had lost so much of the money they began with",
    ),
    Column(
        "drawdown",
        "Of a peak",
        lambda row: row.drawdown,
        _share,
        numeric=True,
        tooltip="Share of the paths whose deepest drawdown was as deep or deeper",
    ),
]


def bars_of(histogram: Histogram) -> list[Bar]:
    """A bar for each stretch of the histogram, named by its lower edge."""
    digits = figure_digits(histogram.name) if histogram.edges[-1] - histogram.edges[0] < 1 else 0
    title, total = figure_title(histogram.name), sum(histogram.counts)
    edges = [formats.number(edge, digits) for edge in histogram.edges]
    return [
        Bar(low, count, f"{title}: {low} to {high}: {count:,} of {total:,} paths")
        for low, high, count in zip(edges, edges[1:], histogram.counts, strict=False)
    ]
