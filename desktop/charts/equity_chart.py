"""Equity of the overlaid runs with buy & hold dashed, drawdown below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtWidgets import QWidget

from desktop.charts.items.envelope import Floats
from desktop.charts.pane import Pane
from desktop.charts.time_chart import TimeChart, seconds
from desktop.tables import formats
from desktop.theme.colours import Theme
from engine.model.market import Candles
from engine.model.run import RunResult

MONEY: Final = "money"
PERCENT: Final = "percent"
_WIDE: Final = 2.2
_LINES_WITH_FILL: Final = 3  # more filled drawdowns would only hide each other


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line of the chart: what it is called, its colour, its values in money and what 0 % means for it. The `current` run's
    stands out.
    """

    key: str
    label: str
    colour: str
    x: Floats
    money: Floats
    cash: float
    dashed: bool = False
    current: bool = False

    def values(self, unit: str) -> Floats:
        """The values in money or in percent of the starting cash."""
        return self.money if unit == MONEY else (self.money / self.cash - 1.0) * 100.0


def drawdown_pct(equity: Floats, cash: float) -> Floats:
    """Percent below the running peak, which starts at the cash; never above zero."""
    peak = np.maximum.accumulate(np.maximum(equity, cash))
    return (equity / peak - 1.0) * 100.0


def run_curve(run: RunResult, colour: str, label: str, *, current: bool = False) -> Curve | None:
    """The equity curve of a run, or None where there is none."""
    if run.equity is None or not len(run.equity.time):
        return None
    return Curve(
        run.id,
        label,
        colour,
        seconds(run.equity.time),
        run.equity.columns["equity"],
        run.costs.cash,
        current=current,
    )


def hold_curve(run: RunResult, candles: Candles, colour: str) -> Curve | None:
    """What the cash would be worth had it bought at the first open and held."""
    if not len(candles):
        return None
    money = run.costs.cash * candles.close / candles.open[0]
    key = f"hold:{run.exchange}:{run.symbol}:{run.timeframe}:{run.period}"
    return Curve(
        key,
        f"Buy & hold {run.symbol}",
        colour,
        seconds(candles.timestamp),
        money,
        run.costs.cash,
        dashed=True,
    )


class EquityChart(TimeChart):
    """Two panes over the same times."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.equity = self.add_pane(Pane("Equity"), 5)
        self.drawdown = self.add_pane(Pane("Drawdown", suffix=" %", include_zero=True), 2)
        self.curves: list[Curve] = []
        self.hidden: set[str] = set()
        self.unit = MONEY
        self.quote = ""
        self.wants_log = False
        self.setAccessibleName("Equity and drawdown of the compared runs")

    def show_curves(self, curves: list[Curve], unit: str, *, keep_view: bool) -> None:
        """Draw other curves; the view stays where it is when `keep_view`."""
        self.curves, self.unit = curves, unit
        self._draw()
        if not curves:
            return
        starts = [float(curve.x[0]) for curve in curves]
        ends = [float(curve.x[-1]) for curve in curves]
        steps = [float(np.diff(curve.x[:1000]).min()) for curve in curves if len(curve.x) > 1]
        self.set_bounds(min(starts), max(ends), min(steps, default=60.0))
        if keep_view:
            self.fit()
        else:
            self.show_all()

    def redraw(self) -> None:
        """Draw what is not hidden, and fit it."""
        self._draw()
        self.fit()

    def _draw(self) -> None:
        self.equity.clear()
        self.drawdown.clear()
        self.equity.axis.set_log(on=self.wants_log and self.unit == MONEY)
        self.equity.axis.set_suffix("" if self.unit == MONEY else " %")
        money = f"Equity, {self.quote}" if self.quote else "Equity"
        self.equity.set_title(money if self.unit == MONEY else "Return on starting cash, %", self.theme)
        shown = [curve for curve in self.curves if curve.key not in self.hidden]
        runs = [curve for curve in shown if not curve.dashed]
        shown.sort(key=lambda curve: curve.current)  # drawn last, so on top
        runs.sort(key=lambda curve: curve.current)
        for curve in shown:
            width = _WIDE if curve.current and len(runs) > 1 else 1.0
            values = self.equity.scaled(curve.values(self.unit))
            self.equity.add_curve(curve.x, values, curve.colour, dashed=curve.dashed, width=width)
        for curve in runs:
            fill = f"{curve.colour}40" if len(runs) <= _LINES_WITH_FILL or curve.current else None
            self.drawdown.add_curve(curve.x, drawdown_pct(curve.money, curve.cash), curve.colour, fill=fill)

    def toggle(self, key: str, *, hidden: bool) -> None:
        """Hide or show a curve."""
        (self.hidden.add if hidden else self.hidden.discard)(key)
        self.redraw()

    def set_log(self, *, on: bool) -> None:
        """Draw money on a logarithmic scale; percent, which may be below nothing, never is."""
        self.wants_log = on
        self.redraw()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours; the owner gives curves in new colours."""
        super().apply_theme(theme)
        self.redraw()

    def value_at(self, curve: Curve, x: float | None) -> str:
        """The curve's value at a time (None: at its end), as text; empty outside its times."""
        position = len(curve.x) - 1 if x is None else self.nearest(curve.x, x)
        if position is None or (x is not None and not curve.x[0] - 1 <= x <= curve.x[-1] + self._step):
            return ""
        money = float(curve.money[position])
        return (
            formats.number(money) if self.unit == MONEY else formats.percent((money / curve.cash - 1) * 100)
        )

    def time_text(self, x: float | None) -> str:
        """The time under the crosshair in words."""
        return "" if x is None else f"{formats.minute(x * 1000)} UTC"
