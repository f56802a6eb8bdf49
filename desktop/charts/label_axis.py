"""An axis whose ticks are named cells, as many of them as have room."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtGui import QFontMetricsF

_MOST_MEASURED = 50


class LabelAxis(pg.AxisItem):  # type: ignore[misc]
    """Cell k lies at k."""

    def __init__(self, side: str = "bottom") -> None:
        super().__init__(side)
        self.labels: Sequence[str] = ()
        self.enableAutoSIPrefix(False)
        self.setStyle(hideOverlappingLabels=False, tickLength=3)  # tickValues leaves room

    def show_labels(self, labels: Sequence[str]) -> None:
        """Name other cells."""
        self.labels = labels
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Every n-th cell."""
        if not self.labels or size <= 0:
            return []
        metrics = QFontMetricsF(self.font())
        some = self.labels[:: max(1, len(self.labels) // _MOST_MEASURED)]
        widest = max(metrics.horizontalAdvance(label) for label in some)
        room = widest + 10 if self.orientation == "bottom" else metrics.height() + 2
        every = max(1, math.ceil(room * (high - low) / size))
        return [(every, [float(at) for at in range(0, len(self.labels), every)])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """The names of the cells."""
        del scale, spacing
        return [self.labels[round(at)] if 0 <= round(at) < len(self.labels) else "" for at in values]
