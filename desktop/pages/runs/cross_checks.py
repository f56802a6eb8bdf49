"""Completes pending cross-checks in the background: one at a time, and only while nothing else runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QObject, QTimer

from desktop.tables.badges import is_pending
from desktop.work.bridge import Bridge, Phase
from desktop.work.jobs import Job
from desktop.workspace import Workspace
from engine.errors import BacktestError, Interrupted
from engine.events import CancelToken, OnEvent
from engine.model.run import RunResult

CHECK: Final = "check"  # the kind of its jobs
_REST_MS: Final = 300  # the window's own questions come first


class CrossChecks(QObject):
    """Follows the workspace: every run whose check is pending is checked once per session, the newest first."""

    def __init__(self, bridge: Bridge, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._workspace = bridge, workspace
        self._tried: set[str] = set()
        self._job: Job | None = None
        self._stopped = False
        self._timer = QTimer(self, singleShot=True, interval=_REST_MS)
        self._timer.timeout.connect(self._next)
        workspace.runs_changed.connect(self._look)
        bridge.phase_changed.connect(self._phase_changed)

    @property
    def running(self) -> bool:
        """Whether a check is under way."""
        return self._job is not None

    def stop(self) -> None:
        """Make no more; the one under way ends soon and stays pending."""
        if self._stopped:
            return
        self._stopped = True
        self._timer.stop()
        self._workspace.runs_changed.disconnect(self._look)
        if self._job is not None:
            self._bridge.stop_job(self._job)

    def _look(self, ids: Sequence[str]) -> None:
        del ids  # all are looked through when they come to rest
        self._timer.start()

    def _phase_changed(self, phase: Phase) -> None:
        """What the user asks for goes first: a check under way gives way, and is made afterwards."""
        if phase is Phase.IDLE:
            self._timer.start()
        elif self._job is not None:
            self._bridge.stop_job(self._job)

    def _next(self) -> None:
        if self._stopped or self.running or self._bridge.phase is not Phase.IDLE:
            return
        waiting = [
            run for run in self._workspace.runs.values() if is_pending(run) and run.id not in self._tried
        ]
        if waiting:
            self._start(max(waiting, key=lambda run: run.created_ms).id)

    def _start(self, run_id: str) -> None:
        self._tried.add(run_id)
        self._workspace.put_checking(run_id, "under way")

        def check(*, on_event: OnEvent, cancel: CancelToken) -> RunResult | BacktestError:
            try:
                return self._bridge.engine.runs.cross_check(run_id, on_event=on_event, cancel=cancel)
            except Interrupted:
                raise
            except BacktestError as error:  # said in the badge; nobody asked for it just now
                return error

        self._job = self._bridge.start(
            CHECK, (run_id,), check, lambda *end: self._end(run_id, *end), asked_for=False
        )

    def follow(self, job: Job) -> None:
        """A check went on."""
        if job is self._job and job.ending is None and job.part is not None:
            self._workspace.put_checking(job.subject[0], f"{job.part:.0%}")

    def _end(
        self, run_id: str, result: RunResult | BacktestError | None, error: BaseException | None
    ) -> None:
        self._job = None
        if isinstance(error, Interrupted):
            self._tried.discard(run_id)
            self._workspace.put_checking(run_id, "")
        elif isinstance(result, RunResult):
            if run_id in self._workspace.runs:  # not deleted meanwhile
                self._workspace.put([result])
        else:
            self._workspace.put_checking(run_id, f"not made: {result or error}")
        self._timer.start()
