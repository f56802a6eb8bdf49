"""A process that was forked and not started, as far as the standard library speaks of one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Final


class Forked:
    """A child of `os.fork`, as far as subprocess.Popen speaks of one."""

    def __init__(self, pid: int) -> None:
        self.pid: Final = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code once it has ended, the negative number of the signal where one ended it."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # ended and waited for with another that was kept (`end_children`)
                pid, status = self.pid, signal.SIGKILL
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        until, pause = time.monotonic() + timeout, 0.0002
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("fork", timeout)
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        return code
