"""Equity of the overlaid runs with buy & hold dashed, drawdown below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop.charts.items.envelope import Envelope, Floats, Scale, envelope_of
from desktop.charts.pane import Pane
from desktop.charts.time_chart import TimeChart
from desktop.tables import formats
from desktop.theme.colours import Theme
from engine.model.market import Candles
from engine.model.run import RunResult

MONEY: Final = "money"
PERCENT: Final = "percent"
_WIDE: Final = 2.2
_DRAWDOWN_FROM_PX: Final = 130
_LINES_WITH_FILL: Final = 3  # more filled drawdowns would only hide each other


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line of the chart: what it is called, its colour, its values, how much money one of them is, and what 0 % means for
    it. The `current` run's stands out.
    """

    key: str
    label: str
    colour: str
    points: Envelope
    cash: float
    factor: float = 1.0
    dashed: bool = False
    current: bool = False

    def scaled(self, values: Floats, unit: str) -> Floats:
        """Values of its points in money or in percent of the starting cash."""
        return values * self.factor if unit == MONEY else (values * (self.factor / self.cash) - 1.0) * 100.0


def drawdown_pct(equity: Floats, cash: float) -> Floats:
    """Percent below the running peak, which starts at the cash; never above zero."""
    peak = np.maximum.accumulate(equity)
    np.maximum(peak, cash, out=peak)
    found = np.divide(equity, peak, out=peak)
    found -= 1.0
    found *= 100.0
    return found


_falls: WeakKeyDictionary[Envelope, Envelope] = WeakKeyDictionary()


def drawdown_of(equity: Envelope, cash: float) -> Envelope:
    """The drawdown under an equity curve: computed once, however often and wherever it is drawn."""
    found = _falls.get(equity)
    if found is None:  # a curve is of one run, and that has one cash
        found = _falls[equity] = envelope_of(equity.time, drawdown_pct(equity.low, cash))
    return found


def run_curve(run: RunResult, colour: str, label: str, *, current: bool = False) -> Curve | None:
    """The equity curve of a run, or None where there is none."""
    if run.equity is None or not len(run.equity.time):
        return None
    points = envelope_of(run.equity.time, run.equity.columns["equity"])
    return Curve(run.id, label, colour, points, run.costs.cash, current=current)


def hold_curve(run: RunResult, candles: Candles, colour: str) -> Curve | None:
    """What the cash would be worth had it bought at the first open and held."""
    if not len(candles):
        return None
    key = f"hold:{run.exchange}:{run.symbol}:{run.timeframe}:{run.period}"
    points = envelope_of(candles.timestamp, candles.close)
    factor = run.costs.cash / float(candles.open[0])
    return Curve(key, f"Buy & hold {run.symbol}", colour, points, run.costs.cash, factor, dashed=True)


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
        times = [curve.points.time for curve in curves]
        steps = [float(np.diff(time[:1000]).min()) / 1000 for time in times if len(time) > 1]
        start, end = (pick(int(time[at]) for time in times) / 1000 for pick, at in ((min, 0), (max, -1)))
        self.set_bounds(start, end, min(steps, default=60.0))
        if keep_view:
            self.fit()
        else:
            self.show_all()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Little height goes to the equity."""
        super().resizeEvent(event)
        if event is None or self.closed:  # before there are panes, and when they are gone
            return
        if event.oldSize().height() != event.size().height():
            self.drawdown.plot.setVisible(self.height() >= _DRAWDOWN_FROM_PX)
            self.arrange()
            self.fit()

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
            self.equity.add_line(
                curve.points, curve.colour, dashed=curve.dashed, width=width, scale=self._scale_of(curve)
            )
        for curve in runs:
            fill = f"{curve.colour}40" if len(runs) <= _LINES_WITH_FILL or curve.current else None
            self.drawdown.add_line(drawdown_of(curve.points, curve.cash), curve.colour, fill=fill)

    def _scale_of(self, curve: Curve) -> Scale:
        unit, scale = self.unit, self.equity.scale
        return lambda values: scale(curve.scaled(values, unit))

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
        points = curve.points
        position = len(points) - 1 if x is None else points.nearest(x)
        first, last = points.time[0] / 1000, points.time[-1] / 1000
        if position is None or (x is not None and not first - 1 <= x <= last + self._step):
            return ""
        value = float(curve.scaled(points.low[position], self.unit))
        return formats.number(value) if self.unit == MONEY else formats.percent(value)

    def time_text(self, x: float | None) -> str:
        """The time under the crosshair in words."""
        return "" if x is None else f"{formats.minute(x * 1000)} {formats.zone_name()}"
