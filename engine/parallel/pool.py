"""A pool of warm worker processes, each with a pipe of its own: whatever a job does, it does to itself alone.

One supervising thread owns the processes. It sends jobs, hears answers, keeps time limits, replaces what died, and
runs all callbacks. Other threads only touch the queue.
"""

from __future__ import annotations

import atexit
import io
import logging
import multiprocessing
import pickle
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, overload

from engine.errors import Interrupted
from engine.parallel import plain
from engine.parallel.answers import read_message
from engine.parallel.job import (
    BadEnd,
    Died,
    Done,
    Job,
    OnProgress,
    Outcome,
    Raised,
    Stopped,
    TimedOut,
    V,
    timed_out,
    too_much_memory,
)
from engine.parallel.own_folder import OwnFolder
from engine.parallel.process import WorkerProcess

__all__ = ["Died", "Done", "Job", "Outcome", "Raised", "Stopped", "TimedOut", "WorkerPool"]

_LOG: Final = logging.getLogger(__name__)
_TICK_S: Final = 1.0
_MOST_FAILED_STARTS: Final = 3  # in a row: it cannot work here
_MOST_KILLED_STARTS: Final = 30  # in a row: somebody or the system kills what we start, and may stop doing so


def _as_it_is(value: Any) -> Any:
    return value


