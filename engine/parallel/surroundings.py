"""What a job can change in its process and the next job must not see: put back, or else the process is replaced."""

import decimal
import gc
import io
import locale
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.reproduction import seed_random

_STREAMS: Final = (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w"))
_SIGNALS: Final = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGFPE")
    if hasattr(signal, name)
)
# where a stray assignment in one strategy would change the figures of the next
_WATCHED: Final = (
    ("builtins", None),
    ("math", None),
    ("numpy", None),
    ("pandas", None),
    ("pandas", "DataFrame"),
    ("pandas", "Series"),
    ("engine.strategy", None),
)


class Surroundings:
    """Taken once, when the process is ready; `around_job` keeps them for one job after another."""

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_RDWR)
        self._cwd = Path.cwd()
        self._environment = dict(os.environ)
        self._lists: list[tuple[Any, list[Any]]] = [
            (held, list(held)) for held in (sys.path, sys.meta_path, sys.path_hooks)
        ]
        self._modules = frozenset(sys.modules)
        self._locale = locale.setlocale(locale.LC_ALL)
        self._signals = {number: signal.getsignal(number) for number in _SIGNALS}
        self._umask = os.umask(0o077)  # the only way to read it is to set it
        os.umask(self._umask)
        self._threads = frozenset(threading.enumerate())
        self._hooks = sys.excepthook, threading.excepthook, sys.getrecursionlimit(), sys.dont_write_bytecode
        self._watched: list[tuple[Any, dict[str, Any]]] = []
        self._unwatched = set(_WATCHED)
        self._streams = {name: self._open(fd, mode) for name, fd, mode in _STREAMS}
        self.intact = True

    def _open(self, fd: int, mode: str) -> io.TextIOWrapper:
        stream = open(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        assert isinstance(stream, io.TextIOWrapper)
        return stream

    @contextmanager
    def around_job(self) -> Iterator[None]:
        """Start from equal surroundings, random seeds included; afterwards `intact` says whether they are back.

        Equal seeds make results independent of the order of jobs and of the number of workers.
        """
        self._attach_streams()
        self._watch()
        seed_random()
        try:
            with warnings.catch_warnings(), decimal.localcontext(decimal.DefaultContext), np.errstate():
                yield
        finally:
            try:
                self._restore()
                self.intact = not self._left_traces()
            except Exception:  # noqa: BLE001 - whatever it was, this process is not as it was
                self.intact = False

    def _attach_streams(self) -> None:
        for name, fd, mode in _STREAMS:
            os.dup2(self._null, fd)
            if self._streams[name].closed:
                self._streams[name] = self._open(fd, mode)
            setattr(sys, name, self._streams[name])
            setattr(sys, f"__{name}__", self._streams[name])

    def _restore(self) -> None:
        self._attach_streams()
        os.chdir(self._cwd)
        os.umask(self._umask)
        if os.environ != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
            getattr(time, "tzset", lambda: None)()
        self._forget_modules(set(sys.path) - set(self._lists[0][1]))
        for held, before in self._lists:
            if held != before:
                held[:] = before
        locale.setlocale(locale.LC_ALL, self._locale)
        for number, handler in self._signals.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        getattr(signal, "alarm", lambda _: None)(0)
        sys.excepthook, threading.excepthook = self._hooks[:2]
        sys.setrecursionlimit(self._hooks[2])
        sys.dont_write_bytecode = self._hooks[3]
        sys.settrace(None)
        sys.setprofile(None)
        gc.enable()

    def _forget_modules(self, folders: set[str]) -> None:
        """Drop the modules that were found in folders which the job put on `sys.path`: their files may change."""
        if not folders:
            return
        for name in sys.modules.keys() - self._modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and any(Path(file).is_relative_to(folder) for folder in folders):
                del sys.modules[name]

    def _watch(self) -> None:
        for module, attribute in [one for one in self._unwatched if one[0] in sys.modules]:
            self._unwatched.discard((module, attribute))
            held = sys.modules[module]
            held = getattr(held, attribute) if attribute else held
            self._watched.append((held, dict(vars(held))))

    def _left_traces(self) -> bool:
        """Whether something remains that only a new process is free of: threads, children, patched libraries."""
        return (
            not self._threads.issuperset(threading.enumerate())
            or _has_children()
            or any(_patched(held, before) for held, before in self._watched)
        )


def _patched(held: Any, before: dict[str, Any]) -> bool:
    now = vars(held)
    return any(now.get(name) is not value for name, value in before.items())


def _has_children() -> bool:
    if not hasattr(os, "WNOHANG"):
        return False
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
