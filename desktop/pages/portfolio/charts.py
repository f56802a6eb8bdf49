"""Pictures of a portfolio: the wallet with its legs below, what each leg did for it, how the legs go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyqtgraph as pg

from desktop.charts.bar_chart import Bar
from desktop.charts.colour_grid import ColourGrid
from desktop.charts.items.envelope import envelope_of, nearest
from desktop.charts.pane import Pane
from desktop.charts.time_chart import TimeChart
from desktop.tables import formats
from desktop.tables.metrics import metric_text
from desktop.theme.colours import Theme
from engine.model.portfolio_result import LegResult, PortfolioResult

MOST_NAMED: Final = 10  # legs whose colours can be told apart: as many as a palette has
_MONEY_STRETCH, _LEGS_STRETCH, _USE_STRETCH = 4, 3, 1


class WalletChart(TimeChart):
    """Three panes over the same times: the wallet and its basket bought and held, what each leg made, how much is used."""

    def __init__(self) -> None:
        super().__init__()
        self.wallet = self.add_pane(Pane("Wallet"), _MONEY_STRETCH)
        self.legs = self.add_pane(Pane("Made by each leg", include_zero=True), _LEGS_STRETCH)
        self.use = self.add_pane(Pane("Used, % of the wallet", suffix=" %", include_zero=True), _USE_STRETCH)
        self.result: PortfolioResult | None = None
        self.chosen: str | None = None
        self._mark: Any = None
        self.setAccessibleName("Wallet and legs over time")

    def show_result(self, result: PortfolioResult | None, chosen: str | None = None) -> None:
        """Draw another one, whole; the leg called `chosen` stands out."""
        other = result is not self.result
        if not other and chosen == self.chosen:
            return  # as it is drawn
        self.result, self.chosen = result, chosen
        self._draw()
        if result is None or result.series is None or not other:
            self.fit()
            return
        time = result.series.time
        step = float(np.diff(time[:1000]).min()) / 1000 if len(time) > 1 else 60.0
        self.set_bounds(time[0] / 1000, time[-1] / 1000, step)
        self.show_all()

    def mark(self, time_ms: int | None) -> None:
        """A line through a moment, which comes into view; None takes it away."""
        if self._mark is not None:
            self.wallet.plot.remove(self._mark)
            self._mark = None
        if time_ms is None:
            return
        at = time_ms / 1000
        self._mark = pg.InfiniteLine(at, angle=90, pen=pg.mkPen(self.theme.warning, width=2))
        self.wallet.plot.add(self._mark)
        low, high = self.x_range()
        if not low <= at <= high:
            self.show_range(at - (high - low) / 2, at + (high - low) / 2)

    def _draw(self) -> None:
        for pane in self.panes:
            pane.clear()
        self.mark(None)
        result = self.result
        if result is None or result.series is None or result.pnl is None:
            return
        theme, time, columns = self.theme, result.series.time, result.series.columns
        self.wallet.add_line(envelope_of(time, columns["hold"]), theme.muted, dashed=True)
        self.wallet.add_line(envelope_of(time, columns["equity"]), theme.curve(0), width=1.6)
        colours = {name: theme.curve(slot + 1) for slot, name in enumerate(result.pnl.columns)}
        for name, values in result.pnl.columns.items():
            width = 2.4 if name == self.chosen else 1.0
            self.legs.add_line(envelope_of(result.pnl.time, values), colours[name], width=width)
        named = {} if len(colours) > MOST_NAMED else colours
        self.legs.set_title("Made by each leg", theme, named)
        self.wallet.set_title("Wallet", theme, {"legs bought and held": theme.muted})
        used = {"exposure": theme.accent} | ({"margin": theme.warning} if result.spec.leverage else {})
        self.use.set_title("Used, % of the wallet", theme, used if len(used) > 1 else {})
        worth = np.where(columns["equity"] > 0, columns["equity"], np.nan)
        for name, colour in used.items():
            self.use.add_line(envelope_of(time, columns[name] / worth * 100), colour)

    def words(self, x: float | None) -> str:
        """What is told of a moment; None: of the end."""
        result = self.result
        if result is None or result.series is None or result.pnl is None:
            return ""
        series = result.series
        at = len(series.time) - 1 if x is None else nearest(series.time, x)
        if at is None:
            return ""
        columns = series.columns
        told = [
            f"{formats.minute(int(series.time[at]))} {formats.zone_name()}",
            f"wallet {formats.number(float(columns['equity'][at]))}",
            f"held {formats.number(float(columns['hold'][at]))}",
        ]
        named = list(result.pnl.columns.items())[:MOST_NAMED]
        told += [f"{name} {formats.signed(float(values[at]))}" for name, values in named]
        return " · ".join(told)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self._draw()
        self.fit()


@dataclass(frozen=True, slots=True)
class View:
    """What bars can show of each leg: its name in the list, and the words about it."""

    title: str
    meaning: str


VIEWS: Final = {
    "profit": View("Profit", "What each leg made of the whole profit, in money"),
    "risk": View("Share of risk", "The part of the variance of the wallet's days that comes from each leg, %"),
    "sharpe": View("Sharpe it adds", "The Sharpe ratio of the whole less that of the same portfolio without the leg"),
    "return_pct": View("Return it adds", "The return of the whole less that without the leg, in percent of the cash"),
    "max_drawdown_pct": View(
        "Drawdown it adds", "The deepest drawdown of the whole less that without the leg: below zero it made it deeper"
    ),
}  # fmt: skip


def bars_of(result: PortfolioResult, view: str) -> list[Bar]:
    """A bar for each leg of which the figure is known."""
    found = []
    for leg in result.legs:
        value = _value(result, leg, view)
        if value is None or not np.isfinite(value):
            continue
        text = formats.signed(value) if view == "profit" else metric_text(view)(value)
        unit = " %" if view == "risk" else ""
        tone = 0 if view == "risk" else (1 if value > 0 else -1)
        found.append(Bar(leg.name, value, f"{leg.name}: {text}{unit}", tone))
    return found


def _value(result: PortfolioResult, leg: LegResult, view: str) -> float | None:
    if view == "profit":
        return leg.pnl
    return leg.risk_share_pct if view == "risk" else added_by(result, leg.name).get(view)


def added_by(result: PortfolioResult, name: str) -> Mapping[str, float | None]:
    """What a leg adds to figures of the whole."""
    return next((row["adds"] for row in result.marginal if row["leg"] == name), {})


def correlation_of(result: PortfolioResult) -> ColourGrid | None:
    """Of the days of each pair of legs, the first leg on top; None where there are no two."""
    names: Sequence[str] = [leg.name for leg in result.legs]
    if len(names) < 2 or not result.correlation:
        return None
    rows = [[np.nan if value is None else value for value in row] for row in result.correlation]
    return ColourGrid.of(("", ""), names, names[::-1], np.array(rows, dtype=np.float64)[::-1])
