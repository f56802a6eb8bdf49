"""How the best of one half of the days does in the other: where its rank lies, and what is left of its Sharpe ratio."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from desktop.charts.axes import ValueAxis
from desktop.charts.items.envelope import Floats
from desktop.charts.still_chart import StillChart, number_axis, stride
from desktop.theme.colours import Theme

MOST_DRAWN: Final = 2_000


class _Chart(StillChart):
    """Of short numbers."""

    def __init__(self, name: str, across: str, parent: QWidget | None) -> None:
        right = ValueAxis(short=True)
        super().__init__(name, number_axis(), right, width=56, least=(180, 130), across=across, parent=parent)


class LogitChart(_Chart):
    """A histogram of logits: what lies at 0 or left of it was chosen by luck."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "Ranks in the other half",
            "logit of the rank in the other half (left of 0: below the middle)",
            parent,
        )
        self._bad = pg.BarGraphItem(x=[], height=[], width=1)
        self._good = pg.BarGraphItem(x=[], height=[], width=1)
        self._zero = pg.InfiniteLine(0, angle=90)
        self.add(self._bad, self._good, self._zero)

    def show_counts(self, counts: Floats, edges: Floats) -> None:
        """Draw other bars: counts (k,) between edges (k + 1,)."""
        middles, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
        for item, shown in ((self._bad, middles < 0), (self._good, middles > 0)):
            item.setOpts(x=middles[shown], height=counts[shown], width=width * 0.92)
        top = float(counts.max()) or 1.0
        self.plot.vb.setRange(xRange=(edges[0], edges[-1]), yRange=(0, top * 1.05), padding=0)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self._bad.setOpts(brush=theme.negative, pen=pg.mkPen(None))
        self._good.setOpts(brush=theme.positive, pen=pg.mkPen(None))
        self._zero.setPen(pg.mkPen(theme.text))


class DegradationChart(_Chart):
    """The Sharpe ratio of the best in the half it was chosen by, and in the other; the line through them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "Sharpe ratio in both halves",
            "Sharpe ratio where it was chosen; up: in the other half",
            parent,
        )
        self._dots = pg.ScatterPlotItem(size=4, pen=None)
        self._zero = pg.InfiniteLine(0, angle=0)
        self._line = pg.PlotCurveItem()
        self.add(self._zero, self._dots, self._line)

    def show_points(
        self, chosen: Floats, achieved: Floats, slope: float | None, intercept: float | None
    ) -> None:
        """Draw other points (k,), of very many some, and the line."""
        every = stride(len(chosen), MOST_DRAWN)
        self._dots.setData(chosen[::every], achieved[::every])
        ends = np.array([chosen.min(), chosen.max()])
        if slope is None or intercept is None:
            self._line.setData([], [])
        else:
            self._line.setData(ends, intercept + slope * ends)
        room = (float(ends[1] - ends[0]) or 1.0) * 0.05
        low, high = min(0.0, float(achieved.min())), max(0.0, float(achieved.max()))
        up = (high - low or 1.0) * 0.05
        self.plot.vb.setRange(
            xRange=(ends[0] - room, ends[1] + room), yRange=(low - up, high + up), padding=0
        )

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        super().apply_theme(theme)
        self._dots.setBrush(pg.mkBrush(theme.accent))
        self._line.setPen(pg.mkPen(theme.text, width=2))
        self._zero.setPen(pg.mkPen(theme.grid))
