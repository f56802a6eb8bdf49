"""A process of its own for strategy code: forked from a worker that never runs any, thrown away with all that it started.

    with isolated() as process:
        answer = process.call(function, argument)      # plain data comes back, nothing else

Whatever a strategy patches, remembers, writes beside itself or leaves running is gone with the process. It is forked where
that is safe (Linux), so that it costs some hundredths of a second; elsewhere a fresh interpreter is started.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from engine import errors
from engine.parallel.family import adopt_orphans, die_with_parent, end_children, end_tree, memory_mb
from engine.parallel.forked import Forked
from engine.parallel.interpreter import (
    connection_of,
    limit_memory,
    silence_streams,
    start_interpreter,
)
from engine.parallel.job import (
    Died,
    Raised,
    TimedOut,
    cause_of_death,
    describe_error,
    timed_out,
    too_much_memory,
)
from engine.parallel.plain import decode, encode
from engine.parallel.report import Report
from engine.parallel.seed import seed_random

NO_FORK: Final = "BACKTEST_TEST_NO_FORK"  # for tests: as where forking is not safe
# on macOS system libraries break in forked processes; Windows has none
FORKS: Final = sys.platform == "linux" and NO_FORK not in os.environ
_TICK_S: Final = 0.2
# the watch of the process itself strikes first, as it can say where the code hangs; then its worker's, then the pool's
_GRACE_S: Final = 1.0
_OWN_GRACE_S: Final = 1.5
MOST_KEPT: Final = 32  # processes of one sweep, a leg each, of some 11 MB in every worker

OnProgress = Callable[[float, float | None, str], None]
V = TypeVar("V")


class Ended(Exception):
    """The process gave no answer: it died, ran out of time, or its code raised what is no error of ours."""

    def __init__(self, outcome: Died | TimedOut | Raised) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class _Remote(Exception):
    """The traceback of an error in another process, shown as the cause of the one raised here."""


@dataclass(slots=True)
class Owner:
    """What a worker knows of itself. `private` are descriptors that strategy code must not find; `deadline` is that of the
    job under way (`time.monotonic`), `limit_s` its time limit; `kept` are the processes of the sweep under way, `sweep`;
    `remembered` is what this process itself knows of it.
    """

    scratch: Path
    memory_mb: int
    crash_report: int
    private: tuple[int, ...]
    limit_s: float | None = None
    deadline: float = float("inf")
    kept: dict[str, IsolatedProcess] = field(default_factory=dict)
    sweep: str = ""
    remembered: dict[Hashable, Any] = field(default_factory=dict)

    def watch(self) -> None:
        """At the limit write where the worker hangs and end it: in C, which needs no GIL. The pool has another watch."""
        if self.deadline < float("inf"):
            left_s = max(self.deadline - time.monotonic(), 0.0) + _OWN_GRACE_S
            faulthandler.dump_traceback_later(left_s, exit=True, file=self.crash_report)


_owner: Owner | None = None
_here: Final[dict[Hashable, Any]] = {}  # what is remembered outside of a worker


def own_processes(owner: Owner) -> None:
    """Make this process a worker, whose strategy code runs in processes of their own from now on."""
    global _owner
    adopt_orphans()
    _owner = owner


def in_worker() -> bool:
    """Whether strategy code that is called from here runs in a process of its own."""
    return _owner is not None


@contextmanager
def isolated(timeout_s: float | None = None) -> Iterator[Process]:
    """A fresh process, ended afterwards. `timeout_s` for all its calls, beside the limit of the job.

    Outside of a worker, where nobody runs strategies side by side, functions are called in this very process.
    """
    if _owner is None:
        yield Process()
        return
    forget_kept()  # where one process ends, all that descends from the worker does
    process = IsolatedProcess(_owner, timeout_s)
    try:
        yield process
    finally:
        process.end()


def kept(sweep: str, key: str = "") -> Process:
    """The process that was asked for the same sweep under the same key before, as long as nothing else was asked in between,
    and not too many others of the sweep.
    """
    if _owner is None:
        return Process()
    found = _owner.kept.get(key)
    if sweep != _owner.sweep or found is None or not found.is_alive:
        # where one process ends, all that descends from the worker does
        if sweep != _owner.sweep or found is not None or len(_owner.kept) >= MOST_KEPT:
            _end_kept()
        _owner.sweep, _owner.kept[key] = sweep, IsolatedProcess(_owner, None)
    return _owner.kept[key]


def remembered(key: Hashable, make: Callable[[], V]) -> V:
    """What this process knows of a sweep, made at the first question for it: as long as no other is asked for, a worker does
    nothing else between and is not idle for long.
    """
    held = _here if _owner is None else _owner.remembered
    if key not in held:
        held.clear()
        held[key] = make()
    found: V = held[key]
    return found


def forget_kept() -> None:
    """End the processes that `kept` holds, and forget what is `remembered`."""
    _end_kept()
    if _owner is not None:
        _owner.remembered.clear()


def _end_kept() -> None:
    if _owner is not None:
        while _owner.kept:
            _owner.kept.popitem()[1].end()


class Process:
    """Where functions are called; this one calls them here."""

    def call(self, function: Callable[..., Any], *args: Any, report: OnProgress | None = None) -> Any:
        """What `function(*args)` returns: plain data (see `plain.encode`). With `report`, it is handed one as `report`.

        Raises errors of ours as they are, Ended for all else.
        """
        return function(*args, report=report) if report is not None else function(*args)


class IsolatedProcess(Process):
    """A process that calls functions one after another and remembers what they leave behind, until it is ended."""

    def __init__(self, owner: Owner, timeout_s: float | None) -> None:
        self._owner = owner
        self._timeout_s = timeout_s
        self._limit = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
        self._folder = Path(tempfile.mkdtemp(prefix="isolated-", dir=owner.scratch))
        self._connection, theirs = Pipe()
        self._ended, self._looked = False, time.monotonic()
        self._outcome: Died | TimedOut | Raised = Died("the process of the strategy has ended")
        try:
            with theirs:
                self._child = self._forked(theirs) if FORKS else self._started(theirs)
        except BaseException:
            self._connection.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _forked(self, theirs: Connection[Any, Any]) -> Forked:
        parent = os.getpid()
        faulthandler.cancel_dump_traceback_later()  # the child would wait for that thread, which it does not have
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # the other thread of a worker waits in a system call and holds no lock
            try:
                pid = os.fork()
            except OSError:
                self._owner.watch()
                raise
        if pid:
            self._owner.watch()
            return Forked(pid)
        try:
            os.setsid()
            die_with_parent(parent)
            others = [one.descriptor for one in self._owner.kept.values()]
            for descriptor in (*self._owner.private, *others, self.descriptor):
                os.close(descriptor)
            _serve(theirs, self._folder, self._owner)
        finally:
            os._exit(1)

    def _started(self, theirs: Connection[Any, Any]) -> subprocess.Popen[bytes]:
        code = (
            "from engine.parallel.isolated import serve; "
            f"serve({theirs.fileno()}, {str(self._folder)!r}, {self._owner.memory_mb}, {os.getpid()})"
        )
        return start_interpreter(code, theirs.fileno(), self._owner.crash_report, os.environ)

    def call(self, function: Callable[..., Any], *args: Any, report: OnProgress | None = None) -> Any:
        """As `Process.call`. A process that died or ran out of time or memory answers no more: it raises that again."""
        if self._ended:
            raise Ended(self._outcome)
        left_s = min(self._limit, self._owner.deadline) - time.monotonic()
        request = function, args, report is not None, left_s if left_s < float("inf") else None
        try:
            self._connection.send_bytes(pickle.dumps(request))
            message = self._receive()
            while message[:1] == b"P":
                if report is not None:
                    report(*decode(io.BytesIO(message[1:])))
                message = self._receive()
            value = decode(io.BytesIO(message[1:]))
        except (EOFError, OSError):
            raise self._death() from None
        except (ValueError, TypeError) as error:
            unreadable = Died(f"the answer of the strategy's process cannot be read: {error}")
            raise self._ended_by(unreadable) from error
        if message[:1] == b"X":
            raise _error_of(**value)
        return value

    def end(self) -> None:
        """Kill the process and whatever descends from it; its folder goes too. May be called again."""
        if self._ended:
            return
        self._ended = True
        self._owner.kept = {key: one for key, one in self._owner.kept.items() if one is not self}
        self._connection.close()
        if self._child.poll() is None:
            end_tree(self._child.pid) if not FORKS else os.kill(self._child.pid, signal.SIGKILL)
            self._child.wait()
        end_children()  # what it had started has come to this process
        os.ftruncate(self._owner.crash_report, 0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _receive(self) -> bytes:
        while not self._connection.poll(_TICK_S):
            if self._child.poll() is not None:
                raise EOFError  # a child of its own may hold the pipe open
            self._keep_limits()
        if time.monotonic() - self._looked > _TICK_S:  # it may speak all the time
            self._keep_limits()
        return self._connection.recv_bytes()

    def _keep_limits(self) -> None:
        self._looked = time.monotonic()
        if memory_mb(self._child.pid) > self._owner.memory_mb:
            raise self._ended_by(Raised(too_much_memory(self._owner.memory_mb), "", MemoryError.__name__))
        if self._looked > min(self._limit, self._owner.deadline) + _GRACE_S:
            raise self._ended_by(self._timed_out())

    def _ended_by(self, outcome: Died | TimedOut | Raised) -> Ended:
        """End the process; whoever asks it again is told the same."""
        self._outcome = outcome
        self.end()
        return Ended(outcome)

    def _death(self) -> Ended:
        """What it means that the process does not speak any more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(0.5)
        code = self._child.poll()
        report = os.pread(self._owner.crash_report, 20_000, 0).decode(errors="replace")
        if code is None:
            return self._ended_by(
                Died("worker was ended: the job closed files that it had not opened", report)
            )
        if report.startswith("Timeout"):
            return self._ended_by(self._timed_out(report))
        return self._ended_by(Died(cause_of_death(code), report))

    @property
    def descriptor(self) -> int:
        """The worker's end of its pipe, which strategy code must not find."""
        return self._connection.fileno()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not self._ended and self._child.poll() is None

    def _timed_out(self, report: str = "") -> TimedOut:
        own = self._limit < self._owner.deadline
        return timed_out(self._timeout_s if own else self._owner.limit_s, report)


