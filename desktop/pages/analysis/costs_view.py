"""What other costs leave of the run: a heat map over commission and slippage, and the line at which a profit first ends."""

from __future__ import annotations

from typing import Final

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop.charts.colour_grid import Cell, ColourGrid
from desktop.charts.heat_map import HeatMap
from desktop.pages.analysis.view import View, muted
from desktop.tables.metrics import metric_text
from desktop.theme.colours import Theme
from desktop.widgets.labels import ElidedLabel
from desktop.widgets.still_fields import Choice
from engine.analysis.analysis import Analysis
from engine.model.cost_surface import FIGURES, CostSurface, basis_points
from engine.model.metric_definitions import DEFINITIONS
from engine.model.run import RunResult
from engine.model.trade_filter import TradeFilter

AXES: Final = ("Slippage, basis points per side", "Commission, basis points per side")
NOTHING_YET: Final = "What other commissions and slippages would leave of this run was not computed yet."
_MAKE: Final = "Make this run again at pairs of commission and slippage"
_STOP: Final = "Stop; nothing is kept"
_LINE: Final = "Line: where a profit first ends, from left to right."
_WHOLE: Final = "Whole run, whatever the filter."
_MAP_HEIGHT: Final = 260


class CostsView(View):
    """`wanted()`, `stop_wanted()`; `run_shown(RunResult)`: another run is looked at, whose surface may be known."""

    wanted = Signal()
    stop_wanted = Signal()
    run_shown = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run: RunResult | None = None
        self.surface: CostSurface | None = None
        self.figure = Choice()
        self.figure.setAccessibleName("Figure of the map")
        self.figure.setToolTip("What the colours show")
        for name in FIGURES:
            about = DEFINITIONS[name]
            self.figure.addItem(f"{about.title} %" if about.unit == "%" else about.title, name)
        self.make, self.stop = QPushButton("Try other costs"), QPushButton("Stop")
        self.make.setProperty("primary", True)
        for button in (self.make, self.stop):
            button.setAccessibleName(button.text())
        self.state = muted()
        self.read_out = ElidedLabel(tip="Each cell is the run made again at these costs")
        self.map: HeatMap[ColourGrid] = HeatMap()
        self.map.setAccessibleName("Heat map of costs")
        self.map.setMinimumHeight(_MAP_HEIGHT)
        self.note = muted()
        self._lay_out()
        self.figure.currentIndexChanged.connect(self._draw)
        self.make.clicked.connect(self.wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.map.hovered.connect(self._hover)
        self.set_running(None)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        for widget in (self.figure, self.make, self.stop):
            bar.addWidget(widget)
        bar.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 4, 0)
        layout.setSpacing(4)
        layout.addLayout(bar)
        layout.addWidget(self.state)
        layout.addWidget(self.read_out)
        layout.addWidget(self.map, 1)
        layout.addWidget(self.note)

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """Costs are those of the whole run, whatever the filter; what is known of it comes with `show_surface`."""
        del wanted
        self.run = analysis.run
        self.run_shown.emit(analysis.run)

    def show_surface(self, surface: CostSurface | None, words: str = "") -> None:
        """What was made of the run, None: nothing yet; `words`: how another try goes, or why it failed."""
        self.surface = surface
        self.state.setText(words or (NOTHING_YET if surface is None else ""))
        self.state.setVisible(bool(self.state.text()))
        self.note.setText("" if surface is None else "\n".join(_notes(surface)))
        self._draw()

    def set_running(self, run: RunResult | None) -> None:
        """Whose costs are being tried, be it another run than the one that is shown; None: nobody's."""
        whose = "" if run is None else f"{run.strategy} on {run.symbol} {run.timeframe}"
        self.make.setEnabled(run is None)
        self.make.setToolTip(f"Costs of {whose} are being tried" if whose else _MAKE)
        self.stop.setEnabled(run is not None)
        self.stop.setToolTip(f"Stop trying costs of {whose}; nothing of it is kept" if whose else _STOP)

    def _draw(self) -> None:
        surface, name = self.surface, str(self.figure.currentData())
        self.map.setVisible(surface is not None)
        if surface is None:
            self.map.show_grid(None)
            self._hover(None)
            return
        known = [[one.figures[name] for one in row] for row in surface.rows]
        xs, ys = ([basis_points(one) for one in axis] for axis in (surface.slippages, surface.commissions))
        self.map.show_grid(
            ColourGrid.of(AXES, xs, ys, np.array(known, dtype=np.float64)), self.figure.currentText()
        )
        commission, slippage = surface.own
        own = None if slippage is None else surface.slippages.index(slippage)
        self.map.mark(None if own is None else (own, surface.commissions.index(commission)))
        places = np.arange(len(surface.slippages))
        zeros = [np.nan if zero is None else zero for zero in surface.break_even]
        self.map.draw_line(np.interp(zeros, surface.slippages, places).tolist(), range(len(zeros)))
        self._hover(self.map.cursor_cell)

    def _hover(self, cell: Cell | None) -> None:
        surface, name = self.surface, str(self.figure.currentData())
        if surface is None:
            self.read_out.setText("")
            return
        if cell is None:
            self.read_out.setText(_own_words(surface))
            return
        one = surface.rows[cell[1]][cell[0]]
        at = f"at commission {basis_points(one.commission)} and slippage {basis_points(one.slippage)} bps"
        if one.error is not None:
            words = f"failed {at}: {one.error}"
        else:
            words = f"{self.figure.currentText()} {metric_text(name)(one.figures[name])} {at}"
            words += " · other trades than at its own costs" if one.same_trades is False else ""
        self.read_out.setText(words)
        self.map.setAccessibleDescription(words)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.map.apply_theme(theme)


def _notes(surface: CostSurface) -> list[str]:
    """What has to be known of the map. A line is drawn where some profit ends."""
    line = [_LINE] if any(zero is not None for zero in surface.break_even) else []
    return [*surface.remarks, " ".join([*line, _WHOLE])]


def _own_words(surface: CostSurface) -> str:
    """Where a profit first ends at the run's own commission, or that there is none, or no end of it."""
    commission, slippage = surface.own
    at = surface.commissions.index(commission)
    zero, returns = surface.break_even[at], [one.figures["return_pct"] for one in surface.rows[at]]
    own = (
        ""
        if slippage is None
        else f"Framed: its own costs, {basis_points(commission)} and {basis_points(slippage)} bps. "
    )
    if zero is not None:
        words = f"its profit first ends at a slippage of {zero * 1e4:.2f}"
    elif any(one is not None and one > 0 for one in returns):
        words = "no slippage tried is where its profit ends"
    else:
        words = "no slippage tried leaves a profit"
    return f"{own}At a commission of {basis_points(commission)} bps {words}."
