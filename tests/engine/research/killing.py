"""A program at work on sweeps, killed where it happens to be."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from engine.model.run import RUNNING
from engine.service import Engine
from tests.support.plain_process import ROOT

_PATIENCE_S = 150.0


@contextmanager
def killed(
    engine: Engine, code: str, trial_s: str, statuses: Callable[[], Iterable[str]] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs `code` on the engine's database and home with two workers, until the block ends; `trial_s`: what a
    trial of its slow strategy takes. Behind it the database knows that it is gone: by `statuses`, without them of sweeps.
    """
    surroundings = os.environ | {
        "DATABASE_URL": str(engine.settings.database_url),
        "BACKTEST_HOME": str(engine.settings.home),
        "BACKTEST_WORKERS": "2",
        "TRIAL_S": trial_s,
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=surroundings, cwd=ROOT)
    try:
        yield process
    finally:
        kill(process, statuses or (lambda: [sweep.status for sweep in engine.research.sweeps()]))


def kill(process: subprocess.Popen[bytes], statuses: Callable[[], Iterable[str]]) -> None:
    """Kill a program, and wait until nothing of it counts as running: the database knows once it has read the end of its
    sockets.
    """
    process.kill()
    process.wait()
    deadline = time.monotonic() + _PATIENCE_S
    while RUNNING in statuses() and time.monotonic() < deadline:
        time.sleep(0.05)


def wait_for_sweeps(engine: Engine, process: subprocess.Popen[bytes], count: int, done: int = 0) -> None:
    """Until so many sweeps are stored, each with at least so many trials."""
    wait_until(process, lambda: len([one for one in engine.research.sweeps() if one.done >= done]) >= count)


def wait_until(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    """Until something has happened that a program at work makes happen."""
    deadline = time.monotonic() + _PATIENCE_S
    while not happened():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
