"""The runs joined to the work: made, followed, their details on demand, export, delete, checks still to be made."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QLineEdit, QTableView

from desktop.pages.page import Context, Page, Place
from desktop.pages.runs.cross_checks import CHECK, CrossChecks
from desktop.pages.runs.details import Details
from desktop.pages.runs.followed_runs import FollowedRuns
from desktop.pages.runs.panel import REPORT_KEYS, RunsPanel
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.values import Setup
from desktop.pages.trades.page import TradesPage
from desktop.tables.run_names import name_in
from desktop.widgets.actions import Command
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Phase
from desktop.work.jobs import Job
from desktop.workspace import Removed
from engine.model.parameters import StrategyInfo
from engine.model.remark import Remark
from engine.model.run import RunResult, RunSpec

_COMPARED: Final = "compared"  # [ids, the current one's]
_PORTION: Final = 100  # taken in within one turn of the event loop


class RunsPage(Page[RunsPanel]):
    """`batch_done(list[RunResult])`: runs that were asked for ended."""

    title = "Runs"
    place = Place.RESULTS
    hears = frozenset({"run", CHECK})

    batch_done = Signal(list)

    def __init__(self, context: Context) -> None:
        super().__init__(context, RunsPanel(context.workspace))
        self._workspace = context.workspace
        self._batch = FollowedRuns(self._workspace, self)
        self._details = Details(self.bridge, self._workspace)
        self.cross_checks = CrossChecks(self.bridge, self._workspace, self)
        context.run_wanted.connect(self.run)
        context.candles_changed.connect(self._judge)
        self._batch.logged.connect(context.logged)
        self._batch.done.connect(context.said)
        self._batch.failed.connect(context.warned)
        context.page(SetupPage).strategies_loaded.connect(self._strategies_loaded)
        self.panel.delete_wanted.connect(self._delete)
        self.panel.setup_wanted.connect(self._use_setup_of)
        self.panel.export_wanted.connect(self._export)
        self.panel.rerun_wanted.connect(self._rerun)
        self.panel.remarked.connect(self._remark)
        self.panel.report_wanted.connect(self.ask_and_report)
        self.panel.compare_wanted.connect(context.compare_wanted)
        self.panel.trade_list_wanted.connect(context.trade_list_wanted)
        self.bridge.phase_changed.connect(lambda _: self._say_none())
        self._closed = False

    def commands(self) -> Sequence[Command]:
        """What is done with the comparison and with what is selected."""
        return (
            Command("report", "&Report …", "Write the selected runs, or the current one, as a page with charts and figures",
                    lambda: self.ask_and_report(self.panel.selected_or_current()), "&File", 1, (REPORT_KEYS,)),
            Command("compare_none", "&Compare none", "Take every run out of the comparison", self._workspace.clear_checks,
                    "&Run", 10),
        )  # fmt: skip

    def open(self) -> None:
        """Ask what the user noted, and for the runs that are older than the first ones."""
        self._say_none()
        self.bridge.ask(self.engine.runs.remarks, self._workspace.put_remarks)
        self.bridge.spawn(self._load_older())

    def _say_none(self) -> None:
        """Before the database answered nobody knows that there are none."""
        if self.context.has_answered:
            self.panel.say_none(coming=self.context.first_are_coming)

    async def _load_older(self) -> None:
        """All that are stored, in portions that the window takes in without a pause."""
        last = next(iter(self._workspace.runs.values()), None)
        while last is not None and not self._closed:
            found = await self.bridge.answer(partial(self.engine.runs.stored, _PORTION, before=last))
            if not self._closed:
                self._workspace.put(found)
            last = found[-1] if len(found) == _PORTION else None
            if (
                last is not None
            ):  # the collector would look through all of them, a third of a second for 5,000 runs
                gc.freeze()
        self._workspace.recall((), None)  # what is not among them was deleted

    def _strategies_loaded(self, infos: list[StrategyInfo]) -> None:
        self.context.workspace.put_defaults({
            info.name: {str(param["name"]): param["default"] for param in info.params} for info in infos
        })  # fmt: skip

    # -- making runs -------------------------------------------------------------------------------------------------

    def run(self, specs: list[RunSpec]) -> None:
        """Run all of these, unless something runs already."""
        if not specs:
            return
        call = partial(self.engine.runs.run, specs)
        if self.bridge.begin(Phase.RUNNING, call, self._ended, expected=len(specs)):
            self._batch.begin()
            self._workspace.clear_checks()
            self.panel.begin_batch()
            self.context.page(TradesPage).panel.clear_filter()  # what was looked for in the last run
            self.show()

    def _ended(self, results: list[RunResult] | None, error: BaseException | None) -> None:
        self.panel.end_batch()
        self.batch_done.emit(results or [])
        QTimer.singleShot(
            0, self, lambda: self._batch.end(error)
        )  # after the error is said as a problem, without the runs

    def follow(self, job: Job) -> None:
        """A run, or the check of one, began, went on or ended."""
        if job.kind == CHECK:
            self.cross_checks.follow(job)
            return
        self._batch.follow(job)
        self.panel.follow(job)

    # -- made ones ---------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        run = self._workspace.current_run()
        if run is not None:
            self._details.judge(run)

    def _delete(self, ids: list[str]) -> None:
        """Hide runs; they are deleted for good when it is too late to bring them back."""

        def removed(count: int) -> None:
            gone = self._workspace.remove(ids)
            self.context.removed(f"{count} run{'s' * (count != 1)} deleted", lambda: self._bring_back(gone))

        self.bridge.ask(lambda: self.engine.runs.remove(ids), removed)

    def _bring_back(self, gone: Removed) -> None:
        def restored(count: int) -> None:
            if count == len(gone.runs):
                self._workspace.bring_back(gone)
            else:
                self.context.reported.emit(
                    "warning", "The deleted runs are gone: it is too late to undo that", ""
                )

        self.bridge.ask(lambda: self.engine.runs.restore([run.id for run in gone.runs]), restored)

    def _rerun(self, ids: list[str]) -> None:
        """Make runs again, warm-up and engine included."""
        self.run([self._workspace.runs[run_id].spec for run_id in ids])

    def _remark(self, remarks: dict[str, Remark]) -> None:
        def keep() -> None:
            for run_id, remark in remarks.items():
                self.engine.runs.remark(run_id, remark)

        self.bridge.ask(keep, lambda _: self._workspace.put_remarks(remarks))

    def _export(self, ids: list[str]) -> None:
        title = "Export the run into a folder" if len(ids) == 1 else f"Export {len(ids)} runs into a folder"
        folder = QFileDialog.getExistingDirectory(self.panel.window(), title)
        if folder:
            self.export(ids, Path(folder))

    def export(self, ids: Sequence[str], folder: Path) -> None:
        """Write these runs as files into a folder."""
        self.bridge.ask(lambda: self.engine.runs.export(ids, folder), self._exported)

    def _exported(self, paths: Sequence[Path]) -> None:
        names = ", ".join(path.name for path in paths[:3])
        more = f" and {len(paths) - 3} more files" if len(paths) > 3 else ""
        self.context.said.emit(f"Written: {names}{more}")

    def ask_and_report(self, ids: list[str]) -> None:
        """Ask for a file, write the report there, and open it."""
        if not ids:
            self.context.reported.emit("info", "Select a run to write its report", "")
            return
        run = self._workspace.runs[ids[0]]
        name = (
            f"{run.strategy}-{run.symbol}-{run.timeframe}.html" if len(ids) == 1 else f"{len(ids)}-runs.html"
        )
        path, _ = QFileDialog.getSaveFileName(self.panel.window(), "Write a report", name, "HTML (*.html)")
        if path:
            self.report(ids, Path(path), QDesktopServices.openUrl)

    def report(self, ids: Sequence[str], path: Path, show: Callable[[QUrl], object]) -> None:
        """Write the report of these runs; `show` is given the file."""

        def written(_: None) -> None:
            self.context.said.emit(f"Written: {path}")
            show(QUrl.fromLocalFile(path))

        self.bridge.ask(lambda: self.engine.runs.write_report(ids, path), written)

    def _use_setup_of(self, run_id: str) -> None:
        run, page = self._workspace.runs[run_id], self.context.page(SetupPage)
        setup = page.panel

        def use() -> None:
            setup.set_setup(Setup.of_run(run))
            setup.strategies.focus(run.strategy)

        page.overwrite(f"The set-up is that of {name_in(self._workspace, run)} on {run.symbol} now", use)

    def save(self, preferences: Preferences) -> None:
        """Which runs are compared, and which is the current one."""
        super().save(preferences)
        preferences.save(_COMPARED, [self._workspace.compared(), self._workspace.current])

    def restore(self, preferences: Preferences) -> None:
        """They are again as soon as they are there."""
        super().restore(preferences)
        match preferences.read(_COMPARED):
            case [list(compared), str() | None as current]:
                self._workspace.recall([str(run_id) for run_id in compared], current)

    def close(self) -> None:
        """Make no more checks, ask for no more runs."""
        self._closed = True
        self.cross_checks.stop()

    @property
    def filter_field(self) -> QLineEdit:
        """The field of words."""
        return self.panel.search

    def tables(self) -> Mapping[str, QTableView]:
        """The runs."""
        return {"runs of all": self.panel.table}  # "every run" and others before it had other columns
