"""The heat map with its controls: which two parameters, and the value under the cursor in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.charts.colour_grid import Axes, Cell
from desktop.charts.heat_map import HeatMap
from desktop.pages.optimize.cells import Grid
from desktop.pages.optimize.trials import metric_title, position_of
from desktop.tables.metrics import metric_text
from desktop.tables.run_names import value_text
from desktop.theme.colours import Theme
from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import Choice
from engine.model.sweep import SweepResult

_READ_OUT_HINT: Final = "★ best · click a cell to use its parameters"
MAP_HINT: Final = "The best result of every pair of values appears here as colours."


class MapView(QWidget):
    """Signals: `picked(number)` of the best trial of a cell; `axes_changed()`."""

    picked = Signal(int)
    axes_changed = Signal()

    def __init__(
        self, hint: str = _READ_OUT_HINT, empty: str = MAP_HINT, parent: QWidget | None = None
    ) -> None:
        """`hint` stands above the map where no cell is pointed at, `empty` where there is no map."""
        super().__init__(parent)
        self._hint = hint
        self.map: HeatMap[Grid] = HeatMap()
        self.across, self.upwards = _combo("Across"), _combo("Upwards")
        self.market = Choice()
        self.market.setAccessibleName("Market of the heat map")
        self.market.setToolTip("Across all markets, or on one of them")
        self.market.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.market.hide()
        self.read_out = PlainLabel()
        self.read_out.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.empty = PlainLabel(empty, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.empty.setProperty("role", "muted")
        self.sweep: SweepResult | None = None
        self._definitions: Mapping[str, Any] = {}
        self._lay_out()
        self.map.hovered.connect(self._hover)
        self.map.picked.connect(self._pick)
        for combo in (self.across, self.upwards):
            combo.activated.connect(lambda _, moved=combo: self._chosen(moved))
        self.market.activated.connect(lambda _: self.axes_changed.emit())

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(6, 3, 6, 3)
        bar.setSpacing(6)
        self._by = PlainLabel("by")
        for widget in (self.across, self._by, self.upwards):
            bar.addWidget(widget)
        bar.addStretch()
        bar.addWidget(self.market)
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
        self._offer_markets([] if sweep is None else [sweep.spec.across, *sweep.spec.symbols])
        if sweep is None or not len(sweep):
            self.map.show_grid(None)
            self.stack.setCurrentIndex(0)

    def _offer_markets(self, words: list[str]) -> None:
        """All of several markets, or one of them."""
        if words != [self.market.itemText(at) for at in range(self.market.count())]:
            self.market.clear()
            self.market.addItems(words)
        self.market.setVisible(len(words) > 1)

    def market_of(self, sweep: SweepResult) -> SweepResult:
        """What the map is of: the sweep across its markets, or that on the chosen one."""
        at = self.market.currentIndex() - 1
        return sweep.markets[at] if 0 <= at < len(sweep.markets) else sweep

    def axes(self) -> Axes:
        """The chosen parameters; the second is "" where only one varies."""
        return self.across.currentText(), self.upwards.currentText() if self.upwards.count() > 1 else ""

    def show_map(self, grid: Grid) -> None:
        """Draw a map of the sweep; a late one for other axes is dropped."""
        if self.sweep is None or grid.axes != self.axes():
            return
        self.map.show_grid(grid, metric_title(grid.sweep.spec.objective, self._definitions))
        self.stack.setCurrentIndex(1)
        self._hover(self.map.cursor_cell)

    def mark(self, number: int | None) -> None:
        """Frame the cell of a trial by its number; the map may be of a moment when it was not made yet."""
        grid = self.map.grid
        position = None if grid is None or number is None else position_of(grid.sweep, number)
        self.map.mark(None if grid is None or position is None else grid.cell_of(position))

    def _chosen(self, moved: QComboBox) -> None:
        """The same parameter on both axes makes no map: the other one gives way."""
        other = self.upwards if moved is self.across else self.across
        if moved.currentIndex() == other.currentIndex() and moved.count() > 1:
            other.setCurrentIndex((moved.currentIndex() + 1) % moved.count())
        self.axes_changed.emit()

    def _hover(self, cell: Cell | None) -> None:
        grid = self.map.grid
        if cell is None or grid is None:
            self.read_out.setText(self._hint)
            return
        value, position = float(grid.values[cell[1], cell[0]]), grid.best_of(cell)
        at = {grid.axes[0]: grid.xs[cell[0]]} | ({grid.axes[1]: grid.ys[cell[1]]} if grid.axes[1] else {})
        if position is not None:  # where neighbours share a cell, the best one's own values
            at = {name: grid.sweep.params[name][position].item() for name in at}
        where = ", ".join(f"{name} {value_text(one)}" for name, one in at.items())
        words = f"{metric_text(grid.sweep.spec.objective)(value)} at {where}"
        self.read_out.setText(words)
        self.read_out.setToolTip(f"{self.map.title}: {words}")
        self.map.setAccessibleDescription(words)

    def _pick(self, cell: Cell) -> None:
        grid = self.map.grid
        position = None if grid is None else grid.best_of(cell)
        if grid is not None and position is not None:
            self.picked.emit(int(grid.sweep.numbers[position]))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.map.apply_theme(theme)


def _combo(name: str) -> QComboBox:
    combo = Choice()
    combo.setAccessibleName(f"{name}: parameter of the heat map")
    combo.setToolTip(f"{name}: which parameter")
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    return combo
