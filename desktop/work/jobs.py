"""The jobs under way: one tracker, fed with the engine's events, that tells the window what each of them is about."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, Signal

from engine.events import Cancelled, CancelToken, Event, Failed, Finished, Log, Progress, Started, ending

log = logging.getLogger(__name__)
Subject = tuple[str, ...]
Ending = Finished | Failed | Cancelled


@dataclass(eq=False, slots=True)
class Task:
    """One call to the engine; what it does may be one job or many.

    `label`: what its lines in the log begin with, None keeps them out of it; `expected`: how many runs it makes;
    `is_asked_for`: whether somebody waits for it, rather than that it is made when there is time.
    """

    kind: str
    label: str | None = ""
    expected: int = 0
    is_asked_for: bool = True
    token: CancelToken = field(default_factory=CancelToken)


@dataclass(eq=False, slots=True)
class Job:
    """What is known of a job. `waits_for`: the last line it said, until it moves on; `reason`: why it ended too early."""

    task: Task
    kind: str
    subject: Subject = ()
    title: str = ""
    series: Subject = ()
    progress: Progress | None = None
    waits_for: str = ""
    is_stopping: bool = False
    ending: Ending | None = None
    reason: str = ""

    @property
    def part(self) -> float | None:
        """How much is done, 0 to 1; None where nobody knows."""
        if self.ending is not None:
            return 1.0
        if self.progress is None or not self.progress.total:
            return None
        return min(1.0, self.progress.done / self.progress.total)

    def take(self, event: Event) -> None:
        """Follow an event."""
        if isinstance(event, Progress):
            self.progress, self.waits_for = event, ""
        elif isinstance(event, Log):
            self.waits_for = event.text
        elif not isinstance(event, Started):
            self.ending = event
            self.reason = event.error if isinstance(event, Failed) else ""


class Jobs(QObject):
    """Signals: `changed(Job)`: one began, went on or ended; `said(Task, Log)`: a line worth reading.

    A call that is one job from the beginning, before the engine gets to it, `begin`s it; the engine's own events for it are
    its events. The jobs of any other call begin with the engine's `Started`, which says what they are about.
    """

    changed = Signal(object)
    said = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._whole: dict[Task, Job] = {}
        self._named: dict[tuple[Task, str], Job] = {}

    def begin(self, task: Task, subject: Subject) -> Job:
        """A call that is one job."""
        job = self._whole[task] = Job(task, task.kind, subject)
        self.changed.emit(job)
        return job

    def waited_for(self) -> list[Job]:
        """The calls that are one job each, are not done, and that somebody waits for."""
        return [job for task, job in self._whole.items() if task.is_asked_for]

    def cancel(self) -> None:
        """Stop all calls that are one job each."""
        for task in self._whole:
            task.token.cancel()

    def take(self, task: Task, event: Event) -> None:
        """Follow an event of a call."""
        if isinstance(event, Log):
            self.said.emit(task, event)
        job = self._whole.get(task)
        if job is not None:
            if isinstance(event, Progress | Log):
                job.take(event)
                self.changed.emit(job)
            return
        key = task, event.job
        if isinstance(event, Started):
            self._named[key] = Job(task, event.kind, event.subject, event.title, event.series)
        job = self._named.get(key)
        if job is not None:
            job.take(event)
            if isinstance(event, Failed):
                log.warning("%s failed: %s", event.job, event.error)
            if job.ending is not None:
                del self._named[key]
            self.changed.emit(job)

    def end(self, task: Task, result: Any, error: BaseException | None) -> None:
        """A call returned or raised; no job of it is under way any more."""
        left = [self._named.pop(key) for key in list(self._named) if key[0] is task]
        whole = self._whole.pop(task, None)
        for job in left if whole is None else [whole]:
            job.take(Finished("", result) if error is None else ending("", error))
            job.reason = job.reason or ("" if error is None else str(error))
            self.changed.emit(job)
