"""A job given to the pool, and the ways in which it can end."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import BacktestError, one_line
from engine.redaction import redacted

OnProgress = Callable[[float, float | None, str], None]

_LONGEST_TRACEBACK: Final = 20_000


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


def timed_out(limit_s: float | None, report: str = "") -> TimedOut:
    """The end of a job at its time limit."""
    return TimedOut(f"exceeded {limit_s:g} s", report)


def cause_of_death(code: int) -> str:
    """What an exit code says of a process that was not meant to end; negative: the number of the signal."""
    if code >= 0:
        return f"worker died, exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    hint = "; most often the system ran out of memory" if name == "SIGKILL" else ""
    return f"worker died, exit code {128 - code} ({name}{hint})"


def too_much_memory(memory_mb: int) -> str:
    """What is said of a job that takes more than it may."""
    return f"used more than {memory_mb} MB of memory"


def describe_error(error: BaseException, memory_mb: int) -> dict[str, str]:
    """The fields of `Failed` for an exception; survives exceptions that cannot be printed."""
    kind = type(error).__name__
    try:
        text = str(error) if isinstance(error, BacktestError) else f"{kind}: {error}".removesuffix(": ")
        message = one_line(redacted(text[:2_000])[:500])
        trace = redacted("".join(traceback.format_exception(error))[-2 * _LONGEST_TRACEBACK :])[
            -_LONGEST_TRACEBACK:
        ]
    except Exception:  # noqa: BLE001 - a plug-in's own exception class may do anything
        message, trace = f"{kind} (which cannot be printed)", ""
    if isinstance(error, MemoryError):
        message = too_much_memory(memory_mb)
    return {"message": message, "traceback": trace, "kind": kind}


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
