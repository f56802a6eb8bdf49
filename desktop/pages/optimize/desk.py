"""Joins the Optimize tab to the work: sweeps under way, stored ones, what a picked trial does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.pages.optimize.cells import Grid, grid_of
from desktop.pages.optimize.panel import OptimizePanel
from desktop.pages.optimize.values import SweepChoice
from desktop.pages.setup.panel import SetupPanel
from desktop.tables import formats
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge, Phase
from engine.errors import InputError
from engine.events import Event, Progress, Started
from engine.model.run import RunSpec
from engine.model.sweep import SweepResult, SweepSpec

_SHOW_MS: Final = 200  # five pictures a second are as many as anybody reads


class SweepDesk(QObject):
    """Signals: `run_wanted(specs)` make runs; `shown()` the tab must come to the front; `said(text)`."""

    run_wanted = Signal(list)
    shown = Signal()
    said = Signal(str)

    def __init__(
        self,
        bridge: Bridge,
        panel: OptimizePanel,
        setup: SetupPanel,
        preferences: Preferences,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._panel, self._setup, self._preferences = bridge, panel, setup, preferences
        self._plan, self._results = panel.plan, panel.results
        self._latest: SweepResult | None = None
        self._mapping = False
        self._job = ""
        self._counting: SweepSpec | None = None
        self._timer = QTimer(self, singleShot=True, interval=_SHOW_MS)
        self._timer.timeout.connect(self._show_latest)
        self._connect()
        self._restore()

    def _connect(self) -> None:
        bridge, plan, results = self._bridge, self._plan, self._results
        bridge.strategies_loaded.connect(plan.set_infos)
        bridge.phase_changed.connect(plan.set_phase)
        bridge.objectives_loaded.connect(plan.set_objectives)
        bridge.objectives_loaded.connect(results.set_definitions)
        bridge.sweeps_loaded.connect(results.stored.set_sweeps)
        bridge.trials_arrived.connect(self._take_trials)
        bridge.sweep_done.connect(self._end)
        bridge.happened.connect(self._take_event)
        self._setup.setup_changed.connect(lambda: plan.set_setup(self._setup.setup()))
        plan.run_wanted.connect(self.start)
        plan.stop_wanted.connect(bridge.stop)
        plan.count_wanted.connect(self._count)
        plan.changed.connect(self._remember)
        plan.strategy_chosen.connect(self._setup.strategies.focus)
        results.params_wanted.connect(self._use)
        results.run_wanted.connect(self._run_trial)
        results.map.axes_changed.connect(self._draw_map)
        results.stored.open_wanted.connect(self._open)
        results.stored.delete_wanted.connect(self._delete)

    # -- a sweep -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Do the sweep that is planned; does nothing while anything runs."""
        self.shown.emit()
        try:
            spec = self._plan.spec()
        except InputError:
            return  # the reason stands beside the button
        if self._plan.run.isEnabled() and self._bridge.optimize(spec):
            self._latest, self._job = None, ""
            self._plan.set_failure("")
            self._results.show_sweep(None)
            self._results.set_running(on=True)

    def _take_event(self, event: Event) -> None:
        if isinstance(event, Started) and event.kind == "sweep":
            self._job = event.job
        elif isinstance(event, Progress) and (
            event.job == self._job or self._bridge.phase is Phase.OPTIMIZING
        ):
            self._results.show_progress(event)

    def _take_trials(self, sweep: SweepResult) -> None:
        self._latest = sweep
        if not self._timer.isActive():
            self._timer.start()

    def _end(self, sweep: SweepResult | None, problem: str) -> None:
        self._results.set_running(on=False)
        self._plan.set_failure(problem)
        if sweep is not None:
            self._latest = sweep
            self._bridge.load_sweeps()
            self.said.emit(f"{formats.whole(sweep.done)} trials of {sweep.spec.strategy} made")
        self._show_latest()
        self._results.pick_best()

    def _show_latest(self) -> None:
        self._timer.stop()
        if self._latest is not None:
            sweep, self._latest = self._latest, None
            self._show(sweep)

    def _show(self, sweep: SweepResult) -> None:
        running = self._bridge.phase is Phase.OPTIMIZING
        words = self._results.words.text()
        self._results.show_sweep(sweep)
        if running:
            self._results.words.setText(words)
        self._draw_map()

    def _draw_map(self) -> None:
        """Ask for the map of what is shown; one question at a time."""
        sweep, axes = self._results.sweep, self._results.map.axes()
        if self._mapping or sweep is None or not len(sweep) or not axes[0]:
            return
        self._mapping = True

        def draw(grid: Grid) -> None:
            self._mapping = False
            view = self._results.map
            if view.sweep is sweep and view.axes() == axes:
                view.show_map(grid)
                view.mark(self._results.picked_number())
            else:
                self._draw_map()

        self._bridge.ask(lambda: grid_of(sweep, axes), draw)

    def _count(self) -> None:
        """Ask how many trials the plan makes; a later question makes earlier answers void."""
        info, spec = self._plan.info(), self._plan.spec()
        if info is None:
            return
        self._counting = spec

        def ask() -> int | str:
            try:
                return self._bridge.engine.count_trials(spec, info.params)
            except InputError as error:
                return str(error)

        def answer(count: int | str) -> None:
            if self._counting is spec:
                self._plan.set_count(count)

        self._bridge.ask(ask, answer)

    # -- a trial -----------------------------------------------------------------------------------------------------

    def _use(self, position: int) -> None:
        """Load a trial's parameters into the set-up."""
        sweep = self._results.sweep
        if sweep is not None:
            self._setup.strategies.set_params(sweep.spec.strategy, sweep.params_of(position))
            self.said.emit(f"Parameters of trial {sweep.numbers[position]} are in the set-up")

    def _run_trial(self, position: int) -> None:
        """Make a run of a trial, on the same candles, warm-up included, so that its figures are the trial's."""
        sweep = self._results.sweep
        if sweep is None:
            return
        spec = sweep.spec
        self.run_wanted.emit([
            RunSpec(
                spec.strategy, spec.symbol, spec.exchange, spec.timeframe, sweep.period, sweep.params_of(position),
                spec.costs, sweep.engine, warmup=sweep.warmup,
            )
        ])  # fmt: skip

    # -- stored sweeps, memory ---------------------------------------------------------------------------------------

    def _open(self, sweep_id: str) -> None:
        def show(sweep: SweepResult) -> None:
            self._show(sweep)
            self._plan.use_plan(sweep.spec)
            self._results.tabs.setCurrentIndex(0)

        if self._bridge.phase is not Phase.OPTIMIZING:
            self._bridge.ask(lambda: self._bridge.engine.sweep(sweep_id), show)

    def _delete(self, sweep_id: str) -> None:
        self._bridge.ask(
            lambda: self._bridge.engine.delete_sweep(sweep_id), lambda _: self._bridge.load_sweeps()
        )

    def _restore(self) -> None:
        saved = self._preferences.read("sweeps")
        choices: dict[str, SweepChoice] = {}
        if isinstance(saved, Mapping) and isinstance(saved.get("choices"), Mapping):
            read = {str(name): SweepChoice.from_json(one) for name, one in saved["choices"].items()}
            choices = {name: choice for name, choice in read.items() if choice is not None}
            self._plan.use_choices(str(saved.get("strategy", "")), choices)

    def _remember(self) -> None:
        choices = {name: choice.to_json() for name, choice in self._plan.choices.items()}
        strategy = self._plan.strategy.currentText() or self._plan.wanted_strategy
        self._preferences.save("sweeps", {"strategy": strategy, "choices": choices})
