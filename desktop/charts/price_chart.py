"""Candles, volume, the indicators stored with the run, and its trades."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtWidgets import QWidget

from desktop.charts.indicator_groups import MOST_LOWER_PANES, Grouping, group_indicators
from desktop.charts.items.candle_item import CandleItem, VolumeItem
from desktop.charts.items.envelope import Envelope, Floats
from desktop.charts.items.trade_item import TradeItem
from desktop.charts.pane import Pane
from desktop.charts.time_chart import TimeChart, seconds
from desktop.tables import formats
from desktop.theme.colours import Theme
from engine.model.market import Candles
from engine.model.plots import Plot
from engine.model.run import RunResult
from engine.model.trade import Trade

_SHOW_ALL_UP_TO: Final = 1200
_FIRST_VIEW: Final = 400
_PRICES_READ: Final = 500
_NO_GROUPS: Final = Grouping((), (), ())


class PriceChart(TimeChart):
    """One run's candles. `trade_clicked(index)`: a marker was clicked."""

    trade_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.price = self.add_pane(Pane("Price"), 12)
        self.volume = self.add_pane(Pane("Volume", short=True), 2)
        self.lower = [self.add_pane(Pane(""), 3) for _ in range(MOST_LOWER_PANES)]
        self.run: RunResult | None = None
        self.candles = Candles.empty()
        self.groups = _NO_GROUPS
        self.hidden: set[str] = set()
        self.trades: TradeItem | None = None
        self._digits = 2
        self._x = seconds(self.candles.timestamp)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.setAccessibleName("Candles, indicators and trades of the current run")
        self._show_panes()

    def show_run(
        self, run: RunResult | None, candles: Candles | None, plots: Mapping[str, Plot] | None = None
    ) -> None:
        """Draw another run, from the candles of its period; `plots`: how its strategy wants columns drawn."""
        self.run = run
        self.candles = Candles.empty() if candles is None else candles
        self._x = seconds(self.candles.timestamp)
        self._digits = formats.tick_digits(self.candles.close[-_PRICES_READ:].tolist())
        columns = run.indicators.columns if run is not None and run.indicators is not None else {}
        self.groups = group_indicators(columns, self.candles.close, plots)
        self.hidden = set(self.groups.flags)
        self.redraw()
        if run is not None and len(self.candles):
            self.set_bounds(float(self._x[0]), float(self._x[-1]), self.step_s)
            if len(self.candles) <= _SHOW_ALL_UP_TO:
                self.show_all()
            else:
                self.show_range(float(self._x[-_FIRST_VIEW]), float(self._x[-1]) + 4 * self.step_s)

    @property
    def step_s(self) -> float:
        """Seconds from one candle to the next."""
        if self.run is None or not len(self.candles):
            return 60.0
        first = int(self.candles.timestamp[0])
        return (self.run.timeframe.next(first) - first) / 1000

    def redraw(self) -> None:
        """Draw everything again in the theme's colours."""
        for pane in self.panes:
            pane.clear()
        self.trades = None
        self._show_panes()
        if self.run is None or not len(self.candles):
            return
        drawn = self._scaled_candles()
        self.price.add_item(
            CandleItem(drawn, self.step_s, self.theme), Envelope(self._x, drawn.low, drawn.high)
        )
        volume = VolumeItem(self.candles, self.step_s, self.theme)
        self.volume.add_item(volume, volume)
        self._draw_indicators(self.run)
        self.trades = TradeItem(self._scaled_trades(self.run), self.theme)
        self.price.add_item(self.trades)
        self.price.set_title(f"{self.run.strategy} · {self.run.symbol} {self.run.timeframe}", self.theme)
        self.fit()

    def set_log(self, *, on: bool) -> None:
        """Draw prices on a logarithmic scale."""
        self.price.axis.set_log(on=on)
        self._redraw_with_selection()

    def _scaled_candles(self) -> Candles:
        if not self.price.axis.is_log:
            return self.candles
        prices = (self.candles.open, self.candles.high, self.candles.low, self.candles.close)
        opened, high, low, close = map(self.price.scaled, prices)
        return replace(self.candles, open=opened, high=high, low=low, close=close)

    def _scaled_trades(self, run: RunResult) -> Sequence[Trade]:
        if not self.price.axis.is_log:
            return run.trades
        return [
            replace(
                trade,
                entry_price=math.log10(max(trade.entry_price, 1e-300)),
                exit_price=math.log10(max(trade.exit_price, 1e-300)),
            )
            for trade in run.trades
        ]

    def _redraw_with_selection(self) -> None:
        selected = self.trades.selected if self.trades is not None else None
        self.redraw()
        if self.trades is not None:
            self.trades.select(selected)

    def indicator_colours(self) -> dict[str, str]:
        """The colour of every indicator, hidden ones too, in a fixed order."""
        names = [
            *self.groups.on_price,
            *(name for group in self.groups.lower for name in group),
            *self.groups.flags,
        ]
        return {name: self.theme.curve(number) for number, name in enumerate(names)}

    def _draw_indicators(self, run: RunResult) -> None:
        if run.indicators is None:
            return
        colours = self.indicator_colours()
        x = seconds(run.indicators.time)
        groups = [self.groups.on_price, *self._lower_groups()]
        for pane, names in zip((self.price, *self.lower), groups, strict=False):
            shown = [name for name in names if name not in self.hidden]
            for name in shown:
                self._draw_column(pane, name, colours[name], x, run.indicators.columns[name])
            if pane is not self.price:
                pane.set_title(", ".join(shown), self.theme)

    def _draw_column(self, pane: Pane, name: str, colour: str, x: Floats, values: Floats) -> None:
        plot = self.groups.plots.get(name, Plot())
        fill = f"{colour}60" if plot.style == "area" else None
        on_candles = pane is self.price
        values = pane.scaled(values)
        pane.add_curve(x, values, colour, dashed=plot.style == "dashed", fill=fill, fits=not on_candles)
        if not on_candles:
            pane.add_levels(plot.levels, plot.low, plot.high, self.theme)

    def _lower_groups(self) -> list[tuple[str, ...]]:
        wanted = tuple(name for name in self.groups.flags if name not in self.hidden)
        return [*self.groups.lower, wanted] if wanted else list(self.groups.lower)

    def _show_panes(self) -> None:
        groups = self._lower_groups()
        for number, pane in enumerate(self.lower):
            names = groups[number] if number < len(groups) else ()
            pane.plot.setVisible(any(name not in self.hidden for name in names))
        self.arrange()

    def toggle(self, name: str, *, hidden: bool) -> None:
        """Hide or show an indicator."""
        (self.hidden.add if hidden else self.hidden.discard)(name)
        self._redraw_with_selection()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self._redraw_with_selection()

    def select_trade(self, index: int | None, *, move: bool) -> None:
        """Highlight a trade and, where wanted, bring it into the middle."""
        if self.trades is None or self.run is None:
            return
        self.trades.select(index)
        if index is None or not move or not 0 <= index < len(self.run.trades):
            return
        trade = self.run.trades[index]
        start, end = trade.entry_time / 1000, trade.exit_time / 1000
        low, high = self.x_range()
        narrowest = max((end - start) * 1.6, 60 * self.step_s)
        width = min(max(high - low, narrowest), max((end - start) * 3, 240 * self.step_s))
        middle = (start + end) / 2
        self.show_range(middle - width / 2, middle + width / 2)

    def read_out(self, x: float | None) -> str:
        """Time, prices, volume and indicators at a time, as rich text. None: where the selected trade was entered, else the
        last candle.
        """
        selected = None if self.trades is None else self.trades.selected
        if x is None and selected is not None and self.run is not None:
            x = self.run.trades[selected].entry_time / 1000
        position = len(self._x) - 1 if x is None else self.nearest(self._x, x)
        if position is None or position < 0:
            return ""
        candles = self.candles
        opened, closed = float(candles.open[position]), float(candles.close[position])
        change = (closed / opened - 1) * 100 if opened else float("nan")
        digits = self._digits
        colour = self.theme.up if closed >= opened else self.theme.down
        names = ("open", "high", "low", "close")
        prices = " ".join(
            f"{_faint(name[0].upper(), self.theme)} <span style='color:{colour}'>"
            f"{formats.number(float(getattr(candles, name)[position]), digits)}</span>"
            for name in names
        )
        time = formats.minute(int(candles.timestamp[position]))
        volume = formats.compact(float(candles.volume[position]))
        text = (
            f"<b>{time}</b> UTC &nbsp; {prices} &nbsp;<span style='color:{colour}'>{formats.percent(change)}</span>"
            f" &nbsp;{_faint('V', self.theme)} {volume}"
        )
        return text + self._indicator_text(position)

    def _indicator_text(self, position: int) -> str:
        run = self.run
        if run is None or run.indicators is None:
            return ""
        time = int(self.candles.timestamp[position])
        at = int(np.searchsorted(run.indicators.time, time))
        if at >= len(run.indicators.time) or run.indicators.time[at] != time:
            return ""
        colours = self.indicator_colours()
        return "".join(
            f" &nbsp;<span style='color:{colours[name]}'>{name}&nbsp;"
            f"{self._value_text(name, float(run.indicators.columns[name][at]))}</span>"
            for name in colours
            if name not in self.hidden
        )

    def _value_text(self, name: str, value: float) -> str:
        on_price = name in self.groups.on_price
        return formats.number(value, self._digits) if on_price else formats.price(value)

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point: QPointF = event.scenePos()
        if self.price.plot.sceneBoundingRect().contains(point):
            self.click_at(self.price.view.mapSceneToView(point))

    def click_at(self, point: QPointF) -> None:
        """A click on the price pane at (seconds, price)."""
        found = None if self.trades is None else self.trades.nearest(pg.Point(point))
        if found is not None:
            self.trade_clicked.emit(found)


def _faint(text: str, theme: Theme) -> str:
    return f"<span style='color:{theme.muted}'>{text}</span>"
