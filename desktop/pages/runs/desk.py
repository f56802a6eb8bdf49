"""Joins the runs to the work: details on demand, export, delete, and the cross-checks that are still to be made."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from desktop.pages.runs.cross_checks import CrossChecks
from desktop.pages.runs.panel import RunsPanel
from desktop.pages.setup.panel import SetupPanel
from desktop.pages.setup.values import Setup
from desktop.work.bridge import Bridge
from desktop.workspace import Workspace
from engine.model.run import FINISHED, RunResult


class RunDesk(QObject):
    """What the table of runs asks for."""

    def __init__(
        self, bridge: Bridge, workspace: Workspace, panel: RunsPanel, setup: SetupPanel, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._bridge, self._workspace, self._panel, self._setup = bridge, workspace, panel, setup
        self._window = parent
        self.cross_checks = CrossChecks(bridge, workspace, self)
        bridge.happened.connect(panel.take)
        bridge.batch_done.connect(lambda _: panel.end_batch())
        bridge.runs_loaded.connect(self._loaded)
        bridge.run_loaded.connect(lambda result: workspace.put([result]))
        bridge.candles_loaded.connect(workspace.put_candles)
        bridge.data_judged.connect(workspace.put_judgement)
        workspace.details_wanted.connect(self._load_details)
        panel.delete_wanted.connect(self._delete)
        panel.setup_wanted.connect(self._use_setup_of)
        panel.export_wanted.connect(self._export)

    def _loaded(self, results: list[RunResult]) -> None:
        self._workspace.put(reversed(results))
        newest = next((result for result in results if result.status == FINISHED), None)
        if newest is not None and self._workspace.current is None and not self._workspace.checked:
            self._workspace.check(newest.id, on=True)
            self._workspace.show(newest.id)

    def _load_details(self, run_id: str) -> None:
        with_candles = self._workspace.candles(run_id) is None
        self._bridge.load_details(self._workspace.runs[run_id], with_candles=with_candles)

    def _delete(self, run_id: str) -> None:
        self._bridge.delete(run_id, lambda _: self._workspace.remove(run_id))

    def _export(self, run_id: str) -> None:
        folder = QFileDialog.getExistingDirectory(self._window, "Export the run into a folder")
        if folder:
            self._bridge.export(run_id, Path(folder))

    def _use_setup_of(self, run_id: str) -> None:
        run = self._workspace.runs[run_id]
        self._setup.set_setup(Setup.of_run(run))
        self._setup.strategies.focus(run.strategy)
