"""What tests of sweeps share."""

from desktop.app.window import MainWindow
from desktop.pages.optimize.cells import grid_of
from desktop.pages.optimize.page import OptimizePage
from engine.model.sweep import SweepResult


def show(window: MainWindow, sweep: SweepResult) -> None:
    """As the desk does when a sweep has arrived; the map comes from a thread there."""
    results = window.page(OptimizePage).panel.results
    results.show_sweep(sweep)
    results.map.show_map(grid_of(sweep, results.map.axes()))