def _error_of(message: str, traceback: str, kind: str) -> Exception:
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, errors.BacktestError):
        error = known(message)
        error.__cause__ = _Remote(f"\n{traceback}")
        return error
    return Ended(Raised(message, traceback, kind))


# -- inside the process


def serve(handle: int, folder: str, memory: int, parent: int) -> None:
    """The body of a process that could not be forked."""
    die_with_parent(parent)
    limit_memory(memory)
    crash_report = os.dup(2)
    silence_streams()
    _serve(connection_of(handle), Path(folder), Owner(Path(folder), memory, crash_report, ()))


def _serve(connection: Connection[Any, Any], folder: Path, owner: Owner) -> NoReturn:
    global _owner
    _owner = None  # whoever asks for a process in here is in one already
    _move_to(folder)
    sys.dont_write_bytecode = True  # a module edited twice in a second would be read as it was the first time
    faulthandler.enable(owner.crash_report)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            function, args, reports, left_s = pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own program
        except (EOFError, OSError):
            os._exit(0)  # whatever a plug-in registered for the end is not run
        if left_s is not None:
            faulthandler.dump_traceback_later(max(left_s, 0.001), exit=True, file=owner.crash_report)
        answer = _answer(function, args, Report(connection) if reports else None, owner.memory_mb)
        faulthandler.cancel_dump_traceback_later()
        connection.send_bytes(answer)


def _move_to(folder: Path) -> None:
    """What is written to the working folder, to HOME or beside the temporary files is gone with the process."""
    os.chdir(folder)
    os.environ.update(dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), str(folder)))
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        del os.environ[name]
    tempfile.tempdir = None


def _answer(function: Callable[..., Any], args: tuple[Any, ...], report: Report | None, memory: int) -> bytes:
    seed_random()
    try:
        value = function(*args) if report is None else function(*args, report=report)
        if report is not None:
            report.flush()
        answer = io.BytesIO(b"V")
        answer.seek(1)
        encode(value).write(answer)
        return answer.getvalue()
    except BaseException as error:  # noqa: BLE001 - nothing that strategy code raises may leave its process otherwise
        return b"X" + encode(describe_error(error, memory)).line
