"""All trials by two objectives, and the front: those that no other beats in both. A click picks the nearest, Left and
Right mark the next along the front, Enter picks the marked one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop.charts.axes import ValueAxis
from desktop.charts.still_chart import StillChart, number_axis, stride
from desktop.pages.optimize.trials import metric_title
from desktop.tables.badge import count
from desktop.tables.metrics import metric_text
from desktop.theme.colours import Theme
from desktop.widgets.labels import ElidedLabel
from engine.model.market import Int64Array
from engine.model.sweep import SweepResult

MOST_DRAWN: Final = 5_000  # of the front, and of the trials behind it
_NEAR_PX: Final = 12.0
_KEYS: Final = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class FrontView(QWidget):
    """Signals, with a trial's number: `picked` by a click or Enter; `marked` by Left and Right along the front."""

    picked = Signal(int)
    marked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sweep: SweepResult | None = None
        self.drawn: Int64Array = np.empty(0, dtype=np.int64)
        self._position = -1
        self._definitions: Mapping[str, Any] = {}
        self.words = ElidedLabel()
        self.words.setContentsMargins(7, 3, 6, 2)
        self.view = KeyedFront(self)
        self.plot = self.view.plot
        self._others = pg.ScatterPlotItem(size=4, pen=None)
        self._front = pg.PlotDataItem(symbol="d", symbolSize=9, symbolPen=None)
        self._mark = pg.ScatterPlotItem(size=15, brush=None)
        self.plot.add(self._others, self._front, self._mark, fits=True)
        self.view.scene().sigMouseClicked.connect(self._clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.words)
        layout.addWidget(self.view, 1)

    def show_sweep(self, sweep: SweepResult | None, definitions: Mapping[str, Any]) -> None:
        """Draw a sweep with two objectives, or nothing; of very many trials some. What its `front` and `behind` are a thread
        has computed before.
        """
        self.sweep, self._definitions = sweep, definitions
        self.drawn = front = self.drawn[:0]
        if sweep is not None and len(sweep):
            front = _some(sweep.front)
            self.drawn = np.concatenate((front, _some(sweep.behind)))
        x, y = self._places(self.drawn)
        self._front.setData(x[: len(front)], y[: len(front)])
        self._others.setData(x[len(front) :], y[len(front) :])
        if sweep is not None:
            for axis, name in zip(self.plot.axes.values(), sweep.spec.objectives, strict=True):
                axis.setLabel(metric_title(name, definitions), color=self.view.theme.muted)
            self.plot.vb.autoRange()
        self._say()

    def mark(self, position: int | None) -> None:
        """Ring the picked trial."""
        self._position = -1 if position is None else position
        x, y = self._places(np.array([] if position is None else [position], dtype=np.int64))
        self._mark.setData(x, y)
        self._say()

    def walk(self, step: int) -> None:
        """Mark the next trial along the front."""
        if self.sweep is None or not len(self.sweep.front):
            return
        front = self.sweep.front.tolist()
        at = front.index(self._position) + step if self._position in front else 0
        self.marked.emit(int(self.sweep.numbers[front[max(0, min(at, len(front) - 1))]]))

    def pick_marked(self) -> None:
        """Pick the trial that is marked."""
        if self.sweep is not None and 0 <= self._position < len(self.sweep):
            self.picked.emit(int(self.sweep.numbers[self._position]))

    def trial_at(self, point: QPointF) -> int | None:
        """The position of the trial that is drawn next to a point of the scene, where it is near."""
        at = self.view.place_of(point)
        nearest = None if at is None else self.view.nearest(*self._places(self.drawn), at, _NEAR_PX)
        return None if nearest is None else int(self.drawn[nearest])

    def _places(self, positions: Int64Array) -> tuple[Any, Any]:
        if self.sweep is None or len(self.sweep.spec.objectives) < 2:
            return np.empty(0), np.empty(0)
        one, other = (self.sweep.metrics[name][positions] for name in self.sweep.spec.objectives)
        return one, other

    def _clicked(self, event: Any) -> None:
        position = self.trial_at(event.scenePos())
        if event.button() == Qt.MouseButton.LeftButton and position is not None and self.sweep is not None:
            self.picked.emit(int(self.sweep.numbers[position]))

    def _say(self) -> None:
        sweep = self.sweep
        if sweep is None:
            self.words.setText("")
            return
        names = " and ".join(metric_title(name, self._definitions) for name in sweep.spec.objectives)
        words = f"{count(len(sweep.front), 'trial')} that none beats in {names}"
        if 0 <= self._position < len(sweep):
            values = (
                metric_text(name)(float(sweep.metrics[name][self._position]))
                for name in sweep.spec.objectives
            )
            words = f"# {int(sweep.numbers[self._position])}: {' · '.join(values)} — {words}"
        self.words.setText(words)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.view.apply_theme(theme)
        self._others.setBrush(pg.mkBrush(theme.muted))
        self._front.setPen(pg.mkPen(theme.accent))
        self._front.setSymbolBrush(pg.mkBrush(theme.accent))
        self._mark.setPen(pg.mkPen(theme.text, width=2))


def _some(positions: Int64Array) -> Int64Array:
    return positions[:: stride(len(positions), MOST_DRAWN)]


class KeyedFront(StillChart):
    """Left and Right walk along the front, Enter picks."""

    KEYS: ClassVar = (
        "Front of two objectives",
        (
            ("Left or Right", "Go along the front"),
            ("Return or Enter", "Use the parameters of the marked trial"),
        ),
    )

    def __init__(self, view: FrontView) -> None:
        right = ValueAxis()
        super().__init__("Trials by two objectives", number_axis(), right, width=64, least=(200, 140))
        self.ci.layout.setContentsMargins(9, 9, 9, 9)  # the right axis has words beside it, too
        self._view = view
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Of Qt."""
        step = _KEYS.get(Qt.Key(event.key()))
        if step is not None:
            self._view.walk(step)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._view.pick_marked()
        else:
            super().keyPressEvent(event)
