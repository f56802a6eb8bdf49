"""Homes with an embedded server, as tests look at them: the server's process, and other programs that use it."""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from engine.database import embedded
from engine.database.embedded import release_embedded
from engine.database.store import Store
from engine.errors import DatabaseError

PROJECT = Path(__file__).parents[3]

PROGRAM = """
import sys
from pathlib import Path
from engine.database.embedded import start_embedded
from engine.database.store import Store
store = Store(start_embedded(Path(sys.argv[1])))
store.migrate()
print("ready", flush=True)
for line in sys.stdin:
    store.exchanges.save_clock_offset("binance", int(line))
    print(store.exchanges.clock_offset_ms("binance"), flush=True)
"""


class Program:
    """Another program that uses the server of a home until it is ended."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def writes(self, number: int) -> bool:
        """Whether it can still use the database."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        return self.line() == str(number)

    def end(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def cluster_of(home: Path) -> Path:
    return embedded._cluster_folder(home)


def server_of(home: Path) -> psutil.Process | None:
    """The living server process of a home."""
    cluster = cluster_of(home)
    pid = embedded._postmaster_pid(cluster)
    return psutil.Process(pid) if pid is not None and embedded._is_running(cluster) else None


def running(home: Path) -> psutil.Process:
    server = server_of(home)
    assert server is not None
    return server


def eventually(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def discard(home: Path) -> None:
    """End the server of a home however it stands, and delete its data wherever that is."""
    with contextlib.suppress(DatabaseError, OSError):
        release_embedded(home)
    cluster = cluster_of(home)
    server = server_of(home)
    if server is not None:
        server.kill()
        eventually(lambda: server_of(home) is None)
    for path in (cluster, Path(f"{cluster}.lock"), Path(f"{cluster}.users")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def remember(url: str, number: int) -> None:
    with contextlib.closing(Store(url)) as store:
        store.migrate()
        store.exchanges.save_clock_offset("binance", number)


def recall(url: str) -> int | None:
    with contextlib.closing(Store(url)) as store:
        return store.exchanges.clock_offset_ms("binance")
