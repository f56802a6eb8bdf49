"""The body of a worker process: does one job after another and answers in plain data.

It never runs a strategy's code itself: jobs ask for that in processes of their own (`isolated`). So it stays as clean as it
began, and so does what it computes: both engines, the metrics, the checks.

Messages begin with one letter. To the pool: R ready, B begun, P progress, V value, F value in a file; X failed, T timed out,
D died. From the pool: a pickled `Task`.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.parallel.answers import bad_end
from engine.parallel.family import end_after_pipe, end_children, wake_with_parents_end
from engine.parallel.interpreter import connection_of, give_way, limit_memory, silence_streams
from engine.parallel.isolated import Ended, Owner, forget_kept, own_processes
from engine.parallel.job import Raised, describe_error
from engine.parallel.plain import encode
from engine.parallel.report import Report
from engine.parallel.seed import seed_random

INLINE_BYTES: Final = 8_192  # small enough that one write to the pipe carries it whole
_IDLE_S: Final = 5.0  # after which the process of the last sweep, and what it remembers, goes


class Task(NamedTuple):
    """A job on its way to a worker. `payload` is pickled, or lies in `payload_file` when it is large."""

    function: str
    payload: bytes
    payload_file: str
    result_file: str
    timeout_s: float | None


def main(handle: int, scratch: str, memory_mb: int, preload: Sequence[str]) -> None:
    """Serve the pool over the inherited pipe until it, or this process, is gone. Standard input is the lifeline."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's to handle
    lifeline = _end_with_parent()
    wake_with_parents_end()
    crash_report = os.dup(2)  # standard error is a small file until here, and only this from here
    faulthandler.enable(crash_report)
    give_way()
    limit_memory(memory_mb)
    for name in preload:
        with contextlib.suppress(Exception):  # the job that needs it will say so
            _import(name)
    silence_streams()
    gc.collect()
    gc.freeze()  # half a million objects of libraries, looked through again and again, were a sixth of a sweep's time
    connection = connection_of(handle)
    owner = Owner(Path(scratch), memory_mb, crash_report, (connection.fileno(), lifeline))
    own_processes(owner)
    Worker(connection, owner).serve()
    os._exit(0)


def _import(name: str) -> None:
    """Import a module, and where the name goes on, "module:function", call that."""
    module, _, function = name.partition(":")
    found = importlib.import_module(module)
    if function:
        getattr(found, function)()


def _end_with_parent() -> int:
    lifeline = os.dup(0)
    end_after_pipe(lifeline)

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(lifeline, 1)  # never written to: returns when the program has ended, however it did
        with contextlib.suppress(Exception):
            end_children()
        os.kill(os.getpid(), signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
    return lifeline


class Worker:
    """Takes tasks from the pipe until the pool closes it."""

    def __init__(self, connection: "Connection[Any, Any]", owner: Owner) -> None:
        self._connection = connection
        self._owner = owner

    def serve(self) -> None:
        """Do tasks until the pool closes the pipe."""
        self._connection.send_bytes(b"R")
        while True:
            try:
                if not self._connection.poll(_IDLE_S):
                    forget_kept()
                task = Task(*pickle.loads(self._connection.recv_bytes()))  # noqa: S301 - from our own program
            except (EOFError, OSError):
                return
            self._connection.send_bytes(b"B")
            self._connection.send_bytes(self._answer(task))

    def _answer(self, task: Task) -> bytes:
        report = Report(self._connection)
        seed_random()
        try:
            with self._time_limit(task.timeout_s):
                answer = _hand_over(_call(task, report), task.result_file)
        except BaseException as error:  # noqa: BLE001 - nothing a job raises may end the process or leave it
            answer = _bad_end(error, self._owner.memory_mb)
        report.flush()
        return answer

    @contextlib.contextmanager
    def _time_limit(self, timeout_s: float | None) -> Iterator[None]:
        self._owner.limit_s = timeout_s
        self._owner.deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        self._owner.watch()
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _call(task: Task, report: Callable[..., None]) -> Any:
    raw = Path(task.payload_file).read_bytes() if task.payload_file else task.payload
    payload = pickle.loads(raw)  # noqa: S301 - from our own program
    module, _, name = task.function.partition(":")
    return getattr(importlib.import_module(module), name)(payload, report)


def _hand_over(value: Any, result_file: str) -> bytes:
    encoded = encode(_fields(value) if is_dataclass(value) else value)
    if encoded.nbytes > INLINE_BYTES:
        with Path(result_file).open("wb") as file:
            encoded.write(file)
        return b"F"
    inline = io.BytesIO()
    encoded.write(inline)
    return b"V" + inline.getvalue()


def _fields(answer: Any) -> dict[str, Any]:
    return {field.name: getattr(answer, field.name) for field in fields(answer)}


def _bad_end(error: BaseException, memory_mb: int) -> bytes:
    """The message about a job that came to no value, in whichever process it was."""
    return bad_end(error.outcome if isinstance(error, Ended) else Raised(**describe_error(error, memory_mb)))
