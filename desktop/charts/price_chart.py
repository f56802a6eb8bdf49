"""Candles, volume, the indicators stored with the run, its trades, and below them its equity and drawdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop.charts import read_out
from desktop.charts.equity_chart import drawdown_of
from desktop.charts.indicator_groups import MOST_LOWER_PANES, Grouping, group_indicators
from desktop.charts.items.buckets import Gathered
from desktop.charts.items.candle_item import CandleItem, VolumeItem
from desktop.charts.items.envelope import Envelope, envelope_of
from desktop.charts.items.hole_item import NO_HOLES, HoleItem, holes_in
from desktop.charts.items.trade_item import ROOM_PX, TradeItem
from desktop.charts.items.trade_lines import TradeLines
from desktop.charts.items.trade_places import TradePlaces
from desktop.charts.pane import Pane
from desktop.charts.their_overlay import TheirOverlay
from desktop.charts.time_chart import TimeChart
from desktop.charts.timeframes import Joined, joined, longer_than, step_s_of
from desktop.tables import formats
from desktop.theme.colours import Theme
from engine.model.market import Candles, Timeframe
from engine.model.plots import LEVELS, Plot
from engine.model.run import RunResult

_SHOW_ALL_UP_TO: Final = 1200
_FIRST_VIEW: Final = 400
_PRICES_READ: Final = 500
_EQUITY_FROM_PX: Final = 330  # lower charts have no room for equity and drawdown,
_VOLUME_FROM_PX: Final = 190  # still lower ones none for volume,
_LOWER_PX: Final = 50  # nor those with more panes of indicators
_NO_GROUPS: Final = Grouping((), (), ())


class PriceChart(TimeChart):
    """One run's candles. `trade_clicked(index)`: a marker was clicked; `trades_hovered(indices)`: the pointer came to one,
    or left (empty).
    """

    trade_clicked = Signal(int)
    trades_hovered = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.price = self.add_pane(Pane("Price", room_px=ROOM_PX), 12)
        self.volume = self.add_pane(Pane("Volume", short=True), 2)
        self.lower = [self.add_pane(Pane(""), 3) for _ in range(MOST_LOWER_PANES)]
        self.equity = self.add_pane(Pane("Equity"), 3)
        self.drawdown = self.add_pane(Pane("Drawdown", suffix=" %", include_zero=True), 2)
        self.run: RunResult | None = None
        self.candles = Candles.empty()
        self.shown: Joined | None = None  # of another timeframe than the run's
        self.wanted_timeframe: str | None = None
        self.groups = _NO_GROUPS
        self.hidden: set[str] = set()
        self.trades: TradeItem | None = None
        self.lines: TradeLines | None = None
        self.theirs = TheirOverlay()
        self.holes = NO_HOLES
        self.wants_equity = True
        self._source = Gathered(self.candles, 60.0)
        self._places: TradePlaces | None = None
        self._columns: dict[str, Envelope] = {}
        self._digits = 2
        self._name = ""
        self._selected: int | None = None
        self._under: tuple[int, ...] = ()
        self.scene().sigMouseClicked.connect(self._clicked)
        self.setAccessibleName("Candles, indicators and trades of the current run, its equity and drawdown")
        self._show_panes()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show_run(
        self, run: RunResult | None, candles: Candles | None, plots: Mapping[str, Plot] | None = None
    ) -> None:
        """Draw another run, from the candles of its period; `plots`: how its strategy wants columns drawn."""
        self.run, self._selected = run, None
        self.candles = Candles.empty() if candles is None else candles
        self._digits = formats.tick_digits(self.candles.close[-_PRICES_READ:].tolist())
        columns = run.indicators.columns if run is not None and run.indicators is not None else {}
        self.groups = group_indicators(columns, self.candles.close, plots)
        self.hidden = {*self.groups.flags, *(name for name in LEVELS if name in columns)}
        self._places = None if run is None else TradePlaces.of_run(run)
        self._columns = {}
        if run is not None:
            self.holes = holes_in(self.candles.timestamp, run.timeframe, run.period)
        self._join()
        self.redraw()
        if run is None or not len(self.candles):
            return
        first, last = self._times()
        self.set_bounds(first, last, self.step_s)
        if len(self.candles) <= _SHOW_ALL_UP_TO:
            self.show_all()
        else:
            self.show_range(last - _FIRST_VIEW * self.step_s, last + 4 * self.step_s)

    def _times(self) -> tuple[float, float]:
        return float(self.candles.timestamp[0]) / 1000, float(self.candles.timestamp[-1]) / 1000

    @property
    def base_s(self) -> float:
        """Seconds from one candle of the run to the next."""
        return (
            60.0 if self.run is None or not len(self.candles) else step_s_of(self.run.timeframe, self.candles)
        )

    @property
    def step_s(self) -> float:
        """Seconds from one candle that is shown to the next."""
        return self._source.step_s

    def timeframes(self) -> list[str]:
        """The run's timeframe, and the longer ones that its candles can be shown in."""
        return [] if self.run is None else [self.run.timeframe.name, *longer_than(self.run.timeframe)]

    def set_timeframe(self, name: str | None) -> None:
        """Show candles of another timeframe; None: of the run's. Trades and indicators stay where they are."""
        self.wanted_timeframe = name
        self._join()
        if len(self.candles):
            self.set_bounds(*self._times(), self.step_s)
        self.redraw()

    def _join(self) -> None:
        run, name, base = self.run, self.wanted_timeframe, self.base_s
        self.shown = None
        if run is not None and name in self.timeframes()[1:] and len(self.candles):
            self.shown = joined(self.candles, run.timeframe, Timeframe(str(name)))
            step = step_s_of(self.shown.timeframe, self.shown.candles)
            self._source = Gathered(self.shown.candles, step, base)
        else:
            self._source = Gathered(self.candles, base)

    def show_equity(self, *, on: bool) -> None:
        """Show equity and drawdown below the candles, or not."""
        self.wants_equity = on
        self._show_panes()
        self.fit()

    def set_log(self, *, on: bool) -> None:
        """Draw prices on a logarithmic scale."""
        self.price.axis.set_log(on=on)
        self.redraw()

    def toggle(self, name: str, *, hidden: bool) -> None:
        """Hide or show an indicator."""
        (self.hidden.add if hidden else self.hidden.discard)(name)
        self.redraw()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self.redraw()

    # -- drawing -----------------------------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Draw everything again in the theme's colours."""
        for pane in self.panes:
            pane.clear()
        self.trades = self.lines = None
        self._show_panes()
        if self.run is None or not len(self.candles):
            return
        for pane in self.panes if len(self.holes) else ():
            pane.add_item(HoleItem(self.holes, self.base_s, self.theme))
        self._draw_candles(self.run)
        self._draw_indicators(self.run)
        self._draw_trades()
        self.theirs.draw(self.price, self.theme)
        self._draw_equity(self.run)
        self.fit()

    def _draw_candles(self, run: RunResult) -> None:
        candles = CandleItem(self._source, self.theme, self.price.scale)
        self.price.add_item(candles, candles)
        volume = VolumeItem(self._source, self.theme)
        self.volume.add_item(volume, volume)
        self._write_title(run)

    def set_name(self, name: str) -> None:
        """What the run that is drawn, or will be, is called."""
        self._name = name
        if self.run is not None and len(self.candles):
            self._write_title(self.run)

    def _write_title(self, run: RunResult) -> None:
        timeframe = run.timeframe.name if self.shown is None else f"{self.shown.timeframe} of {run.timeframe}"
        title = f"{self._name or run.strategy} · {run.symbol} {timeframe}"
        self.price.set_title(title, self.theme, self.theirs.legend(self.theme))

    def _draw_trades(self) -> None:
        if self._places is None or not len(self._places):
            return
        self.lines = TradeLines(self._places, self.theme, self.price.scale)
        self.trades = TradeItem(self._places, self._source, self.theme, self.price.scale)
        for item in (self.lines, self.trades):
            item.select(self._selected)
            self.price.add_item(item)

    def _draw_equity(self, run: RunResult) -> None:
        if run.equity is None or not len(run.equity.time):
            return
        equity = envelope_of(run.equity.time, run.equity.columns["equity"])
        self.equity.set_title(f"Equity, {formats.quote_of(run.market.unified)}", self.theme)
        self.equity.add_line(equity, self.theme.accent)
        self.drawdown.set_title("Drawdown", self.theme)
        fall = drawdown_of(equity, run.costs.cash)
        self.drawdown.add_line(fall, self.theme.negative, fill=f"{self.theme.negative}40")

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
        groups = [self.groups.on_price, *self._lower_groups()]
        for pane, names in zip((self.price, *self.lower), groups, strict=False):
            shown = [name for name in names if name not in self.hidden]
            for name in shown:
                self._columns[name] = envelope_of(run.indicators.time, run.indicators.columns[name])
                self._draw_column(pane, name, colours[name])
            if pane is not self.price:
                pane.set_title(", ".join(shown), self.theme)

    def _draw_column(self, pane: Pane, name: str, colour: str) -> None:
        plot = self.groups.plots.get(name, Plot())
        fill = f"{colour}60" if plot.style == "area" else None
        on_candles = pane is self.price
        pane.add_line(
            self._columns[name], colour, fits=not on_candles, dashed=plot.style == "dashed", fill=fill,
            scale=pane.scale,
        )  # fmt: skip
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
        for pane in (self.equity, self.drawdown):
            pane.plot.setVisible(self.wants_equity and self._has_room(_EQUITY_FROM_PX))
        self.volume.plot.setVisible(self._has_room(_VOLUME_FROM_PX))
        self.arrange()

    def _has_room(self, least_px: int) -> bool:
        lower = sum(pane.plot.isVisible() for pane in self.lower)
        return bool(self.height() >= least_px + lower * _LOWER_PX)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Little height goes to the candles."""
        super().resizeEvent(event)
        if event is None or self.closed:  # before there are panes, and when they are gone
            return
        if event.oldSize().height() != event.size().height():
            self._show_panes()
            self.fit()

    # -- trades ------------------------------------------------------------------------------------------------------

    def select_trade(self, index: int | None, *, move: bool) -> None:
        """Highlight a trade and, where wanted, bring it into the middle."""
        self._selected = index
        if self.trades is None or self.lines is None or self.run is None:
            return
        self.trades.select(index)
        self.lines.select(index)
        if index is None or not move or not 0 <= index < len(self.run.trades):
            return
        trade = self.run.trades[index]
        start, end = trade.entry_time / 1000, trade.exit_time / 1000
        low, high = self.x_range()
        narrowest = max((end - start) * 1.6, 60 * self.step_s)
        width = min(max(high - low, narrowest), max((end - start) * 3, 240 * self.step_s))
        middle = (start + end) / 2
        self.show_range(middle - width / 2, middle + width / 2)

    def trades_text(self, indices: tuple[int, ...]) -> str:
        """What is to be said of these trades, as rich text; of none: empty."""
        run = self.run
        if run is None or not indices or max(indices) >= len(run.trades):
            return ""
        if len(indices) == 1:
            return read_out.trade_text(run, indices[0], self._digits, self.theme)
        return read_out.trades_text(run, indices, self.theme)

    def point_at(self, x: float | None) -> None:
        """On the candle that is told of; beside all candles and in a hole where the pointer is."""
        opened = None if x is None else self._candle_at(x)
        super().point_at(x if opened is None else opened + self._source.shift)

    def told_time(self, x: float) -> float:
        """When the candle opened, be it that it is drawn around its middle."""
        opened = self._candle_at(x)
        return x if opened is None else opened

    def _candle_at(self, x: float) -> float | None:
        """When the candle opened that is drawn at a time; None where none is."""
        position = self._source.nearest(x)
        if position is None or self._hole_at(x) is not None:
            return None
        opened = float(self._source.candles.timestamp[position]) / 1000
        return opened if abs(opened + self._source.shift - x) <= self.step_s else None

    def pointed(self, pane: Pane | None, at: QPointF | None) -> None:
        """The pointer came to a trade, or left it."""
        on_price = self.trades is not None and pane is self.price and at is not None
        under = self.trades.at(at) if on_price and self.trades is not None and at is not None else ()
        if under != self._under:
            self._under = under
            self.viewport().setCursor(
                Qt.CursorShape.PointingHandCursor if under else Qt.CursorShape.ArrowCursor
            )
            self.trades_hovered.emit(under)

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point: QPointF = event.scenePos()
        if self.price.plot.sceneBoundingRect().contains(point):
            self.click_at(self.price.view.mapSceneToView(point))

    def click_at(self, point: QPointF) -> None:
        """A click on the price pane at (seconds, price): of several trades in one marker the one after the selected."""
        found = () if self.trades is None else self.trades.at(pg.Point(point))
        if found:
            after = found.index(self._selected) + 1 if self._selected in found else 0
            self.trade_clicked.emit(found[after % len(found)])

    # -- what is said ------------------------------------------------------------------------------------------------

    def read_out(self, x: float | None) -> str:
        """Time, prices, volume, indicators, equity and drawdown at a time, as rich text. None: where the selected trade was
        entered, else the last candle.
        """
        run, chosen = self.run, self._selected
        if run is None or not len(self.candles):
            return ""
        if x is None and chosen is not None and self.trades is not None and chosen < len(run.trades):
            x = run.trades[chosen].entry_time / 1000
        if x is not None and (hole := self._hole_at(x)) is not None:
            return read_out.hole_text(run, *hole, self.theme)
        source = self._source
        position = len(source.candles) - 1 if x is None else source.nearest(x)
        assert position is not None
        text = read_out.candle_text(source.candles, position, self._digits, self.theme)
        if self.shown is not None:
            text += read_out.parts_text(self.shown, position, self.theme)
        return text + self._curves_text(self._times()[1] if x is None else x)

    def _hole_at(self, x: float) -> tuple[int, int] | None:
        at = (x + self.base_s / 2) * 1000
        number = int(np.searchsorted(self.holes[:, 0], at, side="right")) - 1
        if number < 0 or at >= self.holes[number, 1]:
            return None
        return int(self.holes[number, 0]), int(self.holes[number, 1])

    def _curves_text(self, x: float) -> str:
        run = self.run
        if run is None:
            return ""
        text = ""
        for name, colour in self.indicator_colours().items():
            if name not in self.hidden and name in self._columns:
                value = self._columns[name].at(x)
                on_price = name in self.groups.on_price
                words = formats.number(value, self._digits) if on_price else formats.price(value)
                text += read_out.curve_text(name, words, colour)
        if run.equity is not None and len(run.equity.time) and self.wants_equity:
            equity = envelope_of(run.equity.time, run.equity.columns["equity"])
            fall = drawdown_of(equity, run.costs.cash)
            text += read_out.curve_text("Equity", formats.number(equity.at(x)), self.theme.accent)
            text += read_out.curve_text("Drawdown", formats.percent(fall.at(x)), self.theme.negative)
        return text
