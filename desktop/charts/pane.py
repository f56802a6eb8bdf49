"""One plot of a chart: its curves, and fitting its height to what is visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QGraphicsTextItem

from desktop.charts.axes import VALUE_AXIS_WIDTH, TimeAxis, ValueAxis, style_axis
from desktop.charts.items.envelope import Envelope, Floats, Scale, envelope_of, plain
from desktop.charts.items.line_item import LineItem
from desktop.charts.plot import Plot
from desktop.tables import formats
from desktop.theme.colours import Theme

MARGIN = 0.06
GRID_ALPHA = 45


class Extending(Protocol):
    """Whatever knows its lowest and highest value between two x."""

    def within(self, start: float, end: float) -> tuple[float, float] | None:
        """Lowest and highest value, or None where there is nothing."""


@dataclass(frozen=True, slots=True)
class _Fixed:
    low: float
    high: float

    def within(self, start: float, end: float) -> tuple[float, float]:
        """The same everywhere."""
        del start, end
        return self.low, self.high


class Pane:
    """A plot whose x is moved by the chart and whose y fits itself."""

    def __init__(
        self,
        name: str,
        *,
        suffix: str = "",
        short: bool = False,
        include_zero: bool = False,
        room_px: float = 0.0,
    ) -> None:
        self.name = name
        self._room_px = room_px  # above and below what fits, whatever the height
        self.axis = ValueAxis(suffix, short=short)
        self.time_axis = TimeAxis()
        self.plot = Plot({"right": self.axis, "bottom": self.time_axis})
        for axis in (self.axis, self.time_axis):
            axis.setZValue(-1)  # the grid, which is theirs, lies below what is drawn
        self.axis.setWidth(VALUE_AXIS_WIDTH)
        self.axis.setStyle(maxTickLevel=0, tickLength=3)
        self.time_axis.setStyle(maxTickLevel=0, tickLength=3)
        self.view = self.plot.vb
        self.view.setMouseEnabled(x=True, y=False)
        self.view.disableAutoRange()
        self.cross = pg.InfiniteLine(angle=90, movable=False)
        self.cross.hide()
        self.level = pg.InfiniteLine(angle=0, movable=False)
        self.level.hide()
        self.plot.add(self.cross, self.level)
        self.value_mark, self.time_mark = QGraphicsTextItem(self.axis), QGraphicsTextItem(self.time_axis)
        for mark in (self.value_mark, self.time_mark):
            mark.setZValue(60)
            mark.hide()
        self._mark_style = ""
        self.title = QGraphicsTextItem(self.view)  # a pg.LabelItem would outlive its anchor and complain
        self.title.setZValue(50)
        self.title.setPos(4, 0)
        self._include_zero = include_zero
        self._items: list[Any] = []
        self._extents: list[Extending] = []

    def style(self, theme: Theme) -> None:
        """Take the theme's colours; curves are coloured when they are drawn."""
        for axis in (self.axis, self.time_axis):
            style_axis(axis, theme.grid, theme.muted, theme.base)
            axis.setGrid(GRID_ALPHA)
        self.view.setBorder(pg.mkPen(theme.border))
        for line in (self.cross, self.level):
            line.setPen(pg.mkPen(theme.crosshair, style=Qt.PenStyle.DashLine))
        self._mark_style = f"color:{theme.accent_text};background-color:{theme.accent};font-size:8pt;"
        self.set_title(self.name, theme)

    def point_at(self, x: float | None, time_text: str = "") -> None:
        """The crosshair's time; `time_text` stands on the time axis."""
        self.cross.setVisible(x is not None)
        self.time_mark.setVisible(x is not None and bool(time_text))
        if x is None:
            return
        self.cross.setPos(x)
        if time_text:
            self.time_mark.setHtml(f"<span style='{self._mark_style}'>&nbsp;{escape(time_text)}&nbsp;</span>")
            at = self.time_axis.mapFromScene(self.view.mapViewToScene(QPointF(x, 0.0))).x()
            width = self.time_mark.boundingRect().width()
            left = min(max(0.0, at - width / 2), max(0.0, self.time_axis.size().width() - width))
            self.time_mark.setPos(left, 0)

    def level_at(self, y: float | None) -> None:
        """The crosshair's value, which stands on the value axis; None: the pointer is in no or in another pane."""
        self.level.setVisible(y is not None)
        self.value_mark.setVisible(y is not None)
        if y is None:
            return
        low, high = (self.axis.real(bound) for bound in self.view.viewRange()[1])
        digits = formats.span_digits(high - low)
        self.level.setPos(y)
        self.value_mark.setHtml(
            f"<span style='{self._mark_style}'>&nbsp;{escape(self.axis.text(y, digits))}&nbsp;</span>"
        )
        at = self.axis.mapFromScene(self.view.mapViewToScene(QPointF(0.0, y))).y()
        self.value_mark.setPos(1, at - self.value_mark.boundingRect().height() / 2)

    @property
    def scale(self) -> Scale:
        """What values become on the screen: their logarithms where the pane is logarithmic, NaN where there is none."""
        return _logarithm if self.axis.is_log else plain

    def set_title(self, text: str, theme: Theme, named: Mapping[str, str] | None = None) -> None:
        """The words in the pane's corner, and behind them the names of its lines, each with its colour."""
        self.name = text
        ground = f"background-color:{theme.base};" if text else ""
        words = [(text, theme.muted), *(named or {}).items()]
        spans = (
            f"<span style='color:{colour};font-size:8pt;{ground}'>{escape(word)}</span>"
            for word, colour in words
        )
        self.title.setHtml(" &nbsp;".join(spans))

    def add_curve(
        self,
        x: Floats,
        y: Floats,
        colour: str,
        *,
        dashed: bool = False,
        fill: str | None = None,
        fits: bool = True,
        width: float = 1.0,
    ) -> LineItem:
        """Draw a line over x in seconds; its values decide the height too unless `fits` is off."""
        line = envelope_of(np.round(x * 1000).astype(np.int64), y)
        return self.add_line(line, colour, dashed=dashed, fill=fill, fits=fits, width=width)

    def add_line(self, line: Envelope, colour: str, *, fits: bool = True, **more: Any) -> LineItem:
        """The same of an envelope that is known already; `more` as a LineItem takes it."""
        item = LineItem(line, colour, **more)
        self.add_item(item, item if fits else None)
        return item

    def add_item(self, item: Any, extent: Extending | None = None) -> None:
        """Put any graphics item into the plot."""
        self.plot.add(item)
        self._items.append(item)
        if extent is not None:
            self._extents.append(extent)

    def add_levels(
        self, levels: Sequence[float], low: float | None, high: float | None, theme: Theme
    ) -> None:
        """Draw horizontal lines, and show these bounds whatever the curves do."""
        for level in levels:
            self.add_item(
                pg.InfiniteLine(level, angle=0, pen=pg.mkPen(theme.muted, style=Qt.PenStyle.DotLine))
            )
        known = [bound for bound in (low, high, *levels) if bound is not None]
        if known:
            self._extents.append(_Fixed(min(known), max(known)))

    def lines(self) -> list[LineItem]:
        """The drawn lines."""
        return [item for item in self._items if isinstance(item, LineItem)]

    def clear(self) -> None:
        """Take out all that was added."""
        for item in self._items:
            self.plot.remove(item)
        self._items.clear()
        self._extents.clear()

    def fit(self, start: float, end: float) -> None:
        """Set the height so that all visible values fit."""
        found = [bounds for extent in self._extents if (bounds := extent.within(start, end))]
        if not found:
            if self.axis.is_log:  # the range of before may be of values and not of logarithms
                self.view.setRange(yRange=(0.0, 1.0), padding=0, disableAutoRange=False)
            return
        low, high = min(low for low, _ in found), max(high for _, high in found)
        if self._include_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        span = (high - low) or abs(high) * 0.02 or 1.0
        tall = max(self.view.height(), 4 * self._room_px, 1.0)
        room = max(span * MARGIN, span * self._room_px / (tall - 2 * self._room_px))
        top = high + (0.0 if self._include_zero and high <= 0 else room)
        bottom = low - (0.0 if self._include_zero and low >= 0 else room)
        if [bottom, top] != self.view.viewRange()[1]:
            self.view.setRange(yRange=(bottom, top), padding=0, disableAutoRange=False)


def _logarithm(values: Floats) -> Floats:
    return np.log10(np.where(values > 0, values, np.nan))
