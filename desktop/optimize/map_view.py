"""The heat map with its controls: which two parameters, and the value under the cursor in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.models.metrics import metric_text
from desktop.optimize.heat_map import Cell, Grid, HeatMap
from desktop.optimize.trials import best_of_cell, metric_title, value_text
from desktop.theme import Theme
from engine.market import Float64Array
from engine.sweeps import SweepResult

_MOST_CELLS: Final = 1000  # along an axis; more would not be told apart
_READ_OUT_HINT: Final = "★ best · click a cell to use its parameters"
_HINT: Final = "The best result of every pair of values appears here as colours."


class MapView(QWidget):
    """Signals: `picked(position)` of the best trial of a cell; `axes_changed()`."""

    picked = Signal(int)
    axes_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.map = HeatMap()
        self.across, self.upwards = _combo("Across"), _combo("Upwards")
        self.read_out = QLabel()
        self.read_out.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.empty = QLabel(_HINT, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.empty.setProperty("role", "muted")
        self.sweep: SweepResult | None = None
        self._definitions: Mapping[str, Any] = {}
        self._lay_out()
        self.map.hovered.connect(self._hover)
        self.map.picked.connect(self._pick)
        for combo in (self.across, self.upwards):
            combo.activated.connect(lambda _, moved=combo: self._chosen(moved))

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(6, 3, 6, 3)
        bar.setSpacing(6)
        self._by = QLabel("by")
        for widget in (self.across, self._by, self.upwards):
            bar.addWidget(widget)
        bar.addStretch()
        self.read_out.setContentsMargins(7, 0, 6, 2)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addLayout(bar)
        inner.addWidget(self.read_out)
        inner.addWidget(self.map, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack)

    def set_definitions(self, definitions: Mapping[str, Any]) -> None:
        """What each metric is called."""
        self._definitions = definitions

    def set_sweep(self, sweep: SweepResult | None) -> None:
        """Offer another sweep's parameters; the map itself comes with `show_map`."""
        self.sweep = sweep
        names = [] if sweep is None else list(sweep.params)
        if names != [self.across.itemText(at) for at in range(self.across.count())]:
            for at, combo in enumerate((self.across, self.upwards)):
                combo.clear()
                combo.addItems(names)
                combo.setCurrentIndex(min(at, len(names) - 1))
            self.upwards.setVisible(len(names) > 1)
            self._by.setVisible(len(names) > 1)
        if sweep is None or not len(sweep):
            self.map.show_grid(None)
            self.stack.setCurrentIndex(0)

    def axes(self) -> tuple[str, str]:
        """The chosen parameters; the second is "" where only one varies."""
        return self.across.currentText(), self.upwards.currentText() if self.upwards.count() > 1 else ""

    def show_map(self, axes: tuple[str, str], answer: MapAnswer) -> None:
        """Draw the map that was computed for these axes; a late one for others is dropped."""
        sweep = self.sweep
        if sweep is None or not len(sweep) or axes != self.axes():
            return
        xs, ys, values, best = answer
        self.map.show_grid(
            Grid(*axes, xs, ys, values, metric_title(sweep.spec.objective, self._definitions), best)
        )
        self.stack.setCurrentIndex(1)
        self._hover(self.map.cursor_cell)

    def mark(self, position: int | None) -> None:
        """Frame the cell of a trial."""
        grid, sweep = self.map.grid, self.sweep
        if grid is None or sweep is None or position is None or position >= len(sweep):
            self.map.mark(None)
            return
        self.map.mark(cell_of(sweep, position, (grid.x, grid.y), grid.xs, grid.ys))

    def _chosen(self, moved: QComboBox) -> None:
        """The same parameter on both axes makes no map: the other one gives way."""
        other = self.upwards if moved is self.across else self.across
        if moved.currentIndex() == other.currentIndex() and moved.count() > 1:
            other.setCurrentIndex((moved.currentIndex() + 1) % moved.count())
        self.axes_changed.emit()

    def _hover(self, cell: Cell | None) -> None:
        grid, sweep = self.map.grid, self.sweep
        if cell is None or grid is None or sweep is None:
            self.read_out.setText(_READ_OUT_HINT)
            return
        objective = sweep.spec.objective
        value = float(grid.values[cell[1], cell[0]])
        where = ", ".join(f"{name} {value_text(one)}" for name, one in grid.params(cell).items())
        words = f"{metric_text(objective)(value)} at {where}"
        self.read_out.setText(words)
        self.read_out.setToolTip(f"{grid.title}: {words}")
        self.map.setAccessibleDescription(words)

    def _pick(self, cell: Cell) -> None:
        if self.map.grid is None or self.sweep is None:
            return
        position = best_of_cell(self.sweep, self.map.grid.params(cell))
        if position is not None:
            self.picked.emit(position)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.map.apply_theme(theme)


MapAnswer = tuple[list[Any], list[Any], Any, Cell | None]


def compute_map(sweep: SweepResult, axes: tuple[str, str]) -> MapAnswer:
    """Values of both axes, the matrix, and the best trial's cell. Slow for very many trials: called in a thread."""
    x, y = axes
    if y:
        xs, ys, values = sweep.heat_map(x, y)
    else:
        xs, _, square = sweep.heat_map(x, x)
        ys, values = [""], square.diagonal()[None, :].copy()
    xs, values = _on_all_cells(sweep, x, xs, values)
    if y:
        ys, turned = _on_all_cells(sweep, y, ys, values.T)
        values = turned.T
    best = int(sweep.order[0]) if sweep.best is not None else None
    return xs, ys, values, None if best is None else cell_of(sweep, best, axes, xs, ys)


def _on_all_cells(
    sweep: SweepResult, name: str, found: list[Any], values: Float64Array
) -> tuple[list[Any], Float64Array]:
    """`values` (rows, found) on all values of a grid, so that the map keeps its shape while it fills."""
    wanted = sweep.spec.ranges[name]
    if sweep.spec.sampler != "grid" or len(wanted) > _MOST_CELLS:
        return found, values
    cells = sorted(set(wanted))
    places = [cells.index(value) for value in found]
    whole = np.full((len(values), len(cells)), np.nan)
    whole[:, places] = values
    return cells, whole


def cell_of(sweep: SweepResult, position: int, axes: tuple[str, str], xs: Any, ys: Any) -> Cell:
    """The cell of a trial."""
    x, y = axes
    column = list(xs).index(sweep.params[x][position].item())
    return column, list(ys).index(sweep.params[y][position].item()) if y else 0


def _combo(name: str) -> QComboBox:
    combo = QComboBox()
    combo.setAccessibleName(f"{name}: parameter of the heat map")
    combo.setToolTip(f"{name}: which parameter")
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    return combo
