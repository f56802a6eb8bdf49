"""Follows the work under way: engine events become runs in the workspace, log lines, and a few words at the end."""

from __future__ import annotations

import textwrap
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.pages.jobs import Jobs
from desktop.tables import formats
from desktop.workspace import Workspace
from engine.events import Cancelled, Event, Failed, Finished, Log
from engine.model.run import FAILED, FINISHED, RunResult
from engine.model.sweep import SweepResult

_LONGEST_REASON: Final = 110  # the whole of it stands in the log and in the run's row
MOST_COMPARED: Final = 10  # of one batch; more curves would not be told apart
_GATHER_MS: Final = 100  # a progress bar repaints on every value


class Batch(QObject):
    """Signals: `progressed(Jobs)` at most ten times a second; `logged(level, text, details)`; `failed(text)` and
    `done(text)` at the end.
    """

    progressed = Signal(object)
    logged = Signal(str, str, str)
    failed = Signal(str)
    done = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._jobs = Jobs()
        self._failures: list[str] = []
        self._timer = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._timer.timeout.connect(lambda: self.progressed.emit(self._jobs))

    def begin(self, runs: int) -> None:
        """New work: so many runs, or only fetching."""
        self._jobs.begin(runs)
        self._failures.clear()

    def take(self, event: Event) -> None:
        """Follow an event."""
        self._jobs.take(event)
        if isinstance(event, Log):
            self.logged.emit(event.level, event.text, "")
        result = getattr(event, "result", None)
        if isinstance(event, Finished | Failed | Cancelled) and isinstance(result, RunResult):
            self._run_ended(result)
        elif isinstance(event, Finished) and result is not None and not isinstance(result, SweepResult):
            self._fetch_ended(result)
        if not self._timer.isActive():
            self._timer.start()

    def end(self, results: list[RunResult]) -> None:
        """The work is over."""
        self._timer.stop()
        if results:
            finished = sum(result.status == FINISHED for result in results)
            self.done.emit(f"{finished} of {len(results)} runs finished")
        if self._failures:
            more = f" (and {len(self._failures) - 1} more)" if len(self._failures) > 1 else ""
            first = textwrap.shorten(self._failures[0], _LONGEST_REASON, placeholder=" …")
            self.failed.emit(f"Failed: {first}{more}; the other runs are kept")

    def _run_ended(self, result: RunResult) -> None:
        self._workspace.put([result])
        if result.status == FAILED:
            self._failures.append(f"{result.strategy} on {result.symbol}: {result.error}")
            self.logged.emit("error", self._failures[-1], result.traceback or "")
        if result.status == FINISHED and len(self._workspace.checked) < MOST_COMPARED:
            self._workspace.check(result.id, on=True)
            if len(self._workspace.checked) == 1:
                self._workspace.show(result.id)

    def _fetch_ended(self, report: Any) -> None:
        fetched = (
            f"{formats.whole(report.fetched)} candles fetched" if report.fetched else "nothing was missing"
        )
        days = f"{formats.day(report.period.start)} – {formats.day(report.period.end - 1)}"
        series = f"{report.market.name} {report.timeframe}, {days}"
        self.logged.emit("info", f"{series}: {fetched}, {formats.whole(report.candles)} held", "")
        for notice in report.notices:
            self.logged.emit("warning", f"{series}: {notice}", "")
