"""The body of a worker process: does one job after another and answers in plain data.

Messages begin with one letter. To the pool: R ready, B begun, P progress, V value, F value in a file, X failed; the second
letter of V, F and X is + when the process can go on and - when it must be replaced. From the pool: a pickled `Task`.
"""

import contextlib
import faulthandler
import gc
import importlib
import io
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.errors import BacktestError, one_line
from engine.events import MIN_INTERVAL_S
from engine.parallel.plain import encode
from engine.parallel.surroundings import Surroundings

INLINE_BYTES: Final = 8_192  # small enough that one write to the pipe carries it whole
_NICENESS: Final = 5  # the window and the database come first
_LONGEST_TRACEBACK: Final = 20_000


class Task(NamedTuple):
    """A job on its way to a worker. `payload` is pickled, or lies in `payload_file` when it is large."""

    function: str
    payload: bytes
    payload_file: str
    result_file: str
    timeout_s: float | None


def main(handle: int, memory_mb: int, preload: Sequence[str]) -> None:
    """Serve the pool over the inherited pipe until it, or this process, is gone. Standard input is the lifeline."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's to handle
    _end_with_parent()
    crash_report = os.fdopen(
        os.dup(2), "w"
    )  # standard error is a small file until here, and only this from here
    faulthandler.enable(crash_report)
    _limit(memory_mb)
    for name in preload:
        with contextlib.suppress(Exception):  # the job that needs it will say so
            importlib.import_module(name)
    sys.dont_write_bytecode = True  # a module edited twice in a second would be read as it was the first time
    gc.freeze()  # half a million objects of libraries, looked through again and again, were a sixth of a sweep's time
    Worker(_connection(handle), memory_mb, crash_report).serve()
    os._exit(0)  # whatever a plug-in registered for the end is not run


def _connection(handle: int) -> "Connection[Any, Any]":
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        return PipeConnection(handle)
    return Connection(handle)


def _end_with_parent() -> None:
    lifeline = os.dup(0)

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(lifeline, 1)  # never written to: returns when the program has ended, however it did
        kill_group(os.getpid())

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        import fcntl

        # native code may keep the thread above from running: then the kernel's SIGIO ends the whole group
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def kill_group(pid: int) -> None:
    """Kill a worker and whatever its job started, at once."""
    if sys.platform == "win32":
        os.kill(pid, signal.SIGTERM)  # TerminateProcess
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # a worker leads a session, so its group has its number


def _limit(memory_mb: int) -> None:
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    if sys.platform == "linux":
        import resource

        # the heap and private mappings; unlike RLIMIT_AS not the mapped candles, thread stacks and libraries
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Worker:
    """Takes tasks from the pipe until a job leaves traces that cannot be removed."""

    def __init__(
        self, connection: "Connection[Any, Any]", memory_mb: int, crash_report: io.TextIOWrapper
    ) -> None:
        self._connection = connection
        self._memory_mb = memory_mb
        self._crash_report = crash_report
        self._surroundings = Surroundings()

    def serve(self) -> None:
        """Do tasks until the pool closes the pipe or this process has to be replaced."""
        self._connection.send_bytes(b"R")
        while self._surroundings.intact:
            try:
                task = Task(*pickle.loads(self._connection.recv_bytes()))  # noqa: S301 - from our own program
            except (EOFError, OSError):
                return
            self._connection.send_bytes(b"B")
            answer = self._answer(task)
            sign = b"+" if self._surroundings.intact else b"-"
            self._connection.send_bytes(answer[:1] + sign + answer[1:])

    def _answer(self, task: Task) -> bytes:
        report = _Report(self._connection)
        try:
            with self._surroundings.around_job(), self._time_limit(task.timeout_s):
                answer = _hand_over(_call(task, report), task.result_file)
        except BaseException as error:  # noqa: BLE001 - nothing a job raises may end the process or leave it
            if isinstance(error, MemoryError):
                self._surroundings.intact = False
            answer = b"X" + _describe(error, self._memory_mb)
        report.flush()
        return answer

    @contextlib.contextmanager
    def _time_limit(self, timeout_s: float | None) -> Any:
        """A watch in C, which needs no GIL: writes where the job hangs, then ends the process. The pool has another."""
        if timeout_s is not None:
            faulthandler.dump_traceback_later(timeout_s, exit=True, file=self._crash_report)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


class _Report:
    """What a job calls to tell how far it is; at most ten times a second it reaches the pool."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._last = 0.0
        self._pending: tuple[float, float | None, str] | None = None

    def __call__(self, done: float, total: float | None = None, text: str = "") -> None:
        self._pending = float(done), None if total is None else float(total), str(text)[:200]
        if time.monotonic() - self._last >= MIN_INTERVAL_S:
            self.flush()

    def flush(self) -> None:
        """Send what was held back, if anything."""
        if self._pending is not None:
            self._connection.send_bytes(b"P" + encode(self._pending).line)
            self._pending, self._last = None, time.monotonic()


def _call(task: Task, report: _Report) -> Any:
    raw = Path(task.payload_file).read_bytes() if task.payload_file else task.payload
    payload = pickle.loads(raw)  # noqa: S301 - from our own program
    module, _, name = task.function.partition(":")
    return getattr(importlib.import_module(module), name)(payload, report)


def _hand_over(value: Any, result_file: str) -> bytes:
    encoded = encode(value)
    if encoded.nbytes > INLINE_BYTES:
        with Path(result_file).open("wb") as file:
            encoded.write(file)
        return b"F"
    inline = io.BytesIO()
    encoded.write(inline)
    return b"V" + inline.getvalue()


def _describe(error: BaseException, memory_mb: int) -> bytes:
    """One line, the traceback and the class name of an exception; survives exceptions that cannot be printed."""
    kind = type(error).__name__
    try:
        text = str(error) if isinstance(error, BacktestError) else f"{kind}: {error}".removesuffix(": ")
        message = one_line(text[:500])
        trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
    except Exception:  # noqa: BLE001 - a plug-in's own exception class may do anything
        message, trace = f"{kind} (which cannot be printed)", ""
    if isinstance(error, MemoryError):
        message = f"used more than {memory_mb} MB of memory"
    return encode({"message": message, "traceback": trace, "kind": kind}).line
