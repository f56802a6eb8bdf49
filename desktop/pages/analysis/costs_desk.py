"""The Costs tab joined to the work: the current run at other costs, made when somebody asks for it."""

from __future__ import annotations

from functools import partial
from typing import Final

from desktop.pages.analysis.costs_view import CostsView
from desktop.work.bridge import Bridge
from desktop.work.studies import Studies
from engine.model.cost_surface import CostSurface, CostSurfaceSpec
from engine.model.run import RunResult

KIND: Final = "cost-surface"


class CostsDesk:
    """Shows in `view` what `surfaces` knows of the run that is looked at."""

    def __init__(self, bridge: Bridge, view: CostsView) -> None:
        self._bridge, self._view = bridge, view
        self.surfaces = Studies[CostSurface](
            bridge, KIND, "Trying other costs …", "pairs of costs tried", self._show
        )
        self._tried: RunResult | None = None
        view.run_shown.connect(lambda _: self._show())
        view.wanted.connect(self.make)
        view.stop_wanted.connect(self.surfaces.stop)

    def make(self) -> None:
        """Try other costs on the run that is shown; does nothing while others are tried."""
        run = self._view.run
        if run is not None and not self.surfaces.is_running:
            self._tried = run
            call = partial(self._bridge.engine.research.cost_surface, run.id, CostSurfaceSpec())
            self.surfaces.make(run.id, call)

    def _show(self) -> None:
        """What is known of the run that is shown, and how far another try is or why it failed."""
        run, surfaces = self._view.run, self.surfaces
        self._view.set_running(self._tried if surfaces.is_running else None)
        if run is not None:
            words = surfaces.progress(run.id) or surfaces.problem(run.id)
            self._view.show_surface(surfaces.result(run.id), words)
