"""Follows the runs that are made: each goes into the workspace as it ends; a few words say what came of all."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QObject, Signal

from desktop.work.jobs import Job
from desktop.workspace import Workspace
from engine.model.run import FAILED, FINISHED, RunResult

_LONGEST_REASON: Final = 110  # the whole of it stands in the log and in the run's row
MOST_COMPARED: Final = 10  # of one batch; more curves would not be told apart


class FollowedRuns(QObject):
    """Signals: `logged(level, text, details)`; `failed(text)` and `done(text)` at the end."""

    logged = Signal(str, str, str)
    failed = Signal(str)
    done = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._failures: list[str] = []

    def begin(self) -> None:
        """New runs."""
        self._failures.clear()

    def follow(self, job: Job) -> None:
        """A run began, went on or ended."""
        if job.ending is not None and isinstance(job.ending.result, RunResult):
            self._ended(job.ending.result)

    def end(self, results: Sequence[RunResult]) -> None:
        """All runs ended."""
        if results:
            finished = sum(result.status == FINISHED for result in results)
            self.done.emit(f"{finished} of {len(results)} runs finished")
        if self._failures:
            more = f" (and {len(self._failures) - 1} more)" if len(self._failures) > 1 else ""
            first = textwrap.shorten(self._failures[0], _LONGEST_REASON, placeholder=" …")
            self.failed.emit(f"Failed: {first}{more}; the other runs are kept")

    def _ended(self, result: RunResult) -> None:
        self._workspace.put([result])
        if result.status == FAILED:
            self._failures.append(f"{result.strategy} on {result.symbol}: {result.error}")
            self.logged.emit("error", self._failures[-1], result.traceback or "")
        if result.status == FINISHED and len(self._workspace.checked) < MOST_COMPARED:
            self._workspace.check(result.id, on=True)
            if len(self._workspace.checked) == 1:
                self._workspace.show(result.id)
