"""One worker process as the pool sees it: how it is started, spoken to, killed, and what its end means."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from engine.parallel.family import end_tree, memory_mb
from engine.parallel.interpreter import start_interpreter
from engine.parallel.job import BadEnd, Died, Job, Stopped, cause_of_death, timed_out
from engine.parallel.worker import INLINE_BYTES, Task

_START_LIMIT_S: Final = 120.0
_GRACE_S: Final = 2.5  # the watches in the worker strike first: they can say where the job hangs
_numbers = itertools.count()


class WorkerProcess:
    """Owned by the pool's supervising thread.

    `job` is what it does now, `begun` whether the job has reached it, `verdict` why it was killed.
    """

    def __init__(
        self, folder: Path, memory_mb: int, preload: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.ready = False
        self.begun = False
        self.job: Job[Any] | None = None
        self.verdict: BadEnd | Stopped | None = None
        self.limit = time.monotonic() + _START_LIMIT_S
        number = next(_numbers)
        self.result_file = folder / f"result-{number}"
        self._payload_file = folder / f"payload-{number}"
        self._crash_file = folder / f"crash-{number}"
        self._scratch = folder / f"worker-{number}"
        self._scratch.mkdir()
        self.connection, theirs = multiprocessing.Pipe()
        try:
            with theirs, self._crash_file.open("ab+") as crash_report:
                handle = theirs.fileno()
                arguments = f"{handle}, {str(self._scratch)!r}, {memory_mb}, {list(preload)!r}"
                self._process = start_interpreter(
                    f"from engine.parallel.worker import main; main({arguments})",
                    handle,
                    crash_report,
                    {**os.environ, **environment},
                )
        except BaseException:
            self.connection.close()
            raise

    @property
    def idle(self) -> bool:
        """Whether a job may be sent."""
        return self.ready and self.job is None and self.verdict is None

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return self._process.pid

    @property
    def was_killed(self) -> bool:
        """Whether it was ended from outside."""
        return self._process.returncode == -9

    def become_ready(self) -> None:
        """The process has said that it takes jobs."""
        self.ready, self.limit = True, float("inf")

    def begin(self, job: Job[Any]) -> None:
        """Send a job; raises OSError when the process has gone, in which case the job has not begun."""
        payload_file = ""
        if len(job.payload) > INLINE_BYTES:
            self._payload_file.write_bytes(job.payload)
            payload_file = str(self._payload_file)
        task = Task(
            job.function,
            b"" if payload_file else job.payload,
            payload_file,
            str(self.result_file),
            job.timeout_s,
        )
        self.connection.send_bytes(pickle.dumps(tuple(task)))
        self.job, self.begun = job, False
        self.limit = (
            time.monotonic() + job.timeout_s + _GRACE_S if job.timeout_s is not None else float("inf")
        )

    def finish(self) -> None:
        """The job has ended and the process goes on: remove the job's files."""
        self.job, self.limit = None, float("inf")
        self._remove(self.result_file, self._payload_file)

    def kill(self, verdict: BadEnd | Stopped) -> None:
        """End the process now; its pipe will tell when it has."""
        if self.verdict is None:
            self.verdict, self.limit = verdict, float("inf")
            if not self.gone():
                end_tree(self._process.pid)

    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def memory_mb(self) -> float:
        """How much of the machine's memory it holds; 0 once it has ended."""
        return memory_mb(self._process.pid)

    def clear_away(self) -> BadEnd | Stopped:
        """Take the process off the system and say what its end means for its job."""
        closed_its_pipe = not self._wait(0.5)
        if closed_its_pipe:
            end_tree(self._process.pid)
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.connection.close()
        report = self.crash_report()
        self._remove(self.result_file, self._payload_file, self._crash_file)
        shutil.rmtree(self._scratch, ignore_errors=True)
        if self.verdict is not None:
            return self.verdict
        if self.job is not None and report.startswith("Timeout"):
            return timed_out(self.job.timeout_s, report)
        if closed_its_pipe:
            return Died("worker was ended: the job closed files that it had not opened", report)
        return Died(cause_of_death(self._process.returncode), report)

    def _wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def crash_report(self) -> str:
        """What the interpreter wrote when it died: the Python stack at a crash or a time-out, or why it did not start."""
        with contextlib.suppress(OSError), self._crash_file.open("rb") as file:
            return file.read(20_000).decode(errors="replace")
        return ""

    @staticmethod
    def _remove(*files: Path) -> None:
        for file in files:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
