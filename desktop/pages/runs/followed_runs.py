"""Follows the runs that are made: each goes into the workspace as it ends; a few words say what came of all."""

from __future__ import annotations

import textwrap
from typing import Final

from PySide6.QtCore import QObject, Signal

from desktop.tables.traces import own_lines_first
from desktop.work.jobs import Job
from desktop.workspace import Workspace
from engine.errors import Interrupted
from engine.model.run import FAILED, FINISHED, RunResult

_LONGEST_REASON: Final = 110  # the whole of it stands in the log and in the run's row
MOST_COMPARED: Final = 10  # of one batch; more curves would not be told apart


class FollowedRuns(QObject):
    """Signals: `logged(level, text, details)`; `done(text)` and `failed(text, first line in the log)` at the end."""

    logged = Signal(str, str, str)
    failed = Signal(str, str)
    done = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._results: list[RunResult] = []

    def begin(self) -> None:
        """New runs."""
        self._results.clear()

    def follow(self, job: Job) -> None:
        """A run began, went on or ended."""
        if job.ending is not None and isinstance(job.ending.result, RunResult):
            self._ended(job.ending.result)

    def end(self, error: BaseException | None) -> None:
        """All runs ended; `error`: what kept some from being made. What it says does not hide what became of the others."""
        failed = [result for result in self._results if result.status == FAILED]
        finished = sum(result.status == FINISHED for result in self._results)
        words = f"{finished} of {len(self._results)} runs finished"
        if finished > MOST_COMPARED:
            words += f"; the first {MOST_COMPARED} are compared, check others in the table"
        if self._results:
            self.done.emit(words)
        if failed:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            first = textwrap.shorten(_failure(failed[0]), _LONGEST_REASON, placeholder=" …")
            before = "" if error is None else "Stopped. " if isinstance(error, Interrupted) else f"{error}. "
            self.failed.emit(
                f"{before}Failed: {first}{more}; {finished} finished and are kept", _failure(failed[0])
            )

    def _ended(self, result: RunResult) -> None:
        self._results.append(result)
        self._workspace.put([result])
        if result.status == FAILED:
            self.logged.emit("error", _failure(result), own_lines_first(result.traceback or ""))
        if result.status == FINISHED and len(self._workspace.checked) < MOST_COMPARED:
            self._workspace.check(result.id, on=True)
            if len(self._workspace.checked) == 1:
                self._workspace.show(result.id)


def _failure(result: RunResult) -> str:
    return f"{result.strategy} on {result.symbol}: {result.error}"
