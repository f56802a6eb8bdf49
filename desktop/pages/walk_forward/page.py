"""The Walk-forward page: the plan of the Optimize tab in every window, stored ones, what a picked window does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog

from desktop.pages.optimize.cells import Grid, grid_of
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.page import Context, Page, Place
from desktop.pages.walk_forward.panel import WalkForwardPanel
from desktop.tables import formats
from desktop.widgets.actions import Command
from desktop.widgets.preferences import Preferences
from desktop.widgets.tab_order import bring_to_front
from desktop.widgets.when_seen import WhenSeen
from desktop.work.bridge import Call, Phase, refusable
from desktop.work.jobs import Job
from desktop.work.latest import Latest
from engine.errors import InputError
from engine.model.durations import parse_duration
from engine.model.portfolio_file import portfolio_text
from engine.model.ranges import range_text
from engine.model.run import FINISHED, RunSpec
from engine.model.walk_forward import WalkForward, WalkForwardSpec

_KEY: Final = "walk forward"
_SETTLE_MS: Final = 150


class WalkForwardPage(Page[WalkForwardPanel]):
    """`walk_done(WalkForward or None)`: one that was asked for ended."""

    title = "Walk-forward"
    place = Place.CENTRE
    hears = frozenset({"fetch", "warmup", "walk-forward"})
    is_tall = True

    walk_done = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__(context, WalkForwardPanel())
        self._plan = context.page(OptimizePage).panel.plan
        self._failure = self._opening = ""
        self._map = Latest(self.bridge, self._ask_map, self._show_map)
        self._planning = WhenSeen(self.panel, self._update, _SETTLE_MS)
        self._connect()

    def _connect(self) -> None:
        panel = self.panel
        self.bridge.phase_changed.connect(lambda _: self._planning.wish())
        self._plan.changed.connect(self._edited)
        panel.changed.connect(self._edited)
        panel.run_wanted.connect(self.start)
        panel.stop_wanted.connect(self.bridge.stop)
        panel.window_picked.connect(self._map.want)
        panel.map.axes_changed.connect(self._map.want)
        panel.stitched_wanted.connect(self._show_stitched)
        panel.window_wanted.connect(self._run_training)
        panel.stored.open_wanted.connect(self._open)
        panel.stored.resume_wanted.connect(self._resume)
        panel.stored.export_wanted.connect(self._ask_export)
        panel.stored.delete_wanted.connect(self._delete)

    def commands(self) -> Sequence[Command]:
        """Walk forward."""
        return (
            Command("walk_forward", "&Walk forward", "Choose parameters in one window and trade them in the next, "
                    "again and again", self.start, "&Run", 2, ("F7",), idle_only=True),
        )  # fmt: skip

    def open(self) -> None:
        """Ask for the stored ones."""
        self._load()
        self.bridge.ask(self.engine.research.objectives, self.panel.map.set_definitions)

    # -- one under way -----------------------------------------------------------------------------------------------

    def planned(self) -> tuple[WalkForwardSpec, int]:
        """What is asked for, and in how many windows; raises InputError."""
        panel = self.panel
        train, test, gap = (
            parse_duration(field.text(), name)
            for name, field in (("Train", panel.train), ("Test", panel.test), ("Gap", panel.gap))
        )
        spec = WalkForwardSpec(self._plan.spec(), train, test, panel.mode.currentText(), gap)
        return spec, len(spec.windows(spec.sweep.timeframe.align(spec.sweep.period)))

    def start(self) -> None:
        """Do what is asked for; does nothing while anything runs."""
        self.show()
        try:
            spec, _ = self.planned()
        except InputError:
            return  # the reason stands above
        self._begin(refusable(partial(self.engine.walk_forwards.make, spec)))

    def _resume(self, walk_id: str) -> None:
        """Nothing was typed: a refusal is told as a problem."""
        self._begin(partial(self.engine.walk_forwards.resume, walk_id))

    def _begin(self, call: Call) -> None:
        if self.bridge.begin(Phase.WALKING, call, self._end):
            self._failure = self._opening = ""
            self.panel.set_running(on=True)
            self._update()

    def follow(self, job: Job) -> None:
        """One, or the fetch of its candles, went on."""
        is_mine = job.task is self.bridge.task and self.bridge.phase is Phase.WALKING
        if job.progress is not None and job.ending is None and is_mine:
            self.panel.show_progress(job.progress)

    def _end(self, walk: WalkForward | InputError | None, error: BaseException | None) -> None:
        problem = walk if isinstance(walk, InputError) else error
        self._failure = "" if problem is None else str(problem)
        self.panel.set_running(on=False)
        self._load()  # whatever the ending: it is stored while it is made
        if isinstance(walk, WalkForward):
            self.panel.show_walk(walk)
            if walk.run is not None:
                self.context.workspace.put([walk.run])
            if walk.status == FINISHED:
                self.context.said.emit(f"{formats.whole(len(walk.results))} windows walked")
        self._update()
        self.walk_done.emit(walk if isinstance(walk, WalkForward) else None)

    def _edited(self) -> None:
        self._failure = ""
        self._planning.wish()

    def _update(self) -> None:
        idle, plan, problem = self.bridge.phase is Phase.IDLE, "", ""
        try:
            spec, count = self.planned()
            sweep = spec.sweep
            ranges = ", ".join(f"{name} {range_text(values)}" for name, values in sweep.ranges.items())
            plan = f"{sweep.strategy} on {sweep.markets} {sweep.timeframe}: {ranges} in {count} windows (Optimize tab)"
        except InputError as error:
            problem = str(error)
        can_run = idle and not problem
        if not idle:
            problem = f"{self.bridge.phase.value} …"
        self.panel.show_plan(plan, problem or self._failure, can_run=can_run, idle=idle)

    # -- a window ----------------------------------------------------------------------------------------------------

    def _ask_map(self) -> Callable[[], Grid] | None:
        view = self.panel.map
        sweep, axes = view.sweep, view.axes()
        if sweep is None or not len(sweep) or not axes[0]:
            return None
        return lambda: grid_of(sweep, axes)

    def _show_map(self, grid: Grid) -> None:
        """A late one of another window is dropped."""
        panel = self.panel
        if grid.sweep is panel.map.sweep and panel.walk is not None and panel.picked is not None:
            panel.map.show_map(grid)
            panel.map.mark(panel.walk.results[panel.picked].number)

    def _run_training(self, number: int) -> None:
        walk = self.panel.walk
        if walk is None:
            return
        sweep, one = walk.spec.sweep, walk.results[number]
        if sweep.portfolio is not None:
            chosen = replace(sweep.portfolio, period=one.window.train).with_values(one.params)
            words = f"What was chosen in training {number + 1} is the portfolio now"
            self.context.portfolio_wanted.emit(portfolio_text(chosen), words, True)
            return
        self.context.run_wanted.emit([
            RunSpec(
                sweep.strategy, sweep.symbol, sweep.exchange, sweep.timeframe, one.window.train, one.params, sweep.costs,
                warmup=walk.warmup, longer_warmup=walk.longer_warmup,
            )
        ])  # fmt: skip

    def _show_stitched(self) -> None:
        walk = self.panel.walk
        if walk is not None and walk.run is not None:
            workspace = self.context.workspace
            workspace.put([walk.run])
            workspace.check(walk.run.id, on=True)
            workspace.show(walk.run.id)
            self.context.show_wanted.emit("Overview")
        elif walk is not None and walk.portfolio is not None:
            words = "The stitched portfolio is in the editor; what came of it is among the stored ones"
            self.context.portfolio_wanted.emit(portfolio_text(walk.portfolio.spec), words, False)

    # -- stored ones, memory -----------------------------------------------------------------------------------------

    def _open(self, walk_id: str) -> None:
        def show(walk: WalkForward) -> None:
            if self._opening == walk_id:  # no other one was opened meanwhile, or begun
                self.panel.show_walk(walk)
                bring_to_front(self.panel.tabs, 0)

        self._opening = walk_id
        self.bridge.ask(lambda: self.engine.walk_forwards.get(walk_id), show)

    def _ask_export(self, walk_id: str) -> None:
        folder = QFileDialog.getExistingDirectory(
            self.panel.window(), "Export the walk-forward into a folder"
        )
        if folder:
            self.export(walk_id, Path(folder))

    def export(self, walk_id: str, folder: Path) -> None:
        """Write a stored one as JSON, and all its trials as CSV."""
        self.bridge.ask(
            lambda: self.engine.walk_forwards.export(walk_id, folder),
            lambda paths: self.context.said.emit(f"Written: {', '.join(path.name for path in paths)}"),
        )

    def _load(self) -> None:
        self.bridge.ask(self.engine.walk_forwards.stored, self.panel.stored.set_stored)

    def _delete(self, ids: list[str]) -> None:
        """Hide some; they are deleted for good when it is too late to bring them back."""

        def removed(count: int) -> None:
            self._load()
            self.context.removed(
                f"{count} walk-forward{'s' * (count != 1)} deleted", lambda: self._bring_back(ids)
            )

        self.bridge.ask(lambda: self.engine.walk_forwards.remove(ids), removed)

    def _bring_back(self, ids: list[str]) -> None:
        def restored(count: int) -> None:
            self._load()
            if count != len(ids):
                self.context.reported.emit(
                    "warning", "The deleted walk-forwards are gone: it is too late to undo that", ""
                )

        self.bridge.ask(lambda: self.engine.walk_forwards.restore(ids), restored)

    def _fields(self) -> Mapping[str, Any]:
        return {"train": self.panel.train, "test": self.panel.test, "gap": self.panel.gap}

    def save(self, preferences: Preferences) -> None:
        """Keep the lengths."""
        super().save(preferences)
        lengths = {name: field.text() for name, field in self._fields().items()}
        preferences.save(_KEY, lengths | {"mode": self.panel.mode.currentText()})

    def restore(self, preferences: Preferences) -> None:
        """Choose what was chosen."""
        super().restore(preferences)
        saved = preferences.read(_KEY)
        if isinstance(saved, Mapping):
            for name, field in self._fields().items():
                field.setText(str(saved.get(name, field.text())))
            self.panel.mode.setCurrentText(str(saved.get("mode", "")))
        self._planning.wish()
