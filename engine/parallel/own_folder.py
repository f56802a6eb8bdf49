"""A folder of one program for files that nobody needs after it, removed by the next program where this one was killed.

A lock tells whether a program still runs. The number of its process would not: programs in two containers share
BACKTEST_HOME, and neither sees the other's processes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

if sys.platform != "win32":
    import fcntl


class OwnFolder:
    """`path` is a new folder `KIND-...` inside `parent`; those of programs that were killed are removed first."""

    def __init__(self, parent: Path, kind: str) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        with _locked(parent):  # nobody sees a new folder before it is held
            for left in parent.glob(f"{kind}-*"):
                if not _is_used(left):
                    shutil.rmtree(left, ignore_errors=True)
            self.path = Path(tempfile.mkdtemp(prefix=f"{kind}-{os.getpid()}-", dir=parent))
            self._held = _hold(self.path)

    def remove(self) -> None:
        """Remove it. Safe to call twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _hold(folder: Path, *, wait: bool = False) -> int | None:
    """A descriptor that locks the folder as long as it is open; None where the file system, or Windows, knows no locks.

    Raises BlockingIOError where another program holds it and this one is not to wait.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def _is_used(folder: Path) -> bool:
    if sys.platform == "win32":
        pid = folder.name.split("-")[1]
        return not pid.isdecimal() or bool(psutil.pid_exists(int(pid)))
    try:
        descriptor = _hold(folder)
    except BlockingIOError:
        return True
    if descriptor is None:  # who cannot lock cannot know
        return True
    os.close(descriptor)
    return False


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    descriptor = _hold(parent, wait=True)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
