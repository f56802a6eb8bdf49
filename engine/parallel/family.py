"""Processes and what descends from them: found and ended, also those that made a session of their own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from typing import Final

import psutil

_LINUX: Final = sys.platform == "linux"
_SET_PARENT_DEATH_SIGNAL: Final = 1  # of Linux's prctl
_SET_CHILD_SUBREAPER: Final = 36
_LIMIT_S: Final = 2.0  # a program that starts others faster than they are ended is left to the next time


def adopt_orphans() -> None:
    """Have whatever descends from this process, and has lost its parent, become its own child (Linux): so it is found."""
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wake_with_parents_end() -> None:
    """Have the system let this process go on when its parent ends (Linux): `end_tree` stops it first, and a program that is
    killed between the two would leave it stopped for good.
    """
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGCONT, 0, 0, 0)


def end_after_pipe(descriptor: int) -> None:
    """Have the system end this process soon after the other end of a pipe was closed, also where it hangs in native code and
    runs no more Python (Linux). What ends it in order is quicker: the signal's number, 3, is what its handler, the C
    library's `alarm`, takes for seconds.
    """
    if sys.platform != "linux":
        return
    import fcntl

    library = ctypes.CDLL(None)
    library.signal.argtypes, library.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    library.signal(signal.SIGQUIT, ctypes.cast(library.alarm, ctypes.c_void_p))
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGQUIT)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)


def die_with_parent(parent: int) -> None:
    """Have the system kill this process when its parent of that number ends, however it ends (Linux)."""
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    # on Windows an environment's python.exe starts another one, so the parent is not who asked for this process
    if sys.platform != "win32" and os.getppid() != parent:
        os._exit(1)


def end_tree(pid: int) -> None:
    """Kill a process and all that descends from it, and return when they are dead or, being nobody's child, as good as.

    On Linux it is stopped first: so it starts nothing more, and where it adopts orphans (`adopt_orphans`) they come to it
    and are found as well. Elsewhere nothing would wake it (`wake_with_parents_end`) if this program were killed meanwhile.
    """
    until = time.monotonic() + _LIMIT_S
    try:
        root = psutil.Process(pid)
        if _LINUX:
            root.suspend()
        while _kill(root.children(recursive=True)) and time.monotonic() < until:
            time.sleep(0.001)
    except psutil.NoSuchProcess:
        return
    except (psutil.Error, OSError):
        pass  # not ours to look at
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def end_children() -> None:
    """Kill all that descends from this process, orphans that it adopted included, until nothing is left."""
    if not hasattr(os, "WNOHANG"):
        _kill(psutil.Process().children(recursive=True))
        return
    until = time.monotonic() + _LIMIT_S
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        _kill(psutil.Process().children(recursive=True))
        time.sleep(0.001)


def _kill(processes: list[psutil.Process]) -> bool:
    """Kill them; whether any was alive."""
    alive = False
    for one in processes:
        with contextlib.suppress(psutil.Error):
            if one.status() != psutil.STATUS_ZOMBIE:
                one.kill()
                alive = True
    return alive


def memory_mb(pid: int) -> float:
    """How much of the machine's memory a process holds; 0 once it has ended."""
    try:
        return float(psutil.Process(pid).memory_info().rss / 2**20)
    except psutil.Error:
        return 0.0
