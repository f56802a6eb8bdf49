"""Values over two axes as colours: the value under the cursor, a click picks, arrows walk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget

from desktop.charts.axes import style_axis
from desktop.charts.colour_grid import COLOURS, Cell, ColourGrid
from desktop.charts.label_axis import LabelAxis
from desktop.charts.plot import Plot
from desktop.tables.run_names import value_text
from desktop.theme.colours import DARK, Theme

GridT = TypeVar("GridT", bound=ColourGrid)
_STEPS: Final = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1),
}  # fmt: skip
_BAR_PX: Final = 12
_SCALE_PX: Final = 45
_COLOURS: Final = 256


class HeatMap(pg.GraphicsLayoutWidget, Generic[GridT]):  # type: ignore[misc]
    """Signals: `hovered(cell or None)`; `picked(cell)` by a click or Enter."""

    KEYS: ClassVar = (
        "Heat maps",
        (
            ("Arrows", "Go from cell to cell"),
            ("Return or Enter", "Pick the cell"),
        ),
    )

    hovered = Signal(object)
    picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.grid: GridT | None = None
        self.title = ""
        self.cursor_cell: Cell | None = None
        self._theme = DARK
        self._axes = {"bottom": LabelAxis("bottom"), "left": LabelAxis("left")}
        self.plot = Plot(self._axes)
        self.addItem(self.plot)
        self.plot.vb.setMouseEnabled(x=False, y=False)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.image.setAutoDownsample(False)
        self.plot.add(self.image, fits=True)
        self.bar = _ColourBar()
        self.plot.grid.addItem(self.bar, 2, 5)
        self.plot.grid.setColumnFixedWidth(4, 5)
        self._best = pg.ScatterPlotItem(symbol="star", size=13)
        self._hover, self._mark = QGraphicsRectItem(), QGraphicsRectItem()
        self._line = pg.PlotCurveItem(
            pen=pg.mkPen("#ffffff", width=2), shadowPen=pg.mkPen("#000000", width=4), connect="finite"
        )
        self.plot.add(self._line, self._best, self._hover, self._mark)
        self.ci.layout.setContentsMargins(0, 4, 4, 0)
        self._mouse = pg.SignalProxy(self.scene().sigMouseMoved, rateLimit=60, slot=self._moved)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Heat map")
        self.setMinimumSize(220, 140)

    def show_grid(self, grid: GridT | None, title: str = "") -> None:
        """Draw another grid; the cursor stays where it is while the cells are the same ones."""
        before, self.grid, self.title = self.grid, grid, title
        self.ci.setVisible(grid is not None)
        if grid is None:
            return
        rows, columns = grid.values.shape
        self.image.setImage(grid.pixels, autoLevels=False)
        self.image.setRect(-0.5, -0.5, columns, rows)
        self.bar.scale.setRange(*grid.levels)
        if before is None or not grid.has_cells_of(before):
            for side, name, cells in (("bottom", grid.axes[0], grid.xs), ("left", grid.axes[1], grid.ys)):
                self._axes[side].setLabel(name)
                self._axes[side].show_labels([value_text(value) for value in cells])
            self.plot.vb.setRange(xRange=(-0.5, columns - 0.5), yRange=(-0.5, rows - 0.5), padding=0)
            self.set_cursor(None)
            self.mark(None)
        self.bar.scale.setLabel(title)
        best = grid.best
        self._best.setData([best[0]] if best else [], [best[1]] if best else [])

    def draw_line(self, columns: Sequence[float], rows: Sequence[float]) -> None:
        """A line over the cells, which lie at whole numbers; NaN interrupts it."""
        self._line.setData(np.array(columns, dtype=np.float64), np.array(rows, dtype=np.float64))

    def mark(self, cell: Cell | None) -> None:
        """Frame the picked cell."""
        _frame(self._mark, cell)

    def set_cursor(self, cell: Cell | None) -> None:
        """Move the cursor to a cell and say so."""
        self.cursor_cell = cell
        _frame(self._hover, cell)
        self.hovered.emit(cell)

    def cell_at(self, point: QPointF) -> Cell | None:
        """The cell at a point of the scene."""
        if self.grid is None or not self.plot.vb.sceneBoundingRect().contains(point):
            return None
        at = self.plot.vb.mapSceneToView(point)
        column, row = math.floor(at.x() + 0.5), math.floor(at.y() + 0.5)
        inside = 0 <= column < len(self.grid.xs) and 0 <= row < len(self.grid.ys)
        return (column, row) if inside else None

    def _moved(self, arguments: tuple[QPointF]) -> None:
        self.set_cursor(self.cell_at(arguments[0]))

    def _clicked(self, event: Any) -> None:
        cell = self.cell_at(event.scenePos())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(cell)

    def leaveEvent(self, event: QEvent) -> None:
        """The cursor left."""
        super().leaveEvent(event)
        self.set_cursor(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows walk over the cells, Enter picks."""
        step = _STEPS.get(Qt.Key(event.key()))
        if self.grid is None or (step is None and event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter)):
            super().keyPressEvent(event)
            return
        column, row = self.cursor_cell or (0, 0)
        if step is None:
            self.picked.emit((column, row))
            return
        if self.cursor_cell is not None:
            column = max(0, min(len(self.grid.xs) - 1, column + step[0]))
            row = max(0, min(len(self.grid.ys) - 1, row + step[1]))
        self.set_cursor((column, row))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The page scrolls, not the map: its axes would take the wheel and do nothing."""
        event.ignore()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.setBackground(theme.base)
        for axis in (*self._axes.values(), self.bar.scale):
            style_axis(axis, theme.grid, theme.muted, theme.base)
        self.bar.vb.setBorder(pg.mkPen(theme.border))
        self._hover.setPen(pg.mkPen(theme.text, width=1))
        self._mark.setPen(pg.mkPen("#ff4fd8", width=3))
        self._best.setPen(pg.mkPen("#000000"))
        self._best.setBrush(pg.mkBrush("#ffffff"))


class _ColourBar(Plot):
    """All colours, from the lowest to the highest level; `scale` says what the levels are."""

    def __init__(self) -> None:
        self.scale = pg.AxisItem("right")
        super().__init__({"right": self.scale})
        self.scale.enableAutoSIPrefix(False)  # a ratio in thousandths helps nobody
        self.scale.setWidth(_SCALE_PX)
        self.scale.unlinkFromView()  # which shows colours by their number
        self.grid.setColumnFixedWidth(1, _BAR_PX)
        self.vb.setMouseEnabled(x=False, y=False)
        colours = pg.colormap.get(COLOURS).getLookupTable(nPts=_COLOURS, alpha=True)
        self.add(pg.ImageItem(colours[:, None], axisOrder="row-major"))
        self.vb.setRange(xRange=(0, 1), yRange=(0, _COLOURS), padding=0)


def _frame(item: QGraphicsRectItem, cell: Cell | None) -> None:
    item.setVisible(cell is not None)
    if cell is not None:
        item.setRect(cell[0] - 0.5, cell[1] - 0.5, 1, 1)