class WorkerPool:
    """Runs "module:function" with a payload in one of `workers` processes. Thread-safe; use as a context manager or close.

    `scratch` is a folder for large results, `memory_mb` the memory of each process, `preload` modules that processes
    import before their first job, or "module:function" that they call then, `environment` what they find in theirs beside
    the program's own. Processes start when first needed, or in the background after `warm_up`.
    """

    def __init__(
        self,
        workers: int,
        scratch: Path,
        *,
        memory_mb: int,
        preload: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._size, self._scratch, self._memory_mb = workers, scratch, memory_mb
        self._preload, self._environment = tuple(preload), dict(environment)
        self._lock = threading.Lock()
        self._queue: OrderedDict[Job[Any], None] = OrderedDict()
        self._cancelled: list[Job[Any]] = []
        self._wanted = 0  # how many processes there should be
        self._closing = False
        self._wake_up, self._waker = multiprocessing.Pipe(duplex=False)
        self._woken = False
        self._thread: threading.Thread | None = None
        self._own: OwnFolder | None = None
        self._folder = scratch
        # from here on: the supervising thread's own
        self._processes: list[WorkerProcess] = []
        self._failed_starts = self._killed_starts = 0
        self._start_error = ""
        self._measured = 0.0

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @overload
    def submit(
        self,
        function: str,
        payload: object,
        *,
        timeout_s: float | None,
        on_progress: OnProgress | None = None,
    ) -> Job[Any]: ...

    @overload
    def submit(
        self,
        function: str,
        payload: object,
        *,
        timeout_s: float | None,
        on_progress: OnProgress | None = None,
        read: Callable[[Any], V],
    ) -> Job[V]: ...

    def submit(
        self,
        function: str,
        payload: object,
        *,
        timeout_s: float | None,
        on_progress: OnProgress | None = None,
        read: Callable[[Any], Any] = _as_it_is,
    ) -> Job[Any]:
        """Queue `function(payload, report)`; `report(done, total, text)` in the job reaches `on_progress`.

        `read` makes the value of the plain data that comes back; it is called in the supervising thread and may refuse it by
        TypeError or ValueError.

        Raises Interrupted when the pool is closed, for the program ends under who still works, and whatever pickle raises
        when `payload` cannot be sent.
        """
        job = Job(function, pickle.dumps(payload), timeout_s, on_progress, self._cancel, read)
        with self._lock:
            self._check_open()
            self._supervise()
            self._queue[job] = None
            self._wake()
        return job

    def warm_up(self, processes: int | None = None) -> None:
        """Start all processes in the background, or no more than are needed."""
        with self._lock:
            self._check_open()
            self._supervise()
            self._wanted = max(self._wanted, min(self._size, processes or self._size))
            self._wake()

    def close(self) -> None:
        """Kill what runs, stop what is queued, end all processes; returns when they are gone. May be called again."""
        with self._lock:
            self._closing = True
            thread = self._thread
            if thread is not None:
                self._wake()
            elif not self._wake_up.closed:
                self._close_wake_up()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        atexit.unregister(self.close)

    @property
    def size(self) -> int:
        """How many processes there are at most."""
        return self._size

    @property
    def ahead(self) -> int:
        """One: it is sent the moment another ends."""
        return 1

    @property
    def side_by_side(self) -> int:
        """All of them: it is one machine."""
        return self._size

    def pids(self) -> list[int]:
        """The processes there are now."""
        return [process.pid for process in tuple(self._processes)]

    # -- called by any thread, under the lock

    def _check_open(self) -> None:
        if self._closing:
            raise Interrupted("the worker pool is closed; what was stored by then is kept")

    def _supervise(self) -> None:
        if self._thread is None:
            self._own = OwnFolder(self._scratch, "pool")
            self._folder = self._own.path
            # a daemon, because Python waits for other threads before it runs what is registered with atexit
            self._thread = threading.Thread(target=self._work, name="worker-pool", daemon=True)
            atexit.register(self.close)
            self._thread.start()

    def _wake(self) -> None:
        if not self._woken and not self._waker.closed:
            self._woken = True
            self._waker.send_bytes(b"!")

    def _close_wake_up(self) -> None:
        self._wake_up.close()
        self._waker.close()

    def _cancel(self, job: Job[Any]) -> None:
        with self._lock:
            if job.done() or job.cancel_requested:
                return
            job.cancel_requested = True
            if job in self._queue:
                del self._queue[job]
                self._cancelled.append(job)
            self._wake()

    # -- the supervising thread

    def _work(self) -> None:
        verdict: BadEnd | Stopped = Stopped()
        try:
            while not self._closing:
                self._stop_cancelled()
                self._start_processes()
                self._send_jobs()
                self._listen()
                self._keep_limits()
        except BaseException as error:  # noqa: BLE001 - jobs must end even then
            _LOG.exception("the worker pool failed")
            verdict = Died(f"the worker pool failed: {type(error).__name__}: {error}")
        finally:
            self._end(verdict)

    def _stop_cancelled(self) -> None:
        with self._lock:
            cancelled, self._cancelled = self._cancelled, []
        for job in cancelled:
            job.future.set_result(Stopped())
        for process in self._processes:
            if process.job is not None and process.job.cancel_requested:
                process.kill(Stopped())

    def _start_processes(self) -> None:
        with self._lock:
            busy = sum(process.job is not None for process in self._processes)
            self._wanted = min(self._size, max(self._wanted, busy + len(self._queue)))
        if self._failed_starts >= _MOST_FAILED_STARTS or self._killed_starts >= _MOST_KILLED_STARTS:
            self._give_up_starting()
        for _ in range(self._wanted - len(self._processes)):
            try:
                self._processes.append(
                    WorkerProcess(self._folder, self._memory_mb, self._preload, self._environment)
                )
            except OSError as error:
                self._failed_start(str(error))
                return

    def _failed_start(self, reason: str, *, killed: bool = False) -> None:
        self._failed_starts += not killed
        self._killed_starts += killed
        self._start_error = reason
        _LOG.warning("a worker process did not start: %s", reason)

    def _give_up_starting(self) -> None:
        """Go on with the processes there are; without any, queued jobs fail. The next job tries again."""
        with self._lock:
            self._wanted = len(self._processes)
            if self._processes:
                return
            jobs = list(self._queue)
            self._queue.clear()
        self._failed_starts = self._killed_starts = 0
        lines = self._start_error.strip().splitlines() or ["it ended without a word"]
        for job in jobs:
            job.future.set_result(Died(f"no worker process could be started: {lines[-1]}", self._start_error))

    def _send_jobs(self) -> None:
        for process in self._processes:
            if not process.idle:
                continue
            with self._lock:
                if not self._queue:
                    return
                job, _ = self._queue.popitem(last=False)
            try:
                process.begin(job)
            except ConnectionError:  # it died idle
                self._put_back(job)
            except OSError as error:
                job.future.set_result(Died(f"the job could not be handed to a worker: {error}"))

    def _put_back(self, job: Job[Any]) -> None:
        with self._lock:
            if job.cancel_requested:
                self._cancelled.append(job)
            else:
                self._queue[job] = None
                self._queue.move_to_end(job, last=False)

    def _listen(self) -> None:
        restless = self._failed_starts or any(not process.idle for process in self._processes)
        limits = [process.limit - time.monotonic() for process in self._processes]
        timeout = max(0.0, min([_TICK_S, *limits])) if restless else None
        speakers: dict[Any, WorkerProcess] = {process.connection: process for process in self._processes}
        for speaker in wait([self._wake_up, *speakers], timeout):
            if speaker is self._wake_up:
                with self._lock:
                    self._wake_up.recv_bytes()
                    self._woken = False
            else:
                self._hear(speakers[speaker])

    def _hear(self, process: WorkerProcess) -> None:
        try:
            message = process.connection.recv_bytes()
        except (EOFError, OSError):
            self._remove_ended(process)
            return
        if process.verdict is not None:
            return  # what it says after it was killed is not heard
        if message == b"R":
            process.become_ready()
            self._failed_starts = self._killed_starts = 0
        elif message == b"B":
            process.begun = True
        elif message[:1] == b"P":
            _tell(process.job, message[1:])
        else:
            self._end_job(process, message)

    def _end_job(self, process: WorkerProcess, message: bytes) -> None:
        job = process.job
        assert job is not None
        outcome = _read_answer(message, process.result_file, job.read)
        process.finish()
        job.future.set_result(outcome)

    def _remove_ended(self, process: WorkerProcess) -> None:
        self._processes.remove(process)
        report = process.crash_report()
        outcome = process.clear_away()
        if process.job is not None and not process.begun and process.verdict is None:
            self._put_back(process.job)  # it died idle, with the job on its way
        elif process.job is not None:
            process.job.future.set_result(outcome)
        elif not process.ready and not self._closing:
            self._failed_start(report or getattr(outcome, "message", ""), killed=process.was_killed)

    def _keep_limits(self) -> None:
        now = time.monotonic()
        for process in tuple(self._processes):
            if now >= process.limit:
                process.kill(
                    timed_out(process.job.timeout_s) if process.job else Died("it was not ready in time")
                )
            if process.gone() and not process.connection.poll():
                self._remove_ended(process)  # its end of the pipe lives on in a child that it started
        if now - self._measured >= _TICK_S / 2:
            self._measured = now
            for process in self._processes:
                if process.job is not None and process.memory_mb() > self._memory_mb:
                    process.kill(Raised(too_much_memory(self._memory_mb), "", "MemoryError"))

    def _end(self, verdict: BadEnd | Stopped) -> None:
        with self._lock:
            self._closing = True
            jobs = [*self._cancelled, *self._queue]
            self._queue.clear()
        for process in self._processes:
            process.kill(verdict)
        while self._processes:
            self._remove_ended(self._processes[0])
        for job in jobs:
            job.future.set_result(verdict)
        if self._own is not None:
            self._own.remove()
        with self._lock:
            self._close_wake_up()


def _tell(job: Job[Any] | None, body: bytes) -> None:
    if job is None or job.on_progress is None:
        return
    try:
        job.on_progress(*plain.decode(io.BytesIO(body)))
    except Exception:  # noqa: BLE001 - their mistake must not end the pool
        _LOG.exception("a listener to progress failed")


def _read_answer(message: bytes, result_file: Path, read: Callable[[Any], V]) -> Outcome[V]:
    """What a worker's last message about a job says; values are read here, so that only plain data gets in."""
    try:
        if message[:1] == b"F":
            with result_file.open("rb") as file:
                return Done(read(plain.decode(file)))
        return read_message(message, read)
    except (OSError, ValueError, TypeError, KeyError) as error:
        return Died(f"the worker's answer cannot be read: {error}")
