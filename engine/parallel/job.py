"""A job given to the pool, and the ways in which it can end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

OnProgress = Callable[[float, float | None, str], None]


@dataclass(frozen=True, slots=True)
class Done:
    """The job returned `value`: plain data, numpy arrays included."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The job raised. `message` is one line, `kind` the name of the exception's class."""

    message: str
    traceback: str
    kind: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The job was ended at its time limit; `traceback` says where it was at that moment, if known."""

    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Died:
    """The process ended under the job: a crash in native code, `os._exit`, the system's out-of-memory killer."""

    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job was cancelled, before or while it ran."""

    message: str = "stopped"


Outcome = Done | Failed | TimedOut | Died | Stopped


class Job:
    """One call of a function in a worker. All methods may be called from any thread."""

    def __init__(
        self,
        function: str,
        payload: bytes,
        timeout_s: float | None,
        on_progress: OnProgress | None,
        cancel: Callable[[Job], None],
    ) -> None:
        self.function, self.payload, self.timeout_s, self.on_progress = (
            function,
            payload,
            timeout_s,
            on_progress,
        )
        self.future: Future[Outcome] = Future()
        self.cancel_requested = False
        self._cancel = cancel

    def result(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end and say how it ended; raises TimeoutError when that takes longer than `timeout_s`."""
        return self.future.result(timeout_s)

    def done(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return self.future.done()

    def cancel(self) -> None:
        """Never start the job, or kill its process; it ends as `Stopped` unless it had ended before."""
        self._cancel(self)

    def add_done_callback(self, callback: Callable[[Job], None]) -> None:
        """Call `callback(job)` in the pool's supervising thread at the end; at once, here, if it has ended already."""
        self.future.add_done_callback(lambda _: callback(self))
