"""The Monte Carlo page: paths of the current run, made in a thread when somebody asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from PySide6.QtWidgets import QTableView

from desktop.pages.monte_carlo.panel import MonteCarloPanel
from desktop.pages.page import Context, Page, Place
from desktop.widgets.preferences import Preferences
from desktop.widgets.when_seen import WhenSeen
from desktop.work.jobs import Job
from desktop.work.studies import Studies
from engine.errors import InputError
from engine.model.monte_carlo import METHODS, MOST_PATHS, MonteCarloResult
from engine.model.run import FINISHED

_KIND = "monte-carlo"
_GATHER_MS = 50


class MonteCarloPage(Page[MonteCarloPanel]):
    """Nothing of it is stored: what was made is kept until the window closes."""

    title = "Monte Carlo"
    place = Place.CENTRE
    hears = frozenset({_KIND})
    is_tall = True

    def __init__(self, context: Context) -> None:
        super().__init__(context, MonteCarloPanel())
        self._workspace = context.workspace
        self.studies = Studies[MonteCarloResult](self.bridge, _KIND, "Making paths …", "paths", self.refresh)
        self._shown: tuple[MonteCarloResult | None, str] = None, ""
        self._is_restored = False
        self._drawing = WhenSeen(self.panel, self.refresh, _GATHER_MS)
        self._workspace.current_changed.connect(self._drawing.wish)
        self._workspace.runs_changed.connect(self._runs_changed)
        self.panel.wanted.connect(self.make)
        self.panel.stop_wanted.connect(self.studies.stop)
        self.panel.changed.connect(self._remember)
        self.refresh()

    def make(self) -> None:
        """Make paths of the current run; does nothing while others are made."""
        run = self._workspace.current_run()
        if run is None or self.studies.is_running:
            return
        try:
            spec = self.panel.spec()
        except InputError as error:
            self.studies.refuse(run.id, str(error))
        else:
            self.studies.make(run.id, partial(self.engine.research.monte_carlo, run.id, spec))

    def follow(self, job: Job) -> None:
        """Some more paths were made."""
        self.studies.follow(job)

    def _runs_changed(self, ids: list[str]) -> None:
        if self._workspace.current in ids:
            self._drawing.wish()

    def refresh(self) -> None:
        """Show what was made of the current run, or what is to be done."""
        run = self._workspace.current_run()
        usable = run is not None and run.status == FINISHED
        self.panel.set_running(on=self.studies.is_running, usable=usable)
        result = self.studies.result(run.id) if run is not None else None
        problem = self.studies.problem(run.id) if run is not None else ""
        if run is None:
            hint = "Choose a run in the Runs tab."
        elif not usable:
            hint = f"This run {run.status}: it has no course to make others of."
        else:
            hint = f"{run.strategy} on {run.symbol}: no paths were made yet."
        result = None if problem else result
        if self._shown[0] is not result or self._shown[1] != (problem or hint):
            self._shown = result, problem or hint
            self.panel.show_result(*self._shown)
        self.panel.tell_progress(self.studies.progress(self._workspace.current))

    def tables(self) -> Mapping[str, QTableView]:
        """Figures and losses."""
        return {"monte_carlo_figures": self.panel.figure_table, "monte_carlo_losses": self.panel.loss_table}

    def restore(self, preferences: Preferences) -> None:
        """Choose what was chosen."""
        super().restore(preferences)
        self._is_restored = True
        saved = preferences.read("monte_carlo")
        if isinstance(saved, Mapping) and saved.get("method") in METHODS:
            paths, seed = saved.get("paths"), saved.get("seed")
            if isinstance(paths, int) and isinstance(seed, int) and 1 <= paths <= MOST_PATHS:
                self.panel.choose(str(saved["method"]), paths, max(0, seed))

    def _remember(self) -> None:
        if self._is_restored:
            panel = self.panel
            chosen = {
                "method": panel.method.currentData(),
                "paths": panel.paths.value(),
                "seed": panel.seed.value(),
            }
            self.context.preferences.save("monte_carlo", chosen)
