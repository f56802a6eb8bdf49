"""What is made of a run in a thread when somebody asks for it: of one run at a time, and kept of the last ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Generic, TypeVar

from desktop.work.bridge import Bridge, Call
from desktop.work.jobs import Job
from engine.errors import Interrupted

T = TypeVar("T")
_KEPT: Final = 20  # results of runs that were looked at before


class Studies(Generic[T]):
    """Nothing is stored: results are kept until the window closes. `show` is called whenever anything is new.

    `begun`: the words of one that has just begun ("Making paths …"); `counted`: what its progress counts ("paths").
    """

    def __init__(
        self, bridge: Bridge, kind: str, begun: str, counted: str, show: Callable[[], object]
    ) -> None:
        self._bridge, self._kind, self._begun, self._counted = bridge, kind, begun, counted
        self._show = show
        self._results: dict[str, T] = {}
        self._problems: dict[str, str] = {}
        self._job: Job | None = None
        self._progress = ""

    @property
    def is_running(self) -> bool:
        """Whether one is being made, of whatever run."""
        return self._job is not None

    def result(self, run_id: str) -> T | None:
        """What was made of a run last."""
        return self._results.get(run_id)

    def problem(self, run_id: str) -> str:
        """Why the last try on a run came to nothing; "" where it did not."""
        return self._problems.get(run_id, "")

    def progress(self, run_id: str | None) -> str:
        """How far the one that is being made of a run is; "" where that is of another run, or none is."""
        return self._progress if self._job is not None and self._job.subject == (run_id,) else ""

    def make(self, run_id: str, call: Call) -> None:
        """Begin one; only while none is running."""
        self._problems.pop(run_id, None)
        self._job = self._bridge.start(self._kind, (run_id,), call, partial(self.end, run_id))
        self._progress = self._begun
        self._show()

    def refuse(self, run_id: str, reason: str) -> None:
        """None can be made of a run as it was asked for."""
        self._problems[run_id] = reason
        self._show()

    def stop(self) -> None:
        """Make no more of it; nothing of it is kept."""
        if self._job is not None:
            self._bridge.stop_job(self._job)
            self._progress = "Stopping …"
            self._show()

    def follow(self, job: Job) -> None:
        """A job is further."""
        if job is self._job and job.progress is not None and not job.is_stopping:
            done, total = job.progress.done, job.progress.total
            of = "" if total is None else f" of {total:,.0f}"
            self._progress = f"{done:,.0f}{of} {self._counted}"
            self._show()

    def end(self, run_id: str, result: T | None, error: BaseException | None) -> None:
        """One came to its end."""
        self._job = None
        if error is not None and not isinstance(error, Interrupted):
            self._problems[run_id] = str(error)
        if result is not None:
            self._results.pop(run_id, None)
            self._results[run_id] = result
            if len(self._results) > _KEPT:
                del self._results[next(iter(self._results))]
        self._show()
