"""The Optimize page: sweeps under way, stored ones, what a picked trial does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFileDialog

from desktop.pages.optimize.cells import Grid, grid_of
from desktop.pages.optimize.coordinates import Lines, lines_of, picture_of
from desktop.pages.optimize.panel import OptimizePanel
from desktop.pages.optimize.values import SweepChoice, setup_of
from desktop.pages.page import Context, Page, Place
from desktop.pages.setup.page import SetupPage
from desktop.tables import formats
from desktop.widgets.actions import Command
from desktop.widgets.preferences import Preferences
from desktop.widgets.tab_order import bring_to_front
from desktop.widgets.undo import Undo
from desktop.work.bridge import Call, Phase, refusable
from desktop.work.jobs import Job
from desktop.work.latest import Latest
from engine.errors import InputError
from engine.events import CancelToken, OnEvent
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_file import portfolio_text
from engine.model.run import RunSpec
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import SweepSpec
from engine.model.sweep_statistics import SweepStatistics

Drawn = tuple[Lines, npt.NDArray[np.uint8]]
_SHOW_MS: Final = 200  # five pictures a second are as many as anybody reads


class OptimizePage(Page[OptimizePanel]):
    """`sweep_done(SweepResult or None)`: a sweep that was asked for ended."""

    title = "Optimize"
    place = Place.CENTRE
    hears = frozenset({"fetch", "warmup", "sweep"})
    is_tall = True

    sweep_done = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__(context, OptimizePanel())
        self._setup_page = context.page(SetupPage)
        self._setup = self._setup_page.panel
        self._plan, self._results = self.panel.plan, self.panel.results
        self._latest: SweepResult | None = None
        self._is_restored = False
        self._map = Latest(self.bridge, self._ask_map, self._results.show_map)
        self._statistics = Latest(
            self.bridge, self._ask_statistics, self._results.show_statistics, self._results.statistics.fail
        )
        self._lines = Latest(
            self.bridge, self._ask_lines, lambda drawn: self._results.parallel.show_lines(*drawn)
        )
        self._counting: SweepSpec | None = None
        self._opening = ""
        self._timer = QTimer(self, singleShot=True, interval=_SHOW_MS)
        self._timer.timeout.connect(self._show_latest)
        self._connect()

    def _connect(self) -> None:
        bridge, plan, results = self.bridge, self._plan, self._results
        bridge.phase_changed.connect(plan.set_phase)
        bridge.phase_changed.connect(self._phase_changed)
        self._setup_page.strategies_loaded.connect(plan.subjects.set_infos)
        self._setup.setup_changed.connect(lambda: plan.set_setup(self._setup.setup()))
        plan.run_wanted.connect(self.start)
        plan.stop_wanted.connect(bridge.stop)
        plan.count_wanted.connect(self._count)
        plan.changed.connect(self._remember)
        plan.subjects.strategy_chosen.connect(self._setup.strategies.focus)
        results.params_wanted.connect(self._use)
        results.run_wanted.connect(self._run_trial)
        results.map.axes_changed.connect(self._map.want)
        results.wanted_changed.connect(self._map.want)
        results.tabs.currentChanged.connect(lambda _: self._statistics.want())
        results.parallel.picture_wanted.connect(self._lines.want)
        results.export_wanted.connect(self._ask_export)
        results.stored.export_wanted.connect(self._ask_export)
        results.stored.open_wanted.connect(self._open)
        results.stored.resume_wanted.connect(self.resume)
        results.stored.delete_wanted.connect(self._delete)

    def _phase_changed(self, phase: Phase) -> None:
        """Runs that begin are to be seen, be it one of a trial; not so behind this page."""
        self._results.stored.set_idle(idle=phase is Phase.IDLE)
        if phase is Phase.RUNNING and self.panel.isVisible():
            self.context.show_wanted.emit("Overview")

    def commands(self) -> Sequence[Command]:
        """Optimize."""
        return (
            Command("optimize", "&Optimize", "Try the combinations of the Optimize tab", self.start, "&Run", 1, ("F6",),
                    idle_only=True),
        )  # fmt: skip

    def open(self) -> None:
        """Ask for the stored sweeps, and for what can be optimised."""
        self._load_sweeps()
        self.bridge.ask(self.engine.research.objectives, self.show_objectives)

    def show_objectives(self, objectives: Mapping[str, Any]) -> None:
        """What can be optimised is known."""
        self._plan.set_objectives(objectives)
        self._results.set_definitions(objectives)

    def close(self) -> None:
        """Draw no more."""
        self._timer.stop()
        self._latest = None

    # -- a sweep -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Do the sweep that is planned; does nothing while anything runs."""
        self.show()
        try:
            spec = self._plan.spec()
        except InputError:
            return  # the reason stands beside the button
        if self._plan.run.isEnabled():
            self._begin(refusable(self._call(partial(self.engine.research.optimize, spec))))

    def resume(self, sweep_id: str) -> None:
        """Go on with a stored sweep; does nothing while anything runs. Nothing was typed: a refusal is told as a problem."""
        self._begin(self._call(partial(self.engine.research.resume_sweep, sweep_id)))
        self._results.tabs.setCurrentIndex(0)

    def _begin(self, call: Call) -> None:
        before = self._results.sweep, self._results.picked_number()
        if self.bridge.begin(Phase.OPTIMIZING, call, partial(self._end, before)):
            self._latest, self._opening = None, ""
            self._plan.set_failure("")
            self._results.show_sweep(None)
            self._results.set_running(on=True)

    def _call(self, sweep: Callable[..., SweepResult]) -> Call:
        show = self.bridge.queued(self._take_trials)

        def tell(trials: SweepResult) -> None:
            show(_ranked(trials))

        def optimize(*, on_event: OnEvent, cancel: CancelToken) -> SweepResult:
            return _ranked(sweep(on_event=on_event, cancel=cancel, on_trials=tell))

        return optimize

    def follow(self, job: Job) -> None:
        """A sweep, or the fetch of its candles, went on."""
        if job.progress is not None and job.ending is None and self._is_mine(job):
            self._results.show_progress(job.progress)

    def _is_mine(self, job: Job) -> bool:
        return job.task is self.bridge.task and (job.kind == "sweep" or self.bridge.phase is Phase.OPTIMIZING)

    def _take_trials(self, sweep: SweepResult) -> None:
        self._latest = sweep
        if not self._timer.isActive():
            self._timer.start()

    def _end(
        self,
        before: tuple[SweepResult | None, int | None],
        sweep: SweepResult | InputError | None,
        error: BaseException | None,
    ) -> None:
        """`before`: the sweep that was shown and its picked trial, which come back where no trial was made."""
        problem = sweep if isinstance(sweep, InputError) else error
        self._results.set_running(on=False)
        self._plan.set_failure("" if problem is None else str(problem))
        if isinstance(sweep, SweepResult):
            self._latest = sweep
            self.context.said.emit(f"{formats.whole(sweep.done)} trials of {sweep.spec.strategy} made")
        self._load_sweeps()  # whatever the ending: it is stored while it is made
        self._show_latest()
        shown, picked = before
        if self._results.sweep is None and shown is not None:
            self._show(shown)
            if picked is not None:
                self._results.select(picked)
        self._results.pick_best()
        self.sweep_done.emit(sweep if isinstance(sweep, SweepResult) else None)

    def _show_latest(self) -> None:
        self._timer.stop()
        if self._latest is not None:
            sweep, self._latest = self._latest, None
            self._show(sweep)

    def _show(self, sweep: SweepResult) -> None:
        running = self.bridge.phase is Phase.OPTIMIZING
        words = self._results.words.text()
        self._results.show_sweep(sweep)
        if running:
            self._results.words.setText(words)
        self._map.want()
        self._statistics.want()

    def _ask_statistics(self) -> Callable[[], tuple[SweepResult, SweepStatistics]] | None:
        """The question for what all trials of the shown sweep say."""
        sweep = self._results.statistics_wanted()
        return None if sweep is None else lambda: (sweep, self.engine.research.statistics(sweep))

    def _ask_map(self) -> Callable[[], Grid] | None:
        """The question for the map of what is shown."""
        results = self._results
        sweep, axes, wanted = results.sweep, results.map.axes(), results.wanted
        if sweep is None or not len(sweep) or not axes[0]:
            return None
        one = results.map.market_of(sweep)

        def draw() -> Grid:  # on one market trials may lie at other positions, or be missing
            others = one is not sweep and wanted is not None
            return grid_of(one, axes, np.isin(one.numbers, sweep.numbers[wanted]) if others else wanted)

        return draw

    def _ask_lines(self) -> Callable[[], Drawn] | None:
        """The question for the picture of the lines."""
        results, view = self._results, self._results.parallel
        sweep, axes, wanted, known = results.sweep, view.axes, results.wanted, view.lines
        (xs, height), colours = view.picture_size(), view.item.colours()
        if sweep is None or len(axes) < 2 or not view.isVisible():
            return None

        def draw() -> Drawn:
            is_known = known is not None and known.sweep is sweep and known.axes == axes
            lines = known if is_known and known is not None else lines_of(sweep, axes)
            return lines, picture_of(lines, wanted, xs, height, colours)

        return draw

    def _count(self) -> None:
        """Ask how many trials the plan makes; a later question makes earlier answers void."""
        subject, spec = self._plan.subject(), self._plan.spec()
        if subject is None:
            return
        self._counting = spec

        def ask() -> int | str:
            try:
                return self.engine.research.count_trials(spec, subject.counted(list(spec.ranges)))
            except InputError as error:
                return str(error)

        def answer(count: int | str) -> None:
            if self._counting is spec:
                self._plan.set_count(count)

        self.bridge.ask(ask, answer)

    # -- a trial -----------------------------------------------------------------------------------------------------

    def _use(self, position: int) -> None:
        """Load a trial's parameters into the set-up, one of a portfolio as its file into that page."""
        sweep = self._results.sweep
        if sweep is not None and sweep.spec.portfolio is not None:
            self._as_portfolio(sweep, sweep.spec.portfolio, position, runs=False)
        elif sweep is not None:
            text = f"Parameters of trial {sweep.numbers[position]} are in the set-up"
            params = sweep.params_of(position)
            self._setup_page.overwrite(
                text, lambda: self._setup.strategies.set_params(sweep.spec.strategy, params)
            )
            self.context.said.emit(text)

    def _run_trial(self, position: int) -> None:
        """Make a run of a trial, on the same candles, warm-up included, so that its figures are the trial's."""
        sweep = self._results.sweep
        if sweep is None:
            return
        spec = sweep.spec
        if spec.portfolio is not None:
            self._as_portfolio(sweep, spec.portfolio, position, runs=True)
            return
        self.context.run_wanted.emit([
            RunSpec(
                spec.strategy, one.spec.symbol, spec.exchange, spec.timeframe, one.period, sweep.params_of(position),
                spec.costs, sweep.engine, warmup=sweep.warmup, longer_warmup=sweep.longer_warmup,
            )
            for one in sweep.markets or (sweep,)
        ])  # fmt: skip

    def _as_portfolio(
        self, sweep: SweepResult, portfolio: PortfolioSpec, position: int, *, runs: bool
    ) -> None:
        """Show a trial as the portfolio that it is, on the page of portfolios."""
        text = portfolio_text(portfolio.with_values(sweep.params_of(position)))
        words = f"Trial {sweep.numbers[position]} of the sweep is the portfolio now"
        self.context.portfolio_wanted.emit(text, words, runs)

    # -- stored sweeps, memory ---------------------------------------------------------------------------------------

    def _open(self, sweep_id: str) -> None:
        def show(sweep: SweepResult) -> None:
            if self._opening != sweep_id or self.bridge.phase is Phase.OPTIMIZING:
                return  # another one was opened meanwhile, or begun
            self._show(sweep)
            if sweep.spec.portfolio is None:
                self._use_plan(sweep.spec)
            else:  # its portfolio may be another than the one that stands on its page: nothing is overwritten
                self.context.said.emit(
                    "This sweep is over a portfolio: set-up, plan and portfolio stay as they are"
                )
            bring_to_front(self._results.tabs, 0)

        self._opening = sweep_id
        if self.bridge.phase is not Phase.OPTIMIZING:
            self.bridge.ask(lambda: _ranked(self.engine.research.sweep(sweep_id)), show)

    def _use_plan(self, spec: SweepSpec) -> None:
        """The whole set-up and the plan as they were; both can be taken back at once."""
        plan, setup = self._plan, self._setup
        before = plan.subjects.key, dict(plan.choices), setup.setup(), setup.strategies.focused()
        market = plan.subjects.market()
        setup.set_setup(setup_of(spec, before[2].engine))
        setup.strategies.focus(spec.strategy)
        plan.use_plan(spec)

        def take_back() -> None:
            setup.set_setup(before[2])
            setup.strategies.focus(before[3])
            plan.use_choices(*before[:2])
            plan.subjects.choose_market(*market)

        if (plan.subjects.key, plan.choices, setup.setup(), plan.subjects.market()) != (*before[:3], market):
            undo = Undo("Set-up and plan are those of the stored sweep now", take_back)
            self.context.undo_offered.emit(undo)

    def _ask_export(self, sweep_id: str) -> None:
        folder = QFileDialog.getExistingDirectory(self.panel.window(), "Export the sweep into a folder")
        if folder:
            self.export(sweep_id, Path(folder))

    def export(self, sweep_id: str, folder: Path) -> None:
        """Write a stored sweep as JSON, and all its trials as CSV."""
        self.bridge.ask(
            lambda: self.engine.research.export(sweep_id, folder),
            lambda paths: self.context.said.emit(f"Written: {', '.join(path.name for path in paths)}"),
        )

    def _load_sweeps(self) -> None:
        self.bridge.ask(self.engine.research.sweeps, self._results.stored.set_stored)

    def _delete(self, ids: list[str]) -> None:
        """Hide sweeps; they are deleted for good when it is too late to bring them back."""

        def removed(count: int) -> None:
            self._load_sweeps()
            self.context.removed(f"{count} sweep{'s' * (count != 1)} deleted", lambda: self._bring_back(ids))

        self.bridge.ask(lambda: self.engine.research.remove_sweeps(ids), removed)

    def _bring_back(self, ids: list[str]) -> None:
        def restored(count: int) -> None:
            self._load_sweeps()
            if count != len(ids):
                self.context.reported.emit(
                    "warning", "The deleted sweeps are gone: it is too late to undo that", ""
                )

        self.bridge.ask(lambda: self.engine.research.restore_sweeps(ids), restored)

    def restore(self, preferences: Preferences) -> None:
        """Choose what was chosen."""
        super().restore(preferences)
        self._is_restored = True
        saved = preferences.read("sweeps")
        choices: dict[str, SweepChoice] = {}
        if isinstance(saved, Mapping) and isinstance(saved.get("choices"), Mapping):
            read = {str(name): SweepChoice.from_json(one) for name, one in saved["choices"].items()}
            choices = {name: choice for name, choice in read.items() if choice is not None}
            self._plan.use_choices(str(saved.get("strategy", "")), choices)

    def _remember(self) -> None:
        if not self._is_restored:  # a set-up that is being restored changes the plan; nobody chose that
            return
        choices = {name: choice.to_json() for name, choice in self._plan.choices.items()}
        self.context.preferences.save("sweeps", {"strategy": self._plan.subjects.key, "choices": choices})


def _ranked(sweep: SweepResult) -> SweepResult:
    """The same, called in a thread: what ranks its trials is computed there, where it holds up nothing."""
    _ = sweep.order, sweep.front, sweep.behind
    return sweep
